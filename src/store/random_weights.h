// Weights that nobody trained, for measuring a shape without a file of it.
#ifndef MOIETY_STORE_RANDOM_WEIGHTS_H_
#define MOIETY_STORE_RANDOM_WEIGHTS_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/parallel.h"
#include "tensor/dtype.h"

namespace moiety {

struct RandomWeights {
  DType dtype = DType::kBF16;  // of matrices: kF32, kF16 or kBF16
  uint64_t seed = 1;
  float standard_deviation = 0.02F;  // what models are initialised with: activations stay finite
  bool trained = false;              // they are to be changed: matrices stay rows
};

// Fills to[0, count) with values of `dtype`, uniform with mean 0 and that standard deviation, one
// of 65,536 values each. They depend on the seed and the name alone, not on threads or on other
// weights.
void FillRandomMatrix(ThreadPool& pool, const RandomWeights& random, std::string_view name,
                      int64_t count, std::byte* to);

// The same in f32 for a bias, a name that ends with ".bias". Vectors that are a ".weight" are the
// gains of norms: 1. Others are 0.
void FillRandomVector(ThreadPool& pool, const RandomWeights& random, std::string_view name,
                      int64_t count, float* to);

}  // namespace moiety

#endif  // MOIETY_STORE_RANDOM_WEIGHTS_H_
