// JSON documents from untrusted files.
#ifndef MOIETY_FORMAT_JSON_H_
#define MOIETY_FORMAT_JSON_H_

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "moiety/status.h"

namespace moiety {

// Parses one document. Refused, with `where` (a file name) and the byte position in the message:
// anything that is not JSON or not UTF-8, text after the document, nesting deeper than 128, and an
// object that names a key twice (readers disagree on which one counts).
Result<nlohmann::json> ParseJson(std::string_view text, const std::string& where);

// Integers that int64_t does not hold: kept as JSON libraries keep them (unsigned, or the nearest
// double, as in configs that say 1e30 with all its digits), or refused as kUnsupported.
enum class BigIntegers { kKeep, kRefuse };

// The same as ParseJson, with the keys of objects in the order in which they stand in the text.
Result<nlohmann::ordered_json> ParseOrderedJson(std::string_view text, const std::string& where,
                                                BigIntegers big = BigIntegers::kKeep);

// A value (an ordered_json too) for a message: as JSON on one line, cut to about 60 bytes, always
// valid UTF-8.
std::string ShowJson(const nlohmann::json& value);

}  // namespace moiety

#endif  // MOIETY_FORMAT_JSON_H_
