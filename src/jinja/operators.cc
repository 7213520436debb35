#include "jinja/operators.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/format.h"
#include "base/utf8.h"
#include "jinja/percent_format.h"
#include "jinja/text.h"
#include "jinja/text_edit.h"
#include "jinja/text_search.h"

namespace moiety::jinja {
namespace {

constexpr const char* kSigns[] = {"+", "-", "*", "/", "//", "%", "** or pow()"};
constexpr const char* kComparisons[] = {"==", "!=", "<", "<=", ">", ">=", "in", "not in"};

Value Overflow(Runtime& run) {
  return run.FailUnsupported("an integer leaves 64 bits, which moiety does not do");
}

Value PowerOfInts(Runtime& run, int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) return run.Fail("0.0 cannot be raised to a negative power");
    return Value::Float(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  int64_t result = 1;
  while (true) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) return Overflow(run);
    exponent >>= 1;
    if (exponent == 0) return Value::Int(result);
    if (__builtin_mul_overflow(base, base, &base)) return Overflow(run);
  }
}

// Quotient rounded down.
int64_t FloorDivide(int64_t a, int64_t b) {
  const int64_t quotient = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

Value ComputeInts(Runtime& run, Arithmetic op, int64_t a, int64_t b) {
  int64_t result = 0;
  switch (op) {
    case Arithmetic::kAdd:
      return __builtin_add_overflow(a, b, &result) ? Overflow(run) : Value::Int(result);
    case Arithmetic::kSubtract:
      return __builtin_sub_overflow(a, b, &result) ? Overflow(run) : Value::Int(result);
    case Arithmetic::kMultiply:
      return __builtin_mul_overflow(a, b, &result) ? Overflow(run) : Value::Int(result);
    case Arithmetic::kDivide:
      if (b == 0) return run.Fail("division by zero");
      return Value::Float(static_cast<double>(a) / static_cast<double>(b));
    case Arithmetic::kFloorDivide:
    case Arithmetic::kModulo:
      if (b == 0) return run.Fail("integer division or modulo by zero");
      if (b == -1) {  // the smallest integer has no opposite
        if (op == Arithmetic::kModulo) return Value::Int(0);
        return __builtin_sub_overflow(int64_t{0}, a, &result) ? Overflow(run) : Value::Int(result);
      }
      result = FloorDivide(a, b);
      return Value::Int(op == Arithmetic::kFloorDivide ? result : a - result * b);
    case Arithmetic::kPower:
      return PowerOfInts(run, a, b);
  }
  return {};
}

double FloatModulo(double a, double b) {
  double rest = std::fmod(a, b);
  if (rest != 0.0) {
    if ((b < 0) != (rest < 0)) rest += b;
  } else {
    rest = std::copysign(0.0, b);
  }
  return rest;
}

double FloatFloorDivide(double a, double b) {
  const double quotient = (a - FloatModulo(a, b)) / b;
  if (quotient == 0.0) return std::copysign(0.0, a / b);
  const double floor = std::floor(quotient);
  return quotient - floor > 0.5 ? floor + 1.0 : floor;
}

Value ComputeFloats(Runtime& run, Arithmetic op, double a, double b) {
  switch (op) {
    case Arithmetic::kAdd:
      return Value::Float(a + b);
    case Arithmetic::kSubtract:
      return Value::Float(a - b);
    case Arithmetic::kMultiply:
      return Value::Float(a * b);
    case Arithmetic::kDivide:
      return b == 0.0 ? run.Fail("float division by zero") : Value::Float(a / b);
    case Arithmetic::kFloorDivide:
      if (b == 0.0) return run.Fail("float floor division by zero");
      return Value::Float(FloatFloorDivide(a, b));
    case Arithmetic::kModulo:
      return b == 0.0 ? run.Fail("float modulo") : Value::Float(FloatModulo(a, b));
    case Arithmetic::kPower: {
      if (a == 0.0 && b < 0) return run.Fail("0.0 cannot be raised to a negative power");
      if (a < 0 && std::isfinite(a) && std::isfinite(b) && std::floor(b) != b) {
        return run.FailUnsupported("complex numbers are not supported");
      }
      const double result = std::pow(a, b);
      if (std::isinf(result) && std::isfinite(a) && std::isfinite(b)) {
        return run.Fail("Numerical result out of range");
      }
      return Value::Float(result);
    }
  }
  return {};
}

bool IsSequence(const Value& value) {
  return value.is_string() || value.is(Kind::kList) || value.is(Kind::kTuple);
}

Value Repeat(Runtime& run, const Value& sequence, int64_t count) {
  const auto times = static_cast<size_t>(std::max<int64_t>(count, 0));
  const size_t bytes = sequence.is_string() ? sequence.string().size()
                                            : sequence.list().items.size() * sizeof(Value);
  size_t total = 0;
  if (__builtin_mul_overflow(bytes, times, &total)) total = static_cast<size_t>(-1);
  if (!run.Affords(total)) return {};
  if (sequence.is_string()) {
    std::string text;
    text.reserve(total);
    for (size_t i = 0; i < times && bytes > 0; ++i) text += sequence.string();
    return run.String(std::move(text));
  }
  std::vector<Value> items;
  const auto& source = sequence.list().items;
  for (size_t i = 0; i < times && bytes > 0; ++i) {
    items.insert(items.end(), source.begin(), source.end());
  }
  return run.Items(sequence.kind(), std::move(items), sequence.list().type_name);
}

Value Concatenate(Runtime& run, const Value& a, const Value& b) {
  if (a.is_string()) {
    const bool markup = a.string_object().is_markup || b.string_object().is_markup;
    if (!run.Affords((a.string().size() + b.string().size()) * (markup ? 5 : 1))) return {};
    if (markup) {
      const auto escaped = [](const Value& value) {
        return value.string_object().is_markup ? value.string() : EscapeHtml(value.string());
      };
      return run.Markup(escaped(a) + escaped(b));
    }
    return run.String(a.string() + b.string());
  }
  const auto& left = a.list().items;
  const auto& right = b.list().items;
  if (!run.Affords((left.size() + right.size()) * sizeof(Value))) return {};
  std::vector<Value> items;
  items.reserve(left.size() + right.size());
  items.insert(items.end(), left.begin(), left.end());
  items.insert(items.end(), right.begin(), right.end());
  return run.Items(a.kind(), std::move(items), a.list().type_name);
}

size_t WeightOf(const Value& value) {
  return value.object() == nullptr ? 1 : value.object()->weight;
}

// a < b, for values that have an order.
bool Less(Runtime& run, const Value& a, const Value& b, const char* sign) {
  if (a.is_undefined() || b.is_undefined()) {
    run.FailUndefined(a.is_undefined() ? a : b);
    return false;
  }
  if (a.is_integral() && b.is_integral()) return a.integer() < b.integer();
  if (a.is_number() && b.is_number()) return a.number() < b.number();
  if (a.is_string() && b.is_string()) return a.string() < b.string();  // as code points
  if (a.kind() == b.kind() && (a.is(Kind::kList) || a.is(Kind::kTuple))) {
    const auto& x = a.list().items;
    const auto& y = b.list().items;
    const size_t common = std::min(x.size(), y.size());
    for (size_t i = 0; i < common; ++i) {
      if (!run.Step()) return false;
      if (!IsEqual(x[i], y[i])) return Less(run, x[i], y[i], sign);
    }
    return x.size() < y.size();
  }
  run.Fail(Format("'{}' not supported between instances of '{}' and '{}'", sign, TypeName(a),
                  TypeName(b)));
  return false;
}

// <=, which is not the opposite of > for NaN.
bool LessEqual(Runtime& run, const Value& a, const Value& b, const char* sign) {
  if (a.is_number() && b.is_number() && !(a.is_integral() && b.is_integral())) {
    return a.number() <= b.number();
  }
  return Less(run, a, b, sign) || (!run.failed() && !Less(run, b, a, sign));
}

bool Contains(Runtime& run, const Value& container, const Value& value) {
  switch (container.kind()) {
    case Kind::kString:
      if (value.is_undefined()) {
        run.Fail("'in <string>' requires string as left operand, not Undefined");
        return false;
      }
      if (!value.is_string()) {
        run.Fail(Format("'in <string>' requires string as left operand, not {}", TypeName(value)));
        return false;
      }
      return TextFinder(run, container.string(), value.string()).Next() != std::string::npos;
    case Kind::kDict:
      if (!IsHashable(value)) {
        run.Fail(Format("unhashable type: '{}'", TypeName(value)));
        return false;
      }
      return container.dict().Find(value) != nullptr;
    default:
      break;
  }
  const std::vector<Value> items = Iterate(run, container);
  const size_t weight = WeightOf(value);
  return std::any_of(items.begin(), items.end(), [&](const Value& item) {
    run.Step(std::min(weight, WeightOf(item)) / 64);
    return !run.failed() && IsEqual(item, value);
  });
}

}  // namespace

