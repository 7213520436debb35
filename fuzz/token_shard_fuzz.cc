// Any bytes as a file of tokens: what is accepted says how many ids lie inside it.
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/check.h"
#include "train/token_shards.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const uint8_t> file(data, size);
  const auto header = moiety::ParseTokenShard(std::as_bytes(file), "input");
  if (!header.ok()) {
    MOIETY_CHECK(!header.status().message().empty());
    return 0;
  }
  MOIETY_CHECK(24 + static_cast<size_t>(header->num_tokens) * header->id_bytes == size);
  return 0;
}
