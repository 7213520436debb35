#include "train/precision.h"

#include <algorithm>
#include <utility>

#include "base/format.h"
#include "kernels/kernels.h"
#include "tensor/dtype.h"

namespace moiety {
namespace {

constexpr int64_t kCopiedRowsPerTask = 64;
static_assert(kCopiedRowsPerTask % 2 == 0);

}  // namespace

Result<Bf16Copies> Bf16Copies::Of(WeightStore& store, std::span<const WeightKind> kinds,
                                  Context& context) {
  Bf16Copies copies;
  if (kinds.empty()) return copies;
  if (context.compute != ComputeType::kBF16 || context.kernels.matmul_bf16 == nullptr) {
    return Unsupported(Format(
        "training in bf16 needs a processor with AVX-512 BF16 or AMX; the {} kernels here have no "
        "bf16 products",
        context.kernels.isa));
  }
  std::vector<WeightRef> weights;
  size_t bytes = 0;
  const auto rounded_bytes = [](WeightRef w) {
    return RoundUp(static_cast<size_t>(w.rows() * w.cols()) * sizeof(uint16_t), kCacheLineBytes);
  };
  const auto pairs_bytes = [](WeightRef w) {
    return RoundUp(static_cast<size_t>((w.rows() + 1) / 2 * w.cols()) * sizeof(uint32_t),
                   kCacheLineBytes);
  };
  for (const Weight& weight : store.weights()) {
    const bool listed = std::find(kinds.begin(), kinds.end(), weight.group.kind) != kinds.end();
    if (!listed || weight.shape.size() != 2) continue;
    weights.emplace_back(&weight);
    bytes += rounded_bytes(weights.back()) + pairs_bytes(weights.back());
  }
  if (bytes == 0) return copies;
  MOIETY_ASSIGN_OR_RETURN(copies.reservation_, context.budget.Reserve(MemoryUse::kWeights, bytes));
  copies.memory_ = AllocateAligned(bytes);
  if (copies.memory_ == nullptr) {
    return ResourceExhausted(
        Format("out of memory: no {} for weights in bf16", FormatBytes(bytes)));
  }
  std::byte* next = copies.memory_.get();
  for (const WeightRef weight : weights) {
    auto* const rounded = reinterpret_cast<uint16_t*>(next);
    auto* const pairs = reinterpret_cast<uint32_t*>(next + rounded_bytes(weight));
    next += rounded_bytes(weight) + pairs_bytes(weight);
    copies.copies_.push_back(
        {store.Values(weight).data(), weight.rows(), weight.cols(), rounded, pairs});
    store.ReadInBf16(weight, rounded, pairs);
  }
  copies.kernels_ = &context.kernels;
  copies.Refresh(context.pool);
  return copies;
}

void Bf16Copies::Refresh(ThreadPool& pool) {
  std::vector<int64_t> num_tasks;
  for (const Copy& copy : copies_) {
    num_tasks.push_back((copy.d_out + kCopiedRowsPerTask - 1) / kCopiedRowsPerTask);
  }
  ParallelForJobs(pool, num_tasks, [&](size_t index, int64_t task) {
    const Copy& copy = copies_[index];
    const int64_t begin = task * kCopiedRowsPerTask;
    const int64_t end = std::min(copy.d_out, begin + kCopiedRowsPerTask);
    for (int64_t row = begin; row < end; row += 2) {
      const float* const first = copy.values + row * copy.d_in;
      const float* const second = row + 1 < copy.d_out ? first + copy.d_in : nullptr;
      kernels_->pair_bf16(first, second, copy.d_in, copy.pairs + row / 2 * copy.d_in);
    }
    kernels_->round_bf16(copy.values + begin * copy.d_in, (end - begin) * copy.d_in,
                         copy.rounded + begin * copy.d_in);
  });
}

}  // namespace moiety
