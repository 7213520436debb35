#include "jinja/template.h"

#include <nlohmann/json.hpp>
#include <unordered_map>

#include "base/format.h"
#include "jinja/ast.h"
#include "jinja/globals.h"
#include "jinja/interpreter.h"
#include "jinja/parser.h"

namespace moiety::jinja {
namespace {

using nlohmann::ordered_json;

Value FromJson(Runtime& run, const ordered_json& json) {
  if (!run.Step()) return {};
  switch (json.type()) {
    case ordered_json::value_t::null:
      return Value::None();
    case ordered_json::value_t::boolean:
      return Value::Bool(json.get<bool>());
    case ordered_json::value_t::number_integer:
      return Value::Int(json.get<int64_t>());
    case ordered_json::value_t::number_unsigned:
      if (json.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) {
        return run.FailUnsupported(
            Format("the integer {} of the input leaves 64 bits, which moiety does not do",
                   json.get<uint64_t>()));
      }
      return Value::Int(json.get<int64_t>());
    case ordered_json::value_t::number_float:
      return Value::Float(json.get<double>());
    case ordered_json::value_t::string:
      return run.String(json.get_ref<const std::string&>());
    case ordered_json::value_t::array: {
      std::vector<Value> items;
      items.reserve(json.size());
      for (const ordered_json& item : json) items.push_back(FromJson(run, item));
      return run.failed() ? Value() : run.List(std::move(items));
    }
    case ordered_json::value_t::object: {
      std::vector<std::pair<Value, Value>> entries;
      entries.reserve(json.size());
      for (const auto& [key, value] : json.items()) {
        entries.emplace_back(run.String(key), FromJson(run, value));
      }
      return run.failed() ? Value() : run.Dict(std::move(entries));
    }
    default:
      return run.Fail("the input holds bytes that are no JSON");
  }
}

}  // namespace

struct Template::Impl {
  std::string where;
  Ast ast;
  std::unordered_map<std::string_view, Symbol> symbol_of;  // views of ast.symbols
};

Template::Template(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Template::~Template() = default;
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;

Result<Template> Template::Parse(std::string_view source, const std::string& where) {
  auto impl = std::make_unique<Impl>();
  impl->where = where;
  MOIETY_ASSIGN_OR_RETURN(impl->ast, jinja::Parse(source, where));
  for (size_t i = 0; i < impl->ast.symbols.size(); ++i) {
    impl->symbol_of.emplace(impl->ast.symbols[i], static_cast<Symbol>(i));
  }
  return Template(std::move(impl));
}

Result<std::string> Template::Render(const Variables& variables, const Options& options) const {
  Runtime run(impl_->where, options.limits, options.now);
  std::string text;
  {
    // Only what the template names is converted.
    std::vector<Value> values(impl_->ast.symbols.size());
    std::vector<const Value*> context(values.size(), nullptr);
    const auto define = [&](std::string_view name, const auto& make) {
      const auto it = impl_->symbol_of.find(name);
      if (it == impl_->symbol_of.end()) return;
      const auto symbol = static_cast<size_t>(it->second);
      values[symbol] = make();
      context[symbol] = &values[symbol];
    };
    for (const Native& function : Globals()) {
      define(function.name, [&] { return run.Function(&function, Value()); });
    }
    for (const auto& [name, json] : variables) {
      define(name, [&run, json = json] { return FromJson(run, *json); });
    }
    if (!run.failed()) {
      Interpreter interpreter(impl_->ast, run, std::move(context));
      text = interpreter.Render();
    }
  }
  if (run.failed()) return run.TakeStatus();
  return text;
}

}  // namespace moiety::jinja
