#include "jinja/value.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "base/utf8.h"

namespace moiety::jinja {
namespace {

bool ListsEqual(const ListObject& a, const ListObject& b) {
  return std::equal(a.items.begin(), a.items.end(), b.items.begin(), b.items.end(), IsEqual);
}

bool DictsEqual(const DictObject& a, const DictObject& b) {
  if (a.entries.size() != b.entries.size()) return false;
  return std::all_of(a.entries.begin(), a.entries.end(), [&](const auto& entry) {
    const Value* other = b.Find(entry.first);
    return other != nullptr && IsEqual(entry.second, *other);
  });
}

// An integer and a float are equal if they are so exactly, not after rounding.
bool NumbersEqual(const Value& a, const Value& b) {
  if (a.is_integral() && b.is_integral()) return a.integer() == b.integer();
  if (a.is_integral()) return NumbersEqual(b, a);
  if (!b.is_integral()) return a.number() == b.number();
  constexpr double kLimit = 9223372036854775808.0;  // 2^63
  return a.number() >= -kLimit && a.number() < kLimit && std::floor(a.number()) == a.number() &&
         static_cast<int64_t>(a.number()) == b.integer();
}

// Spreads consecutive integers over the slots of a dict.
size_t Mix(uint64_t value) {
  value = (value ^ (value >> 31)) * 0x9E3779B97F4A7C15;
  return value ^ (value >> 32);
}

int64_t Truncated(double value) {
  return value >= -9.2e18 && value <= 9.2e18 ? static_cast<int64_t>(value) : 0;
}

}  // namespace

StringObject::StringObject(std::string t) : text(std::move(t)), length(CountCharacters(text)) {}

Value Value::Literal(std::string text) {
  auto object = std::make_shared<StringObject>(std::move(text));
  object->weight = 1 + object->text.size();
  return Of(Kind::kString, std::move(object));
}

const std::string& Value::string() const { return string_object().text; }
const StringObject& Value::string_object() const {
  return static_cast<const StringObject&>(*object_);
}
const ListObject& Value::list() const { return static_cast<const ListObject&>(*object_); }
const DictObject& Value::dict() const { return static_cast<const DictObject&>(*object_); }

namespace {
constexpr size_t kSmallDict = 8;  // entries up to which looking at each is fastest
constexpr size_t kNoEntry = static_cast<size_t>(-1);
}  // namespace

template <class Match>
size_t DictObject::IndexOf(size_t hash, const Match& match) const {
  if (slots_.empty()) {
    for (size_t i = 0; i < entries.size(); ++i) {
      if (match(entries[i].first)) return i;
    }
    return kNoEntry;
  }
  const size_t mask = slots_.size() - 1;
  for (size_t slot = hash & mask; slots_[slot] != 0; slot = (slot + 1) & mask) {
    if (match(entries[slots_[slot] - 1].first)) return slots_[slot] - 1;
  }
  return kNoEntry;
}

const Value* DictObject::Find(const Value& key) const {
  const size_t index = IndexOf(slots_.empty() || !IsHashable(key) ? 0 : Hash(key),
                               [&](const Value& other) { return IsEqual(other, key); });
  return index == kNoEntry ? nullptr : &entries[index].second;
}

const Value* DictObject::Find(std::string_view key) const {
  const size_t index = IndexOf(slots_.empty() ? 0 : HashText(key), [&](const Value& other) {
    return other.is_string() && other.string() == key;
  });
  return index == kNoEntry ? nullptr : &entries[index].second;
}

void DictObject::Set(Value key, Value value) {
  const size_t hash = Hash(key);
  const size_t index = IndexOf(hash, [&](const Value& other) { return IsEqual(other, key); });
  if (index != kNoEntry) {
    entries[index].second = std::move(value);
    return;
  }
  entries.emplace_back(std::move(key), std::move(value));
  if (entries.size() > kSmallDict) AddToIndex(hash);
}

// Puts the last entry into the index, after making one, or a larger one, where it is needed.
void DictObject::AddToIndex(size_t hash) {
  const auto place = [this](size_t at, size_t entry) {
    const size_t mask = slots_.size() - 1;
    size_t slot = at & mask;
    while (slots_[slot] != 0) slot = (slot + 1) & mask;
    slots_[slot] = static_cast<uint32_t>(entry + 1);
  };
  if (entries.size() * 2 <= slots_.size()) {
    place(hash, entries.size() - 1);
    return;
  }
  slots_.assign(std::max(slots_.size() * 2, size_t{32}), 0);
  for (size_t i = 0; i < entries.size(); ++i) place(Hash(entries[i].first), i);
}

Value* NamespaceObject::Find(std::string_view name) {
  for (auto& [key, value] : attributes) {
    if (key == name) return &value;
  }
  return nullptr;
}

const char* TypeName(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return "Undefined";
    case Kind::kNone:
      return "NoneType";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
      return "int";
    case Kind::kFloat:
      return "float";
    case Kind::kString:
      return "str";
    case Kind::kTuple:
      return "tuple";
    case Kind::kList:
      return "list";
    case Kind::kRange:
      return "range";
    case Kind::kView:
    case Kind::kIterator:
      return value.list().type_name;
    case Kind::kDict:
      return "dict";
    case Kind::kNamespace:
      return "Namespace";
    case Kind::kFunction:
      return "function";
    case Kind::kMacro:
      return "Macro";
    case Kind::kLoop:
      return "LoopContext";
    case Kind::kCycler:
      return "Cycler";
    case Kind::kJoiner:
      return "Joiner";
  }
  return "object";
}

