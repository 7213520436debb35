// Filters of lists and dicts, and those that look things up.
#include <algorithm>

#include "base/format.h"
#include "jinja/attributes.h"
#include "jinja/filters.h"
#include "jinja/operators.h"
#include "jinja/python_text.h"
#include "jinja/tests.h"
#include "jinja/text.h"

namespace moiety::jinja {
namespace {

constexpr size_t kMaxItems = 1'000'000;  // of a list that a filter fills up
constexpr size_t kMaxTextBytes = size_t{256} << 20;

Value Default(Call& call) {
  const bool missing = call.self.is_undefined() || (call.Flag(1, false) && !IsTrue(call.self));
  if (!missing) return call.self;
  return call.Has(0) ? call.At(0) : call.run.String("");
}

Value LengthFilter(Call& call) {
  const std::optional<int64_t> length = Length(call.self);
  return length ? Value::Int(*length) : FailLength(call.run, call.self);
}

Value List(Call& call) { return call.run.List(Iterate(call.run, call.self)); }

Value FirstFilter(Call& call) {
  if (call.self.is(Kind::kIterator)) {
    auto& iterator = static_cast<ListObject&>(*call.self.object());
    if (iterator.next < iterator.items.size()) return iterator.items[iterator.next++];
  } else {
    const std::vector<Value> items = Iterate(call.run, call.self);
    if (!items.empty()) return items.front();
  }
  return call.run.failed() ? Value()
                           : call.run.UndefinedBecause("No first item, sequence was empty.");
}

Value LastFilter(Call& call) {
  if (call.self.is(Kind::kIterator)) {
    return call.run.Fail(Format("'{}' object is not reversible", TypeName(call.self)));
  }
  const std::vector<Value> items = Iterate(call.run, call.self);
  if (!items.empty()) return items.back();
  return call.run.failed() ? Value()
                           : call.run.UndefinedBecause("No last item, sequence was empty.");
}

Value Reverse(Call& call) {
  if (call.self.is_string()) {
    std::vector<uint32_t> points = CodePoints(call.self.string());
    std::reverse(points.begin(), points.end());
    return call.run.String(FromCodePoints(points));
  }
  std::vector<Value> items = Iterate(call.run, call.self);
  std::reverse(items.begin(), items.end());
  // What Python cannot go through backwards becomes a list first.
  if (call.self.is(Kind::kIterator)) return call.run.List(std::move(items));
  return call.run.Iterator(std::move(items), "list_reverseiterator");
}

Value ItemsFilter(Call& call) {
  std::vector<Value> items;
  if (!call.self.is_undefined()) {
    if (!call.self.is_dict()) return call.run.Fail("Can only get item pairs from a mapping.");
    for (const auto& [key, value] : call.self.dict().entries) {
      items.push_back(call.run.Tuple({key, value}));
    }
  }
  return call.run.Iterator(std::move(items));
}

Value Attr(Call& call) {
  if (!call.At(0).is_string()) return call.Fail("expected a string");
  return GetOwnAttribute(call.run, call.self, call.At(0));
}

Value JoinFilter(Call& call) {
  std::vector<Value> items = Iterate(call.run, call.self);
  const std::string separator = call.Has(0) ? Str(call.run, call.At(0)) : "";
  const bool by_attribute = !call.IsNone(1);
  const std::vector<Value> path =
      by_attribute ? AttributePath(call.run, call.At(1)) : std::vector<Value>();
  std::string out;
  for (size_t i = 0; i < items.size(); ++i) {
    if (!call.run.Step()) return {};
    const Value item = by_attribute ? FollowPath(call.run, items[i], path) : items[i];
    const std::string text = Str(call.run, item);
    // Counted as it grows, and not copied: the work is what is added.
    if (!call.run.Affords(separator.size() + text.size()) || out.size() > kMaxTextBytes) {
      call.run.Affords(out.size() > kMaxTextBytes ? static_cast<size_t>(-1) : 0);
      return {};
    }
    if (i > 0) out += separator;
    out += text;
  }
  return call.run.failed() ? Value() : call.run.String(std::move(out));
}

// --- map, select, reject ---

// Applies a filter (or looks up an attribute) once per item.
Value Map(Call& call) {
  Arguments arguments = std::move(call.raw);
  std::vector<Value> out;
  if (!IsTrue(call.self)) return call.run.Iterator({});
  std::vector<Value> path;
  std::optional<Value> otherwise;
  const Native* filter = nullptr;
  if (arguments.positional.empty()) {
    bool found = false;
    for (auto& [name, value] : arguments.named) {
      if (name == "attribute") {
        path = AttributePath(call.run, value);
        found = true;
      } else if (name == "default") {
        if (!value.is_none()) otherwise = value;
      } else {
        return call.Fail(Format("Unexpected keyword argument '{}'", name));
      }
    }
    if (!found) return call.Fail("map requires a filter argument");
  } else {
    const Value name = arguments.positional[0];
    arguments.positional.erase(arguments.positional.begin());
    filter = name.is_string() ? FindFilter(name.string()) : nullptr;
    if (filter == nullptr) {
      if (!name.is_string()) {
        return call.run.Fail(Format("No filter named {}.", Repr(call.run, name)));
      }
      const std::string message = NoFilterMessage(name.string());
      return IsRefusedFilter(name.string()) ? call.run.FailUnsupported(message)
                                            : call.run.Fail(message);
    }
  }
  for (const Value& item : Iterate(call.run, call.self)) {
    if (call.run.failed()) return {};
    if (filter != nullptr) {
      out.push_back(Invoke(call.run, *filter, item, arguments));
      continue;
    }
    Value value = item;
    for (const Value& key : path) {
      value = GetItem(call.run, value, key);
      if (otherwise && value.is_undefined()) value = *otherwise;
    }
    out.push_back(std::move(value));
  }
  return call.run.Iterator(std::move(out));
}

Value Choose(Call& call, bool by_attribute, bool wanted) {
  if (!IsTrue(call.self)) return call.run.Iterator({});
  Arguments arguments = std::move(call.raw);
  auto& positional = arguments.positional;
  std::vector<Value> path;
  if (by_attribute) {
    if (positional.empty()) return call.Fail("Missing parameter for attribute name");
    path = AttributePath(call.run, positional[0]);
    positional.erase(positional.begin());
  }
  const Native* test = nullptr;
  if (!positional.empty()) {
    const Value name = positional[0];
    positional.erase(positional.begin());
    test = name.is_string() ? FindTest(name.string()) : nullptr;
    if (test == nullptr) {
      return call.run.Fail(Format("No test named {}.", Repr(call.run, name)));
    }
  }
  std::vector<Value> out;
  for (const Value& item : Iterate(call.run, call.self)) {
    if (!call.run.Step()) return {};
    const Value value = by_attribute ? FollowPath(call.run, item, path) : item;
    const bool holds = IsTrue(test == nullptr ? value : Invoke(call.run, *test, value, arguments));
    if (holds == wanted) out.push_back(item);
  }
  return call.run.Iterator(std::move(out));
}
Value Select(Call& call) { return Choose(call, false, true); }
Value Reject(Call& call) { return Choose(call, false, false); }
Value SelectAttr(Call& call) { return Choose(call, true, true); }
Value RejectAttr(Call& call) { return Choose(call, true, false); }

// --- order ---

Value IgnoreCase(Runtime& run, const Value& value) {
  return value.is_string() ? run.String(ToLower(value.string())) : value;
}

// What items are sorted, grouped or compared by: an attribute, with strings in lower case unless
// `case_sensitive`.
class KeyOf {
 public:
  KeyOf(Runtime& run, const Value& attribute, bool case_sensitive)
      : run_(run), path_(AttributePath(run, attribute)), case_sensitive_(case_sensitive) {}

