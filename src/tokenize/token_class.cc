#include "tokenize/token_class.h"

#include <algorithm>

#include "base/utf8.h"
#include "tokenize/unicode.h"

namespace moiety {
namespace {

struct CodePointRange {
  uint32_t first, last;
};
// Blocks.txt of Unicode 15; what of them is punctuation or a number was asked for before.
constexpr CodePointRange kCjkRanges[] = {
    {0x1100, 0x11FF},    // Hangul Jamo
    {0x2E80, 0x2FDF},    // radicals
    {0x3005, 0x3006},    // iteration mark, closing mark
    {0x3031, 0x303C},    // repeat marks
    {0x3040, 0x312F},    // Hiragana, Katakana, Bopomofo
    {0x3130, 0x318F},    // Hangul Compatibility Jamo
    {0x31A0, 0x31BF},    // Bopomofo Extended
    {0x31F0, 0x31FF},    // Katakana Phonetic Extensions
    {0x3400, 0x4DBF},    // Extension A
    {0x4E00, 0x9FFF},    // CJK Unified Ideographs
    {0xA960, 0xA97F},    // Hangul Jamo Extended-A
    {0xAC00, 0xD7FF},    // Hangul Syllables, Jamo Extended-B
    {0xF900, 0xFAFF},    // compatibility ideographs
    {0xFF66, 0xFFDC},    // halfwidth Katakana and Hangul
    {0x1AFF0, 0x1B16F},  // kana
    {0x20000, 0x323AF},  // Extensions B to H
};

bool IsCjk(uint32_t c) {
  return std::ranges::any_of(
      kCjkRanges, [c](const CodePointRange& range) { return range.first <= c && c <= range.last; });
}

TokenClass ClassOfCharacter(uint32_t c) {
  if (IsPunctuationOrAsciiSymbol(c)) return TokenClass::kPunctuation;
  if (IsNumber(c)) return TokenClass::kDigits;
  if (IsCjk(c)) return TokenClass::kCjk;
  if (IsLetter(c)) return TokenClass::kLetters;
  return TokenClass::kOther;
}

// Bytes of text that a token stands for whose text comes with a later one: a part of a character,
// or one of a run of bytes that ends with the next other token.
size_t BytesOf(std::string_view piece) {
  if (piece.size() == 6 && piece.starts_with("<0x")) return 1;
  return static_cast<size_t>(CountCharacters(piece));  // byte-level: a character for each byte
}

// Gives each of the tokens the characters of `text`, theirs together, that end in it. `bytes` has
// their sizes, but for the last: the rest is its own.
void ShareOut(std::string_view text, std::span<const size_t> bytes, std::span<TextToken> tokens) {
  size_t begin = 0;
  size_t end = 0;
  for (size_t i = 0; i + 1 < tokens.size(); ++i) {
    end += bytes[i];
    if (end > text.size()) break;
    const size_t whole = begin + CompleteUtf8Prefix(text.substr(begin, end - begin));
    tokens[i].text = text.substr(begin, whole - begin);
    begin = whole;
  }
  tokens.back().text = text.substr(begin);
}

}  // namespace

TokenClass ClassOfText(std::string_view text) {
  std::array<int64_t, kNumTokenClasses> counts{};
  bool whitespace = false;
  ForEachCharacter(text, [&](uint32_t c, std::string_view) {
    if (IsWhiteSpace(c)) {
      whitespace = true;
    } else if (!IsMark(c)) {
      ++counts[static_cast<size_t>(ClassOfCharacter(c))];
    }
  });
  const auto most = std::ranges::max_element(counts);
  if (*most > 0) return static_cast<TokenClass>(most - counts.begin());
  return whitespace ? TokenClass::kWhitespace : TokenClass::kOther;
}

std::vector<TextToken> TextTokens(const Tokenizer& tokenizer, std::span<const int32_t> ids) {
  std::vector<TextToken> tokens(ids.size());
  Tokenizer::Stream stream(tokenizer, false);
  std::vector<size_t> waiting;  // bytes of the tokens before this one that have no text yet
  for (size_t i = 0; i < ids.size(); ++i) {
    std::string text = stream.Next(ids[i]);
    if (i + 1 == ids.size()) text += stream.Finish();
    if (text.empty()) {
      waiting.push_back(BytesOf(tokenizer.Piece(ids[i])));
      continue;
    }
    ShareOut(text, waiting, std::span(tokens).subspan(i - waiting.size(), waiting.size() + 1));
    waiting.clear();
  }
  // From the end: parts of a character are of the class of the whole.
  TokenClass next = TokenClass::kOther;
  for (size_t i = ids.size(); i-- > 0;) {
    if (!tokens[i].text.empty()) next = ClassOfText(tokens[i].text);
    tokens[i].token_class = tokenizer.IsSpecial(ids[i]) ? TokenClass::kOther : next;
  }
  return tokens;
}

}  // namespace moiety
