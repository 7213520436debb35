#include "routing/importance_loss.h"

#include <cstdint>
#include <numeric>
#include <vector>

#include "base/exact_math.h"
#include "routing/balance_loss.h"
#include "routing/choices.h"

namespace moiety {
namespace {

// CV² = E Σ v² / (Σ v)² - 1 of E values and, in `slopes`, its derivatives; 0 if they are all 0.
double SquaredCv(const std::vector<double>& values, std::vector<double>& slopes) {
  slopes.assign(values.size(), 0);
  const auto count = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  if (mean == 0) return 0;
  double squares = 0;
  for (const double v : values) squares += (v - mean) * (v - mean);
  const double loss = squares / count / (mean * mean);
  for (size_t e = 0; e < values.size(); ++e) {
    slopes[e] = 2 / (count * mean * mean) * (values[e] - mean * (1 + loss));
  }
  return loss;
}

// The chance of each expert to be among the best k, of which row t of `best` has one more.
class Chances {
 public:
  Chances(const RouterOutput& call, int64_t k) : call_(call), k_(static_cast<size_t>(k)) {
    ChooseTop(call.noisy_logits, k + 1, best_);
  }

  struct Chance {
    int32_t limit;  // the expert that has to be beaten
    double z;       // the chance is Φ(z)
    double deviation;
  };
  Chance At(int64_t t, int64_t e) const {
    const RoutedToken* const best = &best_.routed[static_cast<size_t>(t) * (k_ + 1)];
    // One of the best k has to beat what would follow them without it.
    bool is_best = false;
    for (size_t i = 0; i < k_; ++i) is_best = is_best || best[i].expert == e;
    const int32_t limit = best[is_best ? k_ : k_ - 1].expert;
    const double ahead = static_cast<double>(call_.logits.Row(t)[e]) -
                         static_cast<double>(call_.noisy_logits.Row(t)[limit]);
    const auto deviation = static_cast<double>(call_.deviation.Row(t)[e]);
    return {limit, ahead / deviation, deviation};
  }
  double Probability(int64_t t, int64_t e) const {
    const Chance chance = At(t, e);
    // Without a deviation z is infinite, or 0 / 0 for equals, which is no lead.
    return chance.deviation == 0 ? (chance.z > 0 ? 1 : 0) : ExactNormalCdf(chance.z);
  }

 private:
  const RouterOutput& call_;
  size_t k_;
  RouterOutput best_;
};

void AddLoadGradients(Exec& exec, const RouterOutput& call, const Chances& chances,
                      const std::vector<double>& slopes, double scale) {
  Tape& tape = *exec.tape();
  const Matrix dlogits = tape.Gradient(call.logits);
  const Matrix dnoisy = tape.Gradient(call.noisy_logits);
  const Matrix ddeviation = tape.Gradient(call.deviation);
  if (dlogits.data == nullptr || dnoisy.data == nullptr || ddeviation.data == nullptr) {
    exec.Fail(tape.status());
    return;
  }
  exec.pool().ParallelFor(call.num_tokens, [&](int64_t t) {
    for (int64_t e = 0; e < call.num_experts; ++e) {
      const Chances::Chance chance = chances.At(t, e);
      if (chance.deviation == 0) continue;
      const double dz = scale * slopes[static_cast<size_t>(e)] * ExactNormalDensity(chance.z);
      dlogits.Row(t)[e] += static_cast<float>(dz / chance.deviation);
      dnoisy.Row(t)[chance.limit] -= static_cast<float>(dz / chance.deviation);
      ddeviation.Row(t)[e] -= static_cast<float>(dz * chance.z / chance.deviation);
    }
  });
}

}  // namespace

double ImportanceLoss(Exec& exec, const RouterOutput& call, float scale) {
  if (!exec.ok() || call.routed.empty()) return 0;
  std::vector<double> importance(static_cast<size_t>(call.num_experts));
  for (const RoutedToken& choice : call.routed) {
    importance[static_cast<size_t>(choice.expert)] += static_cast<double>(choice.weight);
  }
  std::vector<double> slopes;
  const double loss = SquaredCv(importance, slopes);
  if (exec.tape() == nullptr) return loss;
  const Matrix gradient = exec.tape()->Gradient(call.weights);
  if (gradient.data == nullptr) {
    exec.Fail(exec.tape()->status());
    return 0;
  }
  for (size_t i = 0; i < call.routed.size(); ++i) {
    const double slope = slopes[static_cast<size_t>(call.routed[i].expert)];
    gradient.data[i] += static_cast<float>(static_cast<double>(scale) * slope);
  }
  return loss;
}

double LoadLoss(Exec& exec, const RouterOutput& call, float scale) {
  if (!exec.ok() || call.num_tokens == 0 || call.noisy_logits.data == nullptr) return 0;
  const std::vector<int64_t> demand = Demand(call);
  const int64_t k = std::accumulate(demand.begin(), demand.end(), int64_t{0}) / call.num_tokens;
  if (k == 0 || k >= call.num_experts) return 0;  // whatever the noise
  const Chances chances(call, k);
  std::vector<double> load(static_cast<size_t>(call.num_experts));
  exec.pool().ParallelFor(call.num_experts, [&](int64_t e) {
    double sum = 0;
    for (int64_t t = 0; t < call.num_tokens; ++t) sum += chances.Probability(t, e);
    load[static_cast<size_t>(e)] = sum;
  });
  std::vector<double> slopes;
  const double loss = SquaredCv(load, slopes);
  if (exec.tape() != nullptr) {
    AddLoadGradients(exec, call, chances, slopes, static_cast<double>(scale));
  }
  return loss;
}

}  // namespace moiety
