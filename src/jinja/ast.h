// A parsed template. Names of variables are numbers (Symbol), so that looking one up compares
// integers.
#ifndef MOIETY_JINJA_AST_H_
#define MOIETY_JINJA_AST_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "jinja/native.h"
#include "jinja/operators.h"
#include "jinja/value.h"

namespace moiety::jinja {

using Symbol = int32_t;

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

enum class ExprKind : uint8_t {
  kConst,
  kName,
  kNamespaceField,  // ns.name as a target of set: symbol, value
  kTuple,           // items
  kList,            // items
  kDict,            // items: key, value, key, value, …
  kAttribute,       // items[0] . value
  kSubscript,       // items[0] [ items[1] ]
  kSlice,           // items[0] [ items[1] : items[2] : items[3] ]; absent bounds are none
  kCall,            // items[0] ( arguments )
  kFilter,          // items[0] | native ( arguments ); items[0] null: the text of the block
  kTest,            // items[0] is native ( arguments )
  kNot,
  kAnd,
  kOr,
  kNegate,
  kPositive,
  kArithmetic,   // items[0] arithmetic items[1]
  kConcatenate,  // items[0] ~ items[1] ~ …
  kCompare,      // items[0] comparisons[0] items[1] comparisons[1] …
  kCondition,    // items[1] if items[0] else items[2]; items[2] may be null
};

struct Expr {
  ExprKind kind = ExprKind::kConst;
  int line = 1;
  int depth = 1;  // levels of expressions below, and itself
  Symbol symbol = 0;
  Arithmetic arithmetic = Arithmetic::kAdd;
  Value value;  // constant, or the name of an attribute, filter or test
  const Native* native = nullptr;
  std::vector<ExprPtr> items;
  std::vector<Comparison> comparisons;
  // Arguments of calls, filters and tests.
  std::vector<ExprPtr> arguments;
  std::vector<std::pair<std::string, ExprPtr>> named;
  ExprPtr rest, named_rest;  // *rest, **named_rest
};

struct Node;
using Block = std::vector<std::unique_ptr<Node>>;

struct MacroDefinition {
  std::string name;  // empty for the body of a call block
  std::vector<Symbol> parameters;
  std::vector<std::string> parameter_names;
  std::vector<ExprPtr> defaults;  // of the last parameters
  Block body;
  bool uses_caller = false, uses_kwargs = false, uses_varargs = false;
};

enum class NodeKind : uint8_t {
  kText,      // value
  kPrint,     // exprs
  kIf,        // exprs[i] → bodies[i]; one body more than exprs: else
  kFor,       // for target in exprs[0] if exprs[1]; bodies[0], bodies[1]: else
  kSet,       // target = exprs[0]
  kSetBlock,  // target = bodies[0] | exprs[0], which may be null
  kFilter,    // bodies[0] | exprs[0]
  kWith,      // targets = exprs: bodies[0]
  kMacro,
  kCall,  // exprs[0], a call, with macro as its caller
  kBreak,
  kContinue,
};

struct Node {
  NodeKind kind = NodeKind::kText;
  int line = 1;
  bool recursive = false;  // kFor
  Symbol symbol = 0;       // kMacro: its name
  Value value;
  ExprPtr target;
  std::vector<ExprPtr> targets;
  std::vector<ExprPtr> exprs;
  std::vector<Block> bodies;
  std::unique_ptr<MacroDefinition> macro;
};

struct Ast {
  Block body;
  std::vector<std::string> symbols;  // by Symbol
  // Of the names that the engine itself gives a value.
  Symbol loop = 0, caller = 0, kwargs = 0, varargs = 0;
};

}  // namespace moiety::jinja

#endif  // MOIETY_JINJA_AST_H_
