// Python's ways to format: "%s is %d" % (a, b), and "{} is {:>5}".format(a, b).
#ifndef MOIETY_JINJA_PERCENT_FORMAT_H_
#define MOIETY_JINJA_PERCENT_FORMAT_H_

#include <string>

#include "jinja/native.h"
#include "jinja/runtime.h"
#include "jinja/value.h"

namespace moiety::jinja {

// `values`: a tuple, or one value; a dict for %(name)s.
Value FormatPercent(Runtime& run, const std::string& format, const Value& values);

// str.format.
Value FormatBraces(Runtime& run, const std::string& format, const Arguments& arguments);

// Digits of a float in printf's notation `type` (e, f, g, and upper case), in any locale.
std::string FloatDigits(double value, char type, int precision);

}  // namespace moiety::jinja

#endif  // MOIETY_JINJA_PERCENT_FORMAT_H_
