// Perplexity of a text under a model.
#ifndef MOIETY_STUDY_PERPLEXITY_H_
#define MOIETY_STUDY_PERPLEXITY_H_

#include <cstdint>
#include <functional>
#include <span>

#include "moiety/status.h"
#include "ops/observer.h"
#include "runtime/engine.h"
#include "study/windows.h"

namespace moiety {

struct PerplexityResult {
  int64_t num_windows = 0;
  int64_t num_predicted = 0;
  double nll_sum = 0;  // nats
  double nll() const {
    return num_predicted == 0 ? 0 : nll_sum / static_cast<double>(num_predicted);
  }
  double perplexity() const;
};

// Walks `ids` in windows (CutWindows() says how, and what fails). `predicted` (may be null) is
// called with the position in `ids` of each predicted id and its negative log-likelihood;
// `progress` (may be null) with ids done.
Result<PerplexityResult> ComputePerplexity(
    Engine& engine, std::span<const int32_t> ids, const WindowOptions& options, Observer* observer,
    const std::function<void(int64_t position, double nll)>& predicted,
    const std::function<void(int64_t done, const PerplexityResult& so_far)>& progress);

}  // namespace moiety

#endif  // MOIETY_STUDY_PERPLEXITY_H_
