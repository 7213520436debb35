#include "jinja/native.h"

#include "base/format.h"

namespace moiety::jinja {
namespace {

struct Parameter {
  std::string_view name;
  bool optional;
};

std::vector<Parameter> ParametersOf(std::string_view text) {
  std::vector<Parameter> parameters;
  while (!text.empty()) {
    std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(word.size());
    if (!text.empty()) text.remove_prefix(1);
    const bool optional = word.ends_with('?');
    if (optional) word.remove_suffix(1);
    parameters.push_back({word, optional});
  }
  return parameters;
}

}  // namespace

Value Call::Fail(const std::string& message) const {
  return run.Fail(Format("{}: {}", native.name, message));
}

int64_t Call::Int(size_t i, int64_t otherwise) const {
  if (!Has(i)) return otherwise;
  if (values[i].is_integral()) return values[i].integer();
  if (values[i].is_undefined()) {
    run.FailUndefined(values[i]);
  } else {
    Fail(Format("expected an integer, found '{}'", TypeName(values[i])));
  }
  return otherwise;
}

std::string Call::Text(size_t i, std::string otherwise) const {
  if (!Has(i)) return otherwise;
  if (values[i].is_string()) return values[i].string();
  if (values[i].is_undefined()) {
    run.FailUndefined(values[i]);
  } else {
    Fail(Format("expected a string, found '{}'", TypeName(values[i])));
  }
  return otherwise;
}

bool Call::Flag(size_t i, bool otherwise) const { return Has(i) ? IsTrue(values[i]) : otherwise; }

const Native* FindNative(std::span<const Native> table, std::string_view name) {
  for (const Native& native : table) {
    if (name == native.name) return &native;
  }
  return nullptr;
}

Value Invoke(Runtime& run, const Native& native, const Value& self, Arguments arguments) {
  if (!run.Step()) return {};
  Call call = {run, native, self, {}};
  std::string_view text = native.parameters;
  if (text == "*") {
    call.raw = std::move(arguments);
    return native.function(call);
  }
  const bool positional_only = text.starts_with('/');
  if (positional_only) text.remove_prefix(1);
  const std::vector<Parameter> parameters = ParametersOf(text);
  if (arguments.positional.size() > parameters.size()) {
    return call.Fail(Format("takes at most {} arguments, found {}", parameters.size(),
                            arguments.positional.size()));
  }
  call.values = std::move(arguments.positional);
  call.given = (uint64_t{1} << call.values.size()) - 1;
  call.values.resize(parameters.size());
  for (auto& [name, value] : arguments.named) {
    size_t i = 0;
    while (i < parameters.size() && parameters[i].name != name) ++i;
    if (positional_only || i == parameters.size()) {
      return call.Fail(Format("got an unexpected keyword argument '{}'", name));
    }
    if (call.Has(i)) return call.Fail(Format("got multiple values for argument '{}'", name));
    call.values[i] = std::move(value);
    call.given |= uint64_t{1} << i;
  }
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (!call.Has(i) && !parameters[i].optional) {
      return call.Fail(Format("missing required argument '{}'", parameters[i].name));
    }
  }
  return native.function(call);
}

}  // namespace moiety::jinja
