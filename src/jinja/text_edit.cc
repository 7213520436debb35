#include "jinja/text_edit.h"

#include <algorithm>

#include "base/format.h"
#include "base/utf8.h"
#include "jinja/text.h"

namespace moiety::jinja {
namespace {

bool IsWrapSpace(uint32_t c) { return (c >= 9 && c <= 13) || c == ' '; }
bool IsWordCharacter(uint32_t c) { return IsAlpha(c) || IsDigit(c) || IsNumeric(c) || c == '_'; }
bool IsWrapLetter(uint32_t c) { return IsWordCharacter(c) && !IsDecimal(c); }
bool IsWordPunctuation(uint32_t c) {
  return IsWordCharacter(c) || c == '!' || c == '"' || c == '\'' || c == '&' || c == '.' ||
         c == ',' || c == '?';
}

using Points = std::vector<uint32_t>;

// Dashes at `at`, followed by a word: their number, or 0 if there are fewer than two.
size_t DashesBeforeWord(const Points& text, size_t at) {
  size_t end = at;
  while (end < text.size() && text[end] == '-') ++end;
  return end - at >= 2 && end < text.size() && IsWordCharacter(text[end]) ? end - at : 0;
}

// Whether a word may be broken after the hyphen at `at`: letters around it, two of them on one
// side at least.
bool BreaksAfterHyphen(const Points& text, size_t at) {
  const bool before = (at >= 2 && IsWrapLetter(text[at - 1]) && IsWrapLetter(text[at - 2])) ||
                      (at >= 3 && IsWordPunctuation(text[at - 1]) && text[at - 2] == '-' &&
                       IsWrapLetter(text[at - 3]));
  if (!before || at + 2 >= text.size() || !IsWrapLetter(text[at + 1])) return false;
  if (IsWrapLetter(text[at + 2])) return true;
  return text[at + 2] == '-' && at + 3 < text.size() && IsWrapLetter(text[at + 3]);
}

// The pieces between which a line may be broken.
std::vector<Points> WrapPieces(const Points& text, bool on_hyphens) {
  std::vector<Points> pieces;
  for (size_t at = 0; at < text.size();) {
    size_t end = at + 1;
    const size_t dashes =
        on_hyphens && at > 0 && IsWordPunctuation(text[at - 1]) ? DashesBeforeWord(text, at) : 0;
    if (IsWrapSpace(text[at])) {
      while (end < text.size() && IsWrapSpace(text[end])) ++end;
    } else if (dashes > 0) {
      end = at + dashes;
    } else {
      while (end < text.size() && !IsWrapSpace(text[end])) {
        if (on_hyphens) {
          // The hyphen itself must come after the first character of the piece.
          if (text[end] == '-' && BreaksAfterHyphen(text, end)) {
            ++end;
            break;
          }
          if (IsWordPunctuation(text[end - 1]) && DashesBeforeWord(text, end) > 0) break;
        }
        ++end;
      }
    }
    const auto begin = text.begin();
    pieces.emplace_back(begin + static_cast<std::ptrdiff_t>(at),
                        begin + static_cast<std::ptrdiff_t>(end));
    at = end;
  }
  return pieces;
}

bool IsBlank(const Points& piece) { return std::all_of(piece.begin(), piece.end(), IsSpace); }

// Cuts what fits in `room` from the front of a piece that is wider than a line.
Points CutPiece(Points& piece, size_t room, bool on_hyphens) {
  size_t end = room;
  if (on_hyphens && piece.size() > room) {
    size_t hyphen = std::min(room, piece.size());
    while (hyphen > 0 && piece[hyphen - 1] != '-') --hyphen;
    const bool has_more =
        hyphen > 1 &&
        std::any_of(piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(hyphen) - 1,
                    [](uint32_t c) { return c != '-'; });
    if (has_more) end = hyphen;
  }
  const auto cut = piece.begin() + static_cast<std::ptrdiff_t>(std::min(end, piece.size()));
  Points front(piece.begin(), cut);
  piece.erase(piece.begin(), cut);
  return front;
}

// Parts of a text, of which there may be as many as bytes: memory is asked for before it is taken.
class Pieces {
 public:
  explicit Pieces(Runtime& run) : run_(run) {}
  bool Add(std::string_view piece) {
    if (pieces_.size() == pieces_.capacity()) {
      const size_t grown = std::max<size_t>(2 * pieces_.capacity(), 16);
      if (!run_.HasRoom((pieces_.capacity() + grown) * sizeof(std::string_view))) return false;
      pieces_.reserve(grown);
    }
    pieces_.push_back(piece);
    return true;
  }
  // In the order of the text; `from`: where the first was.
  std::vector<std::string_view> Take(TextFinder::From from) {
    if (from == TextFinder::From::kRight) std::reverse(pieces_.begin(), pieces_.end());
    return std::move(pieces_);
  }

