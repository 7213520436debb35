// GgufBytes: GGUF files that are written piece by piece, right or wrong. PairBytes: files of
// metadata alone, from a list of keys that can be changed.
#ifndef MOIETY_TESTS_SUPPORT_GGUF_BYTES_H_
#define MOIETY_TESTS_SUPPORT_GGUF_BYTES_H_

#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace moiety {

class GgufBytes {
 public:
  template <class T>
  GgufBytes& Add(T value) {
    text_.append(reinterpret_cast<const char*>(&value), sizeof(value));
    return *this;
  }
  GgufBytes& String(std::string_view text) {
    Add<uint64_t>(text.size());
    text_ += text;
    return *this;
  }
  GgufBytes& Raw(std::string_view text) {
    text_ += text;
    return *this;
  }
  GgufBytes& Zeros(size_t count) {
    text_.append(count, '\0');
    return *this;
  }
  GgufBytes& AlignTo(size_t alignment) {
    return Zeros((alignment - text_.size() % alignment) % alignment);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

inline GgufBytes GgufHead(uint64_t num_tensors, uint64_t num_pairs, uint32_t version = 3) {
  return GgufBytes().Raw("GGUF").Add(version).Add(num_tensors).Add(num_pairs);
}

inline GgufBytes& AddTensor(GgufBytes& bytes, std::string_view name,
                            std::initializer_list<uint64_t> dims, uint32_t type, uint64_t offset) {
  bytes.String(name).Add<uint32_t>(static_cast<uint32_t>(dims.size()));
  for (const uint64_t dim : dims) bytes.Add(dim);
  return bytes.Add(type).Add(offset);
}

class PairBytes {
 public:
  PairBytes& Set(const std::string& key, std::string_view text) {
    return Put(key, GgufBytes().Add(kString).String(text));
  }
  PairBytes& Set(const std::string& key, const char* text) {
    return Set(key, std::string_view(text));
  }
  PairBytes& Set(const std::string& key, bool value) {
    return Put(key, GgufBytes().Add<uint32_t>(7).Add<uint8_t>(value ? 1 : 0));
  }
  PairBytes& Set(const std::string& key, uint32_t value) {
    return Put(key, GgufBytes().Add<uint32_t>(4).Add(value));
  }
  PairBytes& Set(const std::string& key, const std::vector<std::string>& list) {
    GgufBytes bytes = Array(kString, list.size());
    for (const std::string& text : list) bytes.String(text);
    return Put(key, bytes);
  }
  PairBytes& Set(const std::string& key, const std::vector<int32_t>& list) {
    return SetNumbers(key, 5, list);
  }
  PairBytes& Set(const std::string& key, const std::vector<float>& list) {
    return SetNumbers(key, 6, list);
  }
  PairBytes& Set(const std::string& key, const std::vector<uint8_t>& list) {
    return SetNumbers(key, 0, list);
  }
  PairBytes& Erase(const std::string& key) {
    pairs_.erase(key);
    return *this;
  }

  // `tensors`: infos and data that follow.
  std::string File(uint64_t num_tensors = 0, const std::string& tensors = "") const {
    GgufBytes bytes = GgufHead(num_tensors, pairs_.size());
    for (const auto& [key, value] : pairs_) bytes.String(key).Raw(value);
    return bytes.Raw(tensors).AlignTo(32).text();
  }

 private:
  static constexpr uint32_t kString = 8;

  static GgufBytes Array(uint32_t type, size_t count) {
    return GgufBytes().Add<uint32_t>(9).Add(type).Add<uint64_t>(count);
  }
  template <class T>
  PairBytes& SetNumbers(const std::string& key, uint32_t type, const std::vector<T>& list) {
    GgufBytes bytes = Array(type, list.size());
    for (const T value : list) bytes.Add(value);
    return Put(key, bytes);
  }
  PairBytes& Put(const std::string& key, const GgufBytes& value) {
    pairs_[key] = value.text();
    return *this;
  }

  std::map<std::string, std::string> pairs_;
};

}  // namespace moiety

#endif  // MOIETY_TESTS_SUPPORT_GGUF_BYTES_H_
