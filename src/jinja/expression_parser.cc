#include "jinja/expression_parser.h"

#include <algorithm>
#include <array>
#include <unordered_set>

#include "base/format.h"
#include "jinja/filters.h"
#include "jinja/python_text.h"
#include "jinja/tests.h"

namespace moiety::jinja {
namespace {

constexpr int kMaxNesting = 400;    // a pair of brackets counts three times, a block once
constexpr int kMaxExprDepth = 500;  // also of chains: a + b + c, x.y.z, x | f | g

bool IsOneOf(std::string_view text, std::initializer_list<std::string_view> list) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

// For the levels of nested calls of the parser.
class ParseLevel {
 public:
  explicit ParseLevel(ExpressionParser& parser) : parser_(parser), entered_(parser.Enter()) {}
  ~ParseLevel() { parser_.Leave(); }
  ParseLevel(const ParseLevel&) = delete;
  ParseLevel& operator=(const ParseLevel&) = delete;
  explicit operator bool() const { return entered_; }

 private:
  ExpressionParser& parser_;
  bool entered_;
};

}  // namespace

// --- tokens and errors ---

ExprPtr ExpressionParser::Fail(int line, const std::string& message) {
  if (!failed()) status_ = InvalidData(Format("{}:{}: {}", where_, line, message));
  at_ = tokens_.size() - 1;
  return nullptr;
}

ExprPtr ExpressionParser::FailUnsupported(int line, const std::string& message) {
  if (!failed()) status_ = Unsupported(Format("{}:{}: {}", where_, line, message));
  at_ = tokens_.size() - 1;
  return nullptr;
}

Token ExpressionParser::Next() {
  if (at_ + 1 == tokens_.size()) return tokens_[at_];
  return std::move(tokens_[at_++]);
}

bool ExpressionParser::SkipOperator(std::string_view text) {
  if (!IsOperator(text)) return false;
  ++at_;
  return true;
}

bool ExpressionParser::SkipName(std::string_view text) {
  if (!IsName(text)) return false;
  ++at_;
  return true;
}

Token ExpressionParser::Expect(TokenType type, const char* what) {
  if (Is(type)) return Next();
  Fail(Current().line, Format("expected {}, found '{}'", what, Describe(Current())));
  return {};
}

void ExpressionParser::ExpectOperator(std::string_view text) {
  if (SkipOperator(text)) return;
  Fail(Current().line, Format("expected '{}', found '{}'", text, Describe(Current())));
}

void ExpressionParser::ExpectName(std::string_view text) {
  if (SkipName(text)) return;
  Fail(Current().line, Format("expected '{}', found '{}'", text, Describe(Current())));
}

Symbol ExpressionParser::Intern(const std::string& name) {
  const auto [it, fresh] = symbol_of_.emplace(name, static_cast<Symbol>(symbols_.size()));
  if (fresh) symbols_.push_back(name);
  return it->second;
}

bool ExpressionParser::Enter() {
  if (++depth_ <= kMaxNesting) return !failed();
  Fail(Current().line, Format("nested deeper than {} levels", kMaxNesting));
  return false;
}

// --- nodes ---

ExprPtr ExpressionParser::Make(ExprKind kind, int line) {
  auto expr = std::make_unique<Expr>();
  expr->kind = kind;
  expr->line = line;
  return expr;
}

ExprPtr ExpressionParser::Make(ExprKind kind, int line, ExprPtr a, ExprPtr b) {
  ExprPtr expr = Make(kind, line);
  expr->items.push_back(std::move(a));
  if (b != nullptr) expr->items.push_back(std::move(b));
  return expr;
}

ExprPtr ExpressionParser::Finish(ExprPtr expr) {
  if (failed()) return nullptr;
  const auto consider = [&](const ExprPtr& part) {
    if (part != nullptr) expr->depth = std::max(expr->depth, part->depth + 1);
  };
  for (const ExprPtr& part : expr->items) consider(part);
  for (const ExprPtr& part : expr->arguments) consider(part);
  for (const auto& part : expr->named) consider(part.second);
  consider(expr->rest);
  consider(expr->named_rest);
  if (expr->depth > kMaxExprDepth) {
    return Fail(expr->line, Format("an expression of more than {} levels", kMaxExprDepth));
  }
  return expr;
}

// --- operators, from weak to strong ---

ExprPtr ExpressionParser::ParseExpression(bool with_condition) {
  const ParseLevel level(*this);
  if (!level) return nullptr;
  return with_condition ? ParseCondition() : ParseOr();
}

ExprPtr ExpressionParser::ParseCondition() {
  const ParseLevel level(*this);
  if (!level) return nullptr;
  int line = Current().line;
  // What stands before "if" is known to be conditional only afterwards.
  const bool was_lenient = lenient;
  lenient = true;
  const size_t first_unknown = unknown_.size();
  ExprPtr value = ParseOr();
  lenient = was_lenient;
  if (!IsName("if") && !lenient && unknown_.size() > first_unknown) {
    return FailUnknown(unknown_[first_unknown]);
  }
  while (SkipName("if")) {
    const bool outer = lenient;
    lenient = true;
    ExprPtr condition = ParseOr();
    ExprPtr otherwise;
    const bool has_else = SkipName("else");
    if (has_else) otherwise = ParseCondition();
    lenient = outer;
    if (failed()) return nullptr;
    ExprPtr expr = Make(ExprKind::kCondition, line, std::move(condition), std::move(value));
    expr->items.push_back(std::move(otherwise));
    value = Finish(std::move(expr));
    line = Current().line;
  }
  return failed() ? nullptr : std::move(value);
}

ExprPtr ExpressionParser::ParseOr() {
  int line = Current().line;
  ExprPtr left = ParseAnd();
  while (SkipName("or")) {
    left = Finish(Make(ExprKind::kOr, line, std::move(left), ParseAnd()));
    line = Current().line;
  }
  return left;
}

ExprPtr ExpressionParser::ParseAnd() {
  int line = Current().line;
  ExprPtr left = ParseNot();
  while (SkipName("and")) {
    left = Finish(Make(ExprKind::kAnd, line, std::move(left), ParseNot()));
    line = Current().line;
  }
  return left;
}

ExprPtr ExpressionParser::ParseNot() {
  const int line = Current().line;
  if (!SkipName("not")) return ParseCompare();
  const ParseLevel level(*this);
  if (!level) return nullptr;
  return Finish(Make(ExprKind::kNot, line, ParseNot()));
}

ExprPtr ExpressionParser::ParseCompare() {
  constexpr std::array<std::string_view, 6> kSigns = {"==", "!=", "<", "<=", ">", ">="};
  const int line = Current().line;
  ExprPtr first = ParseSum();
  if (failed()) return nullptr;
  ExprPtr compare;
  while (!failed()) {
    Comparison op = Comparison::kIn;
    const auto sign = std::find(kSigns.begin(), kSigns.end(), std::string_view(Current().text));
    if (Is(TokenType::kOperator) && sign != kSigns.end()) {
      op = static_cast<Comparison>(sign - kSigns.begin());
      Next();
    } else if (IsName("not") && Look().type == TokenType::kName && Look().text == "in") {
      op = Comparison::kNotIn;
      Next();
      Next();
    } else if (!SkipName("in")) {
      break;
    }
    if (compare == nullptr) compare = Make(ExprKind::kCompare, line, std::move(first));
    compare->comparisons.push_back(op);
    compare->items.push_back(ParseSum());
  }
  return compare == nullptr ? std::move(first) : Finish(std::move(compare));
}

ExprPtr ExpressionParser::ParseSum() {
  int line = Current().line;
  ExprPtr left = ParseConcatenation();
  while (IsOperator("+") || IsOperator("-")) {
    const bool plus = Next().text == "+";
    left = Make(ExprKind::kArithmetic, line, std::move(left), ParseConcatenation());
    left->arithmetic = plus ? Arithmetic::kAdd : Arithmetic::kSubtract;
    left = Finish(std::move(left));
    line = Current().line;
  }
  return left;
}

ExprPtr ExpressionParser::ParseConcatenation() {
  const int line = Current().line;
  ExprPtr first = ParseProduct();
  if (!IsOperator("~")) return first;
  ExprPtr expr = Make(ExprKind::kConcatenate, line, std::move(first));
  while (SkipOperator("~")) expr->items.push_back(ParseProduct());
  return Finish(std::move(expr));
}

ExprPtr ExpressionParser::ParseProduct() {
  constexpr std::array<std::pair<std::string_view, Arithmetic>, 4> kOperators = {
      {{"*", Arithmetic::kMultiply},
       {"/", Arithmetic::kDivide},
       {"//", Arithmetic::kFloorDivide},
       {"%", Arithmetic::kModulo}}};
  int line = Current().line;
  ExprPtr left = ParsePower();
  while (Is(TokenType::kOperator)) {
    const auto* const op =
        std::find_if(kOperators.begin(), kOperators.end(),
                     [this](const auto& o) { return o.first == Current().text; });
    if (op == kOperators.end()) break;
    Next();
    left = Make(ExprKind::kArithmetic, line, std::move(left), ParsePower());
    left->arithmetic = op->second;
    left = Finish(std::move(left));
    line = Current().line;
  }
  return left;
}

// As jinja2 has it, not Python: from left to right, and after the sign.
ExprPtr ExpressionParser::ParsePower() {
  int line = Current().line;
  ExprPtr left = ParseUnary();
  while (SkipOperator("**")) {
    left = Make(ExprKind::kArithmetic, line, std::move(left), ParseUnary());
    left->arithmetic = Arithmetic::kPower;
    left = Finish(std::move(left));
    line = Current().line;
  }
  return left;
}

ExprPtr ExpressionParser::ParseUnary(bool with_filter) {
  const ParseLevel level(*this);
  if (!level) return nullptr;
  const int line = Current().line;
  ExprPtr expr;
  if (SkipOperator("-")) {
    expr = Finish(Make(ExprKind::kNegate, line, ParseUnary(false)));
  } else if (SkipOperator("+")) {
    expr = Finish(Make(ExprKind::kPositive, line, ParseUnary(false)));
  } else {
    expr = ParsePrimary();
  }
  expr = ParsePostfix(std::move(expr));
  return with_filter ? ParseFilterChain(std::move(expr)) : std::move(expr);
}

// --- operands ---

ExprPtr ExpressionParser::ParsePrimary(bool with_namespace) {
  const int line = Current().line;
  ExprPtr constant = Make(ExprKind::kConst, line);
  switch (Current().type) {
    case TokenType::kName:
      return ParseNameOrConstant(with_namespace);
    case TokenType::kString: {
      std::string text;
      while (Is(TokenType::kString)) text += Next().text;  // literals side by side are one
      constant->value = Value::Literal(std::move(text));
      return constant;
    }
    case TokenType::kInteger:
      constant->value = Value::Int(Next().integer);
      return constant;
    case TokenType::kFloat:
      constant->value = Value::Float(Next().number);
      return constant;
    default:
      break;
  }
  if (SkipOperator("(")) {
    ExprPtr expr = ParseTuple(true, true);
    ExpectOperator(")");
    return failed() ? nullptr : std::move(expr);
  }
  if (IsOperator("[")) return ParseList();
  if (IsOperator("{")) return ParseDict();
  return Fail(line, Format("unexpected '{}'", Describe(Current())));
}

ExprPtr ExpressionParser::ParseNameOrConstant(bool with_namespace) {
  const Token token = Next();
  ExprPtr expr = Make(ExprKind::kConst, token.line);
  if (IsOneOf(token.text, {"true", "True", "false", "False"})) {
    expr->value = Value::Bool(IsOneOf(token.text, {"true", "True"}));
    return expr;
  }
  if (IsOneOf(token.text, {"none", "None"})) {
    expr->value = Value::None();
    return expr;
  }
  expr->symbol = Intern(token.text);
  if (with_namespace && SkipOperator(".")) {
    expr->kind = ExprKind::kNamespaceField;
    expr->value = Value::Literal(Expect(TokenType::kName, "a name").text);
    return failed() ? nullptr : std::move(expr);
  }
  expr->kind = ExprKind::kName;
  special.caller |= token.text == "caller";
  special.kwargs |= token.text == "kwargs";
  special.varargs |= token.text == "varargs";
  return expr;
}

ExprPtr ExpressionParser::ParseTuple(bool with_condition, bool in_parentheses) {
  const int line = Current().line;
  std::vector<ExprPtr> items;
  bool is_tuple = false;
  while (!failed()) {
    const bool at_end = Is(TokenType::kVariableEnd) || Is(TokenType::kBlockEnd) || IsOperator(")");
    if (at_end) break;
    items.push_back(ParseExpression(with_condition));
    if (!SkipOperator(",")) break;
    is_tuple = true;
  }
  if (failed()) return nullptr;
  if (!is_tuple && !items.empty()) return std::move(items[0]);
  if (!is_tuple && !in_parentheses) {
    return Fail(line, Format("Expected an expression, got '{}'", Describe(Current())));
  }
  ExprPtr tuple = Make(ExprKind::kTuple, line);
  tuple->items = std::move(items);
  return Finish(std::move(tuple));
}

ExprPtr ExpressionParser::ParseTarget(bool with_namespace) {
  const int line = Current().line;
  std::vector<ExprPtr> items;
  bool is_tuple = false;
  while (!failed()) {
    const bool at_end = Is(TokenType::kVariableEnd) || Is(TokenType::kBlockEnd) || IsOperator(")");
    if (at_end) break;
    const ParseLevel level(*this);
    if (!level) return nullptr;
    const SpecialNames before = special;  // a target is no use of the name
    if (SkipOperator("(")) {
      items.push_back(ParseTarget(with_namespace));
      ExpectOperator(")");
    } else {
      items.push_back(ParsePrimary(with_namespace));
    }
    special = before;
    if (failed()) return nullptr;
    const ExprKind kind = items.back()->kind;
    if (kind != ExprKind::kName && kind != ExprKind::kNamespaceField && kind != ExprKind::kTuple) {
      return Fail(line, "can't assign to this expression");
    }
    if (!SkipOperator(",")) break;
    is_tuple = true;
  }
  if (failed()) return nullptr;
  if (!is_tuple && !items.empty()) return std::move(items[0]);
  if (!is_tuple) return Fail(line, Format("Expected an expression, got '{}'", Describe(Current())));
  ExprPtr tuple = Make(ExprKind::kTuple, line);
  tuple->items = std::move(items);
  return Finish(std::move(tuple));
}

Symbol ExpressionParser::ParseNameTarget() {
  const Token token = Expect(TokenType::kName, "a name");
  if (IsOneOf(token.text, {"true", "True", "false", "False", "none", "None"})) {
    Fail(token.line, "can't assign to this expression");
  }
  return Intern(token.text);
}

ExprPtr ExpressionParser::ParseList() {
  ExprPtr list = Make(ExprKind::kList, Next().line);
  while (!failed() && !IsOperator("]")) {
    if (!list->items.empty()) ExpectOperator(",");
    if (IsOperator("]")) break;
    list->items.push_back(ParseExpression());
  }
  ExpectOperator("]");
  return Finish(std::move(list));
}

ExprPtr ExpressionParser::ParseDict() {
  ExprPtr dict = Make(ExprKind::kDict, Next().line);
  while (!failed() && !IsOperator("}")) {
    if (!dict->items.empty()) ExpectOperator(",");
    if (IsOperator("}")) break;
    dict->items.push_back(ParseExpression());
    ExpectOperator(":");
    dict->items.push_back(ParseExpression());
  }
  ExpectOperator("}");
  return Finish(std::move(dict));
}

// --- what follows an operand ---

ExprPtr ExpressionParser::ParsePostfix(ExprPtr expr) {
  while (!failed()) {
    if (IsOperator(".") || IsOperator("[")) {
      expr = ParseSubscript(std::move(expr));
    } else if (IsOperator("(")) {
      expr = ParseCall(std::move(expr));
    } else {
      return expr;
    }
  }
  return nullptr;
}

ExprPtr ExpressionParser::ParseFilterChain(ExprPtr expr) {
  while (!failed()) {
    if (IsOperator("|")) {
      expr = ParseFilters(std::move(expr), false);
    } else if (IsName("is")) {
      expr = ParseTest(std::move(expr));
    } else if (IsOperator("(")) {
      expr = ParseCall(std::move(expr));
    } else {
      return expr;
    }
  }
  return nullptr;
}

ExprPtr ExpressionParser::ParseSubscript(ExprPtr expr) {
  const Token token = Next();
  if (token.text == "[") return ParseSubscripted(std::move(expr), token.line);
  const Token name = Next();
  if (name.type == TokenType::kName) {
    expr = Make(ExprKind::kAttribute, token.line, std::move(expr));
    expr->value = Value::Literal(name.text);
    return Finish(std::move(expr));
  }
  if (name.type != TokenType::kInteger) return Fail(name.line, "expected name or number");
  ExprPtr index = Make(ExprKind::kConst, name.line);
  index->value = Value::Int(name.integer);
  return Finish(Make(ExprKind::kSubscript, token.line, std::move(expr), std::move(index)));
}

// x[key], x[a, b] or x[start:stop:step]; the [ is read.
ExprPtr ExpressionParser::ParseSubscripted(ExprPtr expr, int line) {
  const auto is_end = [this] { return IsOperator("]") || IsOperator(",") || failed(); };
  const auto none = [this, line] {
    ExprPtr constant = Make(ExprKind::kConst, line);
    constant->value = Value::None();
    return constant;
  };
  std::vector<ExprPtr> keys;
  while (!failed() && !IsOperator("]")) {
    if (!keys.empty()) ExpectOperator(",");
    ExprPtr first = IsOperator(":") ? none() : ParseExpression();
    if (!SkipOperator(":")) {
      keys.push_back(std::move(first));
      continue;
    }
    ExprPtr slice = Make(ExprKind::kSlice, line, nullptr);
    slice->items.push_back(std::move(first));
    slice->items.push_back(IsOperator(":") || is_end() ? none() : ParseExpression());
    slice->items.push_back(SkipOperator(":") && !is_end() ? ParseExpression() : none());
    keys.push_back(std::move(slice));
  }
  ExpectOperator("]");
  if (failed()) return nullptr;
  if (keys.size() == 1 && keys[0]->kind == ExprKind::kSlice && keys[0]->items[0] == nullptr) {
    ExprPtr slice = std::move(keys[0]);
    slice->items[0] = std::move(expr);
    return Finish(std::move(slice));
  }
  for (const ExprPtr& key : keys) {
    if (key->kind == ExprKind::kSlice && key->items[0] == nullptr) {
      return FailUnsupported(line, "a slice among several subscripts is not supported");
    }
  }
  ExprPtr key;
  if (keys.size() == 1) {
    key = std::move(keys[0]);
  } else {
    key = Make(ExprKind::kTuple, line);
    key->items = std::move(keys);
    key = Finish(std::move(key));
  }
  return Finish(Make(ExprKind::kSubscript, line, std::move(expr), std::move(key)));
}

ExprPtr ExpressionParser::ParseCall(ExprPtr expr) {
  ExprPtr call = Make(ExprKind::kCall, Current().line, std::move(expr));
  ParseArguments(*call);
  return Finish(std::move(call));
}

void ExpressionParser::ParseArguments(Expr& call) {
  const int line = Current().line;
  const auto ensure = [&](bool valid) {
    if (!valid) Fail(line, "invalid syntax for function call expression");
  };
  ExpectOperator("(");
  bool is_first = true;
  std::unordered_set<std::string> names;  // of the keyword arguments
  while (!failed() && !IsOperator(")")) {
    if (!is_first) {
      ExpectOperator(",");
      if (IsOperator(")")) break;
    }
    is_first = false;
    if (SkipOperator("*")) {
      ensure(call.rest == nullptr && call.named_rest == nullptr);
      call.rest = ParseExpression();
    } else if (SkipOperator("**")) {
      ensure(call.named_rest == nullptr);
      call.named_rest = ParseExpression();
    } else if (Is(TokenType::kName) && Look().type == TokenType::kOperator && Look().text == "=") {
      ensure(call.named_rest == nullptr);
      std::string name = Next().text;
      Next();
      if (!names.insert(name).second) Fail(line, Format("keyword argument repeated: {}", name));
      call.named.emplace_back(std::move(name), ParseExpression());
    } else {
      ensure(call.rest == nullptr && call.named_rest == nullptr && call.named.empty());
      call.arguments.push_back(ParseExpression());
    }
  }
  ExpectOperator(")");
}

std::string ExpressionParser::ParseDottedName() {
  std::string name = Expect(TokenType::kName, "a name").text;
  while (SkipOperator(".")) name += "." + Expect(TokenType::kName, "a name").text;
  return name;
}

// Finds the filter or test; one that is not there is an error now, or (lenient) when it is used.
void ExpressionParser::Resolve(Expr& expr, const std::string& name) {
  const bool is_filter = expr.kind == ExprKind::kFilter;
  expr.value = Value::Literal(name);
  expr.native = is_filter ? FindFilter(name) : FindTest(name);
  if (expr.native != nullptr || failed()) return;
  const Unknown unknown = {name, expr.line, is_filter};
  if (lenient) {
    unknown_.push_back(unknown);
  } else {
    FailUnknown(unknown);
  }
}

ExprPtr ExpressionParser::FailUnknown(const Unknown& unknown) {
  return FailUnsupported(unknown.line, unknown.is_filter
                                           ? NoFilterMessage(unknown.name)
                                           : Format("No test named {}.", ReprText(unknown.name)));
}

ExprPtr ExpressionParser::ParseFilters(ExprPtr expr, bool starts_without_pipe) {
  while (!failed() && (starts_without_pipe || SkipOperator("|"))) {
    starts_without_pipe = false;
    ExprPtr filter = Make(ExprKind::kFilter, Current().line, std::move(expr));
    const std::string name = ParseDottedName();
    if (IsOperator("(")) ParseArguments(*filter);
    Resolve(*filter, name);
    expr = Finish(std::move(filter));
  }
  return failed() ? nullptr : std::move(expr);
}

ExprPtr ExpressionParser::ParseTest(ExprPtr expr) {
  const int line = Next().line;
  const bool negated = SkipName("not");
  ExprPtr test = Make(ExprKind::kTest, line, std::move(expr));
  const std::string name = ParseDottedName();
  if (IsOperator("(")) {
    ParseArguments(*test);
  } else {
    const TokenType type = Current().type;
    const bool has_argument =
        ((type == TokenType::kName && !IsOneOf(Current().text, {"else", "or", "and"})) ||
         type == TokenType::kString || type == TokenType::kInteger || type == TokenType::kFloat ||
         IsOperator("[") || IsOperator("{"));
    if (has_argument) {
      if (IsName("is")) return Fail(line, "You cannot chain multiple tests with is");
      test->arguments.push_back(ParsePostfix(ParsePrimary()));
    }
  }
  Resolve(*test, name);
  test = Finish(std::move(test));
  return negated ? Finish(Make(ExprKind::kNot, line, std::move(test))) : std::move(test);
}

}  // namespace moiety::jinja
