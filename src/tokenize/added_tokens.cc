#include "tokenize/added_tokens.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_set>
#include <utility>

#include "base/format.h"
#include "base/utf8.h"
#include "format/config_reader.h"
#include "format/json.h"
#include "tokenize/unicode.h"

namespace moiety {
namespace {

using nlohmann::json;

// A text is compared with tokens at each of its places.
constexpr size_t kMaxTokenBytes = 1024;

Result<AddedToken> ReadToken(const Component& component, int64_t id_limit,
                             const Normalizers& normalizers) {
  MOIETY_RETURN_IF_ERROR(CheckFields(
      component, {"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"}));
  ConfigReader reader(component.json, component.where);
  AddedToken token;
  token.id = static_cast<int32_t>(reader.Int("id", 0, id_limit - 1));
  token.content = reader.String("content");
  if (token.content.size() > kMaxTokenBytes) {
    reader.FailUnsupported("content", Format("must have at most {} bytes, found {}", kMaxTokenBytes,
                                             token.content.size()));
  }
  token.special = reader.BoolOr("special", false);
  token.normalized = reader.BoolOr("normalized", false);
  token.strip_left = reader.BoolOr("lstrip", false);
  token.strip_right = reader.BoolOr("rstrip", false);
  token.single_word = reader.BoolOr("single_word", false);
  MOIETY_RETURN_IF_ERROR(reader.status());
  token.normalized_content = token.content;
  if (token.normalized) {
    for (const auto& normalizer : normalizers) {
      MOIETY_RETURN_IF_ERROR(normalizer->Apply(token.normalized_content));
    }
    if (token.normalized_content.empty() && !token.content.empty()) {
      return Unsupported(Format("{}: \"content\" {} of which the normalizer leaves nothing",
                                component.where, ShowJson(token.content)));
    }
  }
  return token;
}

}  // namespace

std::optional<std::string_view> AddedTokens::Matcher::Sort() {
  std::sort(patterns_.begin(), patterns_.end(),
            [](const Pattern& a, const Pattern& b) { return a.text < b.text; });
  for (size_t i = 0; i < patterns_.size(); ++i) {
    if (i > 0 && patterns_[i].text == patterns_[i - 1].text) return patterns_[i].text;
    if (!patterns_[i].text.empty()) starts_[static_cast<uint8_t>(patterns_[i].text[0])] = true;
  }
  return std::nullopt;
}

std::optional<size_t> AddedTokens::Matcher::LongestPrefix(std::string_view text,
                                                          size_t* length) const {
  std::optional<size_t> best;
  // [first, last): the patterns that start with text[0, n). Of these the shortest comes first.
  auto first = patterns_.begin();
  auto last = patterns_.end();
  for (size_t n = 0; n < text.size(); ++n) {
    if (first != last && first->text.size() == n) ++first;
    const auto byte_at = [n](const Pattern& p) { return static_cast<uint8_t>(p.text[n]); };
    const auto byte = static_cast<uint8_t>(text[n]);
    first = std::partition_point(first, last, [&](const Pattern& p) { return byte_at(p) < byte; });
    last = std::partition_point(first, last, [&](const Pattern& p) { return byte_at(p) == byte; });
    if (first == last) break;
    if (first->text.size() == n + 1) {
      best = first->token;
      *length = n + 1;
    }
  }
  return best;
}

std::optional<size_t> AddedTokens::Matcher::Exact(std::string_view text) const {
  const auto found =
      std::lower_bound(patterns_.begin(), patterns_.end(), text,
                       [](const Pattern& p, std::string_view value) { return p.text < value; });
  if (found == patterns_.end() || found->text != text) return std::nullopt;
  return found->token;
}

Result<AddedTokens> AddedTokens::Load(const Component& list, const Vocabulary& vocabulary,
                                      const Normalizers& normalizers) {
  AddedTokens added;
  if (list.json.is_null()) return added;
  if (!list.json.is_array()) {
    return InvalidData(Format("{} must be a list, found {}", list.where, ShowJson(list.json)));
  }
  const int64_t id_limit =
      TokenIdLimit(static_cast<size_t>(vocabulary.end_id()) + list.json.size());
  std::unordered_set<int32_t> ids;
  added.tokens_.reserve(list.json.size());
  for (size_t i = 0; i < list.json.size(); ++i) {
    const Component component{list.json[i], Format("{}[{}]", list.where, i)};
    MOIETY_ASSIGN_OR_RETURN(AddedToken token, ReadToken(component, id_limit, normalizers));
    const int32_t known = vocabulary.Find(token.content);
    if (known != Vocabulary::kNone && known != token.id) {
      return InvalidData(Format("{}: \"id\" of token {} must be {} as in the vocabulary, found {}",
                                component.where, ShowJson(token.content), known, token.id));
    }
    if ((known == Vocabulary::kNone && vocabulary.Contains(token.id)) ||
        !ids.insert(token.id).second) {
      return InvalidData(Format("{}: \"id\" of token {} must be its own, found {} of another token",
                                component.where, ShowJson(token.content), token.id));
    }
    if (token.single_word && !added.word_.has_value()) {
      MOIETY_ASSIGN_OR_RETURN(added.word_,
                              Regex::Compile(Format("[{}]", kRustWord), component.where));
    }
    added.tokens_.push_back(std::move(token));
  }
  for (size_t i = 0; i < added.tokens_.size(); ++i) {
    const AddedToken& token = added.tokens_[i];
    added.by_content_.Add(token.content, i);
    added.matchers_[token.normalized ? 1 : 0].Add(token.normalized_content, i);
  }
  for (Matcher* matcher : {&added.by_content_, &added.matchers_[0], &added.matchers_[1]}) {
    if (const std::optional<std::string_view> twice = matcher->Sort(); twice.has_value()) {
      return InvalidData(Format("{}: two tokens must not have the same text, found {} twice",
                                list.where, ShowJson(std::string(*twice))));
    }
  }
  return added;
}

bool AddedTokens::IsWordAt(std::string_view text, size_t at) const {
  if (at == text.size()) return false;
  Regex::Finder finder(*word_);
  finder.Reset(text.substr(at, static_cast<size_t>(DecodeUtf8(text.substr(at)).length)));
  Regex::Match match;
  return finder.Next(&match);
}

bool AddedTokens::IsWordBefore(std::string_view text, size_t at) const {
  if (at == 0) return false;
  do {
    --at;
  } while (IsUtf8Continuation(text[at]));
  return IsWordAt(text, at);
}

std::vector<TextSpan> AddedTokens::Split(std::string_view text, Stage stage) const {
  const Matcher& matcher = matchers_[stage == Stage::kNormalizedText ? 1 : 0];
  std::vector<TextSpan> spans;
  size_t begin = 0;            // of the text not yet in a span
  size_t white_space_end = 0;  // of the last run of white space that a token took
  size_t i = 0;
  while (i < text.size()) {
    size_t length = 0;
    std::optional<size_t> found;
    if (matcher.MayStartWith(text[i])) found = matcher.LongestPrefix(text.substr(i), &length);
    if (!found.has_value()) {
      ++i;
      continue;
    }
    const AddedToken& token = tokens_[*found];
    size_t start = i;
    size_t end = i + length;
    i = end;
    if (token.single_word && (IsWordBefore(text, start) || IsWordAt(text, end))) continue;
    // As in the reference, the search goes on inside white space that a token took to its right, so
    // `begin` may move back here when tokens of white space follow.
    if (token.strip_left) start = std::max(begin, WhiteSpaceBefore(text, begin, start));
    if (token.strip_right) {
      if (end >= white_space_end) white_space_end = WhiteSpaceAfter(text, end);
      end = std::max(end, white_space_end);
    }
    // Nothing is left of a token of white space that strips and is inside what another took.
    if (start >= end) continue;
    if (begin < start) spans.push_back({text.substr(begin, start - begin), nullptr});
    spans.push_back({text.substr(start, end - start), &token});
    begin = end;
  }
  if (begin < text.size()) spans.push_back({text.substr(begin), nullptr});
  return spans;
}

const AddedToken* AddedTokens::Find(std::string_view content) const {
  const std::optional<size_t> token = by_content_.Exact(content);
  return token.has_value() ? &tokens_[*token] : nullptr;
}

}  // namespace moiety
