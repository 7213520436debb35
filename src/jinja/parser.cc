#include "jinja/parser.h"

#include <algorithm>
#include <unordered_set>

#include "base/format.h"
#include "jinja/expression_parser.h"
#include "jinja/python_text.h"

namespace moiety::jinja {
namespace {

using Names = std::initializer_list<std::string_view>;

class Parser {
 public:
  Parser(std::vector<Token> tokens, const std::string& where) : in_(std::move(tokens), where) {}

  Result<Ast> Run() {
    Ast ast;
    ast.loop = in_.Intern("loop");
    ast.caller = in_.Intern("caller");
    ast.kwargs = in_.Intern("kwargs");
    ast.varargs = in_.Intern("varargs");
    ast.body = ParseBlock({});
    if (in_.failed()) return in_.TakeStatus();
    ast.symbols = in_.TakeSymbols();
    return ast;
  }

 private:
  using NodePtr = std::unique_ptr<Node>;

  NodePtr Make(NodeKind kind, int line) {
    auto node = std::make_unique<Node>();
    node->kind = kind;
    node->line = line;
    return node;
  }

  // Text and tags up to one of the names in `ends`, whose name is then the current token; or up to
  // the end of the source if there are none.
  Block ParseBlock(Names ends) {
    Block block;
    if (!in_.Enter()) {
      in_.Leave();
      return block;
    }
    while (!in_.failed()) {
      const int line = in_.Current().line;
      if (in_.Is(TokenType::kEnd)) {
        if (ends.size() > 0) FailAtEnd(ends);
        break;
      }
      if (in_.Is(TokenType::kText)) {
        block.push_back(Make(NodeKind::kText, line));
        block.back()->value = Value::Literal(in_.Next().text);
      } else if (in_.Is(TokenType::kVariableBegin)) {
        in_.Next();
        block.push_back(Make(NodeKind::kPrint, line));
        block.back()->exprs.push_back(in_.ParseTuple());
        in_.Expect(TokenType::kVariableEnd, "end of print statement");
      } else {
        in_.Expect(TokenType::kBlockBegin, "a tag");
        const bool ended = std::any_of(ends.begin(), ends.end(),
                                       [this](std::string_view name) { return in_.IsName(name); });
        if (ended) break;
        if (NodePtr node = ParseTag(ends)) block.push_back(std::move(node));
        in_.Expect(TokenType::kBlockEnd, "end of statement block");
      }
    }
    in_.Leave();
    return block;
  }

  // The rest of a tag, and its block up to one of `ends`.
  Block ParseBody(Names ends) {
    in_.SkipOperator(":");
    in_.Expect(TokenType::kBlockEnd, "end of statement block");
    return ParseBlock(ends);
  }
  // The same where the block ends with one name, which is read too.
  Block ParseBodyTo(std::string_view end) {
    Block block = ParseBody({end});
    in_.Next();
    return block;
  }

  static std::string Listed(Names names) {
    std::string text;
    for (const std::string_view name : names) {
      text += Format("{}'{}'", text.empty() ? "" : " or ", name);
    }
    return text;
  }

  void FailAtEnd(Names ends) {
    in_.Fail(in_.Current().line,
             Format("Unexpected end of template. Jinja was looking for the following tags: {}.",
                    Listed(ends)));
  }

  NodePtr ParseTag(Names ends) {
    const int line = in_.Current().line;
    if (!in_.Is(TokenType::kName)) {
      in_.Fail(line, "tag name expected");
      return nullptr;
    }
    struct Tag {
      std::string_view name;
      NodePtr (Parser::*parse)(int line);
    };
    static constexpr Tag kTags[] = {
        {"if", &Parser::ParseIf},
        {"for", &Parser::ParseFor},
        {"set", &Parser::ParseSet},
        {"macro", &Parser::ParseMacro},
        {"call", &Parser::ParseCallBlock},
        {"filter", &Parser::ParseFilterBlock},
        {"with", &Parser::ParseWith},
        {"print", &Parser::ParsePrint},
        {"break", &Parser::ParseBreak},
        {"continue", &Parser::ParseContinue},
        {"generation", &Parser::ParseGeneration},
    };
    const std::string name = in_.Next().text;
    for (const Tag& tag : kTags) {
      if (tag.name == name) return (this->*tag.parse)(line);
    }
    for (const std::string_view tag :
         {"include", "import", "from", "extends", "block", "autoescape"}) {
      if (tag == name) in_.FailUnsupported(line, Format("the tag '{}' is not supported", name));
    }
    std::string message = Format("Encountered unknown tag {}.", ReprText(name));
    if (ends.size() > 0)
      message += Format(" Jinja was looking for the following tags: {}.", Listed(ends));
    in_.Fail(line, message);
    return nullptr;
  }

