#include "base/memory_budget.h"

#include <algorithm>

#include "base/format.h"

namespace moiety {

const char* MemoryUseName(MemoryUse use) {
  static constexpr std::array<const char*, kNumMemoryUses> kNames = {"weights", "KV cache",
                                                                     "buffers"};
  return kNames[static_cast<size_t>(use)];
}

MemoryBudget::Reservation& MemoryBudget::Reservation::operator=(Reservation&& other) noexcept {
  if (this != &other) {
    Release();
    budget_ = std::exchange(other.budget_, nullptr);
    use_ = other.use_;
    bytes_ = std::exchange(other.bytes_, 0);
  }
  return *this;
}

void MemoryBudget::Reservation::Release() {
  if (budget_ != nullptr) budget_->Return(use_, bytes_);
  budget_ = nullptr;
  bytes_ = 0;
}

void MemoryBudget::SetReclaim(MemoryUse use, std::function<void(uint64_t bytes)> reclaim) {
  const std::lock_guard lock(mutex_);
  reclaim_use_ = use;
  reclaim_ = std::move(reclaim);
}

// Makes room for `bytes` if there is too little.
void MemoryBudget::Reclaim(MemoryUse use, uint64_t bytes) {
  std::function<void(uint64_t bytes)> reclaim;
  uint64_t missing = 0;
  {
    const std::lock_guard lock(mutex_);
    // More than there is in all cannot be made free.
    if (bytes <= limit_ - total_ || bytes > limit_ || use == reclaim_use_) return;
    missing = bytes - (limit_ - total_);
    reclaim = reclaim_;
  }
  if (reclaim != nullptr) reclaim(missing);
}

Result<MemoryBudget::Reservation> MemoryBudget::Reserve(MemoryUse use, uint64_t bytes) {
  Reclaim(use, bytes);
  const std::lock_guard lock(mutex_);
  if (bytes > limit_ - total_) {
    return ResourceExhausted(Format("{} need {}, but {} of the memory limit of {} are in use",
                                    MemoryUseName(use), FormatBytes(bytes), FormatBytes(total_),
                                    FormatBytes(limit_)));
  }
  used_[static_cast<size_t>(use)] += bytes;
  total_ += bytes;
  peak_ = std::max(peak_, total_);
  return Reservation(this, use, bytes);
}

void MemoryBudget::Return(MemoryUse use, uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  used_[static_cast<size_t>(use)] -= bytes;
  total_ -= bytes;
}

uint64_t MemoryBudget::used_bytes() const {
  const std::lock_guard lock(mutex_);
  return total_;
}

uint64_t MemoryBudget::used_bytes(MemoryUse use) const {
  const std::lock_guard lock(mutex_);
  return used_[static_cast<size_t>(use)];
}

uint64_t MemoryBudget::peak_bytes() const {
  const std::lock_guard lock(mutex_);
  return peak_;
}

}  // namespace moiety
