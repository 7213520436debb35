#include "tokenize/precompiled.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/base64.h"
#include "base/format.h"
#include "base/utf8.h"
#include "format/config_reader.h"

namespace moiety {
namespace {

// A unit of the double array: the label of the edge that leads to it (bit 31 is set in units that
// are values, so no byte equals their label), whether a key ends here, and where its children are.
uint32_t Label(uint32_t unit) { return unit & (1U << 31 | 0xFF); }
bool HasValue(uint32_t unit) { return (unit >> 8 & 1) != 0; }
size_t Offset(uint32_t unit) { return size_t{unit >> 10} << ((unit & (1U << 9)) >> 6); }
size_t Value(uint32_t unit) { return unit & ((1U << 31) - 1); }

class Precompiled : public Normalizer {
 public:
  // False where the map is broken.
  bool Load(std::string_view map) {
    if (map.size() < 4) return false;
    const size_t trie_bytes = ReadUnit(map);
    map.remove_prefix(4);
    const size_t num_units = trie_bytes / 4;
    if (num_units == 0 || num_units > map.size() / 4) return false;
    units_.reserve(num_units);
    for (size_t i = 0; i < num_units; ++i) units_.push_back(ReadUnit(map.substr(4 * i)));
    replacements_ = map.substr(4 * num_units);
    return IsUtf8(replacements_) && CheckValues();
  }

  Status Apply(std::string& text) const override {
    std::string out;
    out.reserve(text.size() + text.size() / 8);
    const std::string_view all = text;
    const auto is_ascii = [](char c) { return static_cast<uint8_t>(c) < 0x80; };
    for (size_t i = 0; i < all.size();) {
      const bool before_ascii = i + 1 == all.size() || is_ascii(all[i + 1]);
      if (is_ascii(all[i]) && before_ascii && all[i] != '\r') {  // a cluster of its own
        AppendReplaced(all.substr(i, 1), out);
        ++i;
        continue;
      }
      const std::string_view cluster = FirstCluster(all.substr(i));
      AppendCluster(cluster, out);
      i += cluster.size();
    }
    text = std::move(out);
    return OkStatus();
  }

  double Growth() const override { return growth_; }

 private:
  static uint32_t ReadUnit(std::string_view bytes) {
    uint32_t unit = 0;
    for (size_t i = 4; i-- > 0;) unit = unit << 8 | static_cast<uint8_t>(bytes[i]);
    return unit;
  }

  // That every value that a key can lead to is inside; finds the growth.
  bool CheckValues() {
    std::vector<size_t> zeros;
    for (size_t i = 0; i < replacements_.size(); ++i) {
      if (replacements_[i] == '\0') zeros.push_back(i);
    }
    size_t longest = 0;
    for (size_t position = 0; position < units_.size(); ++position) {
      const uint32_t unit = units_[position];
      if (Label(unit) > 0xFF || !HasValue(unit)) continue;
      const size_t leaf = position ^ Offset(unit);
      if (leaf >= units_.size()) return false;
      const size_t begin = Value(units_[leaf]);
      if (begin > replacements_.size()) return false;
      if (begin < replacements_.size() && IsUtf8Continuation(replacements_[begin])) {
        return false;
      }
      const auto end = std::lower_bound(zeros.begin(), zeros.end(), begin);
      longest = std::max(longest, (end == zeros.end() ? replacements_.size() : *end) - begin);
    }
    // Only ASCII characters have one byte, and what they become is easily listed.
    growth_ = std::max(1.0, static_cast<double>(longest) / 2);
    for (int c = 1; c < 0x80; ++c) {
      const char character = static_cast<char>(c);
      ascii_[static_cast<size_t>(c)] = Find({&character, 1});
      const size_t size = ascii_[static_cast<size_t>(c)].value_or("").size();
      growth_ = std::max(growth_, static_cast<double>(size));
    }
    return true;
  }

  // What the shortest key says that the text starts with; nullopt if there is none.
  std::optional<std::string_view> Find(std::string_view text) const {
    size_t position = Offset(units_[0]);
    for (const char c : text) {
      const auto byte = static_cast<uint8_t>(c);
      position ^= byte;
      if (byte == 0 || position >= units_.size()) return std::nullopt;
      const uint32_t unit = units_[position];
      if (Label(unit) != byte) return std::nullopt;
      position ^= Offset(unit);
      if (HasValue(unit)) {
        const std::string_view rest =
            std::string_view(replacements_).substr(Value(units_[position]));
        return rest.substr(0, rest.find('\0'));
      }
    }
    return std::nullopt;
  }

  void AppendReplaced(std::string_view character, std::string& out) const {
    const auto lead = static_cast<uint8_t>(character[0]);
    out += (lead < 0x80 ? ascii_[lead] : Find(character)).value_or(character);
  }

  void AppendCluster(std::string_view cluster, std::string& out) const {
    constexpr size_t kTooLong = 6;
    if (cluster.size() < kTooLong) {
      if (const auto replacement = Find(cluster); replacement.has_value()) {
        out += *replacement;
        return;
      }
    }
    while (!cluster.empty()) {
      const auto length = static_cast<size_t>(DecodeUtf8(cluster).length);
      AppendReplaced(cluster.substr(0, length), out);
      cluster.remove_prefix(length);
    }
  }

  static std::string_view FirstCluster(std::string_view text) {
    const Utf8Character first = DecodeUtf8(text);
    auto end = static_cast<size_t>(first.length);
    auto last = static_cast<utf8proc_int32_t>(first.code_point);
    utf8proc_int32_t state = 0;
    while (end < text.size()) {
      const Utf8Character next = DecodeUtf8(text.substr(end));
      const auto code_point = static_cast<utf8proc_int32_t>(next.code_point);
      if (utf8proc_grapheme_break_stateful(last, code_point, &state)) break;
      last = code_point;
      end += static_cast<size_t>(next.length);
    }
    return text.substr(0, end);
  }

  std::vector<uint32_t> units_;
  std::string replacements_;
  std::array<std::optional<std::string_view>, 128> ascii_;  // what ASCII characters become
  double growth_ = 1;
};

}  // namespace

Result<std::unique_ptr<const Normalizer>> MakePrecompiled(const Component& component) {
  MOIETY_RETURN_IF_ERROR(CheckFields(component, {"precompiled_charsmap"}));
  ConfigReader reader(component.json, component.where);
  const std::string text = reader.String("precompiled_charsmap");
  MOIETY_RETURN_IF_ERROR(reader.status());
  const std::optional<std::string> map = DecodeBase64(text);
  auto precompiled = std::make_unique<Precompiled>();
  if (!map.has_value() || !precompiled->Load(*map)) {
    return InvalidData(
        Format("{}: \"precompiled_charsmap\" must be {}", component.where,
               map.has_value() ? "a trie and what it points to" : "bytes in base64"));
  }
  return std::unique_ptr<const Normalizer>(std::move(precompiled));
}

}  // namespace moiety
