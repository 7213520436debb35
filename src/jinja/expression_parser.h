// The expressions of the grammar; parser.cc has the tags.
#ifndef MOIETY_JINJA_EXPRESSION_PARSER_H_
#define MOIETY_JINJA_EXPRESSION_PARSER_H_

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "jinja/ast.h"
#include "jinja/lexer.h"
#include "moiety/status.h"

namespace moiety::jinja {

// Errors are sticky: after one, every parse returns null, and the current token is the end.
class ExpressionParser {
 public:
  ExpressionParser(std::vector<Token> tokens, const std::string& where)
      : tokens_(std::move(tokens)), where_(where) {}

  ExprPtr ParseExpression(bool with_condition = true);
  // One expression, or several with commas.
  ExprPtr ParseTuple(bool with_condition = true, bool in_parentheses = false);
  // What may stand on the left of =: a name, names with commas, or (for set) ns.name.
  ExprPtr ParseTarget(bool with_namespace = false);
  Symbol ParseNameTarget();
  // | filter | filter, applied to `input` (null: the text of a block).
  ExprPtr ParseFilters(ExprPtr input, bool starts_without_pipe);

  bool failed() const { return !status_.ok(); }
  Status TakeStatus() { return std::move(status_); }
  ExprPtr Fail(int line, const std::string& message);
  ExprPtr FailUnsupported(int line, const std::string& message);

  const Token& Current() const { return tokens_[at_]; }
  const Token& Look() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  Token Next();
  bool Is(TokenType type) const { return Current().type == type; }
  bool IsOperator(std::string_view text) const {
    return Current().type == TokenType::kOperator && Current().text == text;
  }
  bool IsName(std::string_view text) const {
    return Current().type == TokenType::kName && Current().text == text;
  }
  bool SkipOperator(std::string_view text);
  bool SkipName(std::string_view text);
  // Fails unless the current token is of that kind, and goes past it.
  Token Expect(TokenType type, const char* what);
  void ExpectOperator(std::string_view text);
  void ExpectName(std::string_view text);

  Symbol Intern(const std::string& name);
  std::vector<std::string> TakeSymbols() { return std::move(symbols_); }

  // Entering and leaving a level of nesting; false when there are too many.
  bool Enter();
  void Leave() { --depth_; }

  // Names that were read since the last Reset: whether a macro uses what its caller passes.
  struct SpecialNames {
    bool caller = false, kwargs = false, varargs = false;
  };
  SpecialNames special;
  // Inside of an if: a filter or test that does not exist is an error only when it is reached, as
  // templates ask for it before ("if 'x' is filter").
  bool lenient = false;

 private:
  struct Unknown {  // a filter or test that does not exist
    std::string name;
    int line;
    bool is_filter;
  };
  ExprPtr FailUnknown(const Unknown& unknown);
  ExprPtr Make(ExprKind kind, int line);
  ExprPtr Make(ExprKind kind, int line, ExprPtr a, ExprPtr b = nullptr);
  ExprPtr Finish(ExprPtr expr);  // computes the depth, and bounds it
  ExprPtr ParseCondition();
  ExprPtr ParseOr();
  ExprPtr ParseAnd();
  ExprPtr ParseNot();
  ExprPtr ParseCompare();
  ExprPtr ParseSum();
  ExprPtr ParseConcatenation();
  ExprPtr ParseProduct();
  ExprPtr ParsePower();
  ExprPtr ParseUnary(bool with_filter = true);
  ExprPtr ParsePrimary(bool with_namespace = false);
  ExprPtr ParseNameOrConstant(bool with_namespace);
  ExprPtr ParseList();
  ExprPtr ParseDict();
  ExprPtr ParsePostfix(ExprPtr expr);
  ExprPtr ParseFilterChain(ExprPtr expr);
  ExprPtr ParseSubscript(ExprPtr expr);
  ExprPtr ParseSubscripted(ExprPtr expr, int line);
  ExprPtr ParseCall(ExprPtr expr);
  ExprPtr ParseTest(ExprPtr expr);
  void ParseArguments(Expr& call);
  std::string ParseDottedName();
  void Resolve(Expr& expr, const std::string& name);

  std::vector<Token> tokens_;
  const std::string& where_;
  size_t at_ = 0;
  int depth_ = 0;
  Status status_;
  std::vector<Unknown> unknown_;  // found while lenient
  std::vector<std::string> symbols_;
  std::unordered_map<std::string, Symbol> symbol_of_;
};

}  // namespace moiety::jinja

#endif  // MOIETY_JINJA_EXPRESSION_PARSER_H_
