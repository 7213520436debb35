#include "format/config_reader.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/format.h"
#include "format/json.h"

namespace moiety {
using nlohmann::json;

ConfigReader::ConfigReader(const json& object, std::string where)
    : ConfigReader(object, std::move(where), "", std::make_shared<Status>()) {}

ConfigReader::ConfigReader(const json& object, std::string where, std::string prefix,
                           std::shared_ptr<Status> status)
    : object_(&object),
      where_(std::move(where)),
      prefix_(std::move(prefix)),
      status_(std::move(status)) {
  if (!object.is_object() && status_->ok()) {
    *status_ =
        InvalidData(Format("{}: expected a JSON object, found {}", where_, ShowJson(object)));
  }
}

ConfigReader ConfigReader::WithDefaults(const json& defaults) const {
  ConfigReader reader = *this;
  reader.defaults_ = &defaults;
  return reader;
}

const json* ConfigReader::Field(std::string_view key) const {
  for (const json* object : {object_, defaults_}) {
    if (object == nullptr || !object->is_object()) continue;
    if (const auto it = object->find(std::string(key)); it != object->end()) return &*it;
  }
  return nullptr;
}

const json* ConfigReader::Find(std::string_view key) const {
  const json* field = Field(key);
  return field == nullptr || field->is_null() ? nullptr : field;
}

bool ConfigReader::Has(std::string_view key) const { return Field(key) != nullptr; }

bool ConfigReader::Missing(std::string_view key) const { return Find(key) == nullptr; }

const json* ConfigReader::Require(std::string_view key) {
  const json* value = Find(key);
  if (value == nullptr) Fail(key, "is missing");
  return value;
}

void ConfigReader::Fail(std::string_view key, const std::string& message) {
  if (status_->ok()) {
    *status_ = InvalidData(Format("{}: \"{}{}\" {}", where_, prefix_, key, message));
  }
}

void ConfigReader::FailUnsupported(std::string_view key, const std::string& message) {
  if (status_->ok()) {
    *status_ = Unsupported(Format("{}: \"{}{}\" {}", where_, prefix_, key, message));
  }
}

void ConfigReader::FailType(std::string_view key, std::string_view expected, const json& found) {
  Fail(key, Format("must be {}, found {}", expected, ShowJson(found)));
}

std::optional<int64_t> ConfigReader::ReadInt(std::string_view key, const json& value, int64_t min,
                                             int64_t max) {
  // An integer beyond 64 bits arrives as a float, one beyond 63 bits as unsigned.
  if (value.is_number_integer() &&
      !(value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX))) {
    const auto number = value.get<int64_t>();
    if (number >= min && number <= max) return number;
  }
  FailType(key, Format("an integer from {} to {}", min, max), value);
  return std::nullopt;
}

std::optional<double> ConfigReader::ReadFloat(std::string_view key, const json& value) {
  if (value.is_number() && std::isfinite(value.get<double>())) return value.get<double>();
  FailType(key, "a finite number", value);
  return std::nullopt;
}

int64_t ConfigReader::Int(std::string_view key, int64_t min, int64_t max) {
  const json* value = Require(key);
  return value == nullptr ? min : ReadInt(key, *value, min, max).value_or(min);
}

int64_t ConfigReader::Dim(std::string_view key) { return Int(key, 1, INT32_MAX); }

double ConfigReader::Float(std::string_view key) {
  const json* value = Require(key);
  return value == nullptr ? 1.0 : ReadFloat(key, *value).value_or(1.0);
}

std::string ConfigReader::String(std::string_view key) {
  return Require(key) == nullptr ? "" : StringOr(key, "");
}

int64_t ConfigReader::IntOr(std::string_view key, int64_t fallback, int64_t min, int64_t max) {
  const json* value = Find(key);
  return value == nullptr ? fallback : ReadInt(key, *value, min, max).value_or(fallback);
}

int64_t ConfigReader::DimOr(std::string_view key, int64_t fallback) {
  return IntOr(key, fallback, 1, INT32_MAX);
}

double ConfigReader::FloatOr(std::string_view key, double fallback) {
  const json* value = Find(key);
  return value == nullptr ? fallback : ReadFloat(key, *value).value_or(fallback);
}

bool ConfigReader::BoolOr(std::string_view key, bool fallback) {
  const json* value = Find(key);
  if (value == nullptr) return fallback;
  if (value->is_boolean()) return value->get<bool>();
  FailType(key, "true or false", *value);
  return fallback;
}

std::string ConfigReader::StringOr(std::string_view key, std::string_view fallback) {
  const json* value = Find(key);
  if (value == nullptr) return std::string(fallback);
  if (value->is_string()) return value->get<std::string>();
  FailType(key, "a string", *value);
  return std::string(fallback);
}

std::vector<std::string> ConfigReader::StringsOr(std::string_view key,
                                                 std::vector<std::string> fallback) {
  const json* value = Find(key);
  if (value == nullptr) return fallback;
  if (!value->is_array()) {
    FailType(key, "a list of strings", *value);
    return fallback;
  }
  std::vector<std::string> strings;
  for (const json& item : *value) {
    if (!item.is_string()) {
      FailType(key, "a list of strings", item);
      return fallback;
    }
    strings.push_back(item.get<std::string>());
  }
  return strings;
}

std::vector<int64_t> ConfigReader::IntsOr(std::string_view key, std::vector<int64_t> fallback,
                                          int64_t min, int64_t max) {
  const json* value = Find(key);
  if (value == nullptr) return fallback;
  const json one = value->is_array() ? *value : json::array({*value});
  std::vector<int64_t> numbers;
  for (const json& item : one) {
    const std::optional<int64_t> number = ReadInt(key, item, min, max);
    if (!number.has_value()) return fallback;
    numbers.push_back(*number);
  }
  return numbers;
}

std::vector<double> ConfigReader::FloatsOr(std::string_view key, std::vector<double> fallback) {
  const json* value = Find(key);
  if (value == nullptr) return fallback;
  if (!value->is_array()) {
    FailType(key, "a list of numbers", *value);
    return fallback;
  }
  std::vector<double> numbers;
  for (const json& item : *value) {
    const std::optional<double> number = ReadFloat(key, item);
    if (!number.has_value()) return fallback;
    numbers.push_back(*number);
  }
  return numbers;
}

std::optional<ConfigReader> ConfigReader::Object(std::string_view key) {
  const json* value = Find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_object()) {
    FailType(key, "an object", *value);
    return std::nullopt;
  }
  return ConfigReader(*value, where_, Format("{}{}.", prefix_, key), status_);
}

}  // namespace moiety
