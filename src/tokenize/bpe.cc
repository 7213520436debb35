#include "tokenize/bpe.h"

#include <algorithm>
#include <array>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/format.h"
#include "base/utf8.h"
#include "format/config_reader.h"
#include "format/json.h"
#include "tokenize/merge_table.h"
#include "tokenize/vocabulary_reader.h"
#include "tokenize/word_cache.h"

namespace moiety {
namespace {

using nlohmann::json;

constexpr int32_t kNone = Vocabulary::kNone;
// Clearing the cache costs as much as a few kilobytes of text.
constexpr size_t kMinCachedText = 4096;

// What merging needs, and nothing of the text.
struct Merges {
  MergeTable table;
  std::vector<int32_t> merged;  // by rank: the id that the pair becomes
};

// Merges the symbols of one word, in segments. Two neighbouring characters that stand next to each
// other in no token that merges can make are never merged into one, and neither is what is left
// and right of them; so the word may be cut there and the segments merged one by one, with the same
// result. "▁the▁cat" falls apart before each "▁" (unless a token has one inside), which keeps
// segments as short as words even where the whole text is one word.
class Merger {
 public:
  Merger(const Merges& merges, std::vector<int32_t>& out) : merges_(merges), out_(out) {}

  void Add(int32_t symbol) {
    if (!symbols_.empty()) {
      const uint32_t rank = merges_.table.Rank(symbols_.back(), symbol);
      if (rank == MergeTable::kNoPair || symbols_.size() == kMaxSegment) {
        EndSegment();
      } else {
        ranks_.push_back(rank);
      }
    }
    symbols_.push_back(symbol);
  }

  // Merges what was added and appends it to the output.
  void EndSegment() {
    if (symbols_.size() <= kShort) {
      MergeShort();
    } else {
      MergeLong();
    }
    symbols_.clear();
    ranks_.clear();
  }

 private:
  // Nearly all segments are this short: their ranks fit three cache lines and are scanned.
  static constexpr size_t kShort = 40;
  // Positions have 32 bits. A segment of that length would need 100 GB; it is cut.
  static constexpr size_t kMaxSegment = UINT32_MAX - 1;
  static constexpr uint32_t kNoMerge = MergeTable::kNoMerge;

  uint32_t Rank(int32_t left, int32_t right) const {
    return std::min(merges_.table.Rank(left, right), kNoMerge);
  }

  // Quadratic in at most kShort symbols. ranks_[i] is the rank of symbols i and i + 1.
  void MergeShort() {
    while (!ranks_.empty()) {
      const auto lowest = std::min_element(ranks_.begin(), ranks_.end());  // the leftmost of equals
      if (*lowest == kNoMerge) break;
      const auto i = static_cast<size_t>(lowest - ranks_.begin());
      symbols_[i] = merges_.merged[*lowest];
      symbols_.erase(symbols_.begin() + static_cast<ptrdiff_t>(i) + 1);
      ranks_.erase(lowest);
      if (i > 0) ranks_[i - 1] = Rank(symbols_[i - 1], symbols_[i]);
      if (i < ranks_.size()) ranks_[i] = Rank(symbols_[i], symbols_[i + 1]);
    }
    out_.insert(out_.end(), symbols_.begin(), symbols_.end());
  }

  // O(n log n): a heap of (rank, position) over a linked list. ranks_[i] is the rank of symbol i
  // and the next one in the list; heap entries that no longer agree with it are stale. A symbol
  // that was merged into the one before it has no rank.
  void MergeLong() {
    const auto end = static_cast<uint32_t>(symbols_.size());
    ranks_.push_back(kNoMerge);
    next_.resize(end);
    previous_.resize(end);
    heap_.clear();
    for (uint32_t i = 0; i < end; ++i) {
      next_[i] = i + 1;
      previous_[i] = i - 1;  // of the first never looked at
      if (ranks_[i] != kNoMerge) heap_.push_back(Candidate(ranks_[i], i));
    }
    std::make_heap(heap_.begin(), heap_.end(), std::greater<>());
    while (!heap_.empty()) {
      const uint64_t best = heap_.front();
      std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
      heap_.pop_back();
      const auto rank = static_cast<uint32_t>(best >> 32);
      const auto left = static_cast<uint32_t>(best);
      if (ranks_[left] != rank) continue;
      const uint32_t right = next_[left];
      const uint32_t after = next_[right];
      symbols_[left] = merges_.merged[rank];
      ranks_[right] = kNoMerge;
      next_[left] = after;
      if (after != end) previous_[after] = left;
      Rerank(left, after);
      if (left > 0) Rerank(previous_[left], left);
    }
    for (uint32_t i = 0; i != end; i = next_[i]) out_.push_back(symbols_[i]);
  }

