// "noisy_topk": top-k of logits with learned noise, so that close experts take turns while
// training.
//
//   H_e = (x · gateᵀ)_e + ε · noise · softplus(x · noiseᵀ)_e,  ε ~ N(0, 1),  S = the k largest of H
//   weight_e = softmax over S of H_e
//
// Shazeer et al. 2017, "Outrageously large neural networks", equations 3 to 5. Without a tape there
// is no noise: then it is topk, renormalised.
#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "base/exact_math.h"
#include "base/random_field.h"
#include "ops/linear.h"
#include "ops/softmax.h"
#include "routing/choices.h"
#include "routing/strategies/strategies.h"

namespace moiety {
namespace {

// factor · log(1 + e^x)
Matrix ScaledSoftplus(Exec& exec, const Matrix& x, float factor) {
  const Matrix y = exec.NewMatrix(x.rows, x.cols);
  if (!exec.ok()) return {};
  for (int64_t i = 0; i < x.size(); ++i) {
    const auto v = static_cast<double>(x.data[i]);
    // log(1 + e^x) = max(x, 0) + log(1 + e^-|x|): e^-|x| is at most 1.
    y.data[i] =
        factor * static_cast<float>(std::max(v, 0.0) + ExactLog(1 + ExactExp(-std::abs(v))));
  }
  exec.Record(x, y, [x, factor](const Matrix& dy, const Matrix& dx) {
    for (int64_t i = 0; i < x.size(); ++i) {
      dx.data[i] += factor * dy.data[i] / (1 + Exp(-x.data[i]));
    }
  });
  return y;
}

// logits + noise ∘ deviation
Matrix AddNoise(Exec& exec, const Matrix& logits, const Matrix& deviation,
                std::vector<float> noise) {
  const Matrix y = exec.NewMatrix(logits.rows, logits.cols);
  if (!exec.ok()) return {};
  for (int64_t i = 0; i < y.size(); ++i) {
    y.data[i] = logits.data[i] + noise[static_cast<size_t>(i)] * deviation.data[i];
  }
  exec.Record(logits, y,
              [tape = exec.tape(), deviation, noise = std::move(noise)](const Matrix& dy,
                                                                        const Matrix& dlogits) {
                const Matrix ddeviation = tape->Gradient(deviation);
                if (ddeviation.data == nullptr) return;
                for (int64_t i = 0; i < dy.size(); ++i) {
                  dlogits.data[i] += dy.data[i];
                  ddeviation.data[i] += dy.data[i] * noise[static_cast<size_t>(i)];
                }
              });
  return y;
}

class NoisyTopKRouter : public Router {
 public:
  NoisyTopKRouter(const RouterOptions& options, int64_t d_model)
      : options_(options), d_model_(d_model) {}
  int64_t gate_rows() const override { return options_.num_experts; }
  std::vector<RouterWeight> weights() const override {
    return {{kNoiseWeight, {options_.num_experts, d_model_}}};
  }

  void Route(Exec& exec, const RouterInput& input, RouterOutput& out) const override {
    out.Reset(input, options_.num_experts);
    out.logits = input.logits;
    const bool noisy = exec.tape() != nullptr;
    const Matrix keys = noisy ? Noisy(exec, input, out) : input.logits;
    out.scores = Softmax(exec, keys);
    if (!exec.ok()) return;
    ChooseTop(keys, options_.top_k, out);
    WeighChoices(exec, input, options_, out);
  }

 private:
  Matrix Noisy(Exec& exec, const RouterInput& input, RouterOutput& out) const {
    const TrainingNoise& noise = exec.tape()->noise();
    const RandomField field(noise.seed, noise.step, static_cast<uint32_t>(RouterDraw::kNoise),
                            input.layer);
    std::vector<float> draws;
    draws.reserve(static_cast<size_t>(input.logits.size()));
    for (const Segment& s : Sequences(input, input.logits.rows)) {
      for (int64_t i = 0; i < s.count * options_.num_experts; ++i) {
        draws.push_back(static_cast<float>(field.Normal(noise.first_sequence + s.sequence,
                                                        s.position + i / options_.num_experts,
                                                        i % options_.num_experts)));
      }
    }
    out.deviation = ScaledSoftplus(exec, Linear(exec, input.x, input.weights[0]),
                                   static_cast<float>(options_.noise));
    if (!exec.ok()) return {};
    out.noisy_logits = AddNoise(exec, input.logits, out.deviation, std::move(draws));
    return out.noisy_logits;
  }

  RouterOptions options_;
  int64_t d_model_;
};

}  // namespace

Result<std::unique_ptr<const Router>> MakeNoisyTopKRouter(const RouterOptions& options,
                                                          int64_t d_model) {
  MOIETY_RETURN_IF_ERROR(CheckTopK("noisy_topk", options));
  RouterOptions renormalized = options;
  renormalized.renormalize = true;  // a softmax over the chosen ones
  return std::unique_ptr<const Router>(std::make_unique<NoisyTopKRouter>(renormalized, d_model));
}

}  // namespace moiety
