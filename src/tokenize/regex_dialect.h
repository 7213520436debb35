// Oniguruma's Ruby syntax, in which the regular expressions of a tokenizer.json are written,
// translated to PCRE2's.
#ifndef MOIETY_TOKENIZE_REGEX_DIALECT_H_
#define MOIETY_TOKENIZE_REGEX_DIALECT_H_

#include <string>
#include <string_view>

#include "moiety/status.h"

namespace moiety {

// For PCRE2 with UTF, UCP and MULTILINE. Most of both syntaxes is the same; what differs and is not
// translated is an error (kUnsupported) that names it. `where` starts the message.
Result<std::string> ToPcre2(std::string_view pattern, const std::string& where);

}  // namespace moiety

#endif  // MOIETY_TOKENIZE_REGEX_DIALECT_H_
