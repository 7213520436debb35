#include "tokenize/component.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/format.h"
#include "format/json.h"

namespace moiety {
namespace {

using nlohmann::json;

constexpr int kMaxStages = 64;

Status ForEach(const Component& component, std::string_view list_field, const LoadComponent& load,
               int& num_stages) {
  if (component.json.is_null()) return OkStatus();
  MOIETY_ASSIGN_OR_RETURN(const std::string type, TypeOf(component));
  if (type != "Sequence") {
    if (++num_stages > kMaxStages) {
      return Unsupported(Format("{}: more than {} stages", component.where, kMaxStages));
    }
    return load(type, component);
  }
  MOIETY_RETURN_IF_ERROR(CheckFields(component, {list_field}));
  const json& list = component.json[std::string(list_field)];
  if (!list.is_array()) {
    return InvalidData(
        Format("{}: \"{}\" must be a list, found {}", component.where, list_field, ShowJson(list)));
  }
  for (size_t i = 0; i < list.size(); ++i) {
    const Component child{list[i], Format("{}.{}[{}]", component.where, list_field, i)};
    if (child.json.is_null()) {
      return InvalidData(Format("{} must be an object, found null", child.where));
    }
    MOIETY_RETURN_IF_ERROR(ForEach(child, list_field, load, num_stages));
  }
  return OkStatus();
}

}  // namespace

Status CheckFields(const Component& component, std::initializer_list<std::string_view> required,
                   std::initializer_list<std::string_view> optional) {
  if (!component.json.is_object()) {
    return InvalidData(
        Format("{} must be an object, found {}", component.where, ShowJson(component.json)));
  }
  for (const std::string_view key : required) {
    if (!component.json.contains(key)) {
      return InvalidData(Format("{}: \"{}\" is missing", component.where, key));
    }
  }
  const auto in = [](const std::initializer_list<std::string_view>& keys, std::string_view key) {
    return std::find(keys.begin(), keys.end(), key) != keys.end();
  };
  for (const auto& [key, value] : component.json.items()) {
    if (key != "type" && !in(required, key) && !in(optional, key)) {
      return Unsupported(Format("{}: field {} is not supported, found {}", component.where,
                                ShowJson(key), ShowJson(value)));
    }
  }
  return OkStatus();
}

Result<std::string> TypeOf(const Component& component) {
  if (!component.json.is_object()) {
    return InvalidData(
        Format("{} must be an object, found {}", component.where, ShowJson(component.json)));
  }
  const auto type = component.json.find("type");
  if (type == component.json.end()) {
    return InvalidData(Format("{}: \"type\" is missing", component.where));
  }
  if (!type->is_string()) {
    return InvalidData(
        Format("{}: \"type\" must be a string, found {}", component.where, ShowJson(*type)));
  }
  return type->get<std::string>();
}

Status UnsupportedType(const Component& component, std::string_view type,
                       const std::vector<std::string_view>& supported) {
  std::string list;
  for (const std::string_view name : supported) list += Format(", {}", name);
  return Unsupported(Format("{}: type {} is not supported (only {})", component.where,
                            ShowJson(std::string(type)), std::string_view(list).substr(2)));
}

Result<std::string> StringPattern(const Component& component) {
  const json& pattern = component.json.at("pattern");
  const bool one_field = pattern.is_object() && pattern.size() == 1;
  if (one_field && pattern.contains("Regex")) {
    return Unsupported(Format("{}: \"pattern\" of kind \"Regex\" is not supported, found {}",
                              component.where, ShowJson(pattern)));
  }
  if (!one_field || !pattern.contains("String") || !pattern["String"].is_string()) {
    return InvalidData(Format("{}: \"pattern\" must be {{\"String\": \"…\"}}, found {}",
                              component.where, ShowJson(pattern)));
  }
  std::string text = pattern["String"].get<std::string>();
  if (text.empty()) {
    return Unsupported(Format("{}: an empty \"pattern\" is not supported", component.where));
  }
  return text;
}

std::optional<int64_t> IntegerIn(const json& value, int64_t min, int64_t max) {
  if (!value.is_number_integer()) return std::nullopt;
  // Beyond 63 bits a number arrives as unsigned.
  if (value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) {
    return std::nullopt;
  }
  const auto number = value.get<int64_t>();
  if (number < min || number > max) return std::nullopt;
  return number;
}

Status ForEachComponent(const Component& component, std::string_view list_field,
                        const LoadComponent& load) {
  int num_stages = 0;
  return ForEach(component, list_field, load, num_stages);
}

Status CheckGrowth(const Component& component, double growth) {
  if (growth <= kMaxGrowth) return OkStatus();
  return Unsupported(Format("{}: would make a text up to {} times longer, more than {} times",
                            component.where, growth, kMaxGrowth));
}

}  // namespace moiety
