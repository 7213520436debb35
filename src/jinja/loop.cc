#include "jinja/loop.h"

#include "base/format.h"
#include "jinja/native.h"
#include "jinja/operators.h"

namespace moiety::jinja {
namespace {

LoopObject& LoopOf(const Value& value) { return static_cast<LoopObject&>(*value.object()); }

Value Cycle(Call& call) {
  const auto& items = call.raw.positional;
  if (items.empty() || !call.raw.named.empty()) return call.run.Fail("no items for cycling given");
  return items[static_cast<size_t>(LoopOf(call.self).index0) % items.size()];
}

Value Changed(Call& call) {
  auto& last = LoopOf(call.self).last_changed;
  const auto& items = call.raw.positional;
  bool same = last && last->size() == items.size();
  for (size_t i = 0; same && i < items.size(); ++i) {
    same = Compare(call.run, Comparison::kEqual, (*last)[i], items[i]);
  }
  if (!same) last = items;
  return Value::Bool(!same);
}

constexpr Native kLoopMethods[] = {{"cycle", Cycle, "*"}, {"changed", Changed, "*"}};

Value LoopIndex(Runtime&, LoopObject& loop) { return Value::Int(loop.index0 + 1); }
Value Index0(Runtime&, LoopObject& loop) { return Value::Int(loop.index0); }
Value RevIndex(Runtime&, LoopObject& loop) { return Value::Int(loop.Length() - loop.index0); }
Value RevIndex0(Runtime&, LoopObject& loop) { return Value::Int(loop.Length() - loop.index0 - 1); }
Value IsFirst(Runtime&, LoopObject& loop) { return Value::Bool(loop.index0 == 0); }
Value IsLast(Runtime&, LoopObject& loop) { return Value::Bool(loop.Peek() == nullptr); }
Value LengthOfLoop(Runtime&, LoopObject& loop) { return Value::Int(loop.Length()); }
Value Depth(Runtime&, LoopObject& loop) { return Value::Int(loop.depth0 + 1); }
Value Depth0(Runtime&, LoopObject& loop) { return Value::Int(loop.depth0); }
Value PreviousItem(Runtime& run, LoopObject& loop) {
  return loop.index0 == 0 ? run.UndefinedBecause("there is no previous item") : loop.before;
}
Value NextItem(Runtime& run, LoopObject& loop) {
  const Value* next = loop.Peek();
  return next == nullptr ? run.UndefinedBecause("there is no next item") : *next;
}

struct Attribute {
  const char* name;
  Value (*get)(Runtime&, LoopObject&);
};

constexpr Attribute kAttributes[] = {
    {"index", LoopIndex},       {"index0", Index0},     {"revindex", RevIndex},
    {"revindex0", RevIndex0},   {"first", IsFirst},     {"last", IsLast},
    {"length", LengthOfLoop},   {"depth", Depth},       {"depth0", Depth0},
    {"previtem", PreviousItem}, {"nextitem", NextItem},
};

}  // namespace

std::optional<Value> LoopObject::Pull() {
  while (source_next < source.size()) {
    Value item = source[source_next++];
    if (!keep || keep(item)) return item;
  }
  return std::nullopt;
}

bool LoopObject::Advance() {
  std::optional<Value> item;
  if (ahead_next < ahead.size()) {
    item = ahead[ahead_next++];
    if (ahead_next == ahead.size()) {
      ahead.clear();
      ahead_next = 0;
    }
  } else {
    item = Pull();
  }
  if (!item) return false;
  ++index0;
  before = std::move(current);
  current = *std::move(item);
  return true;
}

const Value* LoopObject::Peek() {
  if (ahead_next == ahead.size()) {
    std::optional<Value> item = Pull();
    if (!item) return nullptr;
    ahead.push_back(*std::move(item));
  }
  return &ahead[ahead_next];
}

int64_t LoopObject::Length() {
  if (length) return *length;
  if (sized) return *(length = static_cast<int64_t>(source.size()));
  while (std::optional<Value> item = Pull()) ahead.push_back(*std::move(item));
  return *(length = index0 + 1 + static_cast<int64_t>(ahead.size() - ahead_next));
}

void LoopObject::Clear() {
  if (sized && !length) length = static_cast<int64_t>(source.size());
  source.clear();
  source_next = 0;
  ahead.clear();
  ahead_next = 0;
  current = before = Value();
  last_changed.reset();
  keep = nullptr;
  recurse = nullptr;
}

std::optional<Value> LoopAttribute(Runtime& run, const Value& loop, const std::string& name) {
  for (const Attribute& attribute : kAttributes) {
    if (name == attribute.name) return attribute.get(run, LoopOf(loop));
  }
  if (const Native* method = FindNative(kLoopMethods, name)) return run.Function(method, loop);
  return std::nullopt;
}

}  // namespace moiety::jinja
