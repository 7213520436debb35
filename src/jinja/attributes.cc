#include "jinja/attributes.h"

#include <algorithm>

#include "base/format.h"
#include "base/utf8.h"
#include "jinja/interpreter.h"
#include "jinja/loop.h"
#include "jinja/methods.h"
#include "jinja/native.h"
#include "jinja/text.h"

namespace moiety::jinja {
namespace {

constexpr std::string_view kMacroUnsupported[] = {"catch_kwargs", "catch_varargs", "caller",
                                                  "explicit_caller"};
constexpr std::string_view kViewUnsupported[] = {"mapping", "isdisjoint"};

// What an object has by itself, apart from its items; an undefined value without an object where
// it has nothing of that name.
struct Found {
  Value value;
  bool there = false;
};

Found InTable(Runtime& run, const MethodTable& table, const Value& value, const std::string& name) {
  const auto lists = [&](std::span<const std::string_view> names) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  if (const Native* method = FindNative(table.methods, name)) {
    return {run.Function(method, value), true};
  }
  if (lists(table.refused)) {
    return {run.UndefinedBecause(Format("access to attribute '{}' of '{}' object is unsafe.", name,
                                        TypeName(value))),
            true};
  }
  if (lists(table.unsupported)) {
    return {run.FailUnsupported(Format("{}.{} is not supported", TypeName(value), name)), true};
  }
  return {};
}

Found OfRange(const ListObject& range, const std::string& name) {
  if (name == "start") return {Value::Int(range.start), true};
  if (name == "stop") return {Value::Int(range.stop), true};
  if (name == "step") return {Value::Int(range.step), true};
  return {};
}

Found OfMacro(Runtime& run, const Value& value, const std::string& name) {
  const MacroDefinition& macro = *static_cast<const MacroObject&>(*value.object()).definition;
  if (name == "name") {  // that of a call block is none
    return {macro.name.empty() ? Value::None() : run.String(macro.name), true};
  }
  if (name == "arguments") {
    std::vector<Value> names;
    names.reserve(macro.parameter_names.size());
    for (const std::string& parameter : macro.parameter_names) {
      names.push_back(run.String(parameter));
    }
    return {run.failed() ? Value() : run.Tuple(std::move(names)), true};
  }
  return InTable(run, {{}, {}, kMacroUnsupported}, value, name);
}

Found Own(Runtime& run, const Value& value, const std::string& name) {
  switch (value.kind()) {
    case Kind::kString:
      return InTable(run, StringMethods(), value, name);
    case Kind::kList:
      return InTable(run, ListMethods(), value, name);
    case Kind::kTuple:
      if (value.list().has_group_names && (name == "grouper" || name == "list")) {
        return {value.list().items[name == "list" ? 1 : 0], true};
      }
      return InTable(run, TupleMethods(), value, name);
    case Kind::kRange:
      if (Found found = OfRange(value.list(), name); found.there) return found;
      return InTable(run, TupleMethods(), value, name);
    case Kind::kDict:
      return InTable(run, DictMethods(), value, name);
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kFloat:
      return InTable(run, NumberMethods(), value, name);
    case Kind::kNamespace: {
      const Value* found = static_cast<NamespaceObject&>(*value.object()).Find(name);
      return found != nullptr ? Found{*found, true} : Found{};
    }
    case Kind::kCycler: {
      const auto& cycler = static_cast<const CyclerObject&>(*value.object());
      if (name == "current") return {cycler.items[cycler.position], true};
      return InTable(run, CyclerMethods(), value, name);
    }
    case Kind::kLoop: {
      std::optional<Value> found = LoopAttribute(run, value, name);
      return found ? Found{*std::move(found), true} : Found{};
    }
    case Kind::kMacro:
      return OfMacro(run, value, name);
    case Kind::kView:
      return InTable(run, {{}, {}, kViewUnsupported}, value, name);
    default:
      return {};
  }
}

Found Item(const Value& value, const Value& key) {
  if (value.is_dict()) {
    if (!IsHashable(key)) return {};
    const Value* found = value.dict().Find(key);
    return found != nullptr ? Found{*found, true} : Found{};
  }
  const bool indexed = value.is(Kind::kList) || value.is(Kind::kTuple) || value.is(Kind::kRange);
  if (!key.is_integral()) return {};
  int64_t index = key.integer();
  if (indexed) {
    const auto& items = value.list().items;
    if (index < 0) index += static_cast<int64_t>(items.size());
    if (index < 0 || index >= static_cast<int64_t>(items.size())) return {};
    return {items[static_cast<size_t>(index)], true};
  }
  return {};
}

Found Character(Runtime& run, const Value& value, const Value& key) {
  if (!value.is_string() || !key.is_integral()) return {};
  const StringObject& text = value.string_object();
  const int64_t index = key.integer() < 0 ? key.integer() + text.length : key.integer();
  if (index < 0 || index >= text.length) return {};
  if (!text.is_ascii()) run.Step(text.text.size() / 64);
  const std::string_view tail = std::string_view(text.text).substr(ByteOffset(text, index), 4);
  const auto length = static_cast<size_t>(DecodeUtf8(tail).length);
  return {run.String(std::string(tail.substr(0, length))), true};
}

}  // namespace

Value GetAttribute(Runtime& run, const Value& value, const Value& name) {
  if (value.is_undefined()) return run.FailUndefined(value);
  if (Found own = Own(run, value, name.string()); own.there) return std::move(own.value);
  if (value.is_dict()) {
    if (const Value* found = value.dict().Find(name.string())) return *found;
  }
  return run.Undefined(value, name);
}

Value GetItem(Runtime& run, const Value& value, const Value& key) {
  if (value.is_undefined()) return run.FailUndefined(value);
  if (Found item = Item(value, key); item.there) return std::move(item.value);
  if (Found item = Character(run, value, key); item.there) return std::move(item.value);
  if (key.is_string()) {
    if (Found own = Own(run, value, key.string()); own.there) return std::move(own.value);
  }
  return run.Undefined(value, key);
}

Value GetOwnAttribute(Runtime& run, const Value& value, const Value& name) {
  if (value.is_undefined()) return run.FailUndefined(value);
  if (Found own = Own(run, value, name.string()); own.there) return std::move(own.value);
  return run.Undefined(value, name);
}

std::vector<Value> AttributePath(Runtime& run, const Value& attribute) {
  if (attribute.is_none()) return {};
  if (!attribute.is_string()) return {attribute};
  std::vector<Value> path;
  std::string_view text = attribute.string();
  while (true) {
    const std::string_view part = text.substr(0, text.find('.'));
    const bool is_index = !part.empty() && part.size() < 10 &&
                          part.find_first_not_of("0123456789") == std::string_view::npos;
    path.push_back(is_index ? Value::Int(std::stoi(std::string(part)))
                            : run.String(std::string(part)));
    if (part.size() == text.size()) return path;
    text.remove_prefix(part.size() + 1);
  }
}

Value FollowPath(Runtime& run, Value value, const std::vector<Value>& path) {
  for (const Value& key : path) {
    if (!run.Step()) return {};
    value = GetItem(run, value, key);
  }
  return value;
}

}  // namespace moiety::jinja
