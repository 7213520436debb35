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

// A value and a bound for the error of computing it in f32.
struct Bounded {
  double value = 0;
  double error = 0;
};

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

  // As ffn() has them; those without biases lack them.
  std::vector<const OwnedWeight*> weights() const {
    std::vector<const OwnedWeight*> all = {&gate, &up, &down};
    for (const auto* bias : {&gate_bias, &up_bias, &down_bias}) {
      if (*bias) all.push_back(&**bias);
    }
    return all;
  }

  // down(silu(gate(x)) · up(x)) of one row, and how far f32 may be from it: every sum of m terms
  // rounds at most m / 16 + 6 times (lane sum and bias) relative to the sum of its terms'
  // magnitudes, errors pass on by the derivative (that of silu is below 1.1), silu and the product
  // add their own.
  std::vector<Bounded> Apply(const float* x) const {
    const int64_t d_expert = gate.ref().rows();
    const int64_t d_model = gate.ref().cols();
    std::vector<Bounded> y(static_cast<size_t>(d_model));
    for (int64_t i = 0; i < d_model; ++i) {
      Bounded& out = y[static_cast<size_t>(i)];
      out.value = down_bias ? down_bias->at(i) : 0;
      out.error = SumError(d_expert) * std::abs(out.value);
    }
    for (int64_t j = 0; j < d_expert; ++j) {
      const Bounded g = Dot(gate, gate_bias, j, x);
      const Bounded u = Dot(up, up_bias, j, x);
      const double silu = g.value / (1 + std::exp(-g.value));
      const double hidden = silu * u.value;
      const double error = std::abs(u.value) * 1.1 * g.error + std::abs(silu) * u.error +
                           (1.2e-7 + 4 * 0x1p-24) * std::abs(hidden);
      for (int64_t i = 0; i < d_model; ++i) {
        Bounded& out = y[static_cast<size_t>(i)];
        out.value += down.at(i, j) * hidden;
        // Twice: products of two errors.
        out.error += 2 * std::abs(down.at(i, j)) * (error + SumError(d_expert) * std::abs(hidden));
      }
    }
    return y;
  }

  OwnedWeight gate;
  OwnedWeight up;
  OwnedWeight down;
  std::optional<OwnedWeight> gate_bias;
  std::optional<OwnedWeight> up_bias;
  std::optional<OwnedWeight> down_bias;

 private:
  static double SumError(int64_t terms) { return (static_cast<double>(terms) / 16 + 6) * 0x1p-24; }
  static Bounded Dot(const OwnedWeight& w, const std::optional<OwnedWeight>& bias, int64_t row,
                     const float* x) {
    Bounded sum;
    sum.value = bias ? bias->at(row) : 0;
    double magnitude = std::abs(sum.value);
    for (int64_t k = 0; k < w.ref().cols(); ++k) {
      const double product = w.at(row, k) * static_cast<double>(x[k]);
      sum.value += product;
      magnitude += std::abs(product);
    }
    sum.error = SumError(w.ref().cols()) * magnitude;
    return sum;
  }
};

}  // namespace moiety

#endif  // MOIETY_TESTS_SUPPORT_EXPERT_H_
