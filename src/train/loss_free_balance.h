// Balancing without a loss (Wang et al. 2024, "Auxiliary-loss-free load balancing strategy for
// mixture-of-experts", algorithm 1): after each step the bias of an expert that was chosen less
// than the mean rises by `rate`, that of one that was chosen more falls by it.
#ifndef MOIETY_TRAIN_LOSS_FREE_BALANCE_H_
#define MOIETY_TRAIN_LOSS_FREE_BALANCE_H_

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "routing/router.h"
#include "train/parameters.h"

namespace moiety {

class LossFreeBalance {
 public:
  LossFreeBalance() = default;
  // For the parameters named kCorrectionBias, one per MoE layer in their order; there may be none.
  // `parameters` must outlive this.
  LossFreeBalance(Parameters& parameters, double rate);

  // Counts the choices of a call, those that found no room too.
  void Observe(int64_t layer, const RouterOutput& routed);
  // Moves the biases by what was observed since the last of these two calls.
  void Update();
  // Forgets it: of a step that was not taken.
  void Skip() { demand_.clear(); }

 private:
  std::vector<std::span<float>> biases_;
  float rate_ = 0;
  std::map<int64_t, std::vector<int64_t>> demand_;  // by layer
};

}  // namespace moiety

#endif  // MOIETY_TRAIN_LOSS_FREE_BALANCE_H_
