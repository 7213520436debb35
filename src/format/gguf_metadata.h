// GgufMetadata: looks up the keys of a GGUF header, each as the type that the reader expects.
#ifndef MOIETY_FORMAT_GGUF_METADATA_H_
#define MOIETY_FORMAT_GGUF_METADATA_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/format.h"
#include "format/gguf.h"
#include "moiety/status.h"

namespace moiety {

// Errors are sticky: the first one stays in status(), which is read when all keys are looked up.
// The header and `where` (the file's path, the start of messages) must outlive it.
class GgufMetadata {
 public:
  GgufMetadata(const GgufHeader& header, const std::string& where)
      : header_(header), where_(where) {}

  const GgufValue* Find(const std::string& key) const { return header_.Find(key); }

  // Empty if there is no such key, or one of another type (an error).
  std::optional<int64_t> Integer(const std::string& key) {
    return Get<int64_t>(key, "an integer", &GgufValue::Integer);
  }
  std::optional<double> Number(const std::string& key) {
    return Get<double>(key, "a number", &GgufValue::Number);
  }
  std::optional<bool> Bool(const std::string& key) {
    return Get<bool>(key, "true or false", &GgufValue::Bool);
  }
  std::optional<std::string_view> String(const std::string& key) {
    return Get<std::string_view>(key, "a string", &GgufValue::String);
  }
  std::optional<std::vector<std::string_view>> Strings(const std::string& key) {
    return Get<std::vector<std::string_view>>(key, "a list of strings", &GgufValue::Strings);
  }
  std::optional<std::vector<int64_t>> Integers(const std::string& key) {
    return Get<std::vector<int64_t>>(key, "a list of integers", &GgufValue::Integers);
  }
  std::optional<std::vector<double>> Numbers(const std::string& key) {
    return Get<std::vector<double>>(key, "a list of numbers", &GgufValue::Numbers);
  }

  void Fail(Status status) {
    if (status_.ok()) status_ = std::move(status);
  }
  const Status& status() const { return status_; }
  const std::string& where() const { return where_; }

 private:
  template <class T>
  std::optional<T> Get(const std::string& key, std::string_view expected,
                       std::optional<T> (GgufValue::*as)() const) {
    const GgufValue* value = Find(key);
    if (value == nullptr) return std::nullopt;
    std::optional<T> found = (value->*as)();
    if (!found.has_value()) {
      const bool is_list = value->type == GgufType::kArray;
      Fail(InvalidData(Format("{}: {}: expected {}, found {}{}", where_, key, expected,
                              is_list ? "a list of " : "",
                              GgufTypeName(is_list ? value->element : value->type))));
    }
    return found;
  }

  const GgufHeader& header_;
  const std::string& where_;
  Status status_;
};

}  // namespace moiety

#endif  // MOIETY_FORMAT_GGUF_METADATA_H_
