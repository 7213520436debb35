// Losses: numbers that training makes small. With a tape, computing one adds its gradient to those
// of the values it is computed from, so losses need no step on the way back.
#ifndef MOIETY_OPS_LOSSES_H_
#define MOIETY_OPS_LOSSES_H_

#include <cstdint>
#include <span>

#include "ops/exec.h"
#include "tensor/matrix.h"

namespace moiety {

// A target of no consequence: its row is left out.
inline constexpr int32_t kIgnoredTarget = -1;

// Σ over rows of -log softmax(logits)[target], in nats. The loss counts `scale` times:
//   d logits += scale · (softmax(logits) - onehot(target))
//   logits [rows, vocab_size], targets [rows], each below vocab_size or kIgnoredTarget
//   row_losses  empty, or [rows]: the terms of the sum, 0 where the target is ignored
double CrossEntropy(Exec& exec, const Matrix& logits, std::span<const int32_t> targets, float scale,
                    std::span<double> row_losses = {});

// Σ over rows of log²(Σ exp(logits)), the z-loss of Zoph et al. 2022, "ST-MoE", equation 5 without
// the mean. The loss counts `scale` times: d logits += scale · 2 log(Σ exp) · softmax(logits).
double SquaredLogSumExp(Exec& exec, const Matrix& logits, float scale);

}  // namespace moiety

#endif  // MOIETY_OPS_LOSSES_H_
