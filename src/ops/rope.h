// Rotary position embedding (Su et al. 2021) and its context extensions.
#ifndef MOIETY_OPS_ROPE_H_
#define MOIETY_OPS_ROPE_H_

#include <cstdint>
#include <vector>

#include "ops/batch.h"
#include "ops/exec.h"
#include "tensor/matrix.h"

namespace moiety {

// How fast each pair of dimensions turns, and what cos and sin are multiplied by.
struct RopeTable {
  std::vector<float> inverse_frequencies;  // [head_dim / 2], radians per token
  float attention_factor = 1.0F;           // yarn
  bool interleaved = false;                // pairs are neighbours, (2i, 2i + 1)
};

// θ^(-2i/d) for i < d/2; the base of all variants.  d even
std::vector<double> RopeFrequencies(double theta, int64_t head_dim);

// Position interpolation (Chen et al. 2023): all frequencies divided by `factor`.
void ScaleRopeLinear(std::vector<double>& frequencies, double factor);

// Llama 3.1: long waves are slowed by `factor`, short ones are kept, those between are blended.
struct Llama3RopeScaling {
  double factor = 1;
  double low_freq_factor = 1;
  double high_freq_factor = 4;
  double original_context = 8192;
};
void ScaleRopeLlama3(std::vector<double>& frequencies, const Llama3RopeScaling& scaling);

// YaRN (Peng et al. 2023, section 3): dimensions that turn more than `beta_fast` times over the
// original context are kept, those below `beta_slow` interpolated, a ramp lies between.
struct YarnRopeScaling {
  double factor = 1;
  double beta_fast = 32;
  double beta_slow = 1;
  double original_context = 4096;
  bool truncate = true;  // round the ends of the ramp to whole dimensions
};
void ScaleRopeYarn(std::vector<double>& frequencies, double theta, const YarnRopeScaling& scaling);
// 0.1 · m · ln(factor) + 1 for factor > 1, else 1.
double YarnMscale(double factor, double m);

// The table as the kernels use it: rounded to f32 once.
RopeTable MakeRopeTable(const std::vector<double>& frequencies, double attention_factor);

// cos and sin of each row of a batch; made once per step, used by all its layers.
struct RopeAngles {
  Matrix cos;  // [rows, head_dim / 2]
  Matrix sin;
  bool interleaved = false;
};
RopeAngles ComputeRopeAngles(Exec& exec, const Batch& batch, const RopeTable& table);

// Rotates every head of x [rows, heads · head_dim]; consumes x. Pairs are (i, i + head_dim / 2).
// Interleaved pairs are brought there first and stay: scores of queries and keys are the same sums.
Matrix ApplyRope(Exec& exec, const Matrix& x, const RopeAngles& angles);

}  // namespace moiety

#endif  // MOIETY_OPS_ROPE_H_
