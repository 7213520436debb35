// TestExpert: a feed-forward network with random weights, and what it computes in double.
#ifndef MOIETY_TESTS_SUPPORT_EXPERT_H_
#define MOIETY_TESTS_SUPPORT_EXPERT_H_

#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

#include "moe/feed_forward.h"
#include "support/owned_weight.h"

namespace moiety {

struct TestExpert {
  TestExpert(int64_t d_model, int64_t d_expert, uint64_t seed, DType dtype = DType::kF32,
             bool bias = false)
      : gate(OwnedWeight::Random({d_expert, d_model}, 8 * seed, dtype)),
        up(OwnedWeight::Random({d_expert, d_model}, 8 * seed + 1, dtype)),
        down(OwnedWeight::Random({d_model, d_expert}, 8 * seed + 2, dtype)) {
    if (!bias) return;
    gate_bias = OwnedWeight::Random({d_expert}, 8 * seed + 3);
    up_bias = OwnedWeight::Random({d_expert}, 8 * seed + 4);
    down_bias = OwnedWeight::Random({d_model}, 8 * seed + 5);
  }

  FeedForward ffn() const {
    const auto ref = [](const std::optional<OwnedWeight>& w) { return w ? w->ref() : WeightRef(); };
    return {gate.ref(), up.ref(), down.ref(), ref(gate_bias), ref(up_bias), ref(down_bias)};
  }

  // down(silu(gate(x)) · up(x)) of one row.
  std::vector<double> Apply(const float* x) const {
    const int64_t d_expert = gate.ref().rows();
    const int64_t d_model = gate.ref().cols();
    std::vector<double> y(static_cast<size_t>(d_model), 0.0);
    if (down_bias) {
      for (int64_t i = 0; i < d_model; ++i) y[static_cast<size_t>(i)] = down_bias->at(i);
    }
    for (int64_t j = 0; j < d_expert; ++j) {
      double g = gate_bias ? gate_bias->at(j) : 0;
      double u = up_bias ? up_bias->at(j) : 0;
      for (int64_t k = 0; k < d_model; ++k) {
        g += gate.at(j, k) * static_cast<double>(x[k]);
        u += up.at(j, k) * static_cast<double>(x[k]);
      }
      const double hidden = g / (1 + std::exp(-g)) * u;
      for (int64_t i = 0; i < d_model; ++i) y[static_cast<size_t>(i)] += down.at(i, j) * hidden;
    }
    return y;
  }

  // How far f32 may be from Apply(), for inputs and weights of magnitude ≤ 1 and small biases: gate
  // and up are sums of m = d_model + 1 terms, each with (m / 16 + 6) roundings; both errors are
  // multiplied by the other (≤ m) and summed over d_expert, whose sum rounds again.
  static double Tolerance(int64_t d_model, int64_t d_expert) {
    const auto m = static_cast<double>(d_model + 1);
    const auto n = static_cast<double>(d_expert);
    return n * m * m * (2 * (m / 16 + 6) + 6 + n / 16 + 6) * 0x1p-24;
  }

  OwnedWeight gate;
  OwnedWeight up;
  OwnedWeight down;
  std::optional<OwnedWeight> gate_bias;
  std::optional<OwnedWeight> up_bias;
  std::optional<OwnedWeight> down_bias;
};

}  // namespace moiety

#endif  // MOIETY_TESTS_SUPPORT_EXPERT_H_
