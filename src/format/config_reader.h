// ConfigReader: typed, checked access to the fields of a JSON object (config.json and its like).
//
// The first thing that is wrong is kept and every later read returns a harmless value, so a model
// file can read its fields one after the other and look at status() once.
#ifndef MOIETY_FORMAT_CONFIG_READER_H_
#define MOIETY_FORMAT_CONFIG_READER_H_

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "moiety/status.h"

namespace moiety {

class ConfigReader {
 public:
  // `where` starts every message ("models/x/config.json"). `object` is borrowed and must outlive
  // the reader and its children.
  ConfigReader(const nlohmann::json& object, std::string where);

  // The same object and errors, but a field that is absent is that of `defaults` (borrowed too):
  // what the reference's own code says where a config is silent. A null stays a null.
  ConfigReader WithDefaults(const nlohmann::json& defaults) const;

  // Whether the field is there, null or not.
  bool Has(std::string_view key) const;
  // A field that is absent or null. (Hugging Face writes null for "not used".)
  bool Missing(std::string_view key) const;

  // Required fields. Integers written as 16.0 or "16" are refused; bounds are inclusive.
  int64_t Int(std::string_view key, int64_t min, int64_t max);
  // A tensor dimension: 1 … 2^31 - 1.
  int64_t Dim(std::string_view key);
  double Float(std::string_view key);  // finite
  std::string String(std::string_view key);

  // The same for a field that may be missing.
  int64_t IntOr(std::string_view key, int64_t fallback, int64_t min, int64_t max);
  int64_t DimOr(std::string_view key, int64_t fallback);
  double FloatOr(std::string_view key, double fallback);
  bool BoolOr(std::string_view key, bool fallback);
  std::string StringOr(std::string_view key, std::string_view fallback);
  std::vector<std::string> StringsOr(std::string_view key, std::vector<std::string> fallback);
  // One integer or a list of them (eos_token_id is written both ways).
  std::vector<int64_t> IntsOr(std::string_view key, std::vector<int64_t> fallback, int64_t min,
                              int64_t max);
  std::vector<double> FloatsOr(std::string_view key, std::vector<double> fallback);

  // The object in a field, nullopt where it is missing. Its errors arrive in this reader too.
  std::optional<ConfigReader> Object(std::string_view key);

  // Notes an error of the caller's own: `message` says what was expected and what was found.
  void Fail(std::string_view key, const std::string& message);
  void FailUnsupported(std::string_view key, const std::string& message);

  const Status& status() const { return *status_; }
  const std::string& where() const { return where_; }

 private:
  ConfigReader(const nlohmann::json& object, std::string where, std::string prefix,
               std::shared_ptr<Status> status);
  const nlohmann::json* Field(std::string_view key) const;  // null where absent
  const nlohmann::json* Find(std::string_view key) const;   // null where missing
  const nlohmann::json* Require(std::string_view key);      // notes an error where missing
  void FailType(std::string_view key, std::string_view expected, const nlohmann::json& found);
  std::optional<int64_t> ReadInt(std::string_view key, const nlohmann::json& value, int64_t min,
                                 int64_t max);
  std::optional<double> ReadFloat(std::string_view key, const nlohmann::json& value);

  const nlohmann::json* object_;
  const nlohmann::json* defaults_ = nullptr;
  std::string where_;
  std::string prefix_;  // "rope_scaling." inside a nested object
  std::shared_ptr<Status> status_;
};

}  // namespace moiety

#endif  // MOIETY_FORMAT_CONFIG_READER_H_
