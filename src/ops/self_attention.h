// SelfAttention: what a layer does with its queries, keys and values.
#ifndef MOIETY_OPS_SELF_ATTENTION_H_
#define MOIETY_OPS_SELF_ATTENTION_H_

#include <cstdint>

#include "ops/batch.h"
#include "ops/exec.h"
#include "tensor/matrix.h"

namespace moiety {

// Writes keys and values into the pages of the batch's sequences, then attends (ops/attention.h).
//   queries       [rows, num_heads · head_dim], rotated already
//   keys, values  [rows, num_kv_heads · head_dim]
//   → [rows, num_heads · head_dim]
// With a tape, each segment must be a sequence from its first token: earlier ones would have no way
// back. The probabilities are then computed once more on the way back, tile by tile, as in Dao et
// al. 2022, "FlashAttention", algorithm 4: memory stays linear in the number of tokens.
Matrix SelfAttention(Exec& exec, const Batch& batch, int64_t layer, const Matrix& queries,
                     const Matrix& keys, const Matrix& values, float scale);

}  // namespace moiety

#endif  // MOIETY_OPS_SELF_ATTENTION_H_