Value Compute(Runtime& run, Arithmetic op, const Value& a, const Value& b) {
  if (op == Arithmetic::kModulo && a.is_string()) return FormatPercent(run, a.string(), b);
  if (a.is_undefined() || b.is_undefined()) {
    return run.FailUndefined(a.is_undefined() ? a : b);
  }
  if (a.is_number() && b.is_number()) {
    if (a.is_integral() && b.is_integral()) return ComputeInts(run, op, a.integer(), b.integer());
    return ComputeFloats(run, op, a.number(), b.number());
  }
  if (op == Arithmetic::kAdd && IsSequence(a) && a.kind() == b.kind()) {
    return Concatenate(run, a, b);
  }
  if (op == Arithmetic::kMultiply) {
    if (IsSequence(a) && b.is_integral()) return Repeat(run, a, b.integer());
    if (IsSequence(b) && a.is_integral()) return Repeat(run, b, a.integer());
  }
  if (op == Arithmetic::kAdd && IsSequence(a)) {
    return run.Fail(
        Format("can only concatenate {0} (not \"{1}\") to {0}", TypeName(a), TypeName(b)));
  }
  return run.Fail(Format("unsupported operand type(s) for {}: '{}' and '{}'",
                         kSigns[static_cast<size_t>(op)], TypeName(a), TypeName(b)));
}

