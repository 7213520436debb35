// Python's operators. Types that do not go together are errors, in Python's words.
#ifndef MOIETY_JINJA_OPERATORS_H_
#define MOIETY_JINJA_OPERATORS_H_

#include <optional>
#include <vector>

#include "jinja/runtime.h"
#include "jinja/value.h"

namespace moiety::jinja {

enum class Arithmetic { kAdd, kSubtract, kMultiply, kDivide, kFloorDivide, kModulo, kPower };
// a + b, … also for strings and lists, and % as printf. Integers that leave 64 bits are an error.
Value Compute(Runtime& run, Arithmetic op, const Value& a, const Value& b);
Value Negate(Runtime& run, const Value& value);
Value Positive(Runtime& run, const Value& value);

enum class Comparison {
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
  kNotIn
};
bool Compare(Runtime& run, Comparison op, const Value& a, const Value& b);

// The items of a for loop over the value: of a string its characters, of a dict its keys, of an
// iterator what is left of it. None, numbers and the like are errors.
std::vector<Value> Iterate(Runtime& run, const Value& value);
bool IsIterable(const Value& value);
// len(), or nothing where Python has none. FailLength is the error then.
std::optional<int64_t> Length(const Value& value);
Value FailLength(Runtime& run, const Value& value);

// value[start:stop:step]; an absent bound is none.
Value Slice(Runtime& run, const Value& value, const Value& start, const Value& stop,
            const Value& step);

// sorted(): stable; `keys` decide, one per item.
std::vector<Value> Sorted(Runtime& run, const std::vector<Value>& items,
                          const std::vector<Value>& keys, bool reverse);

}  // namespace moiety::jinja

#endif  // MOIETY_JINJA_OPERATORS_H_
