// Noise that training adds on purpose. Without a tape, and where its share is 0, these return x.
#ifndef MOIETY_OPS_TRAINING_NOISE_H_
#define MOIETY_OPS_TRAINING_NOISE_H_

#include <cstdint>
#include <span>

#include "ops/batch.h"
#include "ops/exec.h"
#include "tensor/matrix.h"

namespace moiety {

// Each element times a number of its own from [1 - e, 1 + e), e being the tape's router_jitter
// (Fedus et al. 2022, "Switch transformers", section 2.4).
//   x [rows of the batch, n] → [rows, n]
Matrix RouterJitter(Exec& exec, const Matrix& x, const Batch& batch, int64_t layer);

// Each element 0 with probability p, the tape's expert_dropout, else divided by 1 - p (Srivastava
// et al. 2014; within experts: Fedus et al. 2022, section 2.4).
//   x [n, d_expert], tokens [n] the row of the batch that each row is of; a token's rows get
//   different numbers → [n, d_expert]
Matrix ExpertDropout(Exec& exec, const Matrix& x, std::span<const int32_t> tokens,
                     const Batch& batch, int64_t layer);

}  // namespace moiety

#endif  // MOIETY_OPS_TRAINING_NOISE_H_
