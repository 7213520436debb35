#include "moe/feed_forward.h"

#include "ops/linear.h"

namespace moiety {

Matrix RunFeedForward(Exec& exec, const Matrix& x, const FeedForward& ffn) {
  const Matrix hidden = exec.NewMatrix(x.rows, ffn.gate.rows());
  const GatedLinearJob job = {x,           ffn.gate, ffn.gate_bias, ffn.up,
                              ffn.up_bias, hidden,   ffn.activation};
  GatedLinearMany(exec, {&job, 1});
  return Linear(exec, hidden, ffn.down, ffn.down_bias);
}

}  // namespace moiety
