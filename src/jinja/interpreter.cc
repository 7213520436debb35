#include "jinja/interpreter.h"

#include <algorithm>

#include "base/format.h"
#include "jinja/attributes.h"
#include "jinja/filters.h"
#include "jinja/operators.h"
#include "jinja/python_text.h"

namespace moiety::jinja {
namespace {

// Counts a level of nesting while it lives.
class Level {
 public:
  explicit Level(Runtime& run) : run_(run), entered_(run.Enter()) {}
  ~Level() { run_.Leave(); }
  Level(const Level&) = delete;
  Level& operator=(const Level&) = delete;
  explicit operator bool() const { return entered_; }

 private:
  Runtime& run_;
  bool entered_;
};

}  // namespace

// Makes a scope the current one, inside of `parent`, for its own life.
class Interpreter::ScopeGuard {
 public:
  ScopeGuard(Interpreter& in, ScopePtr parent) : in_(in), outer_(std::move(in.scope_)) {
    in_.scope_ = std::make_shared<Scope>();
    in_.scope_->parent = std::move(parent);
  }
  explicit ScopeGuard(Interpreter& in) : ScopeGuard(in, ScopePtr(in.scope_)) {}
  ~ScopeGuard() { in_.scope_ = std::move(outer_); }
  ScopeGuard(const ScopeGuard&) = delete;
  ScopeGuard& operator=(const ScopeGuard&) = delete;

