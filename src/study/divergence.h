// How far a model's predictions are from those of another, such as a quantized one from the one it
// was made of.
#ifndef MOIETY_STUDY_DIVERGENCE_H_
#define MOIETY_STUDY_DIVERGENCE_H_

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "moiety/status.h"
#include "runtime/engine.h"
#include "study/windows.h"

namespace moiety {

// Over the predictions of a text: P of the model that is the measure, Q of the one that is
// measured.
struct Divergence {
  int64_t num_predicted = 0;
  double p_nll_sum = 0;       // -ln P(the id that followed), nats
  double q_nll_sum = 0;       // the same of Q
  double kl_sum = 0;          // Σ KL(P ‖ Q) = Σ P ln(P / Q), nats
  int64_t same_top = 0;       // predictions whose likeliest id is the same (ties: lower id)
  double probability_sq = 0;  // Σ (Q - P)² of the id that followed
  std::vector<float> kl;      // of each prediction

  double p_perplexity() const;
  double q_perplexity() const;
  double mean_kl() const { return kl_sum / static_cast<double>(num_predicted); }
  // The standard error of the mean.
  double mean_kl_error() const;
  // The KL divergence that `share` (0 … 1) of the predictions stay at or below.
  double KlQuantile(double share) const;
  double same_top_share() const {
    return static_cast<double>(same_top) / static_cast<double>(num_predicted);
  }
  // Root of the mean square.
  double rms_probability() const;
};

// Both models read `ids` in the same windows; `progress` (may be null) gets the ids done. Fails as
// CutWindows() does, with kInvalidArgument on models of different vocabularies, and with
// kInvalidData when a logit is not a number.
Result<Divergence> ComputeDivergence(
    Engine& p, Engine& q, std::span<const int32_t> ids, const WindowOptions& options,
    const std::function<void(int64_t done, const Divergence& so_far)>& progress);

}  // namespace moiety

#endif  // MOIETY_STUDY_DIVERGENCE_H_
