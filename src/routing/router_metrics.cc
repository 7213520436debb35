#include "routing/router_metrics.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

#include "base/exact_math.h"

namespace moiety {
namespace {

// -p log p
double EntropyTerm(double p) { return p < 1e-300 ? 0 : -p * ExactLog(p); }

double MeanLoad(const std::vector<int64_t>& load) {
  if (load.empty()) return 0;
  const auto sum = static_cast<double>(std::accumulate(load.begin(), load.end(), int64_t{0}));
  return sum / static_cast<double>(load.size());
}

}  // namespace

void RouterMetrics::Add(const RouterOutput& routed) {
  num_tokens += routed.num_tokens;
  load.resize(static_cast<size_t>(routed.num_experts));
  std::vector<bool> chosen(static_cast<size_t>(routed.num_tokens));
  for (const RoutedToken& choice : routed.routed) {
    ++load[static_cast<size_t>(choice.expert)];
    chosen[static_cast<size_t>(choice.token)] = true;
  }
  dropped += std::count(chosen.begin(), chosen.end(), false);
  if (routed.scores.data == nullptr) return;
  for (int64_t t = 0; t < routed.num_tokens; ++t) {
    const float* const scores = routed.scores.Row(t);
    const double sum = std::accumulate(scores, scores + routed.num_experts, 0.0);
    for (int64_t e = 0; e < routed.num_experts && sum > 0; ++e) {
      score_entropy += EntropyTerm(static_cast<double>(scores[e]) / sum);
    }
  }
}

double RouterMetrics::Cv() const {
  const double mean = MeanLoad(load);
  if (mean == 0) return 0;
  double squares = 0;
  for (const int64_t l : load) {
    const double difference = static_cast<double>(l) - mean;
    squares += difference * difference;
  }
  return std::sqrt(squares / static_cast<double>(load.size())) / mean;
}

double RouterMetrics::MaxViolation() const {
  const double mean = MeanLoad(load);
  if (mean == 0) return 0;
  return static_cast<double>(*std::max_element(load.begin(), load.end())) / mean - 1;
}

double RouterMetrics::GateEntropy() const {
  return num_tokens == 0 ? 0 : score_entropy / static_cast<double>(num_tokens);
}

double RouterMetrics::ExpertEntropy() const {
  const double total = MeanLoad(load) * static_cast<double>(load.size());
  double entropy = 0;
  for (const int64_t l : load) {
    if (total > 0) entropy += EntropyTerm(static_cast<double>(l) / total);
  }
  return entropy;
}

}  // namespace moiety
