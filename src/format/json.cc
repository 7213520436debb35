#include "format/json.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/format.h"
#include "base/utf8.h"

namespace moiety {
namespace {

using nlohmann::json;

constexpr size_t kMaxDepth = 128;
constexpr size_t kMaxReasonBytes = 160;
constexpr size_t kMaxShownBytes = 60;

// The text made fit for a message: valid UTF-8, on one line, not longer than about `max_bytes`.
std::string Cut(std::string_view text, size_t max_bytes) {
  std::string cut(text.substr(0, CompleteUtf8Prefix(text.substr(0, max_bytes))));
  std::replace_if(
      cut.begin(), cut.end(), [](char c) { return static_cast<uint8_t>(c) < 0x20 || c == 0x7F; },
      ' ');
  return ToValidUtf8(cut) + (cut.size() < text.size() ? "..." : "");
}

// Builds the document, a json or an ordered_json, while it is read, so that limits act before
// memory is used.
template <class Json>
class Builder : public nlohmann::json_sax<Json> {
 public:
  explicit Builder(BigIntegers big) : big_(big) {}

  bool null() override { return Add(nullptr); }
  bool boolean(bool value) override { return Add(value); }
  bool number_integer(int64_t value) override { return Add(value); }
  bool number_unsigned(uint64_t value) override {
    if (value > uint64_t{INT64_MAX} && big_ == BigIntegers::kRefuse) {
      return RefuseInteger(std::to_string(value));
    }
    return Add(value);
  }
  bool number_float(double value, const std::string& text) override {
    // Integers that fit no 64 bits come as floats too.
    if (big_ == BigIntegers::kRefuse && text.find_first_of(".eE") == std::string::npos) {
      return RefuseInteger(text);
    }
    return Add(value);
  }
  bool string(std::string& value) override { return Add(std::move(value)); }
  bool binary(typename Json::binary_t&) override { return false; }  // not in JSON text

  bool start_object(size_t) override { return Open(Json::object()); }
  bool start_array(size_t) override { return Open(Json::array()); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }

  bool key(std::string& name) override {
    // An ordered object finds a key by looking at each: many keys are remembered in a set.
    Json& object = *open_.back();
    bool fresh = false;
    if constexpr (kIsOrdered) {
      if (object.size() < kFewKeys) {
        fresh = !object.contains(name);
      } else {
        auto& keys = keys_[open_.size()];
        if (keys.empty()) {
          for (const auto& entry : object.template get_ref<typename Json::object_t&>()) {
            keys.insert(entry.first);
          }
        }
        fresh = keys.insert(name).second;
      }
    } else {
      fresh = !object.contains(name);
    }
    if (!fresh) return Refuse(Format("key {} appears twice", ShowJson(name)));
    auto& entries = object.template get_ref<typename Json::object_t&>();
    if constexpr (kIsOrdered) {
      // An ordered_map is a vector, whose own emplace_back does not look for the key again.
      auto& list = static_cast<std::vector<std::pair<const std::string, Json>>&>(entries);
      slot_ = &list.emplace_back(name, nullptr).second;
    } else {
      slot_ = &entries[name];
    }
    return true;
  }

  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception& e) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error …; last
    // read: '…'". The last part may be as long as the file, and not UTF-8.
    std::string_view what = e.what();
    for (const std::string_view prefix : {"] ", "parse error at ", ": "}) {
      const size_t found = what.find(prefix);
      if (found == std::string_view::npos) break;
      what.remove_prefix(found + prefix.size());
    }
    error_ = Format("not valid JSON at byte {}: {}", position, Cut(what, kMaxReasonBytes));
    return false;
  }

  Json& root() { return root_; }
  Status Error(const std::string& where) const {
    const std::string message = Format("{}: {}", where, error_);
    return is_unsupported_ ? Unsupported(message) : InvalidData(message);
  }

 private:
  Json* Place(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Json& parent = *open_.back();
    if (parent.is_array())
      return &parent.template get_ref<typename Json::array_t&>().emplace_back(std::move(value));
    *slot_ = std::move(value);
    return slot_;
  }
  template <class T>
  bool Add(T&& value) {
    Place(Json(std::forward<T>(value)));
    return true;
  }
  bool Open(Json value) {
    if (open_.size() >= kMaxDepth) return Refuse(Format("nested deeper than {} levels", kMaxDepth));
    open_.push_back(Place(std::move(value)));
    return true;
  }
  bool Close() {
    if constexpr (kIsOrdered) keys_.erase(open_.size());
    open_.pop_back();
    return true;
  }
  bool Refuse(std::string error) {
    error_ = std::move(error);
    return false;
  }
  bool RefuseInteger(std::string_view digits) {
    is_unsupported_ = true;
    return Refuse(Format("the integer {} leaves 64 bits, which moiety does not do",
                         Cut(digits, kMaxShownBytes)));
  }

  static constexpr bool kIsOrdered = std::is_same_v<Json, nlohmann::ordered_json>;
  static constexpr size_t kFewKeys = 16;

  Json root_;
  std::vector<Json*> open_;  // stays valid: a parent does not grow while a child is open
  Json* slot_ = nullptr;     // where the value of the last key goes
  std::unordered_map<size_t, std::unordered_set<std::string>> keys_;  // of open_[i - 1]
  const BigIntegers big_;
  std::string error_;
  bool is_unsupported_ = false;
};

template <class Json>
Result<Json> ParseAs(std::string_view text, const std::string& where, BigIntegers big) {
  Builder<Json> builder(big);
  if (!Json::sax_parse(text.begin(), text.end(), &builder)) {
    return builder.Error(where);
  }
  return std::move(builder.root());
}

}  // namespace

Result<json> ParseJson(std::string_view text, const std::string& where) {
  return ParseAs<json>(text, where, BigIntegers::kKeep);
}

Result<nlohmann::ordered_json> ParseOrderedJson(std::string_view text, const std::string& where,
                                                BigIntegers big) {
  return ParseAs<nlohmann::ordered_json>(text, where, big);
}

std::string ShowJson(const json& value) {
  return Cut(value.dump(-1, ' ', false, json::error_handler_t::replace), kMaxShownBytes);
}

}  // namespace moiety
