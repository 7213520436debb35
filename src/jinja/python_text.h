// Values as text, as Python writes them: str(), repr(), and json.dumps.
#ifndef MOIETY_JINJA_PYTHON_TEXT_H_
#define MOIETY_JINJA_PYTHON_TEXT_H_

#include <string>
#include <string_view>

#include "jinja/runtime.h"
#include "jinja/value.h"

namespace moiety::jinja {

// The shortest digits that read back as the same number: "1.0", "1e-07", "inf".
std::string FloatText(double value);

// str(): strings as they are, undefined as nothing, others as repr().
std::string Str(Runtime& run, const Value& value);
// repr(): 'it' quoted as Python quotes. Functions, macros and iterators have no text of their own
// (Python prints an address): an error.
std::string Repr(Runtime& run, const Value& value);
std::string ReprText(std::string_view text);

struct JsonStyle {
  bool ascii = false;  // escape all that is not ASCII
  bool sort_keys = false;
  bool multiline = false;  // an indent was given
  std::string indent;
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};
// json.dumps. Values that JSON does not have are errors.
std::string ToJson(Runtime& run, const Value& value, const JsonStyle& style);

}  // namespace moiety::jinja

#endif  // MOIETY_JINJA_PYTHON_TEXT_H_
