#include "tokenize/split.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "base/format.h"
#include "base/utf8.h"
#include "format/config_reader.h"
#include "format/json.h"
#include "tokenize/regex.h"
#include "tokenize/split_words.h"
#include "tokenize/unicode.h"

namespace moiety {
namespace {

// A pattern, as a regular expression or a text.
class Split : public PreTokenizer {
 public:
  Split(Regex regex, SplitBehavior behavior, bool invert)
      : regex_(std::move(regex)), behavior_(behavior), invert_(invert) {}

  Status Apply(Words& words) const override {
    Regex::Finder finder(regex_);
    return SplitWords(words, behavior_, invert_,
                      [&](std::string_view word, std::vector<Regex::Match>& matches) {
                        finder.Reset(word);
                        Regex::Match match;
                        while (finder.Next(&match)) matches.push_back(match);
                        return finder.status();
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
      : is_match_(std::move(is_match)), behavior_(behavior) {}

  Status Apply(Words& words) const override {
    return SplitWords(words, behavior_, /*invert=*/false,
                      [&](std::string_view word, std::vector<Regex::Match>& matches) {
                        size_t at = 0;
                        while (at < word.size()) {
                          const Utf8Character c = DecodeUtf8(word.substr(at));
                          const size_t end = at + static_cast<size_t>(c.length);
                          if (is_match_(c.code_point)) matches.push_back({at, end});
                          at = end;
                        }
                        return OkStatus();
                      });
  }

 private:
  IsMatch is_match_;
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
