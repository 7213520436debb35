#include "moe/feed_forward.h"

#include <array>

#include "ops/elementwise.h"
#include "ops/linear.h"

namespace moiety {

Matrix RunFeedForward(Exec& exec, const Matrix& x, const FeedForward& ffn) {
  const Matrix gate = exec.NewMatrix(x.rows, ffn.gate.rows());
  const Matrix up = exec.NewMatrix(x.rows, ffn.up.rows());
  const std::array<LinearJob, 2> jobs = {{
      {x, ffn.gate, ffn.gate_bias, gate},
      {x, ffn.up, ffn.up_bias, up},
  }};
  LinearMany(exec, jobs);
  return Linear(exec, SiluMul(exec, gate, up), ffn.down, ffn.down_bias);
}

}  // namespace moiety
