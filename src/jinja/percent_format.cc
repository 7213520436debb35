#include "jinja/percent_format.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include "base/format.h"
#include "base/utf8.h"
#include "jinja/attributes.h"
#include "jinja/python_text.h"
#include "jinja/text.h"

namespace moiety::jinja {
namespace {

constexpr int kMaxPrecision = 1000;
constexpr int kMaxWidth = 1'000'000;

bool IsAsciiDigit(char c) { return c >= '0' && c <= '9'; }

// How one value is to be written.
struct Spec {
  std::string fill = " ";
  char align = 0;  // < > ^ = or 0: as the type has it
  char sign = '-';
  bool alternate = false;  // 0x before hexadecimal digits
  int width = 0;
  std::string_view grouping;  // "," or "_"
  int precision = -1;
  char type = 0;
};

// Reads digits at text[at]; false when the number is larger than `max`.
bool ReadNumber(std::string_view text, size_t& at, int max, int& number) {
  number = 0;
  for (; at < text.size() && IsAsciiDigit(text[at]); ++at) {
    number = number * 10 + (text[at] - '0');
    if (number > max) return false;
  }
  return true;
}

std::string Grouped(const std::string& digits, std::string_view separator, size_t group) {
  std::string out;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % group == 0) out += separator;
    out += digits[i];
  }
  return out;
}

// Sign or prefix, and the rest, put into the width.
std::string Padded(const std::string& prefix, const std::string& body, const Spec& spec,
                   char default_align) {
  const int64_t length = CountCharacters(prefix) + CountCharacters(body);
  const int64_t missing = std::max<int64_t>(spec.width - length, 0);
  const auto filling = [&](int64_t count) {
    std::string out;
    for (int64_t i = 0; i < count; ++i) out += spec.fill;
    return out;
  };
  switch (spec.align != 0 ? spec.align : default_align) {
    case '<':
      return prefix + body + filling(missing);
    case '^':
      return filling(missing / 2) + prefix + body + filling(missing - missing / 2);
    case '=':
      return prefix + filling(missing) + body;
    default:
      return filling(missing) + prefix + body;
  }
}

std::string SignOf(bool negative, char sign) {
  if (negative) return "-";
  return sign == '+' ? "+" : sign == ' ' ? " " : "";
}

std::string Digits(uint64_t value, char type) {
  char buffer[72];
  const int base = type == 'b' ? 2 : type == 'o' ? 8 : type == 'x' || type == 'X' ? 16 : 10;
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value, base);
  std::string digits(buffer, end.ptr);
  if (type == 'X') {
    for (char& c : digits) c = static_cast<char>(c >= 'a' && c <= 'f' ? c - 32 : c);
  }
  return digits;
}

std::string IntText(int64_t value, const Spec& spec, bool percent) {
  const uint64_t magnitude =
      value < 0 ? uint64_t{0} - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  std::string digits = Digits(magnitude, spec.type);
  if (percent && spec.precision > static_cast<int>(digits.size())) {
    digits.insert(0, static_cast<size_t>(spec.precision) - digits.size(), '0');
  }
  const bool decimal = spec.type == 'd' || spec.type == 0;
  if (!spec.grouping.empty()) digits = Grouped(digits, spec.grouping, decimal ? 3 : 4);
  std::string prefix = SignOf(value < 0, spec.sign);
  if (spec.alternate && !decimal) prefix += std::string("0") + spec.type;
  return Padded(prefix, digits, spec, '>');
}

std::string DoubleText(double value, const Spec& spec) {
  std::string body;
  if (spec.type == 0 && spec.precision < 0) {
    body = FloatText(std::fabs(value));
  } else if (spec.type == '%') {
    body = FloatDigits(std::fabs(value) * 100, 'f', spec.precision < 0 ? 6 : spec.precision) + "%";
  } else {
    const char type = spec.type == 0 || spec.type == 'n' ? 'g' : spec.type;
    body = FloatDigits(std::fabs(value), type, spec.precision < 0 ? 6 : spec.precision);
    const bool plain = body.find_first_of(".eEn") == std::string::npos;
    if (spec.type == 0 && plain) body += ".0";
  }
  if (!spec.grouping.empty()) {
    const size_t whole = std::min(body.find_first_not_of("0123456789"), body.size());
    body = Grouped(body.substr(0, whole), spec.grouping, 3) + body.substr(whole);
  }
  return Padded(SignOf(std::signbit(value) && !std::isnan(value), spec.sign), body, spec, '>');
}

