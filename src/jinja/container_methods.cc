// Methods of lists, tuples, dicts and cyclers.
#include "base/format.h"
#include "jinja/methods.h"
#include "jinja/operators.h"
#include "jinja/python_text.h"

namespace moiety::jinja {
namespace {

Value IndexOfItem(Call& call) {
  const auto& items = call.self.list().items;
  const auto length = static_cast<int64_t>(items.size());
  const auto bound = [&](size_t i, int64_t otherwise) {
    const int64_t given = call.Int(i, otherwise);
    return std::max<int64_t>(given < 0 ? given + length : given, 0);
  };
  const int64_t stop = std::min(bound(2, length), length);
  for (int64_t i = bound(1, 0); i < stop && call.run.Step(); ++i) {
    if (IsEqual(items[static_cast<size_t>(i)], call.At(0))) return Value::Int(i);
  }
  return call.run.Fail(Format("{} is not in list", Repr(call.run, call.At(0))));
}

Value CountItems(Call& call) {
  int64_t count = 0;
  for (const Value& item : call.self.list().items) {
    if (!call.run.Step()) return {};
    if (IsEqual(item, call.At(0))) ++count;
  }
  return Value::Int(count);
}

Value Copy(Call& call) { return call.self; }  // nothing can change the one or the other

Value Get(Call& call) {
  if (!IsHashable(call.At(0))) {
    return call.run.Fail(Format("unhashable type: '{}'", TypeName(call.At(0))));
  }
  const Value* found = call.self.dict().Find(call.At(0));
  return found != nullptr ? *found : call.Or(1, Value::None());
}

Value Keys(Call& call) {
  std::vector<Value> keys;
  for (const auto& entry : call.self.dict().entries) keys.push_back(entry.first);
  return call.run.Items(Kind::kView, std::move(keys), "dict_keys");
}

Value Values(Call& call) {
  std::vector<Value> values;
  for (const auto& entry : call.self.dict().entries) values.push_back(entry.second);
  return call.run.Items(Kind::kView, std::move(values), "dict_values");
}

Value Items(Call& call) {
  std::vector<Value> items;
  for (const auto& [key, value] : call.self.dict().entries) {
    items.push_back(call.run.Tuple({key, value}));
    if (call.run.failed()) return {};
  }
  return call.run.Items(Kind::kView, std::move(items), "dict_items");
}

CyclerObject& CyclerOf(const Value& value) { return static_cast<CyclerObject&>(*value.object()); }

Value Next(Call& call) {
  CyclerObject& cycler = CyclerOf(call.self);
  Value value = cycler.items[cycler.position];
  cycler.position = (cycler.position + 1) % cycler.items.size();
  return value;
}

Value Reset(Call& call) {
  CyclerOf(call.self).position = 0;
  return Value::None();
}

constexpr Native kList[] = {
    {"index", IndexOfItem, "/value start? stop?"},
    {"count", CountItems, "/value"},
    {"copy", Copy, ""},
};
constexpr std::string_view kListRefused[] = {"append", "clear",  "extend",  "insert",
                                             "pop",    "remove", "reverse", "sort"};
constexpr Native kTuple[] = {
    {"index", IndexOfItem, "/value start? stop?"},
    {"count", CountItems, "/value"},
};
constexpr Native kDict[] = {
    {"get", Get, "/key default?"}, {"keys", Keys, ""}, {"values", Values, ""},
    {"items", Items, ""},          {"copy", Copy, ""},
};
constexpr std::string_view kDictRefused[] = {"clear", "pop", "popitem", "setdefault", "update"};
constexpr std::string_view kDictUnsupported[] = {"fromkeys"};
constexpr Native kCycler[] = {{"next", Next, ""}, {"reset", Reset, ""}};
constexpr std::string_view kNumberUnsupported[] = {
    "as_integer_ratio", "bit_count", "bit_length", "conjugate", "denominator",
    "from_bytes",       "fromhex",   "hex",        "imag",      "is_integer",
    "numerator",        "real",      "to_bytes"};

}  // namespace

MethodTable ListMethods() { return {kList, kListRefused, {}}; }
MethodTable TupleMethods() { return {kTuple, {}, {}}; }
MethodTable DictMethods() { return {kDict, kDictRefused, kDictUnsupported}; }
MethodTable CyclerMethods() { return {kCycler, {}, {}}; }
MethodTable NumberMethods() { return {{}, {}, kNumberUnsupported}; }

}  // namespace moiety::jinja
