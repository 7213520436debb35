#include "jinja/runtime.h"

#include <algorithm>

#include "base/format.h"
#include "jinja/python_text.h"

namespace moiety::jinja {
namespace {

constexpr size_t kBytesCopiedPerStep = 64;  // copied in about the time of a step
constexpr size_t kMaxWeight = size_t{1} << 30;
constexpr int kMaxValueDepth = 150;
constexpr int64_t kMaxRange = 100'000;  // jinja2's sandbox has the same

}  // namespace

Value Runtime::Fail(const std::string& message) {
  if (!failed()) status_ = InvalidData(Format("{}:{}: {}", where_, line_, message));
  return {};
}

Value Runtime::FailUnsupported(const std::string& message) {
  if (!failed()) status_ = Unsupported(Format("{}:{}: {}", where_, line_, message));
  return {};
}

Value Runtime::Raise(std::string message) {
  if (!failed()) status_ = InvalidArgument(std::move(message));
  return {};
}

bool Runtime::StepsExceeded() {
  if (!failed()) {
    status_ = ResourceExhausted(Format("{}:{}: the template takes too long (more than {} steps)",
                                       where_, line_, limits_.steps));
  }
  return false;
}

bool Runtime::HasRoom(size_t bytes) {
  if (bytes > limits_.live_bytes || live_bytes_ > limits_.live_bytes - bytes) {
    if (!failed()) {
      status_ = ResourceExhausted(Format("{}:{}: the template needs more than {} of memory", where_,
                                         line_, FormatBytes(limits_.live_bytes)));
    }
    return false;
  }
  return !failed();
}

bool Runtime::Affords(size_t bytes) { return HasRoom(bytes) && Step(bytes / kBytesCopiedPerStep); }

bool Runtime::AddText(size_t bytes) {
  if (!Affords(bytes)) return false;
  live_bytes_ += bytes;
  return true;
}

bool Runtime::Enter() {
  if (++depth_ <= limits_.depth) return Step();
  if (!failed()) {
    status_ = ResourceExhausted(
        Format("{}:{}: nested deeper than {} levels", where_, line_, limits_.depth));
  }
  return false;
}

void Runtime::Count(Object& object, size_t bytes, const std::vector<Value>* parts) {
  bytes += kObjectBytes;
  Affords(bytes);
  object.bytes = bytes;
  object.live_bytes = &live_bytes_;
  object.weight = bytes;
  live_bytes_ += bytes;
  if (parts == nullptr) return;
  for (const Value& part : *parts) {
    if (part.object() == nullptr) continue;
    object.weight = std::min(object.weight + part.object()->weight, kMaxWeight);
    object.depth = std::max(object.depth, part.object()->depth);
  }
  ++object.depth;
  if (object.depth > kMaxValueDepth) {
    Fail(Format("a value is nested deeper than {} levels", kMaxValueDepth));
  } else if (object.weight >= kMaxWeight) {
    Fail("a value is too large when written out");
  }
}

Value Runtime::String(std::string text) {
  auto object = std::make_shared<StringObject>(std::move(text));
  Count(*object, object->text.size());
  return Value::Of(Kind::kString, std::move(object));
}

Value Runtime::Markup(std::string text) {
  Value value = String(std::move(text));
  static_cast<StringObject&>(*value.object()).is_markup = true;
  return value;
}

Value Runtime::Items(Kind kind, std::vector<Value> items, const char* type_name) {
  auto object = std::make_shared<ListObject>();
  object->items = std::move(items);
  object->type_name = type_name;
  Count(*object, object->items.size() * sizeof(Value), &object->items);
  if (failed()) return {};  // not a value too deep to be destroyed by recursion
  return Value::Of(kind, std::move(object));
}

Value Runtime::Range(int64_t start, int64_t stop, int64_t step) {
  if (step == 0) return Fail("range() arg 3 must not be zero");
  std::vector<Value> items;
  for (int64_t at = start; step > 0 ? at < stop : at > stop;) {
    if (static_cast<int64_t>(items.size()) >= kMaxRange) {
      return Fail(Format("range of more than {} numbers", kMaxRange));
    }
    items.push_back(Value::Int(at));
    if (__builtin_add_overflow(at, step, &at)) break;
  }
  Value range = Items(Kind::kRange, std::move(items), "range");
  if (failed()) return {};
  auto& object = static_cast<ListObject&>(*range.object());
  object.start = start;
  object.stop = stop;
  object.step = step;
  return range;
}

Value Runtime::Dict(std::vector<std::pair<Value, Value>>&& entries) {
  auto object = std::make_shared<DictObject>();
  std::vector<Value> parts;
  parts.reserve(entries.size() * 2);
  object->entries.reserve(entries.size());
  for (auto& [key, value] : entries) {
    if (!IsHashable(key)) return Fail(Format("unhashable type: '{}'", TypeName(key)));
    parts.push_back(key);
    parts.push_back(value);
    object->Set(std::move(key), std::move(value));
  }
  Count(*object, parts.size() * (sizeof(Value) + 8), &parts);
  if (failed()) return {};
  return Value::Of(Kind::kDict, std::move(object));
}

Value Runtime::Function(const Native* native, Value self) {
  auto object = std::make_shared<FunctionObject>();
  object->native = native;
  object->self = std::move(self);
  const std::vector<Value> parts = {object->self};
  Count(*object, sizeof(FunctionObject), &parts);
  if (failed()) return {};
  return Value::Of(Kind::kFunction, std::move(object));
}

Value Runtime::Cycler(Kind kind, std::vector<Value> items) {
  auto object = std::make_shared<CyclerObject>();
  object->items = std::move(items);
  Count(*object, object->items.size() * sizeof(Value), &object->items);
  if (failed()) return {};
  return Value::Of(kind, std::move(object));
}

Value Runtime::Namespace() {
  auto object = std::make_shared<NamespaceObject>();
  Count(*object, sizeof(NamespaceObject));
  namespaces_.push_back(object);
  return Value::Of(Kind::kNamespace, std::move(object));
}

Value Runtime::Undefined(const Value& owner, Value name) {
  auto object = std::make_shared<UndefinedObject>();
  object->owner = owner.is_none() ? "None" : Format("{} object", TypeName(owner));
  object->name = std::move(name);
  const std::vector<Value> parts = {object->name};
  Count(*object, sizeof(UndefinedObject), &parts);
  if (failed()) return {};
  return Value::Of(Kind::kUndefined, std::move(object));
}

Value Runtime::UndefinedVariable(Value name) {
  auto object = std::make_shared<UndefinedObject>();
  object->name = std::move(name);
  Count(*object, sizeof(UndefinedObject));
  return Value::Of(Kind::kUndefined, std::move(object));
}

Value Runtime::UndefinedBecause(std::string hint) {
  auto object = std::make_shared<UndefinedObject>();
  object->hint = std::move(hint);
  Count(*object, sizeof(UndefinedObject) + object->hint.size());
  return Value::Of(Kind::kUndefined, std::move(object));
}

Value Runtime::FailUndefined(const Value& undefined) {
  if (undefined.object() == nullptr) return Fail("the value is undefined");
  const auto& object = static_cast<const UndefinedObject&>(*undefined.object());
  if (!object.hint.empty()) return Fail(object.hint);
  const std::string name = Repr(*this, object.name);
  if (object.owner.empty()) return Fail(Format("{} is undefined", name));
  if (!object.name.is_string()) return Fail(Format("{} has no element {}", object.owner, name));
  return Fail(Format("'{}' has no attribute {}", object.owner, name));
}

std::tm Runtime::now() const {
  if (now_) return *now_;
  const std::time_t seconds = std::time(nullptr);
  std::tm local = {};
  localtime_r(&seconds, &local);
  return local;
}

void Runtime::Clear() {
  for (const auto& object : namespaces_) object->attributes.clear();
  namespaces_.clear();
}

}  // namespace moiety::jinja
