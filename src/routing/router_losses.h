// All that is asked of routers beside the choice of good experts.
#ifndef MOIETY_ROUTING_ROUTER_LOSSES_H_
#define MOIETY_ROUTING_ROUTER_LOSSES_H_

#include <array>
#include <span>
#include <string_view>

#include "ops/batch.h"
#include "ops/exec.h"
#include "routing/router.h"

namespace moiety {

// Coefficients; what has 0 is not computed.
struct RouterLossOptions {
  double balance = 0;             // routing/balance_loss.h
  double z = 0;                   // mean over tokens of log²(Σ exp(logits)), see ops/losses.h
  double importance = 0;          // routing/importance_loss.h
  double load = 0;                // as that
  double entropy = 0;             // routing/specialisation_losses.h
  double mutual_information = 0;  // as that
  double similarity = 0;          // as that
  bool pooled_balance = false;    // over all layers' tokens together, as transformers has it
};

// Without their coefficients.
struct RouterLosses {
  double balance = 0;
  double z = 0;
  double importance = 0;
  double load = 0;
  double entropy = 0;
  double mutual_information = 0;
  double similarity = 0;
};

// What configs, logs and reports call them.
struct RouterLossInfo {
  std::string_view name;
  double RouterLossOptions::*coefficient;
  double RouterLosses::*value;
};
inline constexpr std::array kRouterLosses = {
    RouterLossInfo{"balance_loss", &RouterLossOptions::balance, &RouterLosses::balance},
    RouterLossInfo{"z_loss", &RouterLossOptions::z, &RouterLosses::z},
    RouterLossInfo{"importance_loss", &RouterLossOptions::importance, &RouterLosses::importance},
    RouterLossInfo{"load_loss", &RouterLossOptions::load, &RouterLosses::load},
    RouterLossInfo{"entropy_loss", &RouterLossOptions::entropy, &RouterLosses::entropy},
    RouterLossInfo{"mutual_information_loss", &RouterLossOptions::mutual_information,
                   &RouterLosses::mutual_information},
    RouterLossInfo{"similarity_loss", &RouterLossOptions::similarity, &RouterLosses::similarity},
};

// Each the mean over `calls`, one per layer over the same tokens (but for a pooled balance), where
// `sequences` are the rows that belong together. With a tape, adds the gradient of
// `share` · Σ coefficient · loss to those of what they are computed from.
RouterLosses AddRouterLosses(Exec& exec, std::span<const RouterOutput> calls,
                             std::span<const Segment> sequences, const RouterLossOptions& options,
                             float share);

}  // namespace moiety

#endif  // MOIETY_ROUTING_ROUTER_LOSSES_H_
