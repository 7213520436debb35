#include "jinja/lexer.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/format.h"
#include "base/utf8.h"
#include "jinja/python_text.h"
#include "jinja/text.h"

namespace moiety::jinja {
namespace {

// Longest first.
constexpr std::string_view kOperators[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                           "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                           ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};

bool IsDigitAscii(char c) { return c >= '0' && c <= '9'; }
bool IsHexDigit(char c) { return IsDigitAscii(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f'); }

// \r\n and \r become \n; one line break at the end goes away.
std::string Normalize(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      out += source[i];
      continue;
    }
    out += '\n';
    if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

class Lexer {
 public:
  Lexer(std::string source, const std::string& where) : source_(std::move(source)), where_(where) {}

  Result<std::vector<Token>> Run() {
    while (at_ < source_.size()) MOIETY_RETURN_IF_ERROR(Root());
    Token end;
    end.line = Line(source_.size());
    tokens_.push_back(std::move(end));
    return std::move(tokens_);
  }

 private:
  std::string_view Rest(size_t at) const { return std::string_view(source_).substr(at); }
  char At(size_t at) const { return at < source_.size() ? source_[at] : '\0'; }

  // Asked for ascending positions, which keeps counting linear.
  int Line(size_t at) {
    at = std::min(at, source_.size());
    if (at > counted_) {
      line_ +=
          static_cast<int>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(counted_),
                                      source_.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
      counted_ = at;
    }
    return line_;
  }

  Status Fail(size_t at, const std::string& message) {
    return InvalidData(Format("{}:{}: {}", where_, Line(at), message));
  }

  Token& Add(TokenType type, size_t at, std::string text = "") {
    Token token;
    token.type = type;
    token.line = Line(at);
    token.text = std::move(text);
    return tokens_.emplace_back(std::move(token));
  }

  size_t SkipSpace(size_t at) const {
    while (at < source_.size()) {
      const Utf8Character character = DecodeUtf8(Rest(at).substr(0, 4));
      if (!IsSpace(character.code_point)) break;
      at += static_cast<size_t>(character.length);
    }
    return at;
  }

  // The text before a tag: stripped as the tag's sign, or lstrip_blocks, says.
  void AddText(size_t begin, size_t end, char sign, bool is_variable) {
    std::string_view text = std::string_view(source_).substr(begin, end - begin);
    if (sign == '-') {
      text = StripRight(text);
    } else if (sign != '+' && !is_variable) {
      const size_t newline = text.rfind('\n');
      const size_t line_start = newline == std::string_view::npos ? 0 : newline + 1;
      if (line_start > 0 || line_starting_) {
        const std::string_view head = text.substr(line_start);
        if (StripLeft(head).empty()) text = text.substr(0, line_start);
      }
    }
    if (!text.empty()) Add(TokenType::kText, begin, std::string(text));
  }

  char SignAt(size_t at) const { return At(at) == '-' || At(at) == '+' ? At(at) : '\0'; }

  // The end of a tag at `at` ("%}", "-%}", "+%}"): where what follows begins, or 0 if it is not
  // one. Line breaks after a block or comment go away, after "-" all white space.
  size_t TagEnd(size_t at, std::string_view close, bool trims, bool takes_plus) const {
    if (At(at) == '-' && Rest(at + 1).starts_with(close)) return SkipSpace(at + 1 + close.size());
    if (takes_plus && At(at) == '+' && Rest(at + 1).starts_with(close)) {
      return at + 1 + close.size();
    }
    if (!Rest(at).starts_with(close)) return 0;
    const size_t end = at + close.size();
    return trims && At(end) == '\n' ? end + 1 : end;
  }

  void MoveTo(size_t end) {
    at_ = end;
    line_starting_ = end > 0 && source_[end - 1] == '\n';
  }

  // Text up to a tag, and the tag.
  Status Root() {
    size_t tag = at_;
    while (true) {
      tag = source_.find('{', tag);
      if (tag == std::string::npos) {
        Add(TokenType::kText, at_, source_.substr(at_));
        MoveTo(source_.size());
        return OkStatus();
      }
      const char next = At(tag + 1);
      if (next == '{' || next == '%' || next == '#') break;
      ++tag;
    }
    const char sign = SignAt(tag + 2);
    const size_t inside = tag + (sign != '\0' ? 3 : 2);
    const char kind = source_[tag + 1];
    AddText(at_, tag, sign, kind == '{');
    if (kind == '#') return Comment(tag, inside);
    if (kind == '%') {
      if (const size_t raw = RawBegin(inside); raw != 0) return Raw(tag, raw);
    }
    Add(kind == '{' ? TokenType::kVariableBegin : TokenType::kBlockBegin, tag);
    MoveTo(inside);
    return Tag(kind == '{');
  }

  Status Comment(size_t tag, size_t inside) {
    const size_t close = source_.find("#}", inside);
    if (close == std::string::npos) {
      if (inside < source_.size()) return Fail(tag, "Missing end of comment tag");
      MoveTo(inside);  // "{#" at the very end is nothing
      return OkStatus();
    }
    const bool has_sign = close > inside && SignAt(close - 1) != '\0';
    MoveTo(TagEnd(has_sign ? close - 1 : close, "#}", true, true));
    return OkStatus();
  }

  // After "{% raw %}" whose inside begins at `at`, or 0 if it is another tag.
  size_t RawBegin(size_t at) const {
    at = SkipSpace(at);
    if (!Rest(at).starts_with("raw")) return 0;
    return TagEnd(SkipSpace(at + 3), "%}", false, false);
  }

  Status Raw(size_t tag, size_t begin) {
    MoveTo(begin);
    if (begin == source_.size()) return OkStatus();
    for (size_t end = begin;; ++end) {
      end = source_.find("{%", end);
      if (end == std::string::npos) return Fail(tag, "Missing end of raw directive");
      const char sign = SignAt(end + 2);
      const size_t name = SkipSpace(end + (sign != '\0' ? 3 : 2));
      if (!Rest(name).starts_with("endraw")) continue;
      const size_t after = TagEnd(SkipSpace(name + 6), "%}", true, true);
      if (after == 0) continue;
      AddText(begin, end, sign, false);
      MoveTo(after);
      return OkStatus();
    }
  }

  // The inside of {{ }} or {% %}.
  Status Tag(bool is_variable) {
    std::string open;  // brackets that wait for their partner
    while (at_ < source_.size()) {
      if (open.empty()) {
        const size_t end =
            is_variable ? TagEnd(at_, "}}", false, false) : TagEnd(at_, "%}", true, true);
        if (end != 0) {
          Add(is_variable ? TokenType::kVariableEnd : TokenType::kBlockEnd, at_);
          MoveTo(end);
          return OkStatus();
        }
      }
      const size_t next = SkipSpace(at_);
      if (next != at_) {
        MoveTo(next);
        continue;
      }
      const char c = source_[at_];
      if (IsDigitAscii(c)) {
        MOIETY_RETURN_IF_ERROR(Number());
      } else if (c == '\'' || c == '"') {
        MOIETY_RETURN_IF_ERROR(String(c));
      } else if (!Name()) {
        MOIETY_RETURN_IF_ERROR(Operator(open));
      }
    }
    return OkStatus();
  }

  // Digits with single underscores between them, from `at`: their end, or `at` if there are none.
  template <class IsOne>
  size_t DigitsEnd(size_t at, const IsOne& is_one) const {
    if (!is_one(At(at))) return at;
    while (is_one(At(at)) || (At(at) == '_' && is_one(At(at + 1)))) ++at;
    return at;
  }

  Status Number() {
    const size_t begin = at_;
    // Floats do not begin right after a dot: x.0.1 is two subscripts.
    if (begin == 0 || source_[begin - 1] != '.') {
      size_t end = DigitsEnd(begin, IsDigitAscii);
      const size_t whole = end;
      if (At(end) == '.' && IsDigitAscii(At(end + 1))) end = DigitsEnd(end + 1, IsDigitAscii);
      if ((At(end) | 0x20) == 'e') {
        const size_t digits = end + (At(end + 1) == '+' || At(end + 1) == '-' ? 2 : 1);
        if (IsDigitAscii(At(digits))) end = DigitsEnd(digits, IsDigitAscii);
      }
      if (end != whole) {
        std::string text = source_.substr(begin, end - begin);
        std::erase(text, '_');
        Token& token = Add(TokenType::kFloat, begin, text);
        const auto [last, error] =
            std::from_chars(text.data(), text.data() + text.size(), token.number);
        if (error == std::errc::result_out_of_range) {
          const bool tiny =
              text.find("e-") != std::string::npos || text.find("E-") != std::string::npos;
          token.number = tiny ? 0.0 : HUGE_VAL;
        }
        MoveTo(end);
        return OkStatus();
      }
    }
    int base = 10;
    size_t end = begin;
    size_t digits = begin;
    const char letter = source_[begin] == '0' ? static_cast<char>(At(begin + 1) | 0x20) : '\0';
    const size_t prefixed = begin + (At(begin + 2) == '_' ? 3 : 2);
    const auto try_base = [&](char wanted, int of, const auto& is_one) {
      if (letter != wanted || !is_one(At(prefixed))) return;
      base = of;
      digits = prefixed;
      end = DigitsEnd(prefixed, is_one);
    };
    try_base('b', 2, [](char c) { return c == '0' || c == '1'; });
    try_base('o', 8, [](char c) { return c >= '0' && c <= '7'; });
    try_base('x', 16, IsHexDigit);
    if (base == 10) {
      const bool is_zero = source_[begin] == '0';
      end = DigitsEnd(begin, [is_zero](char c) { return is_zero ? c == '0' : IsDigitAscii(c); });
    }
    std::string text = source_.substr(digits, end - digits);
    std::erase(text, '_');
    Token& token = Add(TokenType::kInteger, begin, text);
    const auto [last, error] =
        std::from_chars(text.data(), text.data() + text.size(), token.integer, base);
    if (error != std::errc()) {
      return Unsupported(
          Format("{}:{}: an integer leaves 64 bits, which moiety does not do", where_, token.line));
    }
    MoveTo(end);
    return OkStatus();
  }

  bool Name() {
    size_t end = at_;
    while (end < source_.size()) {
      const Utf8Character character = DecodeUtf8(Rest(end).substr(0, 4));
      const bool part =
          end == at_ ? IsNameStart(character.code_point) : IsNamePart(character.code_point);
      if (!part) break;
      end += static_cast<size_t>(character.length);
    }
    if (end == at_) return false;
    Add(TokenType::kName, at_, source_.substr(at_, end - at_));
    MoveTo(end);
    return true;
  }

  Status Operator(std::string& open) {
    const std::string_view rest = Rest(at_);
    const auto* const found =
        std::find_if(std::begin(kOperators), std::end(kOperators),
                     [&](std::string_view op) { return rest.starts_with(op); });
    if (found == std::end(kOperators)) {
      const auto length = static_cast<size_t>(DecodeUtf8(rest).length);
      return Fail(at_, Format("unexpected char {} at {}", ReprText(rest.substr(0, length)),
                              CountCharacters(std::string_view(source_).substr(0, at_))));
    }
    const char c = (*found)[0];
    if (c == '(' || c == '[' || c == '{') {
      open += c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (c == ')' || c == ']' || c == '}') {
      if (open.empty()) return Fail(at_, Format("unexpected '{}'", c));
      if (open.back() != c)
        return Fail(at_, Format("unexpected '{}', expected '{}'", c, open.back()));
      open.pop_back();
    }
    Add(TokenType::kOperator, at_, std::string(*found));
    MoveTo(at_ + found->size());
    return OkStatus();
  }

  Status String(char quote) {
    size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size())
      return Fail(at_, Format("unexpected char {} at {}", ReprText(std::string(1, quote)),
                              CountCharacters(std::string_view(source_).substr(0, at_))));
    std::string text;
    const size_t begin = at_;
    MOIETY_RETURN_IF_ERROR(Unescape(begin, source_.substr(at_ + 1, end - at_ - 1), text));
    Add(TokenType::kString, begin, std::move(text));
    MoveTo(end + 1);
    return OkStatus();
  }

  // Python's "unicode-escape".
  Status Unescape(size_t begin, std::string_view text, std::string& out) {
    constexpr std::string_view kLetters = "\\'\"abfnrtv";
    constexpr std::string_view kMeanings = "\\'\"\a\b\f\n\r\t\v";
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '\\') {
        out += text[i];
        continue;
      }
      const char c = ++i < text.size() ? text[i] : '\0';
      if (const size_t simple = kLetters.find(c); simple != std::string_view::npos && c != '\0') {
        out += kMeanings[simple];
      } else if (c == '\n') {
        continue;
      } else if (c >= '0' && c <= '7') {
        uint32_t code_point = 0;
        size_t end = i;
        for (; end < text.size() && end < i + 3 && text[end] >= '0' && text[end] <= '7'; ++end) {
          code_point = code_point * 8 + static_cast<uint32_t>(text[end] - '0');
        }
        AppendUtf8(code_point, out);
        i = end - 1;
      } else if (c == 'x' || c == 'u' || c == 'U') {
        const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;
        uint32_t code_point = 0;
        const char* const first = text.data() + i + 1;
        const char* const last = first + std::min(digits, text.size() - i - 1);
        const auto [stop, error] = std::from_chars(first, last, code_point, 16);
        if (error != std::errc() || stop != first + digits) {
          return Fail(begin, Format("truncated \\{} escape", c));
        }
        if (code_point > 0x10FFFF) return Fail(begin, "illegal Unicode character");
        if (code_point >= 0xD800 && code_point <= 0xDFFF) {
          return Fail(begin, "half of a surrogate pair in a string");
        }
        AppendUtf8(code_point, out);
        i += digits;
      } else if (c == 'N') {
        return Unsupported(
            Format("{}:{}: \\N{{…}} in a string is not supported", where_, Line(begin)));
      } else if ((c & 0x80) != 0) {
        // Python escapes the character first: what is left of that is its number.
        const Utf8Character character = DecodeUtf8(text.substr(i));
        const uint32_t p = character.code_point;
        out += p < 0x100     ? Format("\\x{:02x}", p)
               : p < 0x10000 ? Format("\\u{:04x}", p)
                             : Format("\\U{:08x}", p);
        i += static_cast<size_t>(character.length) - 1;
      } else {
        out += '\\';
        out += c;
      }
    }
    return OkStatus();
  }

  std::string source_;
  const std::string& where_;
  size_t at_ = 0;
  bool line_starting_ = true;
  size_t counted_ = 0;
  int line_ = 1;
  std::vector<Token> tokens_;
};

}  // namespace

Result<std::vector<Token>> Tokenize(std::string_view source, const std::string& where) {
  if (!IsUtf8(source)) {
    return InvalidData(Format("{}: not UTF-8 at byte {}", where, ValidUtf8Prefix(source)));
  }
  return Lexer(Normalize(source), where).Run();
}

std::string Describe(const Token& token) {
  switch (token.type) {
    case TokenType::kText:
      return "template data / text";
    case TokenType::kVariableBegin:
      return "begin of print statement";
    case TokenType::kVariableEnd:
      return "end of print statement";
    case TokenType::kBlockBegin:
      return "begin of statement block";
    case TokenType::kBlockEnd:
      return "end of statement block";
    case TokenType::kEnd:
      return "end of template";
    default:
      return token.text;
  }
}

}  // namespace moiety::jinja