// [[fill]align][sign][#][0][width][,][.precision][type]
bool ParseSpec(std::string_view text, Spec& spec) {
  size_t at = 0;
  const auto is_align = [&](size_t i) {
    return i < text.size() && std::strchr("<>=^", text[i]) != nullptr;
  };
  if (!text.empty()) {
    const auto first = static_cast<size_t>(DecodeUtf8(text).length);
    if (is_align(first)) {
      spec.fill = text.substr(0, first);
      spec.align = text[first];
      at = first + 1;
    } else if (is_align(0)) {
      spec.align = text[at++];
    }
  }
  if (at < text.size() && std::strchr("+- ", text[at]) != nullptr) spec.sign = text[at++];
  if (at < text.size() && text[at] == '#') {
    spec.alternate = true;
    ++at;
  }
  if (at < text.size() && text[at] == '0') {
    ++at;
    if (spec.align == 0) {
      spec.fill = "0";
      spec.align = '=';
    }
  }
  if (!ReadNumber(text, at, kMaxWidth, spec.width)) return false;
  if (at < text.size() && (text[at] == ',' || text[at] == '_'))
    spec.grouping = text.substr(at++, 1);
  if (at < text.size() && text[at] == '.') {
    ++at;
    if (at >= text.size() || !IsAsciiDigit(text[at])) return false;
    if (!ReadNumber(text, at, kMaxPrecision, spec.precision)) return false;
  }
  if (at < text.size()) spec.type = text[at++];
  return at == text.size();
}

// format(value, spec).
std::string FormatOne(Runtime& run, const Value& value, std::string_view text) {
  if (text.empty()) return Str(run, value);
  Spec spec;
  if (!ParseSpec(text, spec)) {
    run.Fail(Format("invalid format specifier {}", ReprText(text)));
    return "";
  }
  if (!run.Affords(static_cast<size_t>(spec.width) * 4)) return "";
  const bool is_float_type = spec.type != 0 && std::strchr("eEfFgG%n", spec.type) != nullptr;
  const bool is_int_type = spec.type != 0 && std::strchr("dboxXn", spec.type) != nullptr;
  if (value.is_string() && (spec.type == 0 || spec.type == 's') && spec.align != '=') {
    std::string body = value.string();
    if (spec.precision >= 0 && value.string_object().length > spec.precision) {
      body = Substring(value.string_object(), 0, spec.precision);
    }
    return Padded("", body, spec, '<');
  }
  if (value.is_integral() && (spec.type == 0 || is_int_type) && spec.precision < 0) {
    if (spec.type == 'n') spec.type = 'd';
    return IntText(value.integer(), spec, false);
  }
  if (value.is_number() && (is_float_type || (value.is(Kind::kFloat) && spec.type == 0))) {
    return DoubleText(value.number(), spec);
  }
  run.Fail(Format("unsupported format specifier {} for a '{}'", ReprText(text), TypeName(value)));
  return "";
}

// The values of a % in their order.
class PercentValues {
 public:
  PercentValues(Runtime& run, const Value& values) : run_(run), values_(values) {}

  Value Next() {
    if (values_.is(Kind::kTuple)) {
      const auto& items = values_.list().items;
      if (used_ < items.size()) return items[used_++];
    } else if (used_++ == 0) {
      return values_;
    }
    return run_.Fail("not enough arguments for format string");
  }
  Value Named(const std::string& name) {
    named_ = true;
    if (!values_.is_dict()) return run_.Fail("format requires a mapping");
    const Value* found = values_.dict().Find(name);
    return found != nullptr ? *found : run_.Fail(Format("KeyError: {}", ReprText(name)));
  }
  void CheckAllUsed() {
    const bool left = values_.is(Kind::kTuple)
                          ? used_ < values_.list().items.size()
                          : used_ == 0 && !values_.is_dict() && !values_.is(Kind::kList) &&
                                !values_.is(Kind::kRange) && !values_.is_undefined();
    if (left && !named_) run_.Fail("not all arguments converted during string formatting");
  }

 private:
  Runtime& run_;
  const Value& values_;
  size_t used_ = 0;
  bool named_ = false;
};

