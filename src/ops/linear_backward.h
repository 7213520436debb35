// The way back of products: the gradients of their inputs, weights and biases.
#ifndef MOIETY_OPS_LINEAR_BACKWARD_H_
#define MOIETY_OPS_LINEAR_BACKWARD_H_

#include <span>

#include "ops/exec.h"
#include "ops/linear.h"

namespace moiety {

// For each job that received a gradient dy, all as one parallel loop:
//   dx += dy · w,  dw += dyᵀ · x,  dbias += Σ rows of dy
// Jobs of the same input or weight add to its gradient in their order. Weights are F32, F16 or
// BF16.
//
// Where the forward product was one of bf16 with bf16 (Exec::compute), so are these, if the weight
// is there in pairs (Weight::bf16_pairs); sums are in f32.
void LinearManyBackward(Exec& exec, std::span<const LinearJob> jobs);

}  // namespace moiety

#endif  // MOIETY_OPS_LINEAR_BACKWARD_H_
