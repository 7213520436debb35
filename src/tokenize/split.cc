#include "tokenize/split.h"

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/format.h"
#include "base/utf8.h"
#include "format/config_reader.h"
#include "format/json.h"
#include "tokenize/regex.h"
#include "tokenize/split_words.h"
#include "tokenize/unicode.h"
#include "tokenize/word_cache.h"

namespace moiety {
namespace {

constexpr size_t kManyWords = 256;

// A pattern, as a regular expression or a text.
class Split : public PreTokenizer {
 public:
  Split(Regex regex, SplitBehavior behavior, bool invert)
      : regex_(std::move(regex)), behavior_(behavior), invert_(invert) {}

  Status Apply(Words& words) const override {
    Regex::Finder finder(regex_);
    const auto search = [&](std::string_view word, std::vector<Regex::Match>& matches) {
      finder.Reset(word);
      Regex::Match match;
      while (finder.Next(&match)) matches.push_back(match);
      return finder.status();
    };
    if (words.ends.size() < kManyWords) return SplitWords(words, behavior_, invert_, search);
    // Behind another split most words have no match, again and again.
    WordSet unmatched;
    return SplitWords(words, behavior_, invert_,
                      [&](std::string_view word, std::vector<Regex::Match>& matches) {
                        if (word.size() > WordKey::kMaxBytes) return search(word, matches);
                        const auto begin = static_cast<size_t>(word.data() - words.text.data());
                        const WordKey key = WordKey::Of(words.text, begin, word.size());
                        if (unmatched.Contains(key)) return OkStatus();
                        MOIETY_RETURN_IF_ERROR(search(word, matches));
                        if (matches.empty()) unmatched.Add(key);
                        return OkStatus();
                      });
  }

 private:
  Regex regex_;
  SplitBehavior behavior_;
  bool invert_;
};

// Each character of a kind.
class CharacterSplit : public PreTokenizer {
 public:
  using IsMatch = std::function<bool(uint32_t code_point)>;
  CharacterSplit(IsMatch is_match, SplitBehavior behavior)
      : is_match_(std::move(is_match)), behavior_(behavior) {
    for (uint32_t c = 0; c < ascii_.size(); ++c) ascii_[c] = is_match_(c);
  }

  Status Apply(Words& words) const override {
    return SplitWords(words, behavior_, /*invert=*/false,
                      [&](std::string_view word, std::vector<Regex::Match>& matches) {
                        size_t at = 0;
                        ForEachCharacter(word, [&](uint32_t c, std::string_view bytes) {
                          const size_t end = at + bytes.size();
                          if (c < ascii_.size() ? ascii_[c] : is_match_(c)) {
                            matches.push_back({at, end});
                          }
                          at = end;
                        });
                        return OkStatus();
                      });
  }

 private:
  IsMatch is_match_;
  std::array<bool, 128> ascii_{};  // is_match_ of most characters
  SplitBehavior behavior_;
};

PreTokenizerResult Made(CharacterSplit::IsMatch is_match, SplitBehavior behavior) {
  return std::unique_ptr<const PreTokenizer>(
      std::make_unique<CharacterSplit>(std::move(is_match), behavior));
}

}  // namespace

PreTokenizerResult MakeSplit(const Component& component) {
  MOIETY_RETURN_IF_ERROR(CheckFields(component, {"pattern", "behavior"}, {"invert"}));
  MOIETY_ASSIGN_OR_RETURN(Regex regex, LoadPattern(component));
  MOIETY_ASSIGN_OR_RETURN(const SplitBehavior behavior, ReadSplitBehavior(component));
  ConfigReader reader(component.json, component.where);
  const bool invert = reader.BoolOr("invert", false);
  MOIETY_RETURN_IF_ERROR(reader.status());
  return std::unique_ptr<const PreTokenizer>(
      std::make_unique<Split>(std::move(regex), behavior, invert));
}

PreTokenizerResult MakeDigits(const Component& component) {
  MOIETY_RETURN_IF_ERROR(CheckFields(component, {}, {"individual_digits"}));
  ConfigReader reader(component.json, component.where);
  const bool individual = reader.BoolOr("individual_digits", false);
  MOIETY_RETURN_IF_ERROR(reader.status());
  return Made(&IsNumber, individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous);
}

PreTokenizerResult MakePunctuation(const Component& component) {
  MOIETY_RETURN_IF_ERROR(CheckFields(component, {}, {"behavior"}));
  SplitBehavior behavior = SplitBehavior::kIsolated;
  if (component.json.contains("behavior")) {
    MOIETY_ASSIGN_OR_RETURN(behavior, ReadSplitBehavior(component));
  }
  return Made(&IsPunctuationOrAsciiSymbol, behavior);
}

PreTokenizerResult MakeWhitespace(const Component& component) {
  MOIETY_RETURN_IF_ERROR(CheckFields(component, {}));
  MOIETY_ASSIGN_OR_RETURN(
      Regex regex, Regex::Compile(Format(R"([{0}]+|[^{0}\s]+)", kRustWord), component.where));
  return std::unique_ptr<const PreTokenizer>(
      std::make_unique<Split>(std::move(regex), SplitBehavior::kRemoved, /*invert=*/true));
}

PreTokenizerResult MakeWhitespaceSplit(const Component& component) {
  MOIETY_RETURN_IF_ERROR(CheckFields(component, {}));
  return Made(&IsWhiteSpace, SplitBehavior::kRemoved);
}

PreTokenizerResult MakeCharDelimiterSplit(const Component& component) {
  MOIETY_RETURN_IF_ERROR(CheckFields(component, {"delimiter"}));
  ConfigReader reader(component.json, component.where);
  const std::string delimiter = reader.String("delimiter");
  const uint32_t code_point = delimiter.empty() ? 0 : DecodeUtf8(delimiter).code_point;
  if (delimiter.empty() || static_cast<size_t>(DecodeUtf8(delimiter).length) != delimiter.size()) {
    reader.Fail("delimiter", "must be one character, found " + ShowJson(delimiter));
  }
  MOIETY_RETURN_IF_ERROR(reader.status());
  return Made([code_point](uint32_t c) { return c == code_point; }, SplitBehavior::kRemoved);
}

}  // namespace moiety
