#include "tokenize/unigram.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/format.h"
#include "base/utf8.h"
#include "format/config_reader.h"
#include "format/json.h"
#include "tokenize/piece_trie.h"

namespace moiety {
namespace {

using nlohmann::json;

constexpr int32_t kNoPiece = Vocabulary::kNone;
// How much less likely than every piece an unknown character is.
constexpr double kUnknownPenalty = 10;

double PowerOfTen(int exponent) {
  static const std::vector<double> kPowers = [] {
    std::vector<double> powers;
    for (int i = 0; i <= 308; ++i) powers.push_back(std::stod("1e" + std::to_string(i)));
    return powers;
  }();
  return kPowers[static_cast<size_t>(exponent)];
}

// The score as the reference reads its decimal digits: all of them as an integer, rounded to a
// double, times or divided by a power of ten, rounded again. That can be one unit in the last place
// from the nearest double, which decides between cuts whose scores are the same pieces in another
// order ("." "..." and "..." "."). The digits of the file are taken to be the shortest that name
// the number, as every writer of these files makes them.
double AsTheReferenceReads(double score) {
  char text[32];  // "-1.2345678901234567e-308"
  const char* end =
      std::to_chars(text, text + sizeof(text), std::abs(score), std::chars_format::scientific).ptr;
  const char* const e = std::find(static_cast<const char*>(text), end, 'e');
  uint64_t digits = 0;
  for (const char* c = text; c != e; ++c) {
    if (*c != '.') digits = 10 * digits + static_cast<uint64_t>(*c - '0');
  }
  int exponent = 0;
  std::from_chars(e + (e[1] == '+' ? 2 : 1), end, exponent);
  if (e - text > 2) exponent -= static_cast<int>(e - text) - 2;  // the digits behind the point
  auto value = static_cast<double>(digits);
  for (; exponent < -308; exponent += 308) value /= PowerOfTen(308);
  value = exponent < 0 ? value / PowerOfTen(-exponent) : value * PowerOfTen(exponent);
  return std::signbit(score) ? -value : value;
}

class Unigram : public TokenModel {
 public:
  Unigram() = default;
  Status Load(const Component& component);

  const Vocabulary& vocabulary() const override { return vocabulary_; }

  void Encode(const Words& words, std::vector<int32_t>& ids) const override {
    std::vector<Cut> cuts;
    size_t begin = 0;
    for (const size_t end : words.ends) {
      const std::string_view word = std::string_view(words.text).substr(begin, end - begin);
      FindBestCuts(word, cuts);
      AppendIds(word, cuts, ids);
      begin = end;
    }
  }

 private:
  // The best way to cut the text up to a place: its last piece and the sum of scores.
  struct Cut {
    double score = 0;
    int32_t id = kNoPiece;
    uint32_t length = 0;  // of the last piece in bytes; 0 while no way is known
  };

  Status LoadVocabulary(const Component& component);
  void FindBestCuts(std::string_view word, std::vector<Cut>& cuts) const;
  void AppendIds(std::string_view word, const std::vector<Cut>& cuts,
                 std::vector<int32_t>& ids) const;
  void AppendUnknown(std::string_view text, std::vector<int32_t>& reversed_ids) const;

