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

void MemoryBudget::SetReclaim(MemoryUse use, std::optional<Reclaimer> reclaimer) {
  const std::lock_guard lock(mutex_);
  reclaimers_[static_cast<size_t>(use)] = std::move(reclaimer);
}

// Makes room for `bytes` if there is too little.
void MemoryBudget::Reclaim(MemoryUse use, uint64_t bytes) {
  for (size_t i = reclaimers_.size(); i-- > 0;) {
    std::optional<Reclaimer> reclaimer;
    uint64_t missing = 0;
    {
      const std::lock_guard lock(mutex_);
      // More than there is in all cannot be made free.
      if (bytes <= FreeBytes() || bytes > limit_) return;
      missing = bytes - FreeBytes();
      if (i != static_cast<size_t>(use)) reclaimer = reclaimers_[i];
    }
    // Without the lock: what is given back comes through Return().
    if (reclaimer.has_value()) reclaimer->give(missing);
  }
}

Result<MemoryBudget::Reservation> MemoryBudget::Reserve(MemoryUse use, uint64_t bytes) {
  Reclaim(use, bytes);
  return ReserveFree(use, bytes);
}

Result<MemoryBudget::Reservation> MemoryBudget::ReserveFree(MemoryUse use, uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (bytes > FreeBytes()) {
    return ResourceExhausted(Format("{} need {}, but {} of the memory limit of {} are in use",
                                    MemoryUseName(use), FormatBytes(bytes), FormatBytes(total_),
                                    FormatBytes(limit_)));
  }
  used_[static_cast<size_t>(use)] += bytes;
  total_ += bytes;
  peak_ = std::max(peak_, total_);
  return Reservation(this, use, bytes);
}

void MemoryBudget::SetLimit(uint64_t limit_bytes) {
  const std::lock_guard lock(mutex_);
  limit_ = limit_bytes;
}

uint64_t MemoryBudget::limit_bytes() const {
  const std::lock_guard lock(mutex_);
  return limit_;
}

uint64_t MemoryBudget::obtainable_bytes(MemoryUse use) const {
  std::array<std::optional<Reclaimer>, kNumMemoryUses> reclaimers;
  uint64_t bytes = 0;
  {
    const std::lock_guard lock(mutex_);
    if (limit_ == kUnlimited) return kUnlimited;
    bytes = FreeBytes();
    reclaimers = reclaimers_;
  }
  for (size_t i = 0; i < reclaimers.size(); ++i) {
    if (i == static_cast<size_t>(use) || !reclaimers[i].has_value()) continue;
    if (reclaimers[i]->could_give != nullptr) bytes += reclaimers[i]->could_give();
  }
  return bytes;
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
