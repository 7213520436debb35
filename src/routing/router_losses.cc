#include "routing/router_losses.h"

#include "ops/losses.h"
#include "routing/balance_loss.h"
#include "routing/importance_loss.h"
#include "routing/specialisation_losses.h"

namespace moiety {
namespace {

double MeanZLoss(Exec& exec, const RouterOutput& call, float scale) {
  if (call.num_tokens == 0) return 0;
  const auto tokens = static_cast<float>(call.num_tokens);
  return SquaredLogSumExp(exec, call.logits, scale / tokens) / static_cast<double>(tokens);
}

}  // namespace

RouterLosses AddRouterLosses(Exec& exec, std::span<const RouterOutput> calls,
                             std::span<const Segment> sequences, const RouterLossOptions& options,
                             float share) {
  RouterLosses losses;
  if (calls.empty()) return losses;
  const float layer_share = share / static_cast<float>(calls.size());
  // loss(call, scale) of each layer, if it is asked for.
  const auto add = [&](double coefficient, double& mean, const auto& loss) {
    if (coefficient == 0) return;
    for (const RouterOutput& call : calls) {
      mean += loss(call, layer_share * static_cast<float>(coefficient)) /
              static_cast<double>(calls.size());
    }
  };
  if (options.pooled_balance && options.balance != 0) {
    losses.balance = BalanceLoss(exec, calls, share * static_cast<float>(options.balance));
  } else {
    add(options.balance, losses.balance, [&](const RouterOutput& call, float scale) {
      return BalanceLoss(exec, {&call, 1}, scale);
    });
  }
  const auto add_each = [&](double coefficient, double& mean, auto* loss) {
    add(coefficient, mean,
        [&](const RouterOutput& call, float scale) { return loss(exec, call, scale); });
  };
  add_each(options.z, losses.z, MeanZLoss);
  add_each(options.importance, losses.importance, ImportanceLoss);
  add_each(options.load, losses.load, LoadLoss);
  add_each(options.entropy, losses.entropy, EntropyLoss);
  add_each(options.mutual_information, losses.mutual_information, MutualInformationLoss);
  add(options.similarity, losses.similarity, [&](const RouterOutput& call, float scale) {
    return SimilarityLoss(exec, call, sequences, scale);
  });
  return losses;
}

}  // namespace moiety
