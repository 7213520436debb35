// Filters that make text or numbers.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/format.h"
#include "base/utf8.h"
#include "jinja/filters.h"
#include "jinja/operators.h"
#include "jinja/percent_format.h"
#include "jinja/python_text.h"
#include "jinja/text.h"
#include "jinja/text_edit.h"

namespace moiety::jinja {
namespace {

// The filtered value as text.
std::string Self(Call& call) { return Str(call.run, call.self); }

template <std::string (*Map)(std::string_view)>
Value MappedFilter(Call& call) {
  const std::string text = Self(call);
  if (!call.run.Affords(text.size() * 6)) return {};
  return call.run.String(Map(text));
}

Value Escape(Call& call) {
  if (call.self.is_string() && call.self.string_object().is_markup) return call.self;
  const std::string text = Self(call);
  if (!call.run.Affords(text.size() * 5)) return {};
  return call.run.Markup(EscapeHtml(text));
}

Value ForceEscape(Call& call) {
  const std::string text = Self(call);
  if (!call.run.Affords(text.size() * 5)) return {};
  return call.run.Markup(EscapeHtml(text));
}

Value Safe(Call& call) { return call.run.Markup(Self(call)); }

Value String(Call& call) { return call.self.is_string() ? call.self : call.run.String(Self(call)); }

Value ReplaceFilter(Call& call) {
  const std::string old_text = Str(call.run, call.At(0));
  const std::string new_text = Str(call.run, call.At(1));
  const int64_t count = call.IsNone(2) ? -1 : call.Int(2, -1);
  return ReplaceText(call.run, Self(call), old_text, new_text, count);
}

Value Trim(Call& call) {
  const std::string text = Self(call);
  const std::string chars = call.IsNone(0) ? "" : call.Text(0, "");
  const std::string* set = call.IsNone(0) ? nullptr : &chars;
  if (!call.run.Affords(text.size() * (1 + chars.size() / 16))) return {};
  return call.run.String(std::string(StripRight(StripLeft(text, set), set)));
}

// Words begin after - ( { [ < and white space.
Value Title(Call& call) {
  const std::string text = Self(call);
  if (!call.run.Affords(text.size() * 6)) return {};
  std::string out;
  std::string word;
  const auto flush = [&] {
    if (word.empty()) return;
    const auto first = static_cast<size_t>(DecodeUtf8(word).length);
    out += ToUpper(word.substr(0, first)) + ToLower(word.substr(first));
    word.clear();
  };
  bool in_separator = false;
  for (const uint32_t c : CodePoints(text)) {
    const bool separates = IsSpace(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
    if (separates != in_separator) flush();
    in_separator = separates;
    AppendUtf8(c, word);
  }
  flush();
  return call.run.String(std::move(out));
}

Value CenterFilter(Call& call) {
  return Pad(call.run, StringObject(Self(call)), call.Int(0, 80), " ", Side::kBoth);
}

// Lines after the first get the indent; `first` and `blank` say which more.
Value Indent(Call& call) {
  if (!call.self.is_string()) {
    if (call.self.is_undefined()) return call.run.FailUndefined(call.self);
    return call.Fail(Format("expected a string, found '{}'", TypeName(call.self)));
  }
  std::string indent = "    ";
  if (call.Has(0) && call.At(0).is_string()) {
    indent = call.At(0).string();
  } else if (call.Has(0)) {
    const Value spaces = Compute(call.run, Arithmetic::kMultiply, Value::Literal(" "), call.At(0));
    if (call.run.failed()) return {};
    indent = spaces.string();
  }
  const bool blank = call.Flag(2, false);
  if (!call.run.Affords(call.self.string().size())) return {};
  const std::string text = call.self.string() + "\n";
  std::string out = call.Flag(1, false) ? indent : "";
  bool is_first = true;
  for (const std::string_view line : SplitLines(call.run, text)) {
    const size_t more = indent.size() + line.size() + 1;
    if (!call.run.HasRoom(out.size() + more) || !call.run.Step(more / 64)) return {};
    if (!is_first) out += "\n";
    if (!is_first && (blank || !line.empty())) out += indent;
    out += line;
    is_first = false;
  }
  return call.run.failed() ? Value() : call.run.String(std::move(out));
}

Value Truncate(Call& call) {
  const int64_t length = call.Int(0, 255);
  const std::string end = call.Text(2, "...");
  const int64_t leeway = call.IsNone(3) ? 5 : call.Int(3, 5);
  if (call.run.failed()) return {};
  if (!call.self.is_string()) {
    if (call.self.is_undefined() || call.self.is_list() || call.self.is_dict()) {
      if (length >= CountCharacters(end) && leeway >= 0 && *Length(call.self) <= length + leeway) {
        return call.self;
      }
    }
    return call.Fail(Format("expected a string, found '{}'", TypeName(call.self)));
  }
  const StringObject& text = call.self.string_object();
  const int64_t kept = length - CountCharacters(end);
  if (kept < 0 || leeway < 0) {
    return call.Fail(Format("expected length >= {} and leeway >= 0", CountCharacters(end)));
  }
  if (text.length <= length || text.length - length <= leeway) return call.self;
  std::string head = Substring(text, 0, kept);
  if (!call.Flag(1, false)) head.resize(std::min(head.rfind(' '), head.size()));
  return call.run.String(head + end);
}

Value WordWrap(Call& call) {
  if (!call.self.is_string()) {
    return call.Fail(Format("expected a string, found '{}'", TypeName(call.self)));
  }
  const WrapStyle style = {call.Int(0, 79), call.Flag(1, true), call.Flag(3, true)};
  const std::string separator = call.IsNone(2) ? "\n" : call.Text(2, "\n");
  std::string out;
  bool is_first = true;
  for (const std::string_view paragraph : SplitLines(call.run, call.self.string())) {
    std::vector<std::string> lines = WrapLine(call.run, std::string(paragraph), style);
    if (lines.empty()) lines.emplace_back();
    for (const std::string& line : lines) {
      const size_t more = separator.size() + line.size();
      if (!call.run.HasRoom(out.size() + more) || !call.run.Step(more / 64)) return {};
      if (!is_first) out += separator;
      out += line;
      is_first = false;
    }
  }
  return call.run.failed() ? Value() : call.run.String(std::move(out));
}

Value WordCount(Call& call) {
  const std::string text = Self(call);
  if (!call.run.Affords(text.size() * sizeof(uint32_t))) return {};
  int64_t words = 0;
  bool in_word = false;
  for (const uint32_t c : CodePoints(text)) {
    const bool is_part = IsAlpha(c) || IsDigit(c) || IsNumeric(c) || c == '_';
    if (is_part && !in_word) ++words;
    in_word = is_part;
  }
  return Value::Int(words);
}

Value StripTagsFilter(Call& call) {
  const std::string source = Self(call);
  if (!call.run.Affords(source.size() * 3)) return {};
  const std::string text = StripTags(call.run, source);
  for (size_t at = text.find('&'); at != std::string::npos; at = text.find('&', at + 1)) {
    const char next = at + 1 < text.size() ? text[at + 1] : ' ';
    if (next == '#' || (next >= '0' && next <= '9') ||
        ((next | 0x20) >= 'a' && (next | 0x20) <= 'z')) {
      return call.run.FailUnsupported("striptags of a text with HTML entities is not supported");
    }
  }
  return call.run.Markup(text);
}

Value UrlEncode(Call& call) {
  const auto quote = [&](const Value& value, bool for_query) {
    const std::string text = Str(call.run, value);
    return call.run.Affords(text.size() * 3) ? QuoteUrl(text, for_query) : "";
  };
  if (call.self.is_string() || !IsIterable(call.self)) {
    return call.run.String(quote(call.self, false));
  }
  std::string out;
  const auto add = [&](const Value& key, const Value& value) {
    if (!out.empty()) out += '&';
    out += quote(key, true) + "=" + quote(value, true);
    call.run.Affords(out.size());
  };
  if (call.self.is_dict()) {
    for (const auto& [key, value] : call.self.dict().entries) add(key, value);
  } else {
    for (const Value& item : Iterate(call.run, call.self)) {
      const std::vector<Value> pair = Iterate(call.run, item);
      if (call.run.failed()) return {};
      if (pair.size() != 2) return call.Fail("expected pairs of key and value");
      add(pair[0], pair[1]);
    }
  }
  return call.run.failed() ? Value() : call.run.String(std::move(out));
}

Value XmlAttr(Call& call) {
  if (!call.self.is_dict()) {
    if (call.self.is_undefined()) return call.run.FailUndefined(call.self);
    return call.Fail(Format("expected a mapping, found '{}'", TypeName(call.self)));
  }
  std::string out;
  for (const auto& [key, value] : call.self.dict().entries) {
    if (value.is_none() || value.is_undefined()) continue;
    if (!key.is_string() || key.string().find_first_of(" \t\n\r\f\v/>=") != std::string::npos) {
      return call.run.Fail(Format("Invalid character in attribute name: {}", Repr(call.run, key)));
    }
    const std::string text = Str(call.run, value);
    if (!call.run.Affords(out.size() + (key.string().size() + text.size()) * 5)) return {};
    const bool is_markup = value.is_string() && value.string_object().is_markup;
    if (!out.empty() || call.Flag(0, true)) out += ' ';
    out += EscapeHtml(key.string()) + "=\"" + (is_markup ? text : EscapeHtml(text)) + "\"";
  }
  return call.run.failed() ? Value() : call.run.String(std::move(out));
}

Value FormatFilter(Call& call) {
  if (!call.raw.positional.empty() && !call.raw.named.empty()) {
    return call.Fail("can't handle positional and keyword arguments at the same time");
  }
  Value values;
  if (call.raw.named.empty()) {
    values = call.run.Tuple(std::move(call.raw.positional));
  } else {
    std::vector<std::pair<Value, Value>> entries;
    for (auto& [name, value] : call.raw.named) {
      entries.emplace_back(call.run.String(name), std::move(value));
    }
    values = call.run.Dict(std::move(entries));
  }
  return call.run.failed() ? Value() : FormatPercent(call.run, Self(call), values);
}

// --- numbers ---

// float(text): digits with underscores between them, an exponent, inf, nan, white space around.
std::optional<double> ParseFloat(std::string_view text) {
  text = StripRight(StripLeft(text));
  std::string digits;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      digits += text[i];
      continue;
    }
    const auto is_digit = [&](size_t at) {
      return at < text.size() && text[at] >= '0' && text[at] <= '9';
    };
    if (i == 0 || !is_digit(i - 1) || !is_digit(i + 1)) return std::nullopt;
  }
  const std::string lower = ToLower(digits);
  const bool negative = lower.starts_with('-');
  const std::string_view body =
      std::string_view(lower).substr(negative || lower.starts_with('+') ? 1 : 0);
  if (body.empty() || body[0] == '-' || body[0] == '+') return std::nullopt;
  const double sign = negative ? -1.0 : 1.0;
  if (body == "nan") return std::nan("");
  if (body == "inf" || body == "infinity") return sign * HUGE_VAL;
  if (body.find_first_not_of("0123456789.e+-") != std::string_view::npos) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(body.data(), body.data() + body.size(), value);
  if (end != body.data() + body.size()) return std::nullopt;
  if (error == std::errc::result_out_of_range) {
    const size_t e = body.find('e');
    const bool tiny = e != std::string_view::npos && body.substr(e).starts_with("e-");
    return sign * (tiny ? 0.0 : HUGE_VAL);
  }
  if (error != std::errc()) return std::nullopt;
  return sign * value;
}

enum class IntParse { kOk, kInvalid, kOverflow };

IntParse ParseInt(std::string_view text, int64_t base, int64_t& value) {
  text = StripRight(StripLeft(text));
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const auto prefixed = [&](char letter) {
    return text.size() > 1 && text[0] == '0' && (text[1] | 0x20) == letter;
  };
  bool has_prefix = false;
  for (const auto& [letter, of_base] : {std::pair('b', 2), std::pair('o', 8), std::pair('x', 16)}) {
    if (!prefixed(letter) || (base != of_base && base != 0)) continue;
    base = of_base;
    text.remove_prefix(2);
    has_prefix = true;
    break;
  }
  if (base == 0) {
    base = 10;
    if (text.size() > 1 && text[0] == '0' && text.find_first_not_of("0_") != std::string::npos) {
      return IntParse::kInvalid;
    }
  }
  if (text.empty()) return IntParse::kInvalid;
  int64_t total = 0;
  bool overflow = false;
  bool may_separate = has_prefix;
  for (const char c : text) {
    if (c == '_') {
      if (!may_separate) return IntParse::kInvalid;
      may_separate = false;
      continue;
    }
    const int digit = c >= '0' && c <= '9'                     ? c - '0'
                      : (c | 0x20) >= 'a' && (c | 0x20) <= 'z' ? (c | 0x20) - 'a' + 10
                                                               : 99;
    if (digit >= base) return IntParse::kInvalid;
    overflow |= __builtin_mul_overflow(total, base, &total);
    overflow |= __builtin_sub_overflow(total, int64_t{digit}, &total);  // negative reaches further
    may_separate = true;
  }
  if (!may_separate) return IntParse::kInvalid;
  if (!negative) overflow |= __builtin_sub_overflow(int64_t{0}, total, &total);
  value = total;
  return overflow ? IntParse::kOverflow : IntParse::kOk;
}

Value IntOfFloat(Call& call, double value, const Value& otherwise, bool strict) {
  if (!std::isfinite(value)) {
    if (strict && std::isinf(value))
      return call.run.Fail("cannot convert float infinity to integer");
    return otherwise;
  }
  if (!(value > -9.2e18 && value < 9.2e18)) {
    return call.run.FailUnsupported("an integer leaves 64 bits, which moiety does not do");
  }
  return Value::Int(static_cast<int64_t>(value));
}

Value Int(Call& call) {
  Value otherwise = call.Or(0, Value::Int(0));
  const int64_t base = call.Int(1, 10);
  if (call.self.is_undefined()) return call.run.FailUndefined(call.self);
  if (call.self.is_integral()) return Value::Int(call.self.integer());
  if (call.self.is(Kind::kFloat)) return IntOfFloat(call, call.self.number(), otherwise, true);
  if (!call.self.is_string()) return otherwise;
  int64_t value = 0;
  const bool valid_base = base == 0 || (base >= 2 && base <= 36);
  switch (valid_base ? ParseInt(call.self.string(), base, value) : IntParse::kInvalid) {
    case IntParse::kOk:
      return Value::Int(value);
    case IntParse::kOverflow:
      return call.run.FailUnsupported("an integer leaves 64 bits, which moiety does not do");
    case IntParse::kInvalid:
      break;
  }
  const std::optional<double> number = ParseFloat(call.self.string());
  return number ? IntOfFloat(call, *number, otherwise, false) : otherwise;
}

Value Float(Call& call) {
  Value otherwise = call.Or(0, Value::Float(0.0));
  if (call.self.is_undefined()) return call.run.FailUndefined(call.self);
  if (call.self.is_number()) return Value::Float(call.self.number());
  if (!call.self.is_string()) return otherwise;
  const std::optional<double> number = ParseFloat(call.self.string());
  return number ? Value::Float(*number) : otherwise;
}

Value Abs(Call& call) {
  if (call.self.is_undefined()) return call.run.FailUndefined(call.self);
  if (call.self.is(Kind::kFloat)) return Value::Float(std::fabs(call.self.number()));
  if (!call.self.is_integral()) {
    return call.run.Fail(Format("bad operand type for abs(): '{}'", TypeName(call.self)));
  }
  if (call.self.integer() < 0) return Negate(call.run, call.self);
  return Value::Int(call.self.integer());
}

// To the nearest, ties to even, as decimal digits are: 2.675 (a bit less in binary) gives 2.67.
Value RoundToNearest(Call& call, int64_t precision) {
  if (call.self.is_integral() && precision >= 0) return Value::Int(call.self.integer());
  const double value = call.self.number();
  if (!std::isfinite(value) || precision > 300) return Value::Float(value);
  if (precision < 0) {
    const double unit = std::pow(10.0, static_cast<double>(std::min<int64_t>(-precision, 400)));
    const double rounded = std::isfinite(unit) ? std::nearbyint(value / unit) * unit : 0.0;
    return call.self.is_integral() ? IntOfFloat(call, rounded, Value::Int(0), true)
                                   : Value::Float(rounded);
  }
  const std::string digits = FloatDigits(value, 'f', static_cast<int>(precision));
  double rounded = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), rounded);
  return Value::Float(rounded);
}

