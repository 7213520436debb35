// GgufBytes: GGUF files that are written piece by piece, right or wrong.
#ifndef MOIETY_TESTS_SUPPORT_GGUF_BYTES_H_
#define MOIETY_TESTS_SUPPORT_GGUF_BYTES_H_

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

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

}  // namespace moiety

#endif  // MOIETY_TESTS_SUPPORT_GGUF_BYTES_H_
