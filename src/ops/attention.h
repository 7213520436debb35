// Causal self-attention with grouped key/value heads (Ainslie et al. 2023) over paged state.
#ifndef MOIETY_OPS_ATTENTION_H_
#define MOIETY_OPS_ATTENTION_H_

#include "ops/batch.h"
#include "ops/exec.h"
#include "ops/state.h"
#include "tensor/matrix.h"

namespace moiety {

inline constexpr int64_t kSpanTokens = 32 * kPageTokens;

// Writes the keys and values of the batch's rows into the pages of their sequences.
//   keys, values  [rows, num_kv_heads · head_dim], rotated already
void StoreKeysAndValues(Exec& exec, const Batch& batch, const StateLayout& layout, int64_t layer,
                        const Matrix& keys, const Matrix& values);

// out[t, h] = Σ_j softmax_j(q[t, h] · k[j, h'] · scale) v[j, h'], j over the positions of t's own
// sequence up to t (and no further back than the layer's window), h' = h / (num_heads /
// num_kv_heads).
//   queries [rows, num_heads · head_dim] → [rows, num_heads · head_dim]
// Keys are taken in tiles of kPageTokens from position 0, tiles in spans of kSpanTokens; each
// span's softmax starts anew, and spans are joined in order. So neither chunks nor threads change a
// bit.
Matrix Attend(Exec& exec, const Batch& batch, const StateLayout& layout, int64_t layer,
              const Matrix& queries, float scale);

}  // namespace moiety

#endif  // MOIETY_OPS_ATTENTION_H_
