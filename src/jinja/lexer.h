// Source text to tokens, with jinja2's rules for white space: trim_blocks and lstrip_blocks on,
// "-" and "+" in tags, one line break at the end of the source removed, all line breaks as \n.
#ifndef MOIETY_JINJA_LEXER_H_
#define MOIETY_JINJA_LEXER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "moiety/status.h"

namespace moiety::jinja {

enum class TokenType : uint8_t {
  kText,  // outside of tags
  kVariableBegin,
  kVariableEnd,
  kBlockBegin,
  kBlockEnd,
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,
  kEnd,
};

struct Token {
  TokenType type = TokenType::kEnd;
  int line = 1;
  std::string text;  // of text, names and operators as it stands; of strings without escapes
  int64_t integer = 0;
  double number = 0;
};

// Ends with a kEnd. Fails with kInvalidData, "WHERE:LINE: …"; with kUnsupported for integers
// beyond 64 bits and \N{…}. Time and memory are linear in the source.
Result<std::vector<Token>> Tokenize(std::string_view source, const std::string& where);

// A token for a message: its text, or "end of template" and the like.
std::string Describe(const Token& token);

}  // namespace moiety::jinja

#endif  // MOIETY_JINJA_LEXER_H_
