// Functions that templates call by name: range, dict, namespace, raise_exception, …
#ifndef MOIETY_JINJA_GLOBALS_H_
#define MOIETY_JINJA_GLOBALS_H_

#include <span>

#include "jinja/native.h"

namespace moiety::jinja {

std::span<const Native> Globals();

}  // namespace moiety::jinja

#endif  // MOIETY_JINJA_GLOBALS_H_