  void Rerank(uint32_t left, uint32_t right) {
    ranks_[left] = right == symbols_.size() ? kNoMerge : Rank(symbols_[left], symbols_[right]);
    if (ranks_[left] == kNoMerge) return;
    heap_.push_back(Candidate(ranks_[left], left));
    std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
  }

  static uint64_t Candidate(uint32_t rank, uint32_t position) {
    return uint64_t{rank} << 32 | position;
  }

  const Merges& merges_;
  std::vector<int32_t>& out_;
  std::vector<int32_t> symbols_;
  std::vector<uint32_t> ranks_;
  std::vector<uint32_t> next_;
  std::vector<uint32_t> previous_;
  std::vector<uint64_t> heap_;
};

class Bpe : public TokenModel {
 public:
  Bpe() = default;
  Status Load(const Component& component);

  const Vocabulary& vocabulary() const override { return vocabulary_; }

  void Encode(const Words& words, std::vector<int32_t>& ids) const override;

 private:
  Status LoadMerges(const Component& component);
  void FindSymbols();
  void AddNeighbours(std::string_view left, std::string_view right);

  int32_t SymbolOf(std::string_view character) const {
    const auto lead = static_cast<uint8_t>(character[0]);
    return lead < ascii_.size() ? ascii_[lead] : vocabulary_.Find(character);
  }
  void EncodeWord(std::string_view word, Merger& merger, std::vector<int32_t>& ids) const;
  void FindStarter();
  size_t NextCut(std::string_view text, size_t begin, size_t end) const;