Value Negate(Runtime& run, const Value& value) {
  if (value.is_undefined()) return run.FailUndefined(value);
  if (value.is(Kind::kFloat)) return Value::Float(-value.number());
  if (value.is_integral()) {
    return ComputeInts(run, Arithmetic::kSubtract, 0, value.integer());
  }
  return run.Fail(Format("bad operand type for unary -: '{}'", TypeName(value)));
}

Value Positive(Runtime& run, const Value& value) {
  if (value.is_undefined()) return run.FailUndefined(value);
  if (value.is(Kind::kFloat)) return value;
  if (value.is_integral()) return Value::Int(value.integer());
  return run.Fail(Format("bad operand type for unary +: '{}'", TypeName(value)));
}

bool Compare(Runtime& run, Comparison op, const Value& a, const Value& b) {
  const char* sign = kComparisons[static_cast<size_t>(op)];
  if (a.is(Kind::kView) && b.is(Kind::kView) && op < Comparison::kIn) {
    run.FailUnsupported(Format("'{}' between the views of two dicts is not supported", sign));
    return false;
  }
  switch (op) {
    case Comparison::kEqual:
    case Comparison::kNotEqual:
      if (!run.Step(std::min(WeightOf(a), WeightOf(b)) / 64)) return false;
      return IsEqual(a, b) == (op == Comparison::kEqual);
    case Comparison::kLess:
      return Less(run, a, b, sign);
    case Comparison::kGreater:
      return Less(run, b, a, sign);
    case Comparison::kLessEqual:
      return LessEqual(run, a, b, sign);
    case Comparison::kGreaterEqual:
      return LessEqual(run, b, a, sign);
    case Comparison::kIn:
      return Contains(run, b, a);
    case Comparison::kNotIn:
      return !Contains(run, b, a);
  }
  return false;
}

bool IsIterable(const Value& value) {
  return value.is_list() || value.is_string() || value.is_dict() || value.is_undefined();
}

std::vector<Value> Iterate(Runtime& run, const Value& value) {
  std::vector<Value> items;
  switch (value.kind()) {
    case Kind::kUndefined:
      return items;
    case Kind::kString: {
      const std::string_view text = value.string();
      const auto length = static_cast<size_t>(value.string_object().length);
      if (!run.Affords(length * (sizeof(Value) + kObjectBytes))) return items;
      items.reserve(length);
      for (size_t at = 0; at < text.size();) {
        size_t end = at + 1;
        while (end < text.size() && IsUtf8Continuation(text[end])) ++end;
        items.push_back(run.String(std::string(text.substr(at, end - at))));
        if (run.failed()) return items;
        at = end;
      }
      return items;
    }
    case Kind::kTuple:
    case Kind::kList:
    case Kind::kRange:
    case Kind::kView:
      if (run.Affords(value.list().items.size() * sizeof(Value))) items = value.list().items;
      return items;
    case Kind::kIterator: {
      auto& list = static_cast<ListObject&>(*value.object());
      if (run.Affords(list.items.size() * sizeof(Value))) {
        items.assign(list.items.begin() + static_cast<std::ptrdiff_t>(list.next), list.items.end());
      }
      list.next = list.items.size();
      return items;
    }
    case Kind::kDict:
      if (!run.Affords(value.dict().entries.size() * sizeof(Value))) return items;
      items.reserve(value.dict().entries.size());
      for (const auto& entry : value.dict().entries) items.push_back(entry.first);
      return items;
    default:
      break;
  }
  run.Fail(Format("'{}' object is not iterable", TypeName(value)));
  return items;
}

std::optional<int64_t> Length(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return 0;
    case Kind::kString:
      return value.string_object().length;
    case Kind::kTuple:
    case Kind::kList:
    case Kind::kRange:
    case Kind::kView:
      return static_cast<int64_t>(value.list().items.size());
    case Kind::kDict:
      return static_cast<int64_t>(value.dict().entries.size());
    default:
      return std::nullopt;
  }
}

Value FailLength(Runtime& run, const Value& value) {
  return run.Fail(Format("object of type '{}' has no len()", TypeName(value)));
}

