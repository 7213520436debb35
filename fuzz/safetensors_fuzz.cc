// Any bytes as a safetensors file. What the reader accepts must keep its promise: tensors that lie
// inside the file, have the bytes of their shape and cover the data exactly once.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/check.h"
#include "base/utf8.h"
#include "format/safetensors.h"

namespace moiety {
namespace {

constexpr size_t kLengthBytes = 8;

void Run(std::span<const uint8_t> file) {
  const auto header = ParseSafetensorsHeader(std::as_bytes(file), "input");
  if (!header.ok()) {
    MOIETY_CHECK(!header.status().message().empty() && IsUtf8(header.status().message()));
    return;
  }
  std::vector<bool> covered(file.size());
  size_t num_covered = 0;
  for (const auto& [name, info] : header->tensors) {
    MOIETY_CHECK(info.offset <= file.size() && info.size_bytes <= file.size() - info.offset);
    const auto elements = NumElements(info.shape);
    MOIETY_CHECK(elements.has_value());
    MOIETY_CHECK(DTypeBytes(info.dtype, static_cast<uint64_t>(*elements)) == info.size_bytes);
    for (uint64_t i = info.offset; i < info.offset + info.size_bytes; ++i) {
      MOIETY_CHECK(!covered[i]);
      covered[i] = true;
      ++num_covered;
    }
  }
  uint64_t header_bytes = 0;
  for (size_t i = kLengthBytes; i-- > 0;) header_bytes = header_bytes << 8 | file[i];
  MOIETY_CHECK(num_covered == file.size() - kLengthBytes - header_bytes);
}

}  // namespace
}  // namespace moiety

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const uint8_t> input(data, size);
  moiety::Run(input);
  if (size < moiety::kLengthBytes) return 0;

  // Once more with a length that fits: nearly every mutation breaks it, and nothing behind the
  // first check would be tested. The header is taken to end at the last brace.
  const auto last_brace = std::find(input.rbegin(), input.rend() - moiety::kLengthBytes, '}');
  const auto header_end = static_cast<uint64_t>(input.rend() - last_brace);
  std::vector<uint8_t> repaired(input.begin(), input.end());
  for (size_t i = 0; i < moiety::kLengthBytes; ++i) {
    repaired[i] = static_cast<uint8_t>((header_end - moiety::kLengthBytes) >> (8 * i));
  }
  moiety::Run(repaired);
  return 0;
}