  Vocabulary vocabulary_{0};
  Merges merges_;
  int32_t unknown_ = kNone;
  bool fuse_unknown_ = false;
  bool byte_fallback_ = false;
  bool ignore_merges_ = false;
  std::array<int32_t, 128> ascii_{};  // the symbol of each ASCII character
  // The character that most tokens start with of those that stand behind no other character in any
  // token ("▁"; empty: there is none). Words are cut before it: the segments of Merger, found
  // early, so that they can be looked up.
  std::string starter_;
  std::vector<bool> follows_another_;  // by symbol: does it in some token? Until FindStarter.
  std::array<int32_t, 256> bytes_{};   // the symbol of each byte, "<0x00>" …
};

void Bpe::Encode(const Words& words, std::vector<int32_t>& ids) const {
  const std::string_view text = words.text;
  Merger merger(merges_, ids);
  std::optional<WordCache> cache;
  if (text.size() >= kMinCachedText) cache.emplace();
  const auto encode = [&](size_t begin, size_t end) {
    const std::string_view word = text.substr(begin, end - begin);
    if (!cache.has_value() || word.size() > WordKey::kMaxBytes) {
      EncodeWord(word, merger, ids);
      return;
    }
    const WordKey key = WordKey::Of(text, begin, word.size());
    if (cache->Append(key, ids)) return;
    const size_t first = ids.size();
    EncodeWord(word, merger, ids);
    cache->Set(key, ids, first);
  };
  size_t begin = 0;
  for (const size_t end : words.ends) {
    if (!starter_.empty() && end - begin > WordKey::kMaxBytes) {
      for (size_t cut = NextCut(text, begin, end); cut < end; cut = NextCut(text, begin, end)) {
        encode(begin, cut);
        begin = cut;
      }
    }
    encode(begin, end);
    begin = end;
  }
}

// The first place behind `begin` where the starter stands behind another character; `end` if there
// is none.
size_t Bpe::NextCut(std::string_view text, size_t begin, size_t end) const {
  const std::string_view word = text.substr(0, end);
  size_t at = begin;
  while (word.substr(at).starts_with(starter_)) at += starter_.size();
  return std::min(word.find(starter_, at), end);
}

// Same order of steps as the reference, also where it surprises: an unknown character that waits to
// be fused is placed behind the bytes of characters that follow it.
void Bpe::EncodeWord(std::string_view word, Merger& merger, std::vector<int32_t>& ids) const {
  if (ignore_merges_) {
    if (const int32_t id = vocabulary_.Find(word); id != kNone) {
      ids.push_back(id);
      return;
    }
  }
  bool pending_unknown = false;
  while (!word.empty()) {
    const std::string_view character = word.substr(0, Utf8Length(word[0]));
    word.remove_prefix(character.size());
    const int32_t symbol = SymbolOf(character);
    if (symbol != kNone) {
      if (pending_unknown) merger.Add(unknown_);
      pending_unknown = false;
      merger.Add(symbol);
      continue;
    }
    const auto byte_symbol = [&](char byte) { return bytes_[static_cast<uint8_t>(byte)]; };
    if (byte_fallback_ && std::all_of(character.begin(), character.end(),
                                      [&](char byte) { return byte_symbol(byte) != kNone; })) {
      for (const char byte : character) merger.Add(byte_symbol(byte));
    } else if (unknown_ != kNone) {
      if (pending_unknown && !fuse_unknown_) merger.Add(unknown_);
      pending_unknown = true;
    }  // Without an unknown token the character is dropped, as in the reference.
  }
  if (pending_unknown) merger.Add(unknown_);
  merger.EndSegment();
}

Status Bpe::Load(const Component& component) {
  MOIETY_RETURN_IF_ERROR(
      CheckFields(component, {"vocab", "merges"},
                  {"dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix",
                   "fuse_unk", "byte_fallback", "ignore_merges"}));
  ConfigReader reader(component.json, component.where);
  if (reader.FloatOr("dropout", 0) != 0) {
    reader.FailUnsupported("dropout", "other than 0 is not supported");
  }
  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!reader.StringOr(affix, "").empty()) {
      reader.FailUnsupported(affix, "is not supported, found " + ShowJson(component.json[affix]));
    }
  }
  fuse_unknown_ = reader.BoolOr("fuse_unk", false);
  byte_fallback_ = reader.BoolOr("byte_fallback", false);
  ignore_merges_ = reader.BoolOr("ignore_merges", false);
  const bool has_unknown = !reader.Missing("unk_token");
  MOIETY_RETURN_IF_ERROR(reader.status());

  MOIETY_ASSIGN_OR_RETURN(vocabulary_, ReadVocabulary(component));
  if (has_unknown) {
    MOIETY_ASSIGN_OR_RETURN(unknown_, ReadUnknownToken(component, vocabulary_));
  }
  FindSymbols();
  return LoadMerges(component);
}

void Bpe::FindSymbols() {
  for (size_t i = 0; i < ascii_.size(); ++i) {
    const char character = static_cast<char>(i);
    ascii_[i] = vocabulary_.Find({&character, 1});
  }
  if (byte_fallback_) {
    bytes_ = vocabulary_.FindByteTokens();
  } else {
    bytes_.fill(kNone);
  }
}

// Tokens made from `left` and `right` have a place where the last symbol of `left` meets the first
// of `right`. A token's first symbol is its first character, or for tokens whose spelling starts
// like a byte or like the unknown token possibly that; the last one likewise.
void Bpe::AddNeighbours(std::string_view left, std::string_view right) {
  if (left.empty() || right.empty()) return;
  const std::string_view unknown = vocabulary_.Piece(unknown_);
  constexpr size_t kByteLength = 6;  // "<0x00>"

  size_t last_character = left.size() - 1;
  while (IsUtf8Continuation(left[last_character])) --last_character;
  std::array<int32_t, 3> ends = {vocabulary_.Find(left.substr(last_character)), kNone, kNone};
  std::array<int32_t, 3> starts = {vocabulary_.Find(right.substr(0, Utf8Length(right[0]))), kNone,
                                   kNone};
  if (byte_fallback_ && left.size() >= kByteLength && left.back() == '>') {
    ends[1] = vocabulary_.Find(left.substr(left.size() - kByteLength));
  }
  if (byte_fallback_ && right.starts_with("<0x")) {
    starts[1] = vocabulary_.Find(right.substr(0, kByteLength));
  }
  if (left.ends_with(unknown)) ends[2] = unknown_;
  if (right.starts_with(unknown)) starts[2] = unknown_;
  for (const int32_t end : ends) {
    for (const int32_t start : starts) {
      if (end != kNone && start != kNone && end != start) {
        follows_another_[static_cast<size_t>(start)] = true;
      }
      if (end != kNone && start != kNone && merges_.table.Rank(end, start) == MergeTable::kNoPair) {
        merges_.table.Set(end, start, MergeTable::kNoMerge);
      }
    }
  }
}

