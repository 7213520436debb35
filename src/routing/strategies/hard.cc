// "hard": a token goes to one expert with weight 1, so the loss says nothing of the gate; two
// estimators make a gradient for it:
//
//   straight_through  e = argmax p; the way back takes the weight for p_e (Bengio et al. 2013,
//                     "Estimating or propagating gradients through stochastic neurons")
//   reinforce         e ~ p while training; d logits = (loss_t - mean loss) · ∇ log p_e
//                     (Williams 1992, section 4; as in Clark et al. 2022, "Unified scaling laws for
//                     routed language models", section 2.1.3)
//
// with p = softmax(x · gateᵀ). Without a tape e = argmax p.
#include <algorithm>
#include <vector>

#include "base/format.h"
#include "base/random_field.h"
#include "ops/softmax.h"
#include "routing/choices.h"
#include "routing/strategies/strategies.h"

namespace moiety {
namespace {

class HardRouter : public Router {
 public:
  explicit HardRouter(const RouterOptions& options) : options_(options) {}
  int64_t gate_rows() const override { return options_.num_experts; }

  void Route(Exec& exec, const RouterInput& input, RouterOutput& out) const override {
    out.Reset(input, options_.num_experts);
    out.logits = input.logits;
    out.scores = Softmax(exec, input.logits);
    const Matrix weights = exec.NewMatrix(input.logits.rows, 1);
    if (!exec.ok()) return;
    std::fill_n(weights.data, weights.size(), 1.0F);
    const bool reinforce = options_.estimator == ChoiceEstimator::kReinforce;
    if (reinforce && exec.tape() != nullptr) {
      Sample(*exec.tape(), input, out);
      Reinforce(exec, out);
    } else {
      ChooseTop(input.logits, 1, out);
      exec.Record(out.scores, weights,
                  [routed = out.routed](const Matrix& dweights, const Matrix& dscores) {
                    for (const RoutedToken& choice : routed) {
                      dscores.Row(choice.token)[choice.expert] += dweights.data[choice.token];
                    }
                  });
    }
    SetWeights(exec, weights, out);
  }

 private:
  // An expert of each row, by its probability.
  void Sample(const Tape& tape, const RouterInput& input, RouterOutput& out) const {
    const TrainingNoise& noise = tape.noise();
    const RandomField field(noise.seed, noise.step, static_cast<uint32_t>(RouterDraw::kSample),
                            input.layer);
    for (const Segment& s : Sequences(input, input.logits.rows)) {
      for (int64_t i = 0; i < s.count; ++i) {
        const float* const p = out.scores.Row(s.begin + i);
        double left = field.Uniform(noise.first_sequence + s.sequence, s.position + i, 0);
        int32_t expert = 0;
        // What rounding leaves of the sum goes to the last one.
        while (expert + 1 < out.num_experts && left >= static_cast<double>(p[expert])) {
          left -= static_cast<double>(p[expert++]);
        }
        out.routed.push_back({static_cast<int32_t>(s.begin + i), expert, 0});
      }
    }
  }

  static void Reinforce(Exec& exec, const RouterOutput& out) {
    exec.tape()->Record(
        [tape = exec.tape(), logits = out.logits, scores = out.scores, routed = out.routed] {
          const std::vector<float>& advantages = tape->row_advantages();
          const Matrix dlogits = tape->Gradient(logits);
          if (advantages.empty() || dlogits.data == nullptr) return;
          for (const RoutedToken& choice : routed) {
            const float advantage = advantages[static_cast<size_t>(choice.token)];
            float* const d = dlogits.Row(choice.token);
            for (int64_t e = 0; e < scores.cols; ++e)
              d[e] -= advantage * scores.Row(choice.token)[e];
            d[choice.expert] += advantage;
          }
        });
  }

  RouterOptions options_;
};

}  // namespace

Result<std::unique_ptr<const Router>> MakeHardRouter(const RouterOptions& options, int64_t) {
  MOIETY_RETURN_IF_ERROR(CheckTopK("hard", options));
  if (options.top_k != 1) {
    return InvalidArgument(Format(
        "router hard: top_k must be 1, found {}: a token goes to one expert", options.top_k));
  }
  return std::unique_ptr<const Router>(std::make_unique<HardRouter>(options));
}

}  // namespace moiety
