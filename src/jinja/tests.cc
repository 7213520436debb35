#include "jinja/tests.h"

#include "base/format.h"
#include "jinja/filters.h"
#include "jinja/operators.h"
#include "jinja/python_text.h"
#include "jinja/text_edit.h"

namespace moiety::jinja {
namespace {

template <Kind kind>
Value IsKind(Call& call) {
  return Value::Bool(call.self.is(kind));
}

template <Comparison op>
Value Compares(Call& call) {
  return Value::Bool(Compare(call.run, op, call.self, call.At(0)));
}

// value % divisor == remainder
Value HasRemainder(Call& call, const Value& divisor, int64_t remainder) {
  const Value rest = Compute(call.run, Arithmetic::kModulo, call.self, divisor);
  return Value::Bool(!call.run.failed() && IsEqual(rest, Value::Int(remainder)));
}
Value Odd(Call& call) { return HasRemainder(call, Value::Int(2), 1); }
Value Even(Call& call) { return HasRemainder(call, Value::Int(2), 0); }
Value DivisibleBy(Call& call) { return HasRemainder(call, call.At(0), 0); }

Value Defined(Call& call) { return Value::Bool(!call.self.is_undefined()); }
Value True(Call& call) { return Value::Bool(call.self.is(Kind::kBool) && call.self.boolean()); }
Value False(Call& call) { return Value::Bool(call.self.is(Kind::kBool) && !call.self.boolean()); }
Value Number(Call& call) { return Value::Bool(call.self.is_number()); }
Value Iterable(Call& call) { return Value::Bool(IsIterable(call.self)); }
Value Lower(Call& call) { return Value::Bool(IsAllLower(Str(call.run, call.self))); }
Value Upper(Call& call) { return Value::Bool(IsAllUpper(Str(call.run, call.self))); }

// What has a length and can be indexed.
Value Sequence(Call& call) {
  return Value::Bool(Length(call.self).has_value() && !call.self.is(Kind::kView));
}

Value Callable(Call& call) {
  switch (call.self.kind()) {
    case Kind::kUndefined:  // calling it is an error of its own
    case Kind::kFunction:
    case Kind::kMacro:
    case Kind::kLoop:
    case Kind::kJoiner:
      return Value::Bool(true);
    default:
      return Value::Bool(false);
  }
}

// Python's "is". Equal small integers and equal strings of one source are the same object there;
// other equal numbers and strings may or may not be.
Value SameAs(Call& call) {
  const Value& a = call.self;
  const Value& b = call.At(0);
  if (a.kind() != b.kind()) return Value::Bool(false);
  if (a.is_integral() || a.is_none() || a.is_string()) return Value::Bool(IsEqual(a, b));
  if (a.is(Kind::kFloat)) {
    return call.run.FailUnsupported("sameas of two floats is not supported");
  }
  return Value::Bool(a.object() == b.object());
}

Value Escaped(Call& call) {
  return Value::Bool(call.self.is_string() && call.self.string_object().is_markup);
}

Value Filter(Call& call) {
  const std::string name = Str(call.run, call.self);
  return Value::Bool(FindFilter(name) != nullptr || IsRefusedFilter(name));
}
Value Test(Call& call) { return Value::Bool(FindTest(Str(call.run, call.self)) != nullptr); }

constexpr Native kTests[] = {
    {"odd", Odd, ""},
    {"even", Even, ""},
    {"divisibleby", DivisibleBy, "num"},
    {"defined", Defined, ""},
    {"undefined", IsKind<Kind::kUndefined>, ""},
    {"filter", Filter, ""},
    {"test", Test, ""},
    {"none", IsKind<Kind::kNone>, ""},
    {"boolean", IsKind<Kind::kBool>, ""},
    {"false", False, ""},
    {"true", True, ""},
    {"integer", IsKind<Kind::kInt>, ""},
    {"float", IsKind<Kind::kFloat>, ""},
    {"lower", Lower, ""},
    {"upper", Upper, ""},
    {"string", IsKind<Kind::kString>, ""},
    {"mapping", IsKind<Kind::kDict>, ""},
    {"number", Number, ""},
    {"sequence", Sequence, ""},
    {"iterable", Iterable, ""},
    {"callable", Callable, ""},
    {"sameas", SameAs, "other"},
    {"escaped", Escaped, ""},
    {"in", Compares<Comparison::kIn>, "seq"},
    {"==", Compares<Comparison::kEqual>, "other"},
    {"eq", Compares<Comparison::kEqual>, "other"},
    {"equalto", Compares<Comparison::kEqual>, "other"},
    {"!=", Compares<Comparison::kNotEqual>, "other"},
    {"ne", Compares<Comparison::kNotEqual>, "other"},
    {">", Compares<Comparison::kGreater>, "other"},
    {"gt", Compares<Comparison::kGreater>, "other"},
    {"greaterthan", Compares<Comparison::kGreater>, "other"},
    {"ge", Compares<Comparison::kGreaterEqual>, "other"},
    {">=", Compares<Comparison::kGreaterEqual>, "other"},
    {"<", Compares<Comparison::kLess>, "other"},
    {"lt", Compares<Comparison::kLess>, "other"},
    {"lessthan", Compares<Comparison::kLess>, "other"},
    {"<=", Compares<Comparison::kLessEqual>, "other"},
    {"le", Compares<Comparison::kLessEqual>, "other"},
};

}  // namespace

const Native* FindTest(std::string_view name) { return FindNative(kTests, name); }

}  // namespace moiety::jinja
