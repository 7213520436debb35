// Methods of strings.
#include <algorithm>

#include "base/format.h"
#include "base/utf8.h"
#include "jinja/methods.h"
#include "jinja/operators.h"
#include "jinja/percent_format.h"
#include "jinja/python_text.h"
#include "jinja/text.h"
#include "jinja/text_edit.h"
#include "jinja/text_search.h"

namespace moiety::jinja {
namespace {

using From = TextFinder::From;

const std::string& Self(const Call& call) { return call.self.string(); }

// The text's code points, if there is memory for them.
std::vector<uint32_t> PointsOf(const Call& call) {
  const bool affords = call.run.Affords(Self(call).size() * sizeof(uint32_t));
  return affords ? CodePoints(Self(call)) : std::vector<uint32_t>();
}

template <std::string (*Map)(std::string_view)>
Value Mapped(Call& call) {
  if (!call.run.Affords(Self(call).size() * 6)) return {};
  return call.run.String(Map(Self(call)));
}

// True if the text is not empty and all of its characters are of the class.
template <bool (*Is)(uint32_t)>
Value AllAre(Call& call) {
  const std::vector<uint32_t> points = PointsOf(call);
  return Value::Bool(!points.empty() && std::all_of(points.begin(), points.end(), Is));
}

bool IsAlphanumeric(uint32_t c) { return IsAlpha(c) || IsDigit(c) || IsNumeric(c); }

Value IsPrintableText(Call& call) {
  const std::vector<uint32_t> points = PointsOf(call);
  return Value::Bool(std::all_of(points.begin(), points.end(), IsPrintable));
}

Value IsAsciiText(Call& call) { return Value::Bool(call.self.string_object().is_ascii()); }

Value IsIdentifier(Call& call) {
  const std::vector<uint32_t> points = PointsOf(call);
  return Value::Bool(!points.empty() && IsNameStart(points[0]) &&
                     std::all_of(points.begin(), points.end(), IsNamePart));
}

Value IsLowerText(Call& call) {
  const bool affords = call.run.Affords(Self(call).size() * sizeof(uint32_t));
  return Value::Bool(affords && IsAllLower(Self(call)));
}
Value IsUpperText(Call& call) {
  const bool affords = call.run.Affords(Self(call).size() * sizeof(uint32_t));
  return Value::Bool(affords && IsAllUpper(Self(call)));
}

Value IsTitleText(Call& call) {
  bool in_word = false;
  bool any = false;
  for (const uint32_t c : PointsOf(call)) {
    const bool starts = IsUpper(c) || IsTitle(c);
    if (starts ? in_word : IsLower(c) && !in_word) return Value::Bool(false);
    in_word = starts || IsLower(c);
    any |= in_word;
  }
  return Value::Bool(any);
}

Value StripSides(Call& call, bool left, bool right) {
  const std::string chars = call.IsNone(0) ? "" : call.Text(0, "");
  const std::string* set = call.IsNone(0) ? nullptr : &chars;
  if (!call.run.Affords(Self(call).size() * (1 + chars.size() / 16))) return {};
  std::string_view text = Self(call);
  if (left) text = StripLeft(text, set);
  if (right) text = StripRight(text, set);
  return call.run.String(std::string(text));
}
Value Strip(Call& call) { return StripSides(call, true, true); }
Value LStrip(Call& call) { return StripSides(call, true, false); }
Value RStrip(Call& call) { return StripSides(call, false, true); }

Value ListOf(Runtime& run, const std::vector<std::string_view>& parts) {
  const size_t bytes_each = sizeof(std::string_view) + sizeof(Value) + kObjectBytes;
  if (!run.HasRoom(parts.size() * bytes_each)) return {};
  std::vector<Value> items;
  items.reserve(parts.size());
  for (const std::string_view part : parts) {
    items.push_back(run.String(std::string(part)));
    if (run.failed()) return {};
  }
  return run.List(std::move(items));
}

Value SplitAt(Call& call, From from) {
  std::optional<std::string> separator;
  if (!call.IsNone(0)) separator = call.Text(0, " ");
  const int64_t max = call.Int(1, -1);
  if (call.run.failed()) return {};
  if (separator && separator->empty()) return call.run.Fail("empty separator");
  call.run.Step(Self(call).size() / 16);
  return ListOf(call.run, separator ? SplitBySeparator(call.run, Self(call), *separator, max, from)
                                    : SplitBySpace(call.run, Self(call), max, from));
}
Value Split(Call& call) { return SplitAt(call, From::kLeft); }
Value RSplit(Call& call) { return SplitAt(call, From::kRight); }
Value SplitLinesMethod(Call& call) {
  return ListOf(call.run, SplitLines(call.run, Self(call), call.Flag(0, false)));
}

Value Join(Call& call) {
  const std::vector<Value> items = Iterate(call.run, call.At(0));
  std::string out;
  for (size_t i = 0; i < items.size(); ++i) {
    if (!items[i].is_string()) {
      return call.run.Fail(
          Format("sequence item {}: expected str instance, {} found", i, TypeName(items[i])));
    }
    const size_t more = Self(call).size() + items[i].string().size();
    if (!call.run.HasRoom(out.size() + more) || !call.run.Step(more / 64)) return {};
    if (i > 0) out += Self(call);
    out += items[i].string();
  }
  return call.run.failed() ? Value() : call.run.String(std::move(out));
}

Value Replace(Call& call) {
  const std::string old_text = call.Text(0, "");
  const std::string new_text = call.Text(1, "");
  return ReplaceText(call.run, Self(call), old_text, new_text, call.Int(2, -1));
}

// startswith and endswith: one text or a tuple of them; start and stop as in a slice.
Value MatchesEnd(Call& call, bool at_start) {
  const Value part = call.Has(1) || call.Has(2)
                         ? Slice(call.run, call.self, call.Or(1, Value::None()),
                                 call.Or(2, Value::None()), Value::None())
                         : call.self;
  if (call.run.failed()) return {};
  std::vector<Value> affixes = {call.At(0)};
  if (call.At(0).is(Kind::kTuple)) affixes = call.At(0).list().items;
  for (const Value& affix : affixes) {
    if (!affix.is_string()) {
      return call.Fail(Format("first arg must be str or a tuple of str, not {}", TypeName(affix)));
    }
    const std::string& text = affix.string();
    if (at_start ? part.string().starts_with(text) : part.string().ends_with(text)) {
      return Value::Bool(true);
    }
  }
  return Value::Bool(false);
}
Value StartsWith(Call& call) { return MatchesEnd(call, true); }
Value EndsWith(Call& call) { return MatchesEnd(call, false); }

// The range [start, stop) of code points that find, index and count look at, in bytes.
struct Window {
  size_t begin = 0, end = 0;
  bool valid = false;
};
Window WindowOf(Call& call) {
  const StringObject& self = call.self.string_object();
  const auto bound = [&](size_t i, int64_t otherwise) {
    const int64_t given = call.IsNone(i) ? otherwise : call.Int(i, otherwise);
    return std::max<int64_t>(given < 0 ? given + self.length : given, 0);
  };
  const int64_t start = bound(1, 0);
  const int64_t stop = std::min(bound(2, self.length), self.length);
  if (start > stop) return {};
  return {ByteOffset(self, start), ByteOffset(self, stop), true};
}

Value FindIn(Call& call, From from, bool must_be_there) {
  const std::string part = call.Text(0, "");
  const Window window = WindowOf(call);
  if (!call.run.Step(Self(call).size() / 32)) return {};
  const std::string_view text = Self(call);
  size_t found = std::string_view::npos;
  if (window.valid) {
    const std::string_view seen = text.substr(window.begin, window.end - window.begin);
    found = TextFinder(call.run, seen, part, from).Next();
  }
  if (found != std::string_view::npos) {
    return Value::Int(CountCharacters(text.substr(0, window.begin + found)));
  }
  return must_be_there ? call.run.Fail("substring not found") : Value::Int(-1);
}
Value Find(Call& call) { return FindIn(call, From::kLeft, false); }
Value RFind(Call& call) { return FindIn(call, From::kRight, false); }
Value Index(Call& call) { return FindIn(call, From::kLeft, true); }
Value RIndex(Call& call) { return FindIn(call, From::kRight, true); }

Value Count(Call& call) {
  const std::string part = call.Text(0, "");
  const Window window = WindowOf(call);
  if (!window.valid || !call.run.Step(Self(call).size() / 32)) return Value::Int(0);
  const std::string_view text =
      std::string_view(Self(call)).substr(window.begin, window.end - window.begin);
  if (part.empty()) return Value::Int(CountCharacters(text) + 1);
  int64_t count = 0;
  TextFinder finder(call.run, text, part);
  while (finder.Next() != std::string_view::npos) ++count;
  return Value::Int(count);
}

Value FormatMethod(Call& call) { return FormatBraces(call.run, Self(call), call.raw); }

Value RemovePrefix(Call& call) {
  const std::string affix = call.Text(0, "");
  const bool there = Self(call).starts_with(affix);
  return there ? call.run.String(Self(call).substr(affix.size())) : call.self;
}
Value RemoveSuffix(Call& call) {
  const std::string affix = call.Text(0, "");
  const bool there = Self(call).ends_with(affix);
  return there ? call.run.String(Self(call).substr(0, Self(call).size() - affix.size()))
               : call.self;
}

Value PadText(Call& call, Side side) {
  const std::string fill = call.Text(1, " ");
  if (CountCharacters(fill) != 1) {
    return call.run.Fail("The fill character must be exactly one character long");
  }
  return Pad(call.run, call.self.string_object(), call.Int(0, 0), fill, side);
}
Value LJust(Call& call) { return PadText(call, Side::kRight); }
Value RJust(Call& call) { return PadText(call, Side::kLeft); }
Value Center(Call& call) { return PadText(call, Side::kBoth); }

Value ZFill(Call& call) {
  const std::string& text = Self(call);
  const bool has_sign = text.starts_with('+') || text.starts_with('-');
  const StringObject digits(has_sign ? text.substr(1) : text);
  const int64_t width = call.Int(0, 0);
  Value padded =
      Pad(call.run, digits, width > INT64_MIN ? width - (has_sign ? 1 : 0) : 0, "0", Side::kLeft);
  if (call.run.failed() || !has_sign) return padded;
  return call.run.String(text[0] + padded.string());
}

Value PartitionAt(Call& call, From from) {
  const std::string separator = call.Text(0, " ");
  if (separator.empty()) return call.run.Fail("empty separator");
  const std::string& text = Self(call);
  Runtime& run = call.run;
  const size_t at = TextFinder(run, text, separator, from).Next();
  if (at == std::string::npos) {
    const Value empty = run.String("");
    return from == From::kRight ? run.Tuple({empty, empty, call.self})
                                : run.Tuple({call.self, empty, empty});
  }
  return run.Tuple({run.String(text.substr(0, at)), run.String(separator),
                    run.String(text.substr(at + separator.size()))});
}
Value Partition(Call& call) { return PartitionAt(call, From::kLeft); }
Value RPartition(Call& call) { return PartitionAt(call, From::kRight); }

Value ExpandTabs(Call& call) {
  const int64_t size = std::clamp<int64_t>(call.Int(0, 8), 0, 1000);
  std::string out;
  int64_t column = 0;
  for (const char c : Self(call)) {
    if (c == '\t') {
      const int64_t spaces = size > 0 ? size - column % size : 0;
      if (!call.run.Affords(out.size() + static_cast<size_t>(spaces))) return {};
      out.append(static_cast<size_t>(spaces), ' ');
      column += spaces;
    } else {
      out += c;
      if (c == '\n' || c == '\r') {
        column = 0;
      } else if (!IsUtf8Continuation(c)) {
        ++column;
      }
    }
  }
  return call.run.String(std::move(out));
}

constexpr Native kStringMethods[] = {
    {"capitalize", Mapped<Capitalize>, ""},
    {"casefold", Mapped<FoldCase>, ""},
    {"center", Center, "/width fillchar?"},
    {"count", Count, "/sub start? end?"},
    {"endswith", EndsWith, "/suffix start? end?"},
    {"expandtabs", ExpandTabs, "tabsize?"},
    {"find", Find, "/sub start? end?"},
    {"format", FormatMethod, "*"},
    {"index", Index, "/sub start? end?"},
    {"isalnum", AllAre<IsAlphanumeric>, ""},
    {"isalpha", AllAre<IsAlpha>, ""},
    {"isascii", IsAsciiText, ""},
    {"isdecimal", AllAre<IsDecimal>, ""},
    {"isdigit", AllAre<IsDigit>, ""},
    {"isidentifier", IsIdentifier, ""},
    {"islower", IsLowerText, ""},
    {"isnumeric", AllAre<IsNumeric>, ""},
    {"isprintable", IsPrintableText, ""},
    {"isspace", AllAre<IsSpace>, ""},
    {"istitle", IsTitleText, ""},
    {"isupper", IsUpperText, ""},
    {"join", Join, "/iterable"},
    {"ljust", LJust, "/width fillchar?"},
    {"lower", Mapped<ToLower>, ""},
    {"lstrip", LStrip, "/chars?"},
    {"partition", Partition, "/sep"},
    {"removeprefix", RemovePrefix, "/prefix"},
    {"removesuffix", RemoveSuffix, "/suffix"},
    {"replace", Replace, "/old new count?"},
    {"rfind", RFind, "/sub start? end?"},
    {"rindex", RIndex, "/sub start? end?"},
    {"rjust", RJust, "/width fillchar?"},
    {"rpartition", RPartition, "/sep"},
    {"rsplit", RSplit, "sep? maxsplit?"},
    {"rstrip", RStrip, "/chars?"},
    {"split", Split, "sep? maxsplit?"},
    {"splitlines", SplitLinesMethod, "keepends?"},
    {"startswith", StartsWith, "/prefix start? end?"},
    {"strip", Strip, "/chars?"},
    {"swapcase", Mapped<SwapCase>, ""},
    {"title", Mapped<TitleCase>, ""},
    {"upper", Mapped<ToUpper>, ""},
    {"zfill", ZFill, "/width"},
};
constexpr std::string_view kUnsupported[] = {"encode", "format_map", "maketrans", "translate"};

}  // namespace

MethodTable StringMethods() { return {kStringMethods, {}, kUnsupported}; }

}  // namespace moiety::jinja
