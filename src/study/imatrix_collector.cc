#include "study/imatrix_collector.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/format.h"
#include "format/json.h"

namespace moiety {
namespace {

// Where a matrix of the store is in a tensor of GGUF.
struct Place {
  const GgufSourceTensor* tensor;
  int64_t matrix;
};

// Finds tensors of GGUF by where the bytes they are made of lie: names need no translation.
class Places {
 public:
  explicit Places(const GgufInput& input) {
    for (const GgufSourceTensor& tensor : input.tensors) {
      for (size_t i = 0; i < tensor.pieces.size(); ++i) {
        const TensorInfo& piece = tensor.pieces[i];
        by_place_[{piece.file, piece.offset}] = {&tensor, i};
      }
    }
  }

  // A piece is one matrix, or a stack of them.
  std::optional<Place> Find(const TensorInfo& matrix) const {
    auto it = by_place_.upper_bound({matrix.file, matrix.offset});
    if (it == by_place_.begin() || matrix.size_bytes == 0) return std::nullopt;
    const auto& [tensor, index] = std::prev(it)->second;
    const TensorInfo& piece = tensor->pieces[index];
    const uint64_t distance = matrix.offset - piece.offset;
    if (piece.file != matrix.file || distance + matrix.size_bytes > piece.size_bytes ||
        piece.size_bytes % matrix.size_bytes != 0 || distance % matrix.size_bytes != 0) {
      return std::nullopt;
    }
    const uint64_t per_piece = piece.size_bytes / matrix.size_bytes;
    return Place{tensor, static_cast<int64_t>(index * per_piece + distance / matrix.size_bytes)};
  }

 private:
  struct Piece {
    const GgufSourceTensor* tensor;
    size_t index;
  };
  std::map<std::pair<int32_t, uint64_t>, Piece> by_place_;
};

}  // namespace

Result<std::unique_ptr<ImatrixCollector>> ImatrixCollector::Create(const WeightStore& store,
                                                                   const GgufInput& input) {
  auto collector = std::make_unique<ImatrixCollector>();
  const Places places(input);
  for (const Weight& weight : store.weights()) {
    if (weight.shape.size() != 2) continue;
    const auto info = store.table().tensors.find(weight.name);
    const std::optional<Place> place =
        info == store.table().tensors.end() ? std::nullopt : places.Find(info->second);
    if (!place.has_value()) {
      return InvalidArgument(
          Format("tensor {} is not among those of the GGUF file that the model would be",
                 ShowJson(weight.name)));
    }
    const Shape& shape = place->tensor->shape;
    Sums& sums = collector->of_[place->tensor->name];
    if (sums.cols == 0) {
      sums.cols = shape.back();
      sums.counts.resize(shape.size() == 3 ? static_cast<size_t>(shape[0]) : 1);
      sums.sums.resize(sums.counts.size() * static_cast<size_t>(sums.cols));
    }
    collector->slots_[&weight] = {&sums, place->matrix};
  }
  return collector;
}

void ImatrixCollector::OnLinear(const Matrix& x, WeightRef w) {
  const auto slot = slots_.find(w.operator->());
  if (slot == slots_.end()) return;
  auto& [cols, counts, sums] = *slot->second.sums;
  const int64_t matrix = slot->second.matrix;
  counts[static_cast<size_t>(matrix)] += static_cast<double>(x.rows);
  double* const out = sums.data() + matrix * cols;
  for (int64_t i = 0; i < x.rows; ++i) {
    const float* const row = x.Row(i);
    for (int64_t j = 0; j < cols; ++j) {
      out[j] += static_cast<double>(row[j]) * static_cast<double>(row[j]);
    }
  }
}

Imatrix ImatrixCollector::Collected() const {
  Imatrix imatrix;
  for (const auto& [name, sums] : of_) {
    ImportanceSums& to = imatrix.of[name];
    to.cols = sums.cols;
    to.counts.assign(sums.counts.begin(), sums.counts.end());
    to.sums.assign(sums.sums.begin(), sums.sums.end());
  }
  return imatrix;
}

}  // namespace moiety
