// Any bytes as a GGUF file. What the reader accepts must keep its promise: values and tensors that
// lie inside the file, tensors with the bytes of their shape and none over another.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/check.h"
#include "base/utf8.h"
#include "format/gguf.h"

namespace moiety {
namespace {

void ReadAll(const GgufValue& value) {
  const auto strings = value.Strings();
  MOIETY_CHECK(!strings.has_value() || strings->size() == value.count);
  const auto integers = value.Integers();
  MOIETY_CHECK(!integers.has_value() || integers->size() == value.count);
  const auto numbers = value.Numbers();
  MOIETY_CHECK(!integers.has_value() || numbers.has_value());
  MOIETY_CHECK(!value.Integer().has_value() || value.Number().has_value());
  MOIETY_CHECK(!value.Bool().has_value() || !value.Number().has_value());
  size_t sum = 0;
  if (const auto text = value.String()) {
    for (const char c : *text) sum += static_cast<uint8_t>(c);
  }
  MOIETY_CHECK(sum < SIZE_MAX);
}

void Run(std::span<const uint8_t> file) {
  const auto header = ParseGgufHeader(std::as_bytes(file), "input");
  if (!header.ok()) {
    MOIETY_CHECK(!header.status().message().empty() && IsUtf8(header.status().message()));
    return;
  }
  for (const auto& [key, value] : header->metadata) {
    MOIETY_CHECK(IsUtf8(key));
    ReadAll(value);
  }
  std::vector<bool> covered(file.size());
  for (const auto& [name, info] : header->tensors) {
    MOIETY_CHECK(info.offset <= file.size() && info.size_bytes <= file.size() - info.offset);
    const auto elements = NumElements(info.shape);
    MOIETY_CHECK(elements.has_value() && *elements > 0);
    MOIETY_CHECK(DTypeBytes(info.dtype, static_cast<uint64_t>(*elements)) == info.size_bytes);
    for (uint64_t i = info.offset; i < info.offset + info.size_bytes; ++i) {
      MOIETY_CHECK(!covered[i]);
      covered[i] = true;
    }
  }
}

}  // namespace
}  // namespace moiety

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  moiety::Run({data, size});
  return 0;
}
