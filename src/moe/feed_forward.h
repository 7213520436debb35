// FeedForward: the network of one expert, or of a dense layer.
#ifndef MOIETY_MOE_FEED_FORWARD_H_
#define MOIETY_MOE_FEED_FORWARD_H_

#include "ops/exec.h"
#include "ops/linear.h"
#include "tensor/matrix.h"
#include "tensor/weight.h"

namespace moiety {

// down(activation(gate(x)) · up(x)); biases may be null.
struct FeedForward {
  WeightRef gate;  // [d_expert, d_model]
  WeightRef up;    // [d_expert, d_model]
  WeightRef down;  // [d_model, d_expert]
  WeightRef gate_bias;
  WeightRef up_bias;
  WeightRef down_bias;
  Activation activation = Activation::kSilu;
};

// x [rows, d_model] → [rows, d_model]
Matrix RunFeedForward(Exec& exec, const Matrix& x, const FeedForward& ffn);

}  // namespace moiety

#endif  // MOIETY_MOE_FEED_FORWARD_H_