void Bpe::FindStarter() {
  // A word that is a token is not cut by these rules.
  if (ignore_merges_) return;
  std::vector<int32_t> num_started(follows_another_.size(), 0);
  int32_t most = 0;
  for (int32_t id = 0; id < vocabulary_.end_id(); ++id) {
    const std::string_view piece = vocabulary_.Piece(id);
    if (piece.empty() || piece.size() == Utf8Length(piece[0])) continue;
    const std::string_view first = piece.substr(0, Utf8Length(piece[0]));
    const int32_t symbol = vocabulary_.Find(first);
    if (symbol == kNone || follows_another_[static_cast<size_t>(symbol)]) continue;
    if (++num_started[static_cast<size_t>(symbol)] > most) {
      most = num_started[static_cast<size_t>(symbol)];
      starter_ = first;
    }
  }
  follows_another_ = {};
}

Status Bpe::LoadMerges(const Component& component) {
  const json& list = component.json["merges"];
  if (!list.is_array()) {
    return InvalidData(
        Format("{}: \"merges\" must be a list, found {}", component.where, ShowJson(list)));
  }
  if (list.size() >= MergeTable::kNoMerge) {
    return Unsupported(Format("{}: \"merges\" has more than 2^32 - 3 entries", component.where));
  }
  merges_.merged.assign(list.size(), kNone);
  std::vector<std::pair<int32_t, int32_t>> pairs(list.size(), {kNone, kNone});
  for (size_t rank = 0; rank < list.size(); ++rank) {
    const auto refuse = [&](std::string_view message) {
      return InvalidData(Format("{}: \"merges\"[{}] {}, found {}", component.where, rank, message,
                                ShowJson(list[rank])));
    };
    const json& entry = list[rank];
    std::string left;
    std::string right;
    if (entry.is_array() && entry.size() == 2 && entry[0].is_string() && entry[1].is_string()) {
      left = entry[0].get<std::string>();
      right = entry[1].get<std::string>();
    } else if (entry.is_string()) {
      const std::string& text = entry.get_ref<const std::string&>();
      if (text.starts_with("#version")) continue;  // the first line of an old merges.txt
      const size_t space = text.find(' ');
      if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos) {
        return refuse("must be two tokens with one space between them");
      }
      left = text.substr(0, space);
      right = text.substr(space + 1);
    } else {
      return refuse("must be a pair of tokens");
    }
    pairs[rank] = {vocabulary_.Find(left), vocabulary_.Find(right)};
    merges_.merged[rank] = vocabulary_.Find(left + right);
    if (pairs[rank].first == kNone || pairs[rank].second == kNone) {
      return refuse("must name two tokens of the vocabulary");
    }
    if (merges_.merged[rank] == kNone) return refuse("must result in a token of the vocabulary");
  }

  follows_another_.assign(static_cast<size_t>(vocabulary_.end_id()), false);
  for (size_t rank = 0; rank < pairs.size(); ++rank) {
    const auto [left, right] = pairs[rank];
    if (left == kNone) continue;
    // A pair that is listed twice has its last rank, as in the reference.
    merges_.table.Set(left, right, static_cast<uint32_t>(rank));
    AddNeighbours(vocabulary_.Piece(left), vocabulary_.Piece(right));
  }
  FindStarter();
  return OkStatus();
}

}  // namespace

Result<std::unique_ptr<const TokenModel>> MakeBpe(const Component& component) {
  auto bpe = std::make_unique<Bpe>();
  MOIETY_RETURN_IF_ERROR(bpe->Load(component));
  return std::unique_ptr<const TokenModel>(std::move(bpe));
}

}  // namespace moiety
