#include "routing/balance_loss.h"

namespace moiety {

std::vector<int64_t> Demand(const RouterOutput& routed) {
  if (!routed.demand.empty()) return routed.demand;
  std::vector<int64_t> demand(static_cast<size_t>(routed.num_experts));
  for (const RoutedToken& choice : routed.routed) ++demand[static_cast<size_t>(choice.expert)];
  return demand;
}

double BalanceLoss(Exec& exec, std::span<const RouterOutput> calls, float scale) {
  if (!exec.ok() || calls.empty()) return 0;
  const int64_t num_experts = calls[0].num_experts;
  std::vector<double> demand(static_cast<size_t>(num_experts));
  std::vector<double> scores(demand.size());
  int64_t num_tokens = 0;
  for (const RouterOutput& call : calls) {
    if (call.scores.data == nullptr) continue;  // nothing that could be balanced
    const std::vector<int64_t> chosen = Demand(call);
    for (size_t e = 0; e < demand.size(); ++e) demand[e] += static_cast<double>(chosen[e]);
    for (int64_t t = 0; t < call.num_tokens; ++t) {
      for (size_t e = 0; e < scores.size(); ++e) {
        scores[e] += static_cast<double>(call.scores.Row(t)[e]);
      }
    }
    num_tokens += call.num_tokens;
  }
  if (num_tokens == 0) return 0;
  const auto tokens = static_cast<double>(num_tokens);
  double sum = 0;
  for (size_t e = 0; e < demand.size(); ++e) sum += demand[e] / tokens * (scores[e] / tokens);

  std::vector<float> slopes;
  for (const double d : demand) {
    slopes.push_back(scale *
                     static_cast<float>(static_cast<double>(num_experts) * d / tokens / tokens));
  }
  for (const RouterOutput& call : calls) {
    if (exec.tape() == nullptr || call.scores.data == nullptr) continue;
    const Matrix gradient = exec.tape()->Gradient(call.scores);
    if (gradient.data == nullptr) continue;
    for (int64_t t = 0; t < call.num_tokens; ++t) {
      for (size_t e = 0; e < slopes.size(); ++e) gradient.Row(t)[e] += slopes[e];
    }
  }
  return static_cast<double>(num_experts) * sum;
}

}  // namespace moiety
