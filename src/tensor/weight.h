// WeightRef: how a model names one of its weights without knowing where the bytes live.
#ifndef MOIETY_TENSOR_WEIGHT_H_
#define MOIETY_TENSOR_WEIGHT_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace moiety {

// Weights that are needed together and so move together: one expert is a group, so is a layer's
// attention. The store (store/) keeps, fetches and evicts whole groups.
enum class WeightKind : uint8_t {
  kEmbedding,
  kAttention,
  kFeedForward,
  kRouter,
  kExpert,
  kNorm,
  kHead
};

struct WeightGroup {
  WeightKind kind = WeightKind::kEmbedding;
  int32_t layer = -1;  // -1: not part of a layer
  int32_t index = 0;   // the expert's number within its layer
  bool operator==(const WeightGroup&) const = default;
};

// How the rows of a matrix lie.
enum class BlockLayout : uint8_t {
  kRows,    // one after the other, as in files
  kPanels,  // in panels (quant/panels.h for blocks, quant/number_panels.h for numbers), as many as
            // there are; those behind the last one are rows
};

// One weight as the store keeps it.
struct Weight {
  std::string name;  // as in the checkpoint
  WeightGroup group;
  DType dtype = DType::kF32;
  Shape shape;  // [d_out, d_in] of a matrix, [n] of a vector
  // Elements of `dtype` in `layout`. Vectors (norm gains, biases) are
  // always widened to f32: they are small, and every kernel reads them as f32.
  const std::byte* data = nullptr;
  // Added to each element of a vector while it is loaded: some checkpoints keep a gain's distance
  // from 1.
  float offset = 0;
  BlockLayout layout = BlockLayout::kRows;
  // The matrix in bf16 with its rows in pairs [⌈d_out / 2⌉, d_in] (Bf16OuterMatmulArgs::b), as the
  // way back reads it; null unless training made one.
  const uint32_t* bf16_pairs = nullptr;
};

// A model's handle on a weight; cheap to copy, null where the model has none (no bias).
// Owned by the store, which must outlive it.
class WeightRef {
 public:
  WeightRef() = default;
  explicit WeightRef(const Weight* weight) : weight_(weight) {}
  explicit operator bool() const { return weight_ != nullptr; }
  const Weight* operator->() const { return weight_; }

  int64_t rows() const { return weight_->shape[0]; }
  int64_t cols() const { return weight_->shape[1]; }
  // Of a vector.
  const float* f32() const { return reinterpret_cast<const float*>(weight_->data); }

 private:
  const Weight* weight_ = nullptr;
};

}  // namespace moiety

#endif  // MOIETY_TENSOR_WEIGHT_H_