 private:
  Runtime& run_;
  std::vector<std::string_view> pieces_;
};

}  // namespace

bool IsAllLower(std::string_view text) {
  bool any = false;
  for (const uint32_t c : CodePoints(text)) {
    if (IsUpper(c) || IsTitle(c)) return false;
    any |= IsLower(c);
  }
  return any;
}

bool IsAllUpper(std::string_view text) {
  bool any = false;
  for (const uint32_t c : CodePoints(text)) {
    if (IsLower(c) || IsTitle(c)) return false;
    any |= IsUpper(c);
  }
  return any;
}

Value ReplaceText(Runtime& run, const std::string& text, const std::string& old_text,
                  const std::string& new_text, int64_t count) {
  std::string out;
  int64_t left = count < 0 ? INT64_MAX : count;
  size_t at = 0;  // up to there the text is in `out`
  // Appends the text up to `end`, and further bytes. Only these are work, not what is there.
  const auto add = [&](size_t end, const std::string& more) {
    const size_t bytes = end - at + more.size();
    if (!run.HasRoom(out.size() + bytes) || !run.Step(1 + bytes / 64)) return false;
    out.append(text, at, end - at);
    out += more;
    at = end;
    return true;
  };
  if (old_text.empty()) {  // is found before each character and at the end
    for (size_t next = 0; left-- > 0;) {
      if (!add(next, new_text)) return {};
      if (next == text.size()) break;
      next += static_cast<size_t>(DecodeUtf8(std::string_view(text).substr(next, 4)).length);
    }
  } else {
    TextFinder finder(run, text, old_text);
    while (left-- > 0) {
      const size_t found = finder.Next();
      if (found == std::string::npos) break;
      if (!add(found, new_text)) return {};
      at = found + old_text.size();
    }
  }
  if (!add(text.size(), "")) return {};
  return run.String(std::move(out));
}

std::vector<std::string_view> SplitBySeparator(Runtime& run, std::string_view text,
                                               std::string_view separator, int64_t max,
                                               TextFinder::From from) {
  Pieces parts(run);
  TextFinder finder(run, text, separator, from);
  // The text from `begin` to `end` is not split yet.
  size_t begin = 0;
  size_t end = text.size();
  for (int64_t left = max < 0 ? INT64_MAX : max; left > 0; --left) {
    const size_t at = finder.Next();
    if (at == std::string_view::npos) break;
    const size_t after = at + separator.size();
    if (from == TextFinder::From::kRight) {
      if (!parts.Add(text.substr(after, end - after))) return {};
      end = at;
    } else {
      if (!parts.Add(text.substr(begin, at - begin))) return {};
      begin = after;
    }
  }
  if (!parts.Add(text.substr(begin, end - begin))) return {};
  return parts.Take(from);
}

std::vector<std::string_view> SplitBySpace(Runtime& run, std::string_view text, int64_t max,
                                           TextFinder::From from) {
  const bool from_right = from == TextFinder::From::kRight;
  Pieces parts(run);
  int64_t left = max < 0 ? INT64_MAX : max;
  text = from_right ? StripRight(text) : StripLeft(text);
  while (!text.empty()) {
    if (left-- == 0) {
      if (!parts.Add(from_right ? StripRight(text) : text)) return {};
      break;
    }
    size_t end = 0;
    if (from_right) {
      end = text.size();
      while (end > 0) {
        size_t start = end - 1;
        while (start > 0 && IsUtf8Continuation(text[start])) --start;
        if (IsSpace(DecodeUtf8(text.substr(start)).code_point)) break;
        end = start;
      }
      if (!parts.Add(text.substr(end))) return {};
      text = StripRight(text.substr(0, end));
    } else {
      while (end < text.size()) {
        const Utf8Character character = DecodeUtf8(text.substr(end, 4));
        if (IsSpace(character.code_point)) break;
        end += static_cast<size_t>(character.length);
      }
      if (!parts.Add(text.substr(0, end))) return {};
      text = StripLeft(text.substr(end));
    }
  }
  return parts.Take(from);
}

std::vector<std::string_view> SplitLines(Runtime& run, std::string_view text, bool keep_ends) {
  Pieces lines(run);
  size_t start = 0;
  for (size_t at = 0; at < text.size();) {
    const Utf8Character character = DecodeUtf8(text.substr(at, 4));
    const uint32_t c = character.code_point;
    size_t end = at + static_cast<size_t>(character.length);
    const bool breaks =
        (c >= 10 && c <= 13) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
    if (breaks) {
      if (c == '\r' && end < text.size() && text[end] == '\n') ++end;
      if (!lines.Add(text.substr(start, (keep_ends ? end : at) - start))) return {};
      start = end;
    }
    at = end;
  }
  if (start < text.size() && !lines.Add(text.substr(start))) return {};
  return lines.Take(TextFinder::From::kLeft);
}

Value Pad(Runtime& run, const StringObject& text, int64_t width, const std::string& fill,
          Side side) {
  const int64_t missing = width > text.length ? width - text.length : 0;
  if (missing > (int64_t{1} << 40) ||
      !run.Affords(text.text.size() + static_cast<size_t>(missing) * fill.size())) {
    run.Affords(static_cast<size_t>(-1));
    return {};
  }
  int64_t before = side == Side::kLeft ? missing : 0;
  // Python puts the odd one to the left if the width is odd.
  if (side == Side::kBoth) before = missing / 2 + (missing & width & 1);
  std::string out;
  for (int64_t i = 0; i < before; ++i) out += fill;
  out += text.text;
  for (int64_t i = before; i < missing; ++i) out += fill;
  return run.String(std::move(out));
}

std::vector<std::string> WrapLine(Runtime& run, const std::string& line, const WrapStyle& style) {
  std::vector<std::string> lines;
  if (style.width <= 0) {
    run.Fail(Format("invalid width {} (must be > 0)", style.width));
    return lines;
  }
  const auto width = static_cast<size_t>(style.width);
  if (!run.Affords(line.size() * 32)) return lines;
  std::vector<Points> pieces = WrapPieces(CodePoints(line), style.break_on_hyphens);
  for (size_t next = 0; next < pieces.size() && run.Step();) {
    if (!lines.empty() && IsBlank(pieces[next]) && ++next == pieces.size()) break;
    std::vector<Points> current;
    size_t used = 0;
    while (next < pieces.size() && used + pieces[next].size() <= width) {
      used += pieces[next].size();
      current.push_back(std::move(pieces[next++]));
    }
    if (next < pieces.size() && pieces[next].size() > width) {
      if (style.break_long_words) {
        run.Step(pieces[next].size() / 16);
        current.push_back(CutPiece(pieces[next], width - used, style.break_on_hyphens));
      } else if (current.empty()) {
        current.push_back(std::move(pieces[next++]));
      }
    }
    if (!current.empty() && IsBlank(current.back())) current.pop_back();
    if (current.empty()) continue;
    std::string text;
    for (const Points& piece : current) text += FromCodePoints(piece);
    lines.push_back(std::move(text));
  }
  return lines;
}

std::string EscapeHtml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '"':
        out += "&#34;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

namespace {

std::string WithoutParts(std::string_view text, std::string_view open, std::string_view close) {
  std::string out;
  while (true) {
    const size_t start = text.find(open);
    const size_t end = start == std::string_view::npos ? start : text.find(close, start);
    if (end == std::string_view::npos) return out.append(text);
    out += text.substr(0, start);
    text.remove_prefix(end + close.size());
  }
}

}  // namespace

std::string StripTags(Runtime& run, std::string_view text) {
  const std::string plain = WithoutParts(WithoutParts(text, "<!--", "-->"), "<", ">");
  std::string out;
  for (const std::string_view word : SplitBySpace(run, plain, -1, TextFinder::From::kLeft)) {
    if (!out.empty()) out += ' ';
    out += word;
  }
  return out;
}

std::string QuoteUrl(std::string_view text, bool for_query) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '_' || c == '.' || c == '-' || c == '~' || (c == '/' && !for_query);
    if (plain) {
      out += c;
    } else if (c == ' ' && for_query) {
      out += '+';
    } else {
      out += Format("%{:02X}", static_cast<uint8_t>(c));
    }
  }
  return out;
}

}  // namespace moiety::jinja