std::string PercentOne(Runtime& run, const Value& value, Spec spec, char type) {
  if (run.failed() || !run.Affords(static_cast<size_t>(spec.width) * 4)) return "";
  if (type == 's' || type == 'r' || type == 'a') {
    if (type == 'a') {
      run.FailUnsupported("%a is not supported");
      return "";
    }
    std::string text = type == 's' ? Str(run, value) : Repr(run, value);
    if (spec.precision >= 0 && CountCharacters(text) > spec.precision) {
      text = Substring(StringObject(text), 0, spec.precision);
    }
    if (spec.align == '=') {
      spec.align = '>';
      spec.fill = " ";
    }
    return Padded("", text, spec, '>');
  }
  if (type == 'c') {
    if (value.is_string() && value.string_object().length == 1) {
      return Padded("", value.string(), spec, '>');
    }
    if (value.is_integral() && value.integer() >= 0 && value.integer() < 0x110000 &&
        (value.integer() < 0xD800 || value.integer() > 0xDFFF)) {
      std::string text;
      AppendUtf8(static_cast<uint32_t>(value.integer()), text);
      return Padded("", text, spec, '>');
    }
    run.Fail("%c requires int or char");
    return "";
  }
  if (value.is_undefined()) {
    run.FailUndefined(value);
    return "";
  }
  if (!value.is_number()) {
    run.Fail(Format("%{} format: a real number is required, not {}", type, TypeName(value)));
    return "";
  }
  spec.type = type;
  if (std::strchr("eEfFgG", type) != nullptr) return DoubleText(value.number(), spec);
  if (type == 'i' || type == 'u') spec.type = 'd';
  if (value.is_integral()) return IntText(value.integer(), spec, true);
  if (spec.type != 'd') {
    run.Fail(Format("%{} format: an integer is required, not float", type));
    return "";
  }
  if (!(std::fabs(value.number()) < 9.2e18)) {
    run.Fail("cannot convert this float to integer");
    return "";
  }
  return IntText(static_cast<int64_t>(value.number()), spec, true);
}

// One %…: `at` stands after the %.
std::string PercentField(Runtime& run, const std::string& format, size_t& at,
                         PercentValues& values) {
  const auto incomplete = [&] {
    run.Fail("incomplete format");
    return std::string();
  };
  std::optional<std::string> name;
  if (at < format.size() && format[at] == '(') {
    int depth = 0;
    const size_t start = at + 1;
    for (; at < format.size(); ++at) {
      if (format[at] == '(') ++depth;
      if (format[at] == ')' && --depth == 0) break;
    }
    if (at == format.size()) return incomplete();
    name = format.substr(start, at++ - start);
  }
  Spec spec;
  bool left = false;
  bool zero = false;
  for (; at < format.size() && std::strchr("-+ #0", format[at]) != nullptr; ++at) {
    left |= format[at] == '-';
    zero |= format[at] == '0';
    spec.alternate |= format[at] == '#';
    if (format[at] == '+' || (format[at] == ' ' && spec.sign != '+')) spec.sign = format[at];
  }
  const auto number = [&](int max, int& result) {
    if (at < format.size() && format[at] == '*') {
      ++at;
      const Value value = values.Next();
      if (!value.is(Kind::kInt)) {
        run.Fail("* wants int");
        return false;
      }
      if (std::abs(value.integer()) > max) return false;
      result = static_cast<int>(value.integer());
      return true;
    }
    return ReadNumber(format, at, max, result);
  };
  bool fits = number(kMaxWidth, spec.width);
  if (spec.width < 0) {
    left = true;
    spec.width = -spec.width;
  }
  if (at < format.size() && format[at] == '.') {
    ++at;
    fits = fits && number(kMaxPrecision, spec.precision);
    spec.precision = std::max(spec.precision, 0);
  }
  if (!fits) {
    run.Fail("a width or precision of a format is too large");
    return "";
  }
  while (at < format.size() && std::strchr("hlL", format[at]) != nullptr) ++at;
  if (at == format.size()) return incomplete();
  const char type = format[at++];
  if (type == '%') return "%";
  if (std::strchr("diuoxXeEfFgGcrsa", type) == nullptr) {
    run.Fail(Format("unsupported format character '{}' ({:#x}) at index {}",
                    ToValidUtf8(std::string(1, type)), static_cast<uint8_t>(type), at - 1));
    return "";
  }
  if (left) {
    spec.align = '<';
  } else if (zero) {
    spec.align = '=';
    spec.fill = "0";
  }
  return PercentOne(run, name ? values.Named(*name) : values.Next(), spec, type);
}

// str.format: replaces fields one after the other.
class BraceFormatter {
 public:
  BraceFormatter(Runtime& run, const Arguments& arguments) : run_(run), arguments_(arguments) {}

  std::string Run(std::string_view format, int depth) {
    std::string out;
    for (size_t at = 0; at < format.size() && run_.Step();) {
      const char c = format[at];
      if ((c == '{' || c == '}') && at + 1 < format.size() && format[at + 1] == c && depth == 0) {
        out += c;
        at += 2;
      } else if (c == '{') {
        const size_t end = FieldEnd(format, at);
        if (end == std::string_view::npos) break;
        out += Field(format.substr(at + 1, end - at - 1), depth);
        if (!run_.Affords(out.size())) return "";
        at = end + 1;
      } else if (c == '}') {
        run_.Fail("Single '}' encountered in format string");
      } else {
        out += c;
        ++at;
      }
    }
    return out;
  }

 private:
  size_t FieldEnd(std::string_view format, size_t at) {
    int depth = 0;
    for (; at < format.size(); ++at) {
      if (format[at] == '{') ++depth;
      if (format[at] == '}' && --depth == 0) return at;
    }
    run_.Fail("expected '}' before end of string");
    return std::string_view::npos;
  }

