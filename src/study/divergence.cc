#include "study/divergence.h"

#include <algorithm>
#include <cmath>

#include "base/exact_math.h"
#include "base/format.h"
#include "runtime/sampler.h"

namespace moiety {
namespace {

// Rows of logits kept at a time: those of large vocabularies are megabytes each.
constexpr int64_t kChunk = 64;

// Adds what the logits of one row say about `next`, the id that follows.
Status Add(const KernelTable& kernels, std::span<const float> p, std::span<const float> q,
           int32_t next, Divergence& sum) {
  MOIETY_ASSIGN_OR_RETURN(const Logprobs of_p, ComputeLogprobs(kernels, p, 1));
  MOIETY_ASSIGN_OR_RETURN(const Logprobs of_q, ComputeLogprobs(kernels, q, 1));
  double kl = 0;
  for (size_t id = 0; id < p.size(); ++id) {
    const double ln_p = static_cast<double>(p[id]) - of_p.log_sum;
    const double probability = ExactExp(ln_p);
    if (probability > 0) kl += probability * (ln_p - (static_cast<double>(q[id]) - of_q.log_sum));
  }
  // Rounding can put equal distributions a little below 0.
  kl = std::max(kl, 0.0);
  const auto at = static_cast<size_t>(next);
  const double ln_p = static_cast<double>(p[at]) - of_p.log_sum;
  const double ln_q = static_cast<double>(q[at]) - of_q.log_sum;
  const double change = ExactExp(ln_q) - ExactExp(ln_p);
  ++sum.num_predicted;
  sum.p_nll_sum -= ln_p;
  sum.q_nll_sum -= ln_q;
  sum.kl_sum += kl;
  sum.kl.push_back(static_cast<float>(kl));
  sum.same_top += of_p.top[0].id == of_q.top[0].id ? 1 : 0;
  sum.probability_sq += change * change;
  return OkStatus();
}

}  // namespace

double Divergence::p_perplexity() const {
  return ExactExp(p_nll_sum / static_cast<double>(num_predicted));
}
double Divergence::q_perplexity() const {
  return ExactExp(q_nll_sum / static_cast<double>(num_predicted));
}
double Divergence::rms_probability() const {
  return std::sqrt(probability_sq / static_cast<double>(num_predicted));
}

double Divergence::mean_kl_error() const {
  if (num_predicted < 2) return 0;
  double squares = 0;
  for (const float value : kl) {
    const double difference = static_cast<double>(value) - mean_kl();
    squares += difference * difference;
  }
  const auto n = static_cast<double>(num_predicted);
  return std::sqrt(squares / (n - 1) / n);
}

double Divergence::KlQuantile(double share) const {
  std::vector<float> sorted = kl;
  std::sort(sorted.begin(), sorted.end());
  const auto rank = static_cast<size_t>(std::ceil(share * static_cast<double>(sorted.size())));
  return static_cast<double>(sorted[std::clamp<size_t>(rank, 1, sorted.size()) - 1]);
}

Result<Divergence> ComputeDivergence(
    Engine& p, Engine& q, std::span<const int32_t> ids, const WindowOptions& options,
    const std::function<void(int64_t done, const Divergence& so_far)>& progress) {
  const int64_t vocab_size = p.model().info().vocab_size;
  if (q.model().info().vocab_size != vocab_size) {
    return InvalidArgument(
        Format("{} has a vocabulary of {}, {} one of {}: there is nothing to "
               "compare",
               p.path().string(), vocab_size, q.path().string(), q.model().info().vocab_size));
  }
  MOIETY_ASSIGN_OR_RETURN(
      const std::vector<Window> windows,
      CutWindows(static_cast<int64_t>(ids.size()),
                 std::min(p.model().info().context_length, q.model().info().context_length),
                 options));
  Divergence sum;
  std::vector<float> kept;  // logits of p [rows, vocab_size]
  for (const Window& window : windows) {
    Sequence of_p(p.pages());
    Sequence of_q(q.pages());
    for (int64_t first = 0; first < window.size; first += kChunk) {
      const int64_t rows = std::min(kChunk, window.size - first);
      const auto part =
          ids.subspan(static_cast<size_t>(window.begin + first), static_cast<size_t>(rows));
      const auto keep = [&](int64_t /*first*/, const Matrix& logits) {
        kept.assign(logits.data, logits.data + logits.size());
        return OkStatus();
      };
      const auto compare = [&](int64_t /*first*/, const Matrix& logits) -> Status {
        const auto count = static_cast<size_t>(vocab_size);
        for (int64_t i = 0; i < rows; ++i) {
          const int64_t next = first + i + 1;  // the id that row i predicts, in the window
          if (next < window.first_new || next >= window.size) continue;
          const std::span<const float> of_base(kept.data() + static_cast<size_t>(i) * count, count);
          MOIETY_RETURN_IF_ERROR(Add(p.context().kernels, of_base, {logits.Row(i), count},
                                     ids[static_cast<size_t>(window.begin + next)], sum));
        }
        return OkStatus();
      };
      MOIETY_RETURN_IF_ERROR(p.Feed(of_p, part, LogitRows::kAll, keep));
      MOIETY_RETURN_IF_ERROR(q.Feed(of_q, part, LogitRows::kAll, compare));
    }
    if (progress != nullptr) progress(window.begin + window.size, sum);
  }
  return sum;
}

}  // namespace moiety
