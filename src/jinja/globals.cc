#include "jinja/globals.h"

#include <clocale>
#include <ctime>

#include "base/format.h"
#include "base/utf8.h"
#include "jinja/operators.h"
#include "jinja/python_text.h"

namespace moiety::jinja {
namespace {

Value Range(Call& call) {
  const int64_t first = call.Int(0, 0);
  const int64_t second = call.Int(1, 0);
  const int64_t step = call.Int(2, 1);
  if (call.run.failed()) return {};
  return call.Has(1) ? call.run.Range(first, second, step) : call.run.Range(0, first, 1);
}

// The entries of dict(…) and namespace(…): a mapping or pairs, then the named arguments.
std::vector<std::pair<Value, Value>> Entries(Call& call) {
  std::vector<std::pair<Value, Value>> entries;
  const auto& positional = call.raw.positional;
  if (positional.size() > 1) {
    call.Fail(Format("expected at most 1 argument, got {}", positional.size()));
    return entries;
  }
  if (!positional.empty() && positional[0].is_dict()) {
    entries = positional[0].dict().entries;
  } else if (!positional.empty()) {
    for (const Value& item : Iterate(call.run, positional[0])) {
      std::vector<Value> pair = Iterate(call.run, item);
      if (call.run.failed()) return entries;
      if (pair.size() != 2) {
        call.Fail("expected a mapping, or pairs of key and value");
        return entries;
      }
      entries.emplace_back(std::move(pair[0]), std::move(pair[1]));
    }
  }
  for (auto& [name, value] : call.raw.named) {
    entries.emplace_back(call.run.String(name), std::move(value));
  }
  return entries;
}

Value Dict(Call& call) {
  auto entries = Entries(call);
  return call.run.failed() ? Value() : call.run.Dict(std::move(entries));
}

Value Namespace(Call& call) {
  auto entries = Entries(call);
  Value result = call.run.Namespace();
  if (call.run.failed()) return {};
  auto& object = static_cast<NamespaceObject&>(*result.object());
  for (auto& [key, value] : entries) {
    if (!key.is_string()) return call.Fail("expected names as keys");
    if (!call.run.Step(1 + object.attributes.size() / 16)) return {};
    if (key.string().starts_with('_')) {
      return call.Fail(Format("names of attributes may not begin with _: {}", key.string()));
    }
    if (Value* there = object.Find(key.string())) {
      *there = std::move(value);
    } else {
      object.attributes.emplace_back(key.string(), std::move(value));
    }
  }
  return result;
}

Value Cycler(Call& call) {
  if (call.raw.positional.empty()) return call.Fail("at least one item has to be provided");
  return call.run.Cycler(Kind::kCycler, std::move(call.raw.positional));
}

Value Joiner(Call& call) {
  return call.run.Cycler(Kind::kJoiner, {call.Or(0, call.run.String(", "))});
}

Value RaiseException(Call& call) { return call.run.Raise(Str(call.run, call.At(0))); }

Value StrftimeNow(Call& call) {
  const std::string format = call.Text(0, "");
  if (call.run.failed() || format.empty()) return call.run.String("");
  constexpr size_t kMaxFormat = 1000;
  if (format.size() > kMaxFormat) return call.Fail("the format is too long");
  // Python's datetime without a time zone: %z and %Z are nothing.
  std::string directives = "x";  // tells an empty result from one that does not fit
  for (size_t i = 0; i < format.size(); ++i) {
    const char next = i + 1 < format.size() ? format[i + 1] : '\0';
    if (format[i] == '\0') return call.Fail("embedded null character");
    if (format[i] == '%' && next == 'f') return call.run.FailUnsupported("%f is not supported");
    if (format[i] == '%' && (next == 'z' || next == 'Z')) {
      ++i;
      continue;
    }
    directives += format[i];
    if (format[i] == '%' && next != '\0') directives += format[++i];
  }
  const std::tm now = call.run.now();
  const locale_t c_locale = newlocale(LC_ALL_MASK, "C", nullptr);
  if (c_locale == nullptr) return call.Fail("cannot format the time");
  std::string out(64 * 1024, '\0');
  const size_t length = strftime_l(out.data(), out.size(), directives.c_str(), &now, c_locale);
  freelocale(c_locale);
  if (length == 0) return call.Fail("cannot format the time");
  return call.run.String(ToValidUtf8(std::string_view(out).substr(1, length - 1)));
}

Value Lipsum(Call& call) {
  return call.run.FailUnsupported(Format("{} is not supported", call.native.name));
}

constexpr Native kGlobals[] = {
    {"range", Range, "/start stop? step?"},
    {"dict", Dict, "*"},
    {"namespace", Namespace, "*"},
    {"cycler", Cycler, "*"},
    {"joiner", Joiner, "sep?"},
    {"raise_exception", RaiseException, "message"},
    {"strftime_now", StrftimeNow, "format"},
    {"lipsum", Lipsum, "*"},
};

}  // namespace

std::span<const Native> Globals() { return kGlobals; }

}  // namespace moiety::jinja
