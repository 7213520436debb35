// Linear: the only operation that reads weight matrices.
#ifndef MOIETY_OPS_LINEAR_H_
#define MOIETY_OPS_LINEAR_H_

#include <cstdint>
#include <span>

#include "kernels/kernels.h"
#include "ops/exec.h"
#include "tensor/matrix.h"
#include "tensor/weight.h"

namespace moiety {

// Whether vectors may have this type: F32, F16, BF16. Matrices may have any weight type (quant/).
bool IsVectorType(DType dtype);

// y = x · wᵀ + bias; with weights in blocks, x is rounded to int8 first
// (KernelTable::block_matmul).
//   x [rows, d_in], w [d_out, d_in], bias [d_out] or null → [rows, d_out]
Matrix Linear(Exec& exec, const Matrix& x, WeightRef w, WeightRef bias = {});

// One product of many that run together; see LinearMany.
struct LinearJob {
  Matrix x;  // [rows, d_in]
  WeightRef w;
  WeightRef bias;
  Matrix y;  // [rows, d_out], allocated by the caller
};
// All products of the list as one parallel loop: a small product does not leave threads idle. With
// a tape, inputs of different jobs are the same rows or do not overlap.
void LinearMany(Exec& exec, std::span<const LinearJob> jobs);

// What a gated layer does to its gate.
enum class Activation : uint8_t {
  kSilu,      // g / (1 + exp(-g))
  kGeluTanh,  // ½ g (1 + tanh(√(2/π) (g + 0.044715 g³)))
};

// activation(x · gateᵀ + gate_bias) · (x · upᵀ + up_bias) (Shazeer 2020).
struct GatedLinearJob {
  Matrix x;             // [rows, d_in]
  WeightRef gate;       // [d_out, d_in]
  WeightRef gate_bias;  // [d_out] or null
  WeightRef up;
  WeightRef up_bias;
  Matrix y;  // [rows, d_out], allocated by the caller
  Activation activation = Activation::kSilu;
};
void GatedLinearMany(Exec& exec, std::span<const GatedLinearJob> jobs);

// Rows of the table `w` [vocab, d_model] for each id, widened to f32 → [ids, d_model].
// Fails with kInvalidArgument for an id outside the table.
Matrix Embed(Exec& exec, std::span<const int32_t> ids, WeightRef w);

// out[i] = x[rows[i]].   x [·, cols], rows inside it → [rows, cols]
Matrix SelectRows(Exec& exec, const Matrix& x, std::span<const int32_t> rows);

}  // namespace moiety

#endif  // MOIETY_OPS_LINEAR_H_
