#include "study/perplexity.h"

#include <algorithm>
#include <cmath>

#include "base/exact_math.h"
#include "base/format.h"
#include "runtime/sampler.h"

namespace moiety {

double PerplexityResult::perplexity() const { return ExactExp(nll()); }

Result<PerplexityResult> ComputePerplexity(
    Engine& engine, std::span<const int32_t> ids, const PerplexityOptions& options,
    Observer* observer, const std::function<void(int64_t position, double nll)>& predicted,
    const std::function<void(int64_t done, const PerplexityResult& so_far)>& progress) {
  const int64_t context_length = engine.model().info().context_length;
  if (options.window < 2 || options.window > context_length) {
    return InvalidArgument(Format("window must be from 2 to the model's context of {}, found {}",
                                  context_length, options.window));
  }
  if (options.stride < 1 || options.stride > options.window) {
    return InvalidArgument(Format("stride must be from 1 to the window of {}, found {}",
                                  options.window, options.stride));
  }
  const auto num_ids = static_cast<int64_t>(ids.size());
  if (num_ids < 2) return InvalidArgument("the text is too short: at least two tokens are needed");
  const int64_t window = std::min(options.window, num_ids);

  PerplexityResult result;
  for (int64_t begin = 0; begin + window <= num_ids; begin += options.stride) {
    // Windows after the first leave out what the one before has predicted.
    const int64_t first_new =
        begin == 0 || options.stride == options.window ? 1 : window - options.stride;
    Sequence sequence(engine.pages());
    const auto on_logits = [&](int64_t first, const Matrix& logits) -> Status {
      for (int64_t i = 0; i < logits.rows; ++i) {
        const int64_t next = first + i + 1;  // the id that row i predicts, within the window
        if (next < first_new || next >= window) continue;
        const std::span<const float> row(logits.Row(i), static_cast<size_t>(logits.cols));
        MOIETY_ASSIGN_OR_RETURN(const Logprobs logprobs,
                                ComputeLogprobs(engine.context().kernels, row, 0));
        const int32_t id = ids[static_cast<size_t>(begin + next)];
        const double nll = logprobs.log_sum - row[static_cast<size_t>(id)];
        result.nll_sum += nll;
        ++result.num_predicted;
        if (predicted != nullptr) predicted(begin + next, nll);
      }
      return OkStatus();
    };
    MOIETY_RETURN_IF_ERROR(
        engine.Feed(sequence, ids.subspan(static_cast<size_t>(begin), static_cast<size_t>(window)),
                    LogitRows::kAll, on_logits, observer));
    ++result.num_windows;
    if (progress != nullptr) progress(begin + window, result);
  }
  return result;
}

}  // namespace moiety
