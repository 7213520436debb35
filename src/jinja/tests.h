// The tests: {{ value is name(arguments) }}. Rows of a table (native.h).
#ifndef MOIETY_JINJA_TESTS_H_
#define MOIETY_JINJA_TESTS_H_

#include <string_view>

#include "jinja/native.h"

namespace moiety::jinja {

const Native* FindTest(std::string_view name);

}  // namespace moiety::jinja

#endif  // MOIETY_JINJA_TESTS_H_
