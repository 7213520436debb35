#include "train/gradient_tree.h"

#include <algorithm>
#include <cstdint>
#include <new>
#include <utility>

#include "base/format.h"

namespace moiety {
namespace {

constexpr int64_t kTreeChunk = 65536;

}  // namespace

void GradientTree::AddTo(std::span<const float> from, std::span<float> to) {
  const auto count = static_cast<int64_t>(to.size());
  pool_.ParallelFor((count + kTreeChunk - 1) / kTreeChunk, [&](int64_t task) {
    const auto end = static_cast<size_t>(std::min(count, (task + 1) * kTreeChunk));
    for (auto i = static_cast<size_t>(task * kTreeChunk); i < end; ++i) to[i] += from[i];
  });
}

Status GradientTree::Add(std::span<float> gradient) {
  size_t level = 0;
  for (; level < levels_.size() && levels_[level].used; ++level) {
    AddTo({levels_[level].sum.get(), gradient.size()}, gradient);
    levels_[level].used = false;
  }
  if (level == levels_.size()) {
    Level next;
    const size_t bytes = gradient.size() * sizeof(float);
    MOIETY_ASSIGN_OR_RETURN(next.reservation, budget_.Reserve(MemoryUse::kBuffers, bytes));
    next.sum.reset(new (std::nothrow) float[gradient.size()]);
    if (next.sum == nullptr) {
      return ResourceExhausted(
          Format("out of memory: no {} for the sum of gradients", FormatBytes(bytes)));
    }
    levels_.push_back(std::move(next));
  }
  std::copy(gradient.begin(), gradient.end(), levels_[level].sum.get());
  levels_[level].used = true;
  std::fill(gradient.begin(), gradient.end(), 0.0F);
  return OkStatus();
}

void GradientTree::Finish(std::span<float> gradient) {
  std::fill(gradient.begin(), gradient.end(), 0.0F);
  for (Level& level : levels_) {
    if (std::exchange(level.used, false)) AddTo({level.sum.get(), gradient.size()}, gradient);
  }
}

}  // namespace moiety
