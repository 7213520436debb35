// Perplexity of a text under a model.
#ifndef MOIETY_STUDY_PERPLEXITY_H_
#define MOIETY_STUDY_PERPLEXITY_H_

#include <cstdint>
#include <functional>
#include <span>

#include "moiety/status.h"
#include "ops/observer.h"
#include "runtime/engine.h"

namespace moiety {

struct PerplexityOptions {
  int64_t window = 512;  // ids the model sees at once; 2 … its context length
  // Ids from the start of one window to the start of the next, 1 … window. With stride = window the
  // windows do not overlap and each predicts its ids 1 … window - 1. With a smaller stride a window
  // predicts only what those before it did not, so every id beyond the first window has at least
  // window - stride ids before it.
  int64_t stride = 512;
};

struct PerplexityResult {
  int64_t num_windows = 0;
  int64_t num_predicted = 0;
  double nll_sum = 0;  // nats
  double nll() const {
    return num_predicted == 0 ? 0 : nll_sum / static_cast<double>(num_predicted);
  }
  double perplexity() const;
};

// Walks `ids` in windows; what does not fill a last window is left out, except that a text shorter
// than one window is one window. `predicted` (may be null) is called with the position in `ids` of
// each predicted id and its negative log-likelihood; `progress` (may be null) with ids done.
Result<PerplexityResult> ComputePerplexity(
    Engine& engine, std::span<const int32_t> ids, const PerplexityOptions& options,
    Observer* observer, const std::function<void(int64_t position, double nll)>& predicted,
    const std::function<void(int64_t done, const PerplexityResult& so_far)>& progress);

}  // namespace moiety

#endif  // MOIETY_STUDY_PERPLEXITY_H_