  Value operator()(const Value& item) const {
    const Value value = FollowPath(run_, item, path_);
    return case_sensitive_ ? value : IgnoreCase(run_, value);
  }
  std::vector<Value> All(const std::vector<Value>& items) const {
    std::vector<Value> keys;
    for (const Value& item : items) {
      if (!run_.Step()) break;
      keys.push_back((*this)(item));
    }
    keys.resize(items.size());
    return keys;
  }

 private:
  Runtime& run_;
  std::vector<Value> path_;
  bool case_sensitive_;
};

// attribute="a,b.c": a list of keys per item. Lists also where there is one: undefined keys, which
// have no order, are then equal.
std::vector<Value> SortKeys(Call& call, const std::vector<Value>& items, const Value& attribute,
                            bool case_sensitive) {
  std::vector<KeyOf> parts;
  if (attribute.is_string()) {
    std::string_view text = attribute.string();
    while (true) {
      const std::string_view part = text.substr(0, text.find(','));
      parts.emplace_back(call.run, call.run.String(std::string(part)), case_sensitive);
      if (part.size() == text.size()) break;
      text.remove_prefix(part.size() + 1);
    }
  } else {
    parts.emplace_back(call.run, attribute, case_sensitive);
  }
  std::vector<Value> keys;
  for (const Value& item : items) {
    std::vector<Value> key;
    for (const KeyOf& part : parts) {
      if (!call.run.Step()) return std::vector<Value>(items.size());
      key.push_back(part(item));
    }
    keys.push_back(call.run.List(std::move(key)));
  }
  return keys;
}

Value Sort(Call& call) {
  const std::vector<Value> items = Iterate(call.run, call.self);
  const std::vector<Value> keys =
      SortKeys(call, items, call.Or(2, Value::None()), call.Flag(1, false));
  if (call.run.failed()) return {};
  return call.run.List(Sorted(call.run, items, keys, call.Flag(0, false)));
}

Value DictSort(Call& call) {
  if (!call.self.is_dict()) {
    if (call.self.is_undefined()) return call.run.FailUndefined(call.self);
    return call.Fail(Format("expected a mapping, found '{}'", TypeName(call.self)));
  }
  const std::string by = call.Text(1, "key");
  if (by != "key" && by != "value") {
    return call.Fail("You can only sort by either \"key\" or \"value\"");
  }
  std::vector<Value> items;
  std::vector<Value> keys;
  for (const auto& [key, value] : call.self.dict().entries) {
    items.push_back(call.run.Tuple({key, value}));
    const Value& sorted_by = by == "key" ? key : value;
    keys.push_back(call.Flag(0, false) ? sorted_by : IgnoreCase(call.run, sorted_by));
  }
  if (call.run.failed()) return {};
  return call.run.List(Sorted(call.run, items, keys, call.Flag(2, false)));
}

Value Unique(Call& call) {
  const std::vector<Value> items = Iterate(call.run, call.self);
  const KeyOf key_of(call.run, call.Or(1, Value::None()), call.Flag(0, false));
  DictObject seen;
  std::vector<Value> out;
  for (const Value& item : items) {
    if (!call.run.Step()) return {};
    const Value key = key_of(item);
    if (!IsHashable(key)) {
      return call.run.Fail(Format("unhashable type: '{}'", TypeName(key)));
    }
    if (seen.Find(key) != nullptr) continue;
    seen.Set(key, Value::None());
    out.push_back(item);
  }
  return call.run.Iterator(std::move(out));
}

Value Extreme(Call& call, Comparison better) {
  const std::vector<Value> items = Iterate(call.run, call.self);
  if (call.run.failed()) return {};
  if (items.empty()) {
    return call.run.UndefinedBecause("No aggregated item, sequence was empty.");
  }
  const KeyOf key_of(call.run, call.Or(1, Value::None()), call.Flag(0, false));
  const std::vector<Value> keys = key_of.All(items);
  size_t best = 0;
  for (size_t i = 1; i < items.size() && call.run.Step(); ++i) {
    if (Compare(call.run, better, keys[i], keys[best])) best = i;
  }
  return items[best];
}
Value Min(Call& call) { return Extreme(call, Comparison::kLess); }
Value Max(Call& call) { return Extreme(call, Comparison::kGreater); }

Value Sum(Call& call) {
  const std::vector<Value> path =
      call.IsNone(0) ? std::vector<Value>() : AttributePath(call.run, call.At(0));
  Value total = call.Or(1, Value::Int(0));
  if (total.is_string()) return call.run.Fail("sum() can't sum strings [use ''.join(seq) instead]");
  for (const Value& item : Iterate(call.run, call.self)) {
    if (!call.run.Step()) return {};
    total = Compute(call.run, Arithmetic::kAdd, total, FollowPath(call.run, item, path));
  }
  return total;
}

// --- parts ---

Value GroupBy(Call& call) {
  Runtime& run = call.run;
  const std::vector<Value> items = Iterate(run, call.self);
  const std::vector<Value> path = AttributePath(run, call.At(0));
  const bool case_sensitive = call.Flag(2, false);
  std::vector<Value> real_keys;
  std::vector<Value> keys;
  std::vector<Value> order;
  for (const Value& item : items) {
    if (!run.Step()) return {};
    Value key = item;
    for (const Value& step : path) {
      key = GetItem(run, key, step);
      if (key.is_undefined() && !call.IsNone(1)) key = call.At(1);
    }
    order.push_back(Value::Int(static_cast<int64_t>(keys.size())));
    real_keys.push_back(key);
    keys.push_back(case_sensitive ? key : IgnoreCase(run, key));
  }
  if (run.failed()) return {};
  std::vector<Value> groups;
  std::vector<Value> members;
  size_t first = 0;  // of the group
  const auto flush = [&] {
    if (members.empty()) return;
    groups.push_back(run.Tuple({real_keys[first], run.List(std::move(members))}));
    if (run.failed()) return;
    // jinja2's pairs have names.
    static_cast<ListObject&>(*groups.back().object()).has_group_names = true;
    members.clear();
  };
  for (const Value& index : Sorted(run, order, keys, false)) {
    const auto at = static_cast<size_t>(index.integer());
    if (run.failed()) return {};
    if (!members.empty() && !IsEqual(keys[at], keys[first])) flush();
    if (members.empty()) first = at;
    members.push_back(items[at]);
  }
  flush();
  return run.List(std::move(groups));
}

Value Batch(Call& call) {
  const int64_t count = call.Int(0, 1);
  std::vector<Value> out;
  std::vector<Value> row;
  for (const Value& item : Iterate(call.run, call.self)) {
    if (!call.run.Step()) return {};
    if (static_cast<int64_t>(row.size()) == count) {
      out.push_back(call.run.List(std::move(row)));
      row.clear();
    }
    row.push_back(item);
  }
  if (!row.empty()) {
    const auto width = static_cast<size_t>(std::max<int64_t>(count, 0));
    if (!call.IsNone(1) && row.size() < width) {
      if (width > kMaxItems || !call.run.Affords(width * sizeof(Value))) {
        call.run.Affords(static_cast<size_t>(-1));
        return {};
      }
      row.resize(width, call.At(1));
    }
    out.push_back(call.run.List(std::move(row)));
  }
  return call.run.Iterator(std::move(out));
}

Value SliceFilter(Call& call) {
  const std::vector<Value> items = Iterate(call.run, call.self);
  const int64_t slices = call.Int(0, 1);
  if (call.run.failed()) return {};
  if (slices == 0) return call.run.Fail("integer division or modulo by zero");
  if (slices > static_cast<int64_t>(kMaxItems)) {
    call.run.Affords(static_cast<size_t>(-1));
    return {};
  }
  std::vector<Value> out;
  const int64_t per_slice = static_cast<int64_t>(items.size()) / std::max<int64_t>(slices, 1);
  const int64_t extra = static_cast<int64_t>(items.size()) % std::max<int64_t>(slices, 1);
  auto at = items.begin();
  for (int64_t i = 0; i < slices && call.run.Step(); ++i) {
    const auto end = at + per_slice + (i < extra ? 1 : 0);
    std::vector<Value> slice(at, end);
    if (!call.IsNone(1) && i >= extra) slice.push_back(call.At(1));
    out.push_back(call.run.List(std::move(slice)));
    at = end;
  }
  return call.run.Iterator(std::move(out));
}

constexpr Native kListFilters[] = {
    {"attr", Attr, "name"},
    {"batch", Batch, "linecount fill_with?"},
    {"count", LengthFilter, ""},
    {"d", Default, "default_value? boolean?"},
    {"default", Default, "default_value? boolean?"},
    {"dictsort", DictSort, "case_sensitive? by? reverse?"},
    {"first", FirstFilter, ""},
    {"groupby", GroupBy, "attribute default? case_sensitive?"},
    {"items", ItemsFilter, ""},
    {"join", JoinFilter, "d? attribute?"},
    {"last", LastFilter, ""},
    {"length", LengthFilter, ""},
    {"list", List, ""},
    {"map", Map, "*"},
    {"max", Max, "case_sensitive? attribute?"},
    {"min", Min, "case_sensitive? attribute?"},
    {"reject", Reject, "*"},
    {"rejectattr", RejectAttr, "*"},
    {"reverse", Reverse, ""},
    {"select", Select, "*"},
    {"selectattr", SelectAttr, "*"},
    {"slice", SliceFilter, "slices fill_with?"},
    {"sort", Sort, "reverse? case_sensitive? attribute?"},
    {"sum", Sum, "attribute? start?"},
    {"unique", Unique, "case_sensitive? attribute?"},
};

}  // namespace

std::span<const Native> ListFilters() { return kListFilters; }

}  // namespace moiety::jinja