  // name[!conversion][:spec]
  std::string Field(std::string_view field, int depth) {
    constexpr int kMaxDepth = 2;
    if (depth >= kMaxDepth) {
      run_.Fail("Max string recursion exceeded");
      return "";
    }
    const size_t name_end = std::min(field.find_first_of("!:"), field.size());
    const Value value = Lookup(field.substr(0, name_end));
    std::string_view rest = field.substr(name_end);
    char conversion = 0;
    if (rest.starts_with('!')) {
      if (rest.size() < 2 || (rest.size() > 2 && rest[2] != ':')) {
        run_.Fail("expected ':' after conversion specifier");
        return "";
      }
      conversion = rest[1];
      rest.remove_prefix(2);
    }
    const std::string spec = rest.empty() ? "" : Run(rest.substr(1), depth + 1);
    if (run_.failed()) return "";
    if (conversion == 0) return FormatOne(run_, value, spec);
    if (conversion != 's' && conversion != 'r') {
      run_.Fail("unknown conversion specifier in a format");
      return "";
    }
    return FormatOne(run_, run_.String(conversion == 's' ? Str(run_, value) : Repr(run_, value)),
                     spec);
  }

  // first(.attribute | [element])*
  Value Lookup(std::string_view path) {
    const size_t first_end = std::min(path.find_first_of(".["), path.size());
    Value value = First(path.substr(0, first_end));
    path.remove_prefix(first_end);
    while (!path.empty() && !run_.failed()) {
      if (path[0] == '.') {
        const size_t end = std::min(path.find_first_of(".[", 1), path.size());
        value = GetAttribute(run_, value, run_.String(std::string(path.substr(1, end - 1))));
        path.remove_prefix(end);
      } else {
        const size_t end = path.find(']');
        if (path[0] != '[' || end == std::string_view::npos) {
          return run_.Fail("Missing ']' in format string");
        }
        const std::string_view key = path.substr(1, end - 1);
        size_t digits = 0;
        int index = 0;
        const bool is_index =
            !key.empty() && ReadNumber(key, digits, kMaxWidth, index) && digits == key.size();
        value = GetItem(run_, value, is_index ? Value::Int(index) : run_.String(std::string(key)));
        path.remove_prefix(end + 1);
      }
    }
    return value;
  }

  Value First(std::string_view name) {
    size_t digits = 0;
    int index = 0;
    const bool is_index = ReadNumber(name, digits, kMaxWidth, index) && digits == name.size();
    if (is_index) {
      const bool automatic = name.empty();
      if (automatic ? manual_ : next_ > 0) {
        return run_.Fail("cannot mix numbered and automatic fields in a format");
      }
      manual_ = !automatic;
      if (automatic) index = next_++;
      if (static_cast<size_t>(index) < arguments_.positional.size()) {
        return arguments_.positional[static_cast<size_t>(index)];
      }
      return run_.Fail("Replacement index out of range for positional args tuple");
    }
    for (const auto& [key, value] : arguments_.named) {
      if (key == name) return value;
    }
    return run_.Fail(Format("KeyError: {}", ReprText(name)));
  }

  Runtime& run_;
  const Arguments& arguments_;
  int next_ = 0;         // of the fields without a number
  bool manual_ = false;  // a field had a number
};

}  // namespace

std::string FloatDigits(double value, char type, int precision) {
  std::string digits;
  if (!std::isfinite(value)) {
    digits = std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
  } else {
    const char lower = static_cast<char>(type | 0x20);
    const auto notation = lower == 'e'   ? std::chars_format::scientific
                          : lower == 'f' ? std::chars_format::fixed
                                         : std::chars_format::general;
    digits.resize(400 + static_cast<size_t>(precision));
    const auto end =
        std::to_chars(digits.data(), digits.data() + digits.size(), value, notation, precision);
    digits.resize(static_cast<size_t>(end.ptr - digits.data()));
  }
  if (type >= 'A' && type <= 'Z') {
    for (char& c : digits) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  }
  return digits;
}

Value FormatPercent(Runtime& run, const std::string& format, const Value& values) {
  PercentValues source(run, values);
  std::string out;
  for (size_t at = 0; at < format.size() && !run.failed();) {
    const size_t percent = std::min(format.find('%', at), format.size());
    out.append(format, at, percent - at);
    at = percent;
    if (at == format.size()) break;
    ++at;
    out += PercentField(run, format, at, source);
    if (!run.Affords(out.size())) return {};
  }
  source.CheckAllUsed();
  return run.failed() ? Value() : run.String(std::move(out));
}

Value FormatBraces(Runtime& run, const std::string& format, const Arguments& arguments) {
  std::string out = BraceFormatter(run, arguments).Run(format, 0);
  return run.failed() ? Value() : run.String(std::move(out));
}

}  // namespace moiety::jinja