Value Slice(Runtime& run, const Value& value, const Value& start, const Value& stop,
            const Value& step) {
  if (value.is_undefined()) return run.FailUndefined(value);
  const bool sliceable = value.is_string() || value.is(Kind::kTuple) || value.is(Kind::kList) ||
                         value.is(Kind::kRange);
  if (value.is_dict()) return run.Fail("unhashable type: 'slice'");
  if (!sliceable) return run.Fail(Format("'{}' object is not subscriptable", TypeName(value)));
  for (const Value* bound : {&start, &stop, &step}) {
    if (!bound->is_none() && !bound->is_integral()) {
      return run.Fail("slice indices must be integers or None");
    }
  }
  const int64_t by = step.is_none() ? 1 : step.integer();
  if (by == 0) return run.Fail("slice step cannot be zero");
  const int64_t length = *Length(value);
  const auto bound = [&](const Value& given, int64_t otherwise) {
    if (given.is_none()) return otherwise;
    const int64_t lowest = by > 0 ? 0 : -1;
    const int64_t highest = by > 0 ? length : length - 1;
    const int64_t at = given.integer() < 0 ? given.integer() + length : given.integer();
    return std::clamp(at, lowest, highest);
  };
  const int64_t from = bound(start, by > 0 ? 0 : length - 1);
  const int64_t to = bound(stop, by > 0 ? length : -1);

  if (value.is_string() && by == 1) {
    if (!run.Affords(value.string().size())) return {};
    return run.String(Substring(value.string_object(), from, to));
  }
  const auto distance = static_cast<uint64_t>(std::max<int64_t>(by > 0 ? to - from : from - to, 0));
  const uint64_t stride = by > 0 ? static_cast<uint64_t>(by) : -static_cast<uint64_t>(by);
  const size_t count = distance == 0 ? 0 : (distance - 1) / stride + 1;
  const size_t code_point_bytes = value.is_string() ? value.string().size() * 4 : 0;
  if (!run.Affords(count * (sizeof(int64_t) + sizeof(Value)) + code_point_bytes)) return {};
  std::vector<int64_t> indices;
  indices.reserve(count);
  for (int64_t at = from; by > 0 ? at < to : at > to;) {
    indices.push_back(at);
    if (__builtin_add_overflow(at, by, &at)) break;
  }
  if (value.is_string()) {
    const std::vector<uint32_t> points = CodePoints(value.string());
    std::vector<uint32_t> chosen;
    chosen.reserve(indices.size());
    for (const int64_t index : indices) chosen.push_back(points[static_cast<size_t>(index)]);
    return run.String(FromCodePoints(chosen));
  }
  const ListObject& list = value.list();
  if (value.is(Kind::kRange)) {
    int64_t new_step = 0;
    int64_t new_start = 0;
    int64_t new_stop = 0;
    if (__builtin_mul_overflow(list.step, by, &new_step) ||
        __builtin_mul_overflow(list.step, from, &new_start) ||
        __builtin_mul_overflow(list.step, to, &new_stop) ||
        __builtin_add_overflow(list.start, new_start, &new_start) ||
        __builtin_add_overflow(list.start, new_stop, &new_stop)) {
      return Overflow(run);
    }
    return run.Range(new_start, new_stop, new_step);
  }
  std::vector<Value> items;
  items.reserve(indices.size());
  for (const int64_t index : indices) items.push_back(list.items[static_cast<size_t>(index)]);
  return run.Items(value.kind(), std::move(items), list.type_name);
}

std::vector<Value> Sorted(Runtime& run, const std::vector<Value>& items,
                          const std::vector<Value>& keys, bool reverse) {
  // Merge sort by hand: the comparison may fail, or not be an order (NaN), and must then only give
  // some permutation. Equal items keep their order, also in reverse.
  std::vector<size_t> order(items.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::vector<size_t> merged(order.size());
  for (size_t width = 1; width < order.size(); width *= 2) {
    for (size_t begin = 0; begin < order.size(); begin += 2 * width) {
      const size_t middle = std::min(begin + width, order.size());
      const size_t end = std::min(begin + 2 * width, order.size());
      size_t left = begin;
      size_t right = middle;
      for (size_t at = begin; at < end; ++at) {
        bool take_right = left == middle;
        if (!take_right && right < end && run.Step()) {
          const Value& l = keys[order[left]];
          const Value& r = keys[order[right]];
          take_right = reverse ? Less(run, l, r, "<") : Less(run, r, l, "<");
        }
        merged[at] = order[take_right ? right++ : left++];
      }
    }
    order.swap(merged);
  }
  std::vector<Value> sorted;
  sorted.reserve(order.size());
  for (const size_t index : order) sorted.push_back(items[index]);
  return sorted;
}

}  // namespace moiety::jinja