  NodePtr ParseIf(int line) {
    NodePtr node = Make(NodeKind::kIf, line);
    const bool was_lenient = in_.lenient;
    in_.lenient = true;
    while (!in_.failed()) {
      node->exprs.push_back(in_.ParseTuple(false));
      node->bodies.push_back(ParseBody({"elif", "else", "endif"}));
      const bool is_elif = in_.IsName("elif");
      const bool is_else = in_.IsName("else");
      in_.Next();
      if (is_elif) continue;
      if (is_else) node->bodies.push_back(ParseBodyTo("endif"));
      break;
    }
    in_.lenient = was_lenient;
    return node;
  }

  NodePtr ParseFor(int line) {
    NodePtr node = Make(NodeKind::kFor, line);
    node->target = in_.ParseTarget();
    if (node->target != nullptr && Assigns(*node->target, in_.Intern("loop"))) {
      in_.Fail(line, "Can't assign to special loop variable in for-loop target");
    }
    in_.ExpectName("in");
    node->exprs.push_back(in_.ParseTuple(false));
    node->exprs.push_back(in_.SkipName("if") ? in_.ParseExpression() : nullptr);
    node->recursive = in_.SkipName("recursive");
    const Inside inside(*this, true);
    node->bodies.push_back(ParseBody({"endfor", "else"}));
    const bool has_else = in_.IsName("else");
    in_.Next();
    loop_depth_ = inside.loop_depth();  // the else block is outside of the loop
    node->bodies.push_back(has_else ? ParseBodyTo("endfor") : Block());
    return node;
  }

  NodePtr ParseSet(int line) {
    NodePtr node = Make(NodeKind::kSet, line);
    node->target = in_.ParseTarget(true);
    if (in_.SkipOperator("=")) {
      node->exprs.push_back(in_.ParseTuple());
      return node;
    }
    node->kind = NodeKind::kSetBlock;
    node->exprs.push_back(in_.ParseFilters(nullptr, false));
    node->bodies.push_back(ParseBodyTo("endset"));
    return node;
  }

  NodePtr ParseWith(int line) {
    NodePtr node = Make(NodeKind::kWith, line);
    while (!in_.failed() && !in_.Is(TokenType::kBlockEnd)) {
      if (!node->targets.empty()) in_.ExpectOperator(",");
      node->targets.push_back(in_.ParseTarget());
      in_.ExpectOperator("=");
      node->exprs.push_back(in_.ParseExpression());
    }
    node->bodies.push_back(ParseBodyTo("endwith"));
    return node;
  }

  // {% generation %} marks what an assistant wrote. It has a scope of its own, as in transformers.
  NodePtr ParseGeneration(int line) {
    NodePtr node = Make(NodeKind::kWith, line);
    const Inside inside(*this, false);
    node->bodies.push_back(ParseBodyTo("endgeneration"));
    return node;
  }

  NodePtr ParseFilterBlock(int line) {
    NodePtr node = Make(NodeKind::kFilter, line);
    node->exprs.push_back(in_.ParseFilters(nullptr, true));
    node->bodies.push_back(ParseBodyTo("endfilter"));
    return node;
  }

  NodePtr ParsePrint(int line) {
    NodePtr node = Make(NodeKind::kPrint, line);
    while (!in_.failed() && !in_.Is(TokenType::kBlockEnd)) {
      if (!node->exprs.empty()) in_.ExpectOperator(",");
      node->exprs.push_back(in_.ParseExpression());
    }
    return node;
  }

  NodePtr ParseBreak(int line) { return ParseJump(NodeKind::kBreak, "break", line); }
  NodePtr ParseContinue(int line) { return ParseJump(NodeKind::kContinue, "continue", line); }
  NodePtr ParseJump(NodeKind kind, const char* name, int line) {
    if (loop_depth_ == 0) in_.Fail(line, Format("'{}' outside of a loop", name));
    return Make(kind, line);
  }