bool IsTrue(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kBool:
    case Kind::kInt:
      return value.integer() != 0;
    case Kind::kFloat:
      return value.number() != 0.0;
    case Kind::kString:
      return !value.string().empty();
    case Kind::kTuple:
    case Kind::kList:
    case Kind::kRange:
    case Kind::kView:
      return !value.list().items.empty();
    case Kind::kDict:
      return !value.dict().entries.empty();
    default:
      return true;
  }
}

bool IsEqual(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) return NumbersEqual(a, b);
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return true;
    case Kind::kString:
      return a.object() == b.object() || a.string() == b.string();
    case Kind::kTuple:
    case Kind::kList:
    case Kind::kRange:
      return a.object() == b.object() || ListsEqual(a.list(), b.list());
    case Kind::kDict:
      return a.object() == b.object() || DictsEqual(a.dict(), b.dict());
    case Kind::kFunction: {
      const auto& x = static_cast<const FunctionObject&>(*a.object());
      const auto& y = static_cast<const FunctionObject&>(*b.object());
      return x.native == y.native && x.self.object() == y.self.object();
    }
    default:
      return a.object() == b.object();
  }
}

bool IsHashable(const Value& value) {
  if (value.is(Kind::kList) || value.is(Kind::kDict)) return false;
  if (value.is(Kind::kView)) return std::string_view(value.list().type_name) == "dict_values";
  if (!value.is(Kind::kTuple)) return true;
  const ListObject& list = value.list();
  return std::all_of(list.items.begin(), list.items.end(), IsHashable);
}

size_t HashText(std::string_view text) { return std::hash<std::string_view>()(text); }

size_t Hash(const Value& value) {
  switch (value.kind()) {
    case Kind::kBool:
    case Kind::kInt:
      return Mix(static_cast<uint64_t>(value.integer()));
    case Kind::kFloat:
      if (NumbersEqual(value, Value::Int(Truncated(value.number())))) {
        return Mix(static_cast<uint64_t>(Truncated(value.number())));
      }
      return std::hash<double>()(value.number());
    case Kind::kString:
      return HashText(value.string());
    case Kind::kTuple:
    case Kind::kRange: {
      size_t hash = 1;
      for (const Value& item : value.list().items) hash = Mix(hash ^ Hash(item));
      return hash;
    }
    case Kind::kUndefined:
    case Kind::kNone:
      return 0;
    default:
      return std::hash<const void*>()(value.object());
  }
}

}  // namespace moiety::jinja
