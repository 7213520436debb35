#include "routing/specialisation_losses.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "base/exact_math.h"
#include "routing/load_measures.h"
#include "routing/score_shares.h"

namespace moiety {
namespace {

// Columns of inputs that a task sums up.
constexpr int64_t kInputColumns = 64;

// ln p, 0 for 0: what it is multiplied with on the way back is 0 there.
double LogShare(double p) { return p < 1e-300 ? 0 : ExactLog(p); }

// Mean of the entropies of the tokens' shares.
double MeanEntropy(Exec& exec, const RouterOutput& call, const ScoreShares& of) {
  std::vector<double> entropies(static_cast<size_t>(call.num_tokens));
  exec.pool().ParallelFor(call.num_tokens, [&](int64_t t) {
    double entropy = 0;
    for (int64_t e = 0; e < call.num_experts; ++e) {
      entropy += EntropyTerm(of.shares[t * call.num_experts + e]);
    }
    entropies[static_cast<size_t>(t)] = entropy;
  });
  double sum = 0;
  for (const double entropy : entropies) sum += entropy;
  return sum / static_cast<double>(of.num_scored);
}

// A sequence, with x̂ = x / |x| and sums over its scored tokens.
struct LikenessSums {
  int64_t num_scored = 0;
  double* products = nullptr;  // [d_model, num_experts] Σ_t x̂_t p_teᵀ
  double* shares = nullptr;    // [num_experts] Σ_t p_te
};

LikenessSums SumLikeness(Exec& exec, const RouterOutput& call, const ScoreShares& of,
                         const Segment& s, const double* inverse_lengths) {
  const int64_t experts = call.num_experts;
  const int64_t d_model = call.x.cols;
  LikenessSums sums;
  sums.products = exec.Allocate<double>(d_model * experts);
  sums.shares = exec.Allocate<double>(experts);
  if (!exec.ok()) return {};
  std::fill_n(sums.shares, experts, 0.0);
  for (int64_t t = s.begin; t < s.begin + s.count; ++t) {
    sums.num_scored += of.sums[t] == 0 ? 0 : 1;
    for (int64_t e = 0; e < experts; ++e) sums.shares[e] += of.shares[t * experts + e];
  }
  exec.pool().ParallelFor((d_model + kInputColumns - 1) / kInputColumns, [&](int64_t part) {
    const int64_t begin = part * kInputColumns;
    const int64_t end = std::min(d_model, begin + kInputColumns);
    std::fill(sums.products + begin * experts, sums.products + end * experts, 0.0);
    for (int64_t t = s.begin; t < s.begin + s.count; ++t) {
      const double* const share = of.shares + t * experts;
      for (int64_t k = begin; k < end; ++k) {
        const double x = static_cast<double>(call.x.Row(t)[k]) * inverse_lengths[t];
        double* const product = sums.products + k * experts;
        for (int64_t e = 0; e < experts; ++e) product[e] += x * share[e];
      }
    }
  });
  return sums;
}

// Of one sequence: Σ_{t,u} D_tu (E Σ_e p_te p_ue - 1) / (E² - E), as Σ_{e≠f} p_te p_uf is the rest
// of 1.
double LikenessOfPairs(const LikenessSums& sums, int64_t d_model, int64_t experts) {
  // 2 Σ D s = Σ s - Σ cos · s for any s; with s = Σ_e p_te p_ue both are sums of squares.
  double same = 0;
  for (int64_t e = 0; e < experts; ++e) same += sums.shares[e] * sums.shares[e];
  const auto tokens = static_cast<double>(sums.num_scored);
  double all = tokens * tokens;
  for (int64_t k = 0; k < d_model; ++k) {
    const double* const product = sums.products + k * experts;
    double x = 0;  // Σ_t x̂_t, as shares sum to 1
    for (int64_t e = 0; e < experts; ++e) {
      same -= product[e] * product[e];
      x += product[e];
    }
    all -= x * x;
  }
  const auto count = static_cast<double>(experts);
  return (count * same / 2 - all / 2) / (count * count - count);
}

}  // namespace

double EntropyLoss(Exec& exec, const RouterOutput& call, float scale) {
  const Exec::Scope scope(exec);
  const ScoreShares of = SharesOf(exec, call);
  if (of.num_scored == 0) return 0;
  const double loss = MeanEntropy(exec, call, of);
  // d H / d p = -ln p - 1; the 1 is nothing to shares, whose sum stays.
  AddShareGradients(exec, call, of, static_cast<double>(scale) / static_cast<double>(of.num_scored),
                    [&](int64_t t, double* slopes) {
                      for (int64_t e = 0; e < call.num_experts; ++e) {
                        slopes[e] = -LogShare(of.shares[t * call.num_experts + e]);
                      }
                    });
  return loss;
}

double MutualInformationLoss(Exec& exec, const RouterOutput& call, float scale) {
  const Exec::Scope scope(exec);
  const ScoreShares of = SharesOf(exec, call);
  if (of.num_scored == 0) return 0;
  const auto tokens = static_cast<double>(of.num_scored);
  std::vector<double> log_mean(static_cast<size_t>(call.num_experts));
  double expert_entropy = 0;
  for (int64_t e = 0; e < call.num_experts; ++e) {
    double sum = 0;
    for (int64_t t = 0; t < call.num_tokens; ++t) sum += of.shares[t * call.num_experts + e];
    log_mean[static_cast<size_t>(e)] = LogShare(sum / tokens);
    expert_entropy += EntropyTerm(sum / tokens);
  }
  const double loss = MeanEntropy(exec, call, of) - expert_entropy;
  AddShareGradients(
      exec, call, of, static_cast<double>(scale) / tokens, [&](int64_t t, double* slopes) {
        for (int64_t e = 0; e < call.num_experts; ++e) {
          slopes[e] =
              log_mean[static_cast<size_t>(e)] - LogShare(of.shares[t * call.num_experts + e]);
        }
      });
  return loss;
}

double SimilarityLoss(Exec& exec, const RouterOutput& call, std::span<const Segment> sequences,
                      float scale) {
  const Exec::Scope scope(exec);
  const int64_t experts = call.num_experts;
  if (experts < 2) return 0;
  const ScoreShares of = SharesOf(exec, call);
  double* const inverse_lengths = exec.Allocate<double>(call.num_tokens);
  if (!exec.ok() || of.num_scored == 0) return 0;
  exec.pool().ParallelFor(call.num_tokens, [&](int64_t t) {
    double squares = 0;
    for (int64_t k = 0; k < call.x.cols; ++k) {
      squares += static_cast<double>(call.x.Row(t)[k]) * static_cast<double>(call.x.Row(t)[k]);
    }
    // Without a direction: as far from each as what is at a right angle.
    inverse_lengths[t] = squares == 0 ? 0 : 1 / std::sqrt(squares);
  });
  std::vector<LikenessSums> sums;
  std::vector<size_t> sequence_of(static_cast<size_t>(call.num_tokens));
  double loss = 0;
  const auto all_tokens = static_cast<double>(of.num_scored);
  for (const Segment& s : sequences) {
    for (int64_t t = s.begin; t < s.begin + s.count; ++t) {
      sequence_of[static_cast<size_t>(t)] = sums.size();
    }
    sums.push_back(SumLikeness(exec, call, of, s, inverse_lengths));
    if (!exec.ok()) return 0;
    const auto tokens = static_cast<double>(sums.back().num_scored);
    if (tokens == 0) continue;
    loss += LikenessOfPairs(sums.back(), call.x.cols, experts) / (tokens * all_tokens);
  }
  // d loss / d p_te = Σ_u 2 D_tu p_ue / (E - 1), over the tokens of the sequence and of all.
  AddShareGradients(
      exec, call, of, static_cast<double>(scale) / all_tokens, [&](int64_t t, double* slopes) {
        const LikenessSums& s = sums[sequence_of[static_cast<size_t>(t)]];
        std::copy_n(s.shares, experts, slopes);
        for (int64_t k = 0; k < call.x.cols; ++k) {
          const double x = static_cast<double>(call.x.Row(t)[k]) * inverse_lengths[t];
          for (int64_t e = 0; e < experts; ++e) {
            slopes[e] -= x * s.products[k * experts + e];
          }
        }
        const double share =
            1 / (static_cast<double>(s.num_scored) * static_cast<double>(experts - 1));
        for (int64_t e = 0; e < experts; ++e) slopes[e] *= share;
      });
  return loss;
}

}  // namespace moiety