  // (a, b=1); the macro's parameters.
  void ParseSignature(MacroDefinition& macro) {
    in_.ExpectOperator("(");
    std::unordered_set<Symbol> seen;
    while (!in_.failed() && !in_.IsOperator(")")) {
      if (!macro.parameters.empty()) in_.ExpectOperator(",");
      const Token name = in_.Current();
      const Symbol symbol = in_.ParseNameTarget();
      if (!seen.insert(symbol).second) {
        in_.Fail(name.line, Format("duplicate argument '{}'", name.text));
      }
      macro.parameters.push_back(symbol);
      macro.parameter_names.push_back(name.text);
      if (in_.SkipOperator("=")) {
        macro.defaults.push_back(in_.ParseExpression());
      } else if (!macro.defaults.empty()) {
        in_.Fail(name.line, "non-default argument follows default argument");
      }
    }
    in_.ExpectOperator(")");
  }

  void ParseMacroBody(MacroDefinition& macro, std::string_view end) {
    const ExpressionParser::SpecialNames outer = in_.special;
    in_.special = {};
    const Inside inside(*this, false);
    macro.body = ParseBodyTo(end);
    macro.uses_caller = in_.special.caller && !HasParameter(macro, "caller");
    const auto& names = macro.parameter_names;
    const size_t required = names.size() - macro.defaults.size();
    const auto caller = std::find(names.begin(), names.end(), "caller");
    if (in_.special.caller && caller - names.begin() < static_cast<std::ptrdiff_t>(required)) {
      in_.Fail(in_.Current().line,
               "the special \"caller\" argument must be omitted or be given a default");
    }
    macro.uses_kwargs = in_.special.kwargs && !HasParameter(macro, "kwargs");
    macro.uses_varargs = in_.special.varargs && !HasParameter(macro, "varargs");
    in_.special.caller |= outer.caller;
    in_.special.kwargs |= outer.kwargs;
    in_.special.varargs |= outer.varargs;
  }

  static bool HasParameter(const MacroDefinition& macro, std::string_view name) {
    const auto& names = macro.parameter_names;
    return std::find(names.begin(), names.end(), name) != names.end();
  }

  NodePtr ParseMacro(int line) {
    NodePtr node = Make(NodeKind::kMacro, line);
    node->macro = std::make_unique<MacroDefinition>();
    node->macro->name = in_.Current().text;
    node->symbol = in_.ParseNameTarget();
    ParseSignature(*node->macro);
    ParseMacroBody(*node->macro, "endmacro");
    return node;
  }

  NodePtr ParseCallBlock(int line) {
    NodePtr node = Make(NodeKind::kCall, line);
    node->macro = std::make_unique<MacroDefinition>();
    if (in_.IsOperator("(")) ParseSignature(*node->macro);
    node->exprs.push_back(in_.ParseExpression());
    if (!in_.failed() && node->exprs[0]->kind != ExprKind::kCall) in_.Fail(line, "expected call");
    ParseMacroBody(*node->macro, "endcall");
    return node;
  }

  static bool Assigns(const Expr& target, Symbol symbol) {
    if (target.kind == ExprKind::kName) return target.symbol == symbol;
    return std::any_of(target.items.begin(), target.items.end(),
                       [&](const ExprPtr& item) { return Assigns(*item, symbol); });
  }

  // What holds inside of a block of its own: whether a loop is around, and that unknown filters are
  // errors again.
  class Inside {
   public:
    Inside(Parser& parser, bool is_loop)
        : parser_(parser), loop_depth_(parser.loop_depth_), lenient_(parser.in_.lenient) {
      parser.loop_depth_ = is_loop ? loop_depth_ + 1 : 0;
      parser.in_.lenient = false;
    }
    ~Inside() {
      parser_.loop_depth_ = loop_depth_;
      parser_.in_.lenient = lenient_;
    }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;
    int loop_depth() const { return loop_depth_; }

   private:
    Parser& parser_;
    int loop_depth_;
    bool lenient_;
  };

  ExpressionParser in_;
  int loop_depth_ = 0;
};

}  // namespace

Result<Ast> Parse(std::string_view source, const std::string& where) {
  MOIETY_ASSIGN_OR_RETURN(std::vector<Token> tokens, Tokenize(source, where));
  return Parser(std::move(tokens), where).Run();
}

}  // namespace moiety::jinja
