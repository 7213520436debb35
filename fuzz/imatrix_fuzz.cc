// Any bytes as an importance matrix. What the reader accepts has sums and counts that fit each
// other and can be used: finite and not negative.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/check.h"
#include "base/utf8.h"
#include "convert/imatrix.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto imatrix = moiety::ParseImatrix(std::as_bytes(std::span(data, size)), "input");
  if (!imatrix.ok()) {
    MOIETY_CHECK(!imatrix.status().message().empty() && moiety::IsUtf8(imatrix.status().message()));
    return 0;
  }
  for (const auto& [name, sums] : imatrix->of) {
    MOIETY_CHECK(imatrix->Find(name) == &sums);
    MOIETY_CHECK(sums.sums.size() == static_cast<size_t>(sums.num_matrices() * sums.cols));
    for (int64_t m = 0; m < sums.num_matrices(); ++m) {
      const std::vector<float> importance = sums.Of(m);
      MOIETY_CHECK(importance.empty() || importance.size() == static_cast<size_t>(sums.cols));
      for (const float value : importance) MOIETY_CHECK(!std::isnan(value) && value >= 0);
    }
  }
  return 0;
}
