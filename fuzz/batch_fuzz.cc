// Any bytes as a batch file: what is accepted is within the ranges that its header promises.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/utf8.h"
#include "runtime/batch_file.h"
#include "runtime/sampler.h"

namespace moiety {
namespace {

constexpr int64_t kVocab = 1000;

void Run(std::string_view text) {
  const auto lines = ParseBatchFile(text, "input", {}, kVocab);
  if (!lines.ok()) {
    MOIETY_CHECK(lines.status().message().starts_with("input"));
    MOIETY_CHECK(IsUtf8(lines.status().message()));
    MOIETY_CHECK(lines.status().message().find('\n') == std::string::npos);
    return;
  }
  MOIETY_CHECK(!lines->empty());
  int64_t before = 0;
  for (const BatchLine& line : *lines) {
    MOIETY_CHECK(line.line > before);
    before = line.line;
    MOIETY_CHECK(line.id.is_null() || line.id.is_string() || line.id.is_number_integer());
    MOIETY_CHECK(IsUtf8(line.prompt));
    MOIETY_CHECK(line.messages.is_null() || (line.messages.is_array() && !line.messages.empty()));
    MOIETY_CHECK(line.num_samples >= 1 && line.num_samples <= kMaxSamples);
    MOIETY_CHECK(line.options.max_tokens >= -1);
    MOIETY_CHECK(CheckSamplingOptions(line.options.sampling, kVocab).ok());
  }
}

}  // namespace
}  // namespace moiety

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  moiety::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
