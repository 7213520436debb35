// The methods of Python's str, list, tuple and dict that templates may call. What Python has and
// moiety has not, and what the immutable sandbox refuses, is listed too, so that it is an error.
#ifndef MOIETY_JINJA_METHODS_H_
#define MOIETY_JINJA_METHODS_H_

#include <span>
#include <string_view>

#include "jinja/native.h"
#include "jinja/value.h"

namespace moiety::jinja {

struct MethodTable {
  std::span<const Native> methods;
  std::span<const std::string_view> refused;      // they would change the object
  std::span<const std::string_view> unsupported;  // Python has them
};

MethodTable StringMethods();
MethodTable ListMethods();
MethodTable TupleMethods();
MethodTable DictMethods();
MethodTable CyclerMethods();
MethodTable NumberMethods();

}  // namespace moiety::jinja

#endif  // MOIETY_JINJA_METHODS_H_