Value Round(Call& call) {
  const int64_t precision = call.Int(0, 0);
  const std::string method = call.Text(1, "common");
  if (call.run.failed()) return {};
  if (method != "common" && method != "ceil" && method != "floor") {
    return call.Fail("method must be common, ceil or floor");
  }
  if (call.self.is_undefined()) return call.run.FailUndefined(call.self);
  if (!call.self.is_number()) {
    return call.Fail(Format("expected a number, found '{}'", TypeName(call.self)));
  }
  if (method == "common") return RoundToNearest(call, precision);
  const double unit = std::pow(10.0, static_cast<double>(precision));
  const double scaled = call.self.number() * unit;
  if (!std::isfinite(scaled) || unit == 0.0) return call.run.Fail("cannot round this number");
  return Value::Float((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / unit);
}

Value FileSizeFormat(Call& call) {
  const Value value = [&] {
    if (!call.self.is_string()) return call.self;
    const std::optional<double> number = ParseFloat(call.self.string());
    return number ? Value::Float(*number) : Value::None();
  }();
  if (!value.is_number()) return call.Fail("expected a number");
  const double bytes = value.number();
  const bool binary = call.Flag(0, false);
  const double base = binary ? 1024 : 1000;
  if (bytes == 1) return call.run.String("1 Byte");
  if (bytes < base) return call.run.String(Format("{} Bytes", static_cast<int64_t>(bytes)));
  constexpr const char* kPrefixes = "kMGTPEZY";
  double unit = base;
  size_t i = 0;
  while (i < 7 && !(bytes < unit * base)) {
    unit *= base;
    ++i;
  }
  const char prefix = binary && i == 0 ? 'K' : kPrefixes[i];
  return call.run.String(
      Format("{} {}{}", FloatDigits(bytes / unit, 'f', 1), prefix, binary ? "iB" : "B"));
}

// --- whole values ---

// The value with the keys of its dicts in order, as pprint shows them.
Value WithSortedKeys(Runtime& run, const Value& value) {
  if (!run.Step()) return {};
  if (value.is(Kind::kList) || value.is(Kind::kTuple)) {
    std::vector<Value> items;
    for (const Value& item : value.list().items) items.push_back(WithSortedKeys(run, item));
    return run.Items(value.kind(), std::move(items), value.list().type_name);
  }
  if (!value.is_dict()) return value;
  std::vector<Value> keys;
  for (const auto& entry : value.dict().entries) keys.push_back(entry.first);
  std::vector<std::pair<Value, Value>> entries;
  for (const Value& key : Sorted(run, keys, keys, false)) {
    entries.emplace_back(key, WithSortedKeys(run, *value.dict().Find(key)));
  }
  return run.Dict(std::move(entries));
}

Value PrettyPrint(Call& call) {
  constexpr int64_t kLineWidth = 80;
  std::string text = Repr(call.run, WithSortedKeys(call.run, call.self));
  if (CountCharacters(text) > kLineWidth && !call.run.failed()) {
    return call.run.FailUnsupported("pprint of a value longer than a line is not supported");
  }
  return call.run.failed() ? Value() : call.run.String(std::move(text));
}

Value ToJsonFilter(Call& call) {
  JsonStyle style;
  style.ascii = call.Flag(0, false);
  if (!call.IsNone(1)) {
    style.multiline = true;
    style.item_separator = ",";
    if (call.At(1).is_string()) {
      style.indent = call.At(1).string();
    } else {
      const int64_t spaces = call.Int(1, 0);
      if (spaces > 1000) return call.run.FailUnsupported("an indent of more than 1000 spaces");
      style.indent.assign(static_cast<size_t>(std::max<int64_t>(spaces, 0)), ' ');
    }
  }
  if (!call.IsNone(2)) {
    const std::vector<Value> separators = Iterate(call.run, call.At(2));
    if (call.run.failed()) return {};
    if (separators.size() != 2 || !separators[0].is_string() || !separators[1].is_string()) {
      return call.Fail("expected two strings as separators");
    }
    style.item_separator = separators[0].string();
    style.key_separator = separators[1].string();
  }
  style.sort_keys = call.Flag(3, false);
  if (call.self.is_undefined()) {
    return call.run.Fail("Object of type Undefined is not JSON serializable");
  }
  std::string text = ToJson(call.run, call.self, style);
  return call.run.failed() ? Value() : call.run.String(std::move(text));
}

constexpr Native kTextFilters[] = {
    {"abs", Abs, ""},
    {"capitalize", MappedFilter<Capitalize>, ""},
    {"center", CenterFilter, "width?"},
    {"e", Escape, ""},
    {"escape", Escape, ""},
    {"filesizeformat", FileSizeFormat, "binary?"},
    {"float", Float, "default?"},
    {"forceescape", ForceEscape, ""},
    {"format", FormatFilter, "*"},
    {"indent", Indent, "width? first? blank?"},
    {"int", Int, "default? base?"},
    {"lower", MappedFilter<ToLower>, ""},
    {"pprint", PrettyPrint, ""},
    {"replace", ReplaceFilter, "old new count?"},
    {"round", Round, "precision? method?"},
    {"safe", Safe, ""},
    {"string", String, ""},
    {"striptags", StripTagsFilter, ""},
    {"title", Title, ""},
    {"tojson", ToJsonFilter, "ensure_ascii? indent? separators? sort_keys?"},
    {"trim", Trim, "chars?"},
    {"truncate", Truncate, "length? killwords? end? leeway?"},
    {"upper", MappedFilter<ToUpper>, ""},
    {"urlencode", UrlEncode, ""},
    {"wordcount", WordCount, ""},
    {"wordwrap", WordWrap, "width? break_long_words? wrapstring? break_on_hyphens?"},
    {"xmlattr", XmlAttr, "autospace?"},
};

}  // namespace

std::span<const Native> TextFilters() { return kTextFilters; }

}  // namespace moiety::jinja
