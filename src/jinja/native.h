// Functions written in C++ that templates call: filters, tests, methods, globals. Each is one
// function and one row of a table:
//
//   {"replace", Replace, "old new count?"}
//
// The parameters are bound as Python binds them: by position or name; "?" may be absent. A leading
// "/" means by position only; "*" alone hands over the arguments as they are.
#ifndef MOIETY_JINJA_NATIVE_H_
#define MOIETY_JINJA_NATIVE_H_

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "jinja/runtime.h"
#include "jinja/value.h"

namespace moiety::jinja {

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

struct Call {
  Runtime& run;
  const Native& native;
  const Value& self;               // what is filtered or tested, or the object of a method
  Arguments raw;                   // where the parameters are "*"
  std::vector<Value> values = {};  // of the parameters, in their order
  uint64_t given = 0;              // bit i: parameter i was passed

  bool Has(size_t i) const { return (given >> i & 1) != 0; }
  const Value& At(size_t i) const { return values[i]; }
  Value Or(size_t i, const Value& otherwise) const { return Has(i) ? values[i] : otherwise; }

  // The parameter as a Python int, string or truth value; `otherwise` where it is absent, and
  // after an error of type, which is reported.
  int64_t Int(size_t i, int64_t otherwise) const;
  std::string Text(size_t i, std::string otherwise) const;
  bool Flag(size_t i, bool otherwise) const;
  // Absent, or none.
  bool IsNone(size_t i) const { return !Has(i) || values[i].is_none(); }

  Value Fail(const std::string& message) const;
};

struct Native {
  const char* name;
  Value (*function)(Call&);
  const char* parameters;
};

// The row of that name, or null.
const Native* FindNative(std::span<const Native> table, std::string_view name);

// Binds the arguments and calls.
Value Invoke(Runtime& run, const Native& native, const Value& self, Arguments arguments);

}  // namespace moiety::jinja

#endif  // MOIETY_JINJA_NATIVE_H_
