// Selective precision (Fedus et al. 2022, "Switch transformers", section 2.4): some parts of a
// model multiply in bf16, with sums in f32, while the weights that training changes stay f32.
#ifndef MOIETY_TRAIN_PRECISION_H_
#define MOIETY_TRAIN_PRECISION_H_

#include <cstdint>
#include <span>
#include <vector>

#include "base/aligned.h"
#include "base/context.h"
#include "kernels/kernels.h"
#include "moiety/status.h"
#include "store/weight_store.h"
#include "tensor/weight.h"

namespace moiety {

// The matrices of some parts in bf16, as the way there and the way back read them, beside their f32
// values.
class Bf16Copies {
 public:
  // Of the matrices of a store whose kind is listed; their products then read the copies. Needs a
  // context that computes in bf16. The store must outlive this, and this its use.
  static Result<Bf16Copies> Of(WeightStore& store, std::span<const WeightKind> kinds,
                               Context& context);

  // Rounds the values once more: after each change of them.
  void Refresh(ThreadPool& pool);

 private:
  struct Copy {
    const float* values;  // [d_out, d_in]
    int64_t d_out;
    int64_t d_in;
    uint16_t* rounded;  // [d_out, d_in]
    uint32_t* pairs;    // Weight::bf16_pairs
  };
  const KernelTable* kernels_ = nullptr;
  std::vector<Copy> copies_;
  AlignedBytes memory_;
  MemoryBudget::Reservation reservation_;
};

}  // namespace moiety

#endif  // MOIETY_TRAIN_PRECISION_H_