 private:
  Interpreter& in_;
  ScopePtr outer_;
};

Interpreter::~Interpreter() {
  // Macros hold scopes that hold the macros.
  for (const ScopePtr& scope : captured_) scope->variables.clear();
  scope_.reset();
  run_.Clear();
}

std::string Interpreter::Render() {
  std::string text;
  out_ = &text;
  scope_ = std::make_shared<Scope>();
  Run(ast_.body);
  run_.DropText(text.size());
  return text;
}

// --- statements ---

Interpreter::Flow Interpreter::Run(const Block& block) {
  const Level level(run_);
  if (!level) return Flow::kNext;
  for (const auto& node : block) {
    const Flow flow = RunNode(*node);
    if (flow != Flow::kNext || run_.failed()) return flow;
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::RunNode(const Node& node) {
  if (!run_.Step()) return Flow::kNext;
  run_.set_line(node.line);
  switch (node.kind) {
    case NodeKind::kText:
      Emit(node.value.string());
      return Flow::kNext;
    case NodeKind::kPrint:
      for (const ExprPtr& expr : node.exprs) {
        const Value value = Eval(*expr);
        if (run_.failed()) return Flow::kNext;
        if (value.is_string()) {
          Emit(value.string());
        } else {
          Emit(Str(run_, value));
        }
      }
      return Flow::kNext;
    case NodeKind::kIf:
      return RunIf(node);
    case NodeKind::kFor:
      return RunFor(node);
    case NodeKind::kSet:
      Assign(*node.target, Eval(*node.exprs[0]));
      return Flow::kNext;
    case NodeKind::kSetBlock:
      return RunSetBlock(node);
    case NodeKind::kFilter:
      return RunFilterBlock(node);
    case NodeKind::kWith:
      return RunWith(node);
    case NodeKind::kMacro:
      Set(node.symbol, MakeMacro(*node.macro));
      return Flow::kNext;
    case NodeKind::kCall:
      RunCallBlock(node);
      return Flow::kNext;
    case NodeKind::kBreak:
      return Flow::kBreak;
    case NodeKind::kContinue:
      return Flow::kContinue;
  }
  return Flow::kNext;
}

void Interpreter::Emit(const std::string& text) {
  if (!run_.failed() && run_.AddText(text.size())) *out_ += text;
}

std::string Interpreter::Capture(const Block& block, Flow* flow) {
  const ScopeGuard guard(*this);
  std::string text;
  std::string* const outer = std::exchange(out_, &text);
  *flow = Run(block);
  out_ = outer;
  run_.DropText(text.size());
  return text;
}

Interpreter::Flow Interpreter::RunIf(const Node& node) {
  for (size_t i = 0; i < node.exprs.size(); ++i) {
    const bool holds = IsTrue(Eval(*node.exprs[i]));
    if (run_.failed()) return Flow::kNext;
    if (holds) return Run(node.bodies[i]);
  }
  return node.bodies.size() > node.exprs.size() ? Run(node.bodies.back()) : Flow::kNext;
}

Interpreter::Flow Interpreter::RunFor(const Node& node) {
  const Value iterable = Eval(*node.exprs[0]);
  return run_.failed() ? Flow::kNext : RunLoop(node, iterable, 0);
}

Interpreter::Flow Interpreter::RunLoop(const Node& node, const Value& iterable, int depth0) {
  const Level level(run_);
  if (!level) return Flow::kNext;
  auto loop = std::make_shared<LoopObject>();
  run_.Count(*loop, sizeof(LoopObject));
  loop->source = Iterate(run_, iterable);
  loop->depth0 = depth0;
  const ScopePtr around = scope_;
  if (const ExprPtr& filter = node.exprs[1]) {
    // What has a length keeps it: loop.length is that of the filtered items.
    loop->sized = false;
    loop->keep = [this, &node, &filter, around](const Value& item) {
      const ScopeGuard guard(*this, around);
      Assign(*node.target, item);
      return !run_.failed() && IsTrue(Eval(*filter));
    };
  }
  if (node.recursive) {
    loop->recurse = [this, &node, around, depth0](const Value& inner) {
      std::string text;
      std::string* const outer = std::exchange(out_, &text);
      {
        const ScopeGuard guard(*this, around);
        RunLoop(node, inner, depth0 + 1);
      }
      out_ = outer;
      run_.DropText(text.size());
      return run_.failed() ? Value() : run_.String(std::move(text));
    };
  }
  const Value loop_value = Value::Of(Kind::kLoop, loop);
  Flow flow = Flow::kNext;
  bool has_finished_one = false;  // jinja2 counts no iteration that break or continue ended
  while (flow != Flow::kBreak && !run_.failed() && run_.Step() && loop->Advance()) {
    const ScopeGuard guard(*this, around);
    Set(ast_.loop, loop_value);
    Assign(*node.target, loop->current);
    if (!run_.failed()) flow = Run(node.bodies[0]);
    has_finished_one |= flow == Flow::kNext;
  }
  loop->Clear();
  if (!has_finished_one && !run_.failed()) {
    const ScopeGuard guard(*this, around);
    return Run(node.bodies[1]);
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::RunWith(const Node& node) {
  const std::vector<Value> values = EvalAll(node.exprs);  // in the scope around
  const ScopeGuard guard(*this);
  for (size_t i = 0; i < values.size() && !run_.failed(); ++i) Assign(*node.targets[i], values[i]);
  return run_.failed() ? Flow::kNext : Run(node.bodies[0]);
}

Interpreter::Flow Interpreter::RunFilterBlock(const Node& node) {
  Flow flow = Flow::kNext;
  std::string text = Capture(node.bodies[0], &flow);
  if (flow != Flow::kNext || run_.failed()) return flow;
  const Value input = run_.String(std::move(text));
  const Value* const outer = std::exchange(block_text_, &input);
  const Value value = Eval(*node.exprs[0]);
  block_text_ = outer;
  if (!run_.failed()) Emit(Str(run_, value));
  return Flow::kNext;
}

Interpreter::Flow Interpreter::RunSetBlock(const Node& node) {
  Flow flow = Flow::kNext;
  std::string text = Capture(node.bodies[0], &flow);
  if (flow != Flow::kNext || run_.failed()) return flow;
  Value value = run_.String(std::move(text));
  if (node.exprs[0] != nullptr) {
    const Value input = value;
    const Value* const outer = std::exchange(block_text_, &input);
    value = Eval(*node.exprs[0]);
    block_text_ = outer;
  }
  if (!run_.failed()) Assign(*node.target, value);
  return Flow::kNext;
}

void Interpreter::RunCallBlock(const Node& node) {
  const Value caller = MakeMacro(*node.macro);
  const Value value = EvalCall(*node.exprs[0], caller);
  if (!run_.failed()) Emit(Str(run_, value));
}

// --- variables ---

Value Interpreter::Lookup(const Expr& name) {
  for (const Scope* scope = scope_.get(); scope != nullptr; scope = scope->parent.get()) {
    run_.Step(scope->variables.size() / 16);
    for (const auto& [symbol, value] : scope->variables) {
      if (symbol == name.symbol) return value;
    }
  }
  if (const Value* value = context_[static_cast<size_t>(name.symbol)]) return *value;
  if (ast_.symbols[static_cast<size_t>(name.symbol)] == "self") {
    return run_.FailUnsupported("self (the blocks of a template) is not supported");
  }
  return run_.UndefinedVariable(run_.String(ast_.symbols[static_cast<size_t>(name.symbol)]));
}

void Interpreter::Set(Symbol symbol, Value value) {
  run_.Step(scope_->variables.size() / 16);
  for (auto& [other, old] : scope_->variables) {
    if (other == symbol) {
      old = std::move(value);
      return;
    }
  }
  scope_->variables.emplace_back(symbol, std::move(value));
}

void Interpreter::Assign(const Expr& target, const Value& value) {
  if (run_.failed()) return;
  if (target.kind == ExprKind::kName) {
    Set(target.symbol, value);
    return;
  }
  run_.set_line(target.line);
  if (target.kind == ExprKind::kNamespaceField) {
    const Value object = Lookup(target);
    const std::string& name = target.value.string();
    if (!object.is(Kind::kNamespace)) {
      run_.Fail("cannot assign attribute on non-namespace object");
    } else if (name.starts_with('_')) {
      run_.Fail(Format("names of attributes may not begin with _: {}", name));
    } else {
      auto& space = static_cast<NamespaceObject&>(*object.object());
      run_.Step(space.attributes.size() / 16);
      if (Value* found = space.Find(name)) {
        *found = value;
      } else {
        space.attributes.emplace_back(name, value);
      }
    }
    return;
  }
  const std::vector<Value> items = Iterate(run_, value);
  if (run_.failed()) return;
  if (items.size() != target.items.size()) {
    run_.Fail(items.size() < target.items.size()
                  ? Format("not enough values to unpack (expected {}, got {})", target.items.size(),
                           items.size())
                  : Format("too many values to unpack (expected {})", target.items.size()));
    return;
  }
  for (size_t i = 0; i < items.size(); ++i) Assign(*target.items[i], items[i]);
}

// --- expressions ---

Value Interpreter::Eval(const Expr& expr) {
  if (expr.kind == ExprKind::kConst) return expr.value;
  const Level level(run_);
  if (!level) return {};
  run_.set_line(expr.line);
  return EvalOne(expr);
}

Value Interpreter::EvalOne(const Expr& expr) {
  const auto& items = expr.items;
  switch (expr.kind) {
    case ExprKind::kConst:
      return expr.value;
    case ExprKind::kName:
    case ExprKind::kNamespaceField:
      return Lookup(expr);
    case ExprKind::kTuple: {
      std::vector<Value> values = EvalAll(items);
      return run_.failed() ? Value() : run_.Tuple(std::move(values));
    }
    case ExprKind::kList: {
      std::vector<Value> values = EvalAll(items);
      return run_.failed() ? Value() : run_.List(std::move(values));
    }
    case ExprKind::kDict:
      return EvalDict(expr);
    case ExprKind::kAttribute: {
      const Value value = Eval(*items[0]);
      run_.set_line(expr.line);
      return run_.failed() ? Value() : GetAttribute(run_, value, expr.value);
    }
    case ExprKind::kSubscript: {
      const Value value = Eval(*items[0]);
      const Value key = Eval(*items[1]);
      return run_.failed() ? Value() : GetItem(run_, value, key);
    }
    case ExprKind::kSlice: {
      const Value value = Eval(*items[0]);
      const Value start = Eval(*items[1]);
      const Value stop = Eval(*items[2]);
      const Value step = Eval(*items[3]);
      return run_.failed() ? Value() : Slice(run_, value, start, stop, step);
    }
    case ExprKind::kCall:
      return EvalCall(expr, Value());
    case ExprKind::kFilter:
    case ExprKind::kTest:
      return EvalNative(expr);
    case ExprKind::kNot:
      return Value::Bool(!IsTrue(Eval(*items[0])));
    case ExprKind::kAnd: {
      Value left = Eval(*items[0]);
      return run_.failed() || !IsTrue(left) ? left : Eval(*items[1]);
    }
    case ExprKind::kOr: {
      Value left = Eval(*items[0]);
      return run_.failed() || IsTrue(left) ? left : Eval(*items[1]);
    }
    case ExprKind::kNegate: {
      const Value value = Eval(*items[0]);
      return run_.failed() ? Value() : Negate(run_, value);
    }
    case ExprKind::kPositive: {
      const Value value = Eval(*items[0]);
      return run_.failed() ? Value() : Positive(run_, value);
    }
    case ExprKind::kArithmetic: {
      const Value left = Eval(*items[0]);
      const Value right = Eval(*items[1]);
      return run_.failed() ? Value() : Compute(run_, expr.arithmetic, left, right);
    }
    case ExprKind::kConcatenate:
      return EvalConcatenation(expr);
    case ExprKind::kCompare:
      return EvalCompare(expr);
    case ExprKind::kCondition: {
      const bool holds = IsTrue(Eval(*items[0]));
      if (run_.failed()) return {};
      if (holds) return Eval(*items[1]);
      if (items[2] != nullptr) return Eval(*items[2]);
      return run_.UndefinedBecause(
          Format("the inline if-expression on line {} evaluated to false and no else section was "
                 "defined.",
                 expr.line));
    }
  }
  return {};
}

std::vector<Value> Interpreter::EvalAll(const std::vector<ExprPtr>& exprs) {
  std::vector<Value> values;
  values.reserve(exprs.size());
  for (const ExprPtr& expr : exprs) {
    values.push_back(Eval(*expr));
    if (run_.failed()) break;
  }
  return values;
}

Value Interpreter::EvalDict(const Expr& expr) {
  std::vector<std::pair<Value, Value>> entries;
  for (size_t i = 0; i < expr.items.size(); i += 2) {
    Value key = Eval(*expr.items[i]);
    entries.emplace_back(std::move(key), Eval(*expr.items[i + 1]));
    if (run_.failed()) return {};
  }
  return run_.Dict(std::move(entries));
}

Value Interpreter::EvalConcatenation(const Expr& expr) {
  std::vector<Value> values = EvalAll(expr.items);
  size_t bytes = 0;
  for (Value& value : values) {
    if (run_.failed()) return {};
    if (!value.is_string()) value = run_.String(Str(run_, value));
    if (!run_.failed()) bytes += value.string().size();
  }
  // The work is counted when the text becomes a value.
  if (run_.failed() || !run_.HasRoom(bytes)) return {};
  std::string text;
  text.reserve(bytes);
  for (const Value& value : values) text += value.string();
  return run_.String(std::move(text));
}

Value Interpreter::EvalCompare(const Expr& expr) {
  Value left = Eval(*expr.items[0]);
  for (size_t i = 0; i < expr.comparisons.size(); ++i) {
    Value right = Eval(*expr.items[i + 1]);
    if (run_.failed()) return {};
    run_.set_line(expr.line);
    if (!Compare(run_, expr.comparisons[i], left, right)) return Value::Bool(false);
    left = std::move(right);
  }
  return Value::Bool(true);
}

Value Interpreter::EvalNative(const Expr& expr) {
  const bool is_test = expr.kind == ExprKind::kTest;
  const Value self = expr.items[0] == nullptr ? *block_text_ : Eval(*expr.items[0]);
  if (run_.failed()) return {};
  Arguments arguments = EvalArguments(expr);
  if (run_.failed()) return {};
  run_.set_line(expr.line);
  if (expr.native == nullptr) {
    const std::string& name = expr.value.string();
    return run_.FailUnsupported(is_test ? Format("No test named {}.", ReprText(name))
                                        : NoFilterMessage(name));
  }
  const Value result = Invoke(run_, *expr.native, self, std::move(arguments));
  return is_test ? Value::Bool(IsTrue(result)) : result;
}

// --- calls ---

Arguments Interpreter::EvalArguments(const Expr& expr) {
  Arguments arguments;
  arguments.positional = EvalAll(expr.arguments);
  for (const auto& [name, value] : expr.named) {
    if (run_.failed()) return arguments;
    arguments.named.emplace_back(name, Eval(*value));
  }
  if (expr.rest != nullptr && !run_.failed()) {
    for (Value& value : Iterate(run_, Eval(*expr.rest))) {
      arguments.positional.push_back(std::move(value));
    }
  }
  if (expr.named_rest == nullptr || run_.failed()) return arguments;
  const Value rest = Eval(*expr.named_rest);
  if (run_.failed()) return arguments;
  if (!rest.is_dict()) {
    run_.Fail(Format("argument after ** must be a mapping, not {}", TypeName(rest)));
    return arguments;
  }
  for (const auto& [key, value] : rest.dict().entries) {
    if (!key.is_string()) {
      run_.Fail("keywords must be strings");
      return arguments;
    }
    run_.Step(arguments.named.size() / 16);
    for (const auto& other : arguments.named) {
      if (other.first == key.string()) {
        run_.Fail(Format("got multiple values for keyword argument '{}'", key.string()));
        return arguments;
      }
    }
    arguments.named.emplace_back(key.string(), value);
  }
  return arguments;
}

Value Interpreter::EvalCall(const Expr& expr, Value caller) {
  const Value callee = Eval(*expr.items[0]);
  if (run_.failed()) return {};
  Arguments arguments = EvalArguments(expr);
  if (run_.failed()) return {};
  if (!caller.is_undefined()) arguments.named.emplace_back("caller", std::move(caller));
  run_.set_line(expr.line);
  return CallValue(callee, std::move(arguments));
}

Value Interpreter::CallValue(const Value& callee, Arguments arguments) {
  switch (callee.kind()) {
    case Kind::kFunction: {
      const auto& function = static_cast<const FunctionObject&>(*callee.object());
      return Invoke(run_, *function.native, function.self, std::move(arguments));
    }
    case Kind::kMacro:
      return CallMacro(callee, std::move(arguments));
    case Kind::kJoiner: {
      auto& joiner = static_cast<CyclerObject&>(*callee.object());
      return joiner.position++ == 0 ? run_.String("") : joiner.items[0];
    }
    case Kind::kLoop: {
      auto& loop = static_cast<LoopObject&>(*callee.object());
      if (!loop.recurse) {
        return run_.Fail("The loop must have the 'recursive' marker to be called recursively.");
      }
      if (arguments.positional.size() != 1 || !arguments.named.empty()) {
        return run_.Fail("a loop is called with one argument");
      }
      const auto recurse = loop.recurse;  // survives the end of the loop
      return recurse(arguments.positional[0]);
    }
    case Kind::kUndefined:
      return run_.FailUndefined(callee);
    default:
      return run_.Fail(Format("'{}' object is not callable", TypeName(callee)));
  }
}

Value Interpreter::MakeMacro(const MacroDefinition& definition) {
  auto macro = std::make_shared<MacroObject>();
  run_.Count(*macro, sizeof(MacroObject));
  macro->definition = &definition;
  macro->scope = scope_;
  if (captured_.empty() || captured_.back() != scope_) captured_.push_back(scope_);
  return Value::Of(Kind::kMacro, std::move(macro));
}

Value Interpreter::CallMacro(const Value& callee, Arguments arguments) {
  const auto& macro = static_cast<const MacroObject&>(*callee.object());
  const MacroDefinition& definition = *macro.definition;
  const Level level(run_);
  if (!level) return {};
  const std::string name =
      definition.name.empty() ? "the call block" : Format("macro '{}'", definition.name);
  const size_t count = definition.parameters.size();
  auto& positional = arguments.positional;
  auto& named = arguments.named;

  const ScopeGuard guard(*this, macro.scope);
  // An argument by name, taken out.
  const auto take = [&named](std::string_view wanted) -> std::optional<Value> {
    const auto it = std::find_if(named.begin(), named.end(),
                                 [&](const auto& entry) { return entry.first == wanted; });
    if (it == named.end()) return std::nullopt;
    Value value = std::move(it->second);
    named.erase(it);
    return value;
  };
  const size_t first_default = count - definition.defaults.size();
  for (size_t i = 0; i < count; ++i) {
    const std::string& parameter = definition.parameter_names[i];
    run_.Step(1 + named.size() / 16);
    Value value;
    if (i < positional.size()) {
      value = positional[i];
    } else if (std::optional<Value> given = take(parameter)) {
      value = *std::move(given);
    } else if (i >= first_default) {
      value = Eval(*definition.defaults[i - first_default]);
    } else {
      value = run_.UndefinedBecause(Format("parameter '{}' was not provided", parameter));
    }
    if (run_.failed()) return {};
    Set(definition.parameters[i], std::move(value));
  }
  if (definition.uses_caller) {
    std::optional<Value> caller = take("caller");
    Set(ast_.caller, caller ? *std::move(caller) : run_.UndefinedBecause("No caller defined"));
  }
  if (definition.uses_kwargs) {
    std::vector<std::pair<Value, Value>> entries;
    entries.reserve(named.size());
    for (auto& [key, value] : named) entries.emplace_back(run_.String(key), std::move(value));
    Set(ast_.kwargs, run_.Dict(std::move(entries)));
  } else if (!named.empty()) {
    return run_.Fail(Format("{} takes no keyword argument '{}'", name, named[0].first));
  }
  if (definition.uses_varargs) {
    std::vector<Value> rest;
    for (size_t i = count; i < positional.size(); ++i) rest.push_back(positional[i]);
    Set(ast_.varargs, run_.Tuple(std::move(rest)));
  } else if (positional.size() > count) {
    return run_.Fail(Format("{} takes not more than {} argument(s)", name, count));
  }

  std::string text;
  std::string* const outer = std::exchange(out_, &text);
  Run(definition.body);
  out_ = outer;
  run_.DropText(text.size());
  return run_.failed() ? Value() : run_.String(std::move(text));
}

}  // namespace moiety::jinja
