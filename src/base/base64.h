// Bytes as text: base64 with the standard alphabet, padded (RFC 4648, section 4).
#ifndef MOIETY_BASE_BASE64_H_
#define MOIETY_BASE_BASE64_H_

#include <optional>
#include <string>
#include <string_view>

namespace moiety {

std::string EncodeBase64(std::string_view bytes);

// Null for anything that EncodeBase64() does not write: other characters, line breaks, padding that
// is missing or not zero.
std::optional<std::string> DecodeBase64(std::string_view text);

}  // namespace moiety

#endif  // MOIETY_BASE_BASE64_H_
