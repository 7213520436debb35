// Runs a parsed template.
#ifndef MOIETY_JINJA_INTERPRETER_H_
#define MOIETY_JINJA_INTERPRETER_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "jinja/ast.h"
#include "jinja/loop.h"
#include "jinja/runtime.h"

namespace moiety::jinja {

// Variables of a block. A name that is not here is looked for in the parent.
struct Scope {
  std::shared_ptr<Scope> parent;
  std::vector<std::pair<Symbol, Value>> variables;
};

// A macro and the variables around it.
struct MacroObject : Object {
  const MacroDefinition* definition = nullptr;
  std::shared_ptr<Scope> scope;
};

class Interpreter {
 public:
  // `context`: by Symbol, what the caller and the engine define; null for the rest.
  Interpreter(const Ast& ast, Runtime& run, std::vector<const Value*> context)
      : ast_(ast), run_(run), context_(std::move(context)) {}
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  // The text, or anything after an error of the run.
  std::string Render();

 private:
  enum class Flow { kNext, kBreak, kContinue };
  using ScopePtr = std::shared_ptr<Scope>;
  class ScopeGuard;

  // --- statements ---
  Flow Run(const Block& block);
  Flow RunNode(const Node& node);
  Flow RunIf(const Node& node);
  Flow RunFor(const Node& node);
  Flow RunLoop(const Node& node, const Value& iterable, int depth0);
  Flow RunWith(const Node& node);
  Flow RunFilterBlock(const Node& node);
  Flow RunSetBlock(const Node& node);
  void RunCallBlock(const Node& node);
  void Emit(const std::string& text);
  // What the block writes, as a text; the block has a scope of its own. Its flow goes to *flow.
  std::string Capture(const Block& block, Flow* flow);

  // --- variables ---
  Value Lookup(const Expr& name);
  void Set(Symbol symbol, Value value);
  void Assign(const Expr& target, const Value& value);

  // --- expressions ---
  Value Eval(const Expr& expr);
  Value EvalOne(const Expr& expr);
  std::vector<Value> EvalAll(const std::vector<ExprPtr>& exprs);
  Value EvalDict(const Expr& expr);
  Value EvalConcatenation(const Expr& expr);
  Value EvalCompare(const Expr& expr);
  Value EvalCall(const Expr& expr, Value caller);
  Value EvalNative(const Expr& expr);
  Arguments EvalArguments(const Expr& expr);
  Value CallValue(const Value& callee, Arguments arguments);
  Value CallMacro(const Value& callee, Arguments arguments);
  Value MakeMacro(const MacroDefinition& definition);

  const Ast& ast_;
  Runtime& run_;
  std::vector<const Value*> context_;
  ScopePtr scope_;
  std::string* out_ = nullptr;
  const Value* block_text_ = nullptr;  // the input of a filter without one
  std::vector<ScopePtr> captured_;     // scopes that macros hold
};

}  // namespace moiety::jinja

#endif  // MOIETY_JINJA_INTERPRETER_H_