  Vocabulary vocabulary_{0};
  PieceTrie trie_;
  std::vector<double> scores_;  // by id
  double unknown_score_ = 0;
  int32_t unknown_ = kNoPiece;
  bool byte_fallback_ = false;
  std::array<int32_t, 256> bytes_{};  // "<0x00>" …, kNoPiece where the vocabulary lacks one
};

// Viterbi's algorithm from the left. In the order of the reference: sums start at the left, and a
// later way must be better, not equal, to replace an earlier one.
void Unigram::FindBestCuts(std::string_view word, std::vector<Cut>& cuts) const {
  cuts.assign(word.size() + 1, Cut());
  const auto offer = [&](size_t end, double score, int32_t id, size_t length) {
    Cut& cut = cuts[end];
    if (cut.length == 0 || score > cut.score) cut = {score, id, static_cast<uint32_t>(length)};
  };
  size_t begin = 0;
  while (begin < word.size()) {
    const size_t character = Utf8Length(word[begin]);
    const double score = cuts[begin].score;
    bool has_character = false;
    PieceTrie::Node node = PieceTrie::kRoot;
    for (size_t end = begin; end < word.size();) {
      node = trie_.Child(node, static_cast<uint8_t>(word[end]));
      if (node == PieceTrie::kNoNode) break;
      ++end;
      const int32_t id = trie_.Id(node);
      if (id == kNoPiece) continue;
      offer(end, score + scores_[static_cast<size_t>(id)], id, end - begin);
      has_character = has_character || end - begin == character;
    }
    if (!has_character) offer(begin + character, score + unknown_score_, unknown_, character);
    begin += character;
  }
}

void Unigram::AppendIds(std::string_view word, const std::vector<Cut>& cuts,
                        std::vector<int32_t>& ids) const {
  const size_t first = ids.size();
  size_t unknown_end = 0;  // of the unknown text right of `end`, which goes on to here
  size_t end = word.size();
  while (end > 0) {
    const Cut& cut = cuts[end];
    if (cut.id == unknown_) {
      unknown_end = std::max(unknown_end, end);
    } else {
      if (unknown_end > end) AppendUnknown(word.substr(end, unknown_end - end), ids);
      unknown_end = 0;
      ids.push_back(cut.id);
    }
    end -= cut.length;
  }
  if (unknown_end > 0) AppendUnknown(word.substr(0, unknown_end), ids);
  std::reverse(ids.begin() + static_cast<ptrdiff_t>(first), ids.end());
}

// The text is a run of unknown characters, and of the unknown token where it is spelled out. It may
// be a piece all the same, one whose characters scored better than itself.
void Unigram::AppendUnknown(std::string_view text, std::vector<int32_t>& reversed_ids) const {
  const int32_t id = vocabulary_.Find(text);
  const auto byte_id = [&](char byte) { return bytes_[static_cast<uint8_t>(byte)]; };
  if (id != kNoPiece) {
    reversed_ids.push_back(id);
  } else if (byte_fallback_ && std::all_of(text.begin(), text.end(),
                                           [&](char byte) { return byte_id(byte) != kNoPiece; })) {
    std::transform(text.rbegin(), text.rend(), std::back_inserter(reversed_ids), byte_id);
  } else {
    reversed_ids.push_back(unknown_);
  }
}

Status Unigram::Load(const Component& component) {
  MOIETY_RETURN_IF_ERROR(CheckFields(component, {"vocab"}, {"unk_id", "byte_fallback"}));
  MOIETY_RETURN_IF_ERROR(LoadVocabulary(component));
  ConfigReader reader(component.json, component.where);
  byte_fallback_ = reader.BoolOr("byte_fallback", false);
  if (reader.Missing("unk_id")) {
    reader.FailUnsupported("unk_id", "must be given");
  } else {
    unknown_ = static_cast<int32_t>(reader.Int("unk_id", 0, int64_t{vocabulary_.end_id()} - 1));
  }
  MOIETY_RETURN_IF_ERROR(reader.status());
  unknown_score_ = *std::min_element(scores_.begin(), scores_.end()) - kUnknownPenalty;
  bytes_ = vocabulary_.FindByteTokens();
  return OkStatus();
}

Status Unigram::LoadVocabulary(const Component& component) {
  const json& list = component.json["vocab"];
  if (!list.is_array() || list.empty()) {
    return InvalidData(Format("{}: \"vocab\" must be a list with at least one token, found {}",
                              component.where, ShowJson(list)));
  }
  vocabulary_ = Vocabulary(list.size());
  scores_.reserve(list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    const json& entry = list[i];
    const bool is_pair =
        entry.is_array() && entry.size() == 2 && entry[0].is_string() && entry[1].is_number();
    if (!is_pair || !std::isfinite(entry[1].get<double>())) {
      return InvalidData(Format("{}: \"vocab\"[{}] must be a token and its score, found {}",
                                component.where, i, ShowJson(entry)));
    }
    MOIETY_RETURN_IF_ERROR(
        vocabulary_.Add(entry[0].get_ref<const std::string&>(), static_cast<int64_t>(i))
            .WithContext(component.where + ": \"vocab\""));
    scores_.push_back(AsTheReferenceReads(entry[1].get<double>()));
  }
  Result<PieceTrie> trie = PieceTrie::Build(vocabulary_);
  if (!trie.ok()) return std::move(trie).status().WithContext(component.where + ": \"vocab\"");
  trie_ = *std::move(trie);
  return OkStatus();
}

}  // namespace

Result<std::unique_ptr<const TokenModel>> MakeUnigram(const Component& component) {
  auto unigram = std::make_unique<Unigram>();
  MOIETY_RETURN_IF_ERROR(unigram->Load(component));
  return std::unique_ptr<const TokenModel>(std::move(unigram));
}

}  // namespace moiety
