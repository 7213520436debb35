// TOML documents from untrusted files, by toml++. Include it through this header alone.
#ifndef MOIETY_FORMAT_TOML_H_
#define MOIETY_FORMAT_TOML_H_

// The parser asserts some of what it checks a line later ("[=" breaks that), and with NDEBUG lets
// clang assume it. Here it only checks.
#pragma push_macro("NDEBUG")
#undef NDEBUG
#define TOML_ASSERT(condition) static_cast<void>(0)
#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>
#pragma pop_macro("NDEBUG")

#include <string>
#include <string_view>

#include "moiety/status.h"

namespace moiety {

inline constexpr size_t kMaxTomlBytes = 65536;

// Parses one document; `where` (a file name) starts every message. Refused with the line: what is
// not TOML or not UTF-8, keys that are there twice. Refused too: more than kMaxTomlBytes, more dots
// than a config has (each may be a table in a table), and characters beyond ASCII in literal
// strings of several lines.
Result<toml::table> ParseToml(std::string_view text, const std::string& where);

}  // namespace moiety

#endif  // MOIETY_FORMAT_TOML_H_
