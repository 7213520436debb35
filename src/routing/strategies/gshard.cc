// "gshard": the two best experts, the second by chance: the less it would count, the less often a
// token is sent there while training. Capacity is counted in groups of tokens: the sequences.
//
//   p = softmax(x · gateᵀ), e1 and e2 the two largest, g = p_e / (p_e1 + p_e2)
//   to e1 with g_e1; to e2 with g_e2 if 2 · g_e2 > u, u ~ U[0, 1)
//
// Lepikhin et al. 2020, "GShard", algorithm 1; choices find room in token order here, so that no
// token depends on a later one. Without a tape every token goes to both.
#include <algorithm>
#include <vector>

#include "base/format.h"
#include "base/random_field.h"
#include "ops/linear.h"
#include "ops/softmax.h"
#include "routing/choices.h"
#include "routing/strategies/strategies.h"

namespace moiety {
namespace {

class GshardRouter : public Router {
 public:
  explicit GshardRouter(const RouterOptions& options) : options_(options) {}
  int64_t gate_rows() const override { return options_.num_experts; }

  void Route(Exec& exec, const RouterInput& input, RouterOutput& out) const override {
    out.Reset(input, options_.num_experts);
    out.logits = input.logits;
    out.scores = Softmax(exec, input.logits);
    if (!exec.ok()) return;
    ChooseTop(input.logits, 2, out);
    Matrix weights = NormalizeChoices(exec, TakeChoices(exec, out.scores, out.routed), out.routed);
    out.weight_sum = 1;
    if (exec.tape() != nullptr && exec.ok()) {
      KeepChoices(exec, Drawn(exec, input, weights), weights, out);
      KeepChoices(exec, ChoicesWithRoom(input, options_.capacity_factor, 2, out), weights, out);
    }
    SetWeights(exec, weights, out);
  }

 private:
  // Each token's first choice, and its second if it is drawn.
  std::vector<int32_t> Drawn(Exec& exec, const RouterInput& input, const Matrix& weights) const {
    const TrainingNoise& noise = exec.tape()->noise();
    const RandomField field(noise.seed, noise.step,
                            static_cast<uint32_t>(RouterDraw::kSecondExpert), input.layer);
    std::vector<int32_t> kept;
    for (const Segment& s : Sequences(input, input.logits.rows)) {
      for (int64_t i = 0; i < s.count; ++i) {
        const auto first = static_cast<int32_t>(2 * (s.begin + i));
        const auto second = static_cast<double>(weights.data[first + 1]);
        kept.push_back(first);
        if (2 * second > field.Uniform(noise.first_sequence + s.sequence, s.position + i, 0)) {
          kept.push_back(first + 1);
        }
      }
    }
    return kept;
  }

  RouterOptions options_;
};

}  // namespace

Result<std::unique_ptr<const Router>> MakeGshardRouter(const RouterOptions& options, int64_t) {
  MOIETY_RETURN_IF_ERROR(CheckTopK("gshard", options));
  if (options.top_k != 2) {
    return InvalidArgument(Format(
        "router gshard: top_k must be 2, found {}: a first and a second expert", options.top_k));
  }
  return std::unique_ptr<const Router>(std::make_unique<GshardRouter>(options));
}

}  // namespace moiety
