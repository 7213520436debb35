#include "study/perplexity.h"

#include <cmath>

#include "base/exact_math.h"
#include "runtime/sampler.h"

namespace moiety {

double PerplexityResult::perplexity() const { return ExactExp(nll()); }

Result<PerplexityResult> ComputePerplexity(
    Engine& engine, std::span<const int32_t> ids, const WindowOptions& options, Observer* observer,
    const std::function<void(int64_t position, double nll)>& predicted,
    const std::function<void(int64_t done, const PerplexityResult& so_far)>& progress) {
  MOIETY_ASSIGN_OR_RETURN(
      const std::vector<Window> windows,
      CutWindows(static_cast<int64_t>(ids.size()), engine.model().info().context_length, options));
  PerplexityResult result;
  for (const Window& window : windows) {
    Sequence sequence(engine.pages());
    const auto on_logits = [&](int64_t first, const Matrix& logits) -> Status {
      for (int64_t i = 0; i < logits.rows; ++i) {
        const int64_t next = first + i + 1;  // the id that row i predicts, within the window
        if (next < window.first_new || next >= window.size) continue;
        const std::span<const float> row(logits.Row(i), static_cast<size_t>(logits.cols));
        MOIETY_ASSIGN_OR_RETURN(const Logprobs logprobs,
                                ComputeLogprobs(engine.context().kernels, row, 0));
        const int32_t id = ids[static_cast<size_t>(window.begin + next)];
        const double nll = logprobs.log_sum - row[static_cast<size_t>(id)];
        result.nll_sum += nll;
        ++result.num_predicted;
        if (predicted != nullptr) predicted(window.begin + next, nll);
      }
      return OkStatus();
    };
    MOIETY_RETURN_IF_ERROR(engine.Feed(
        sequence, ids.subspan(static_cast<size_t>(window.begin), static_cast<size_t>(window.size)),
        LogitRows::kAll, on_logits, observer));
    ++result.num_windows;
    if (progress != nullptr) progress(window.begin + window.size, result);
  }
  return result;
}

}  // namespace moiety
