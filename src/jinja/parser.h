// Tokens to a tree, by jinja2's grammar.
#ifndef MOIETY_JINJA_PARSER_H_
#define MOIETY_JINJA_PARSER_H_

#include <string>
#include <string_view>

#include "jinja/ast.h"
#include "moiety/status.h"

namespace moiety::jinja {

// Fails with kInvalidData for what is no Jinja, with kUnsupported for tags, filters and the like
// that moiety does not have; both with "WHERE:LINE: ". Depth is bounded, time linear.
Result<Ast> Parse(std::string_view source, const std::string& where);

}  // namespace moiety::jinja

#endif  // MOIETY_JINJA_PARSER_H_
