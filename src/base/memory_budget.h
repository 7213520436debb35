// MemoryBudget: the one accountant of memory. Whoever holds weights, caches, state or buffers asks
// here first, so `--memory` is a limit and not a hope.
#ifndef MOIETY_BASE_MEMORY_BUDGET_H_
#define MOIETY_BASE_MEMORY_BUDGET_H_

#include <array>
#include <cstdint>
#include <functional>
#include <mutex>
#include <utility>

#include "moiety/status.h"

namespace moiety {

enum class MemoryUse { kWeights, kKvCache, kBuffers };
inline constexpr int kNumMemoryUses = 3;
const char* MemoryUseName(MemoryUse use);

class MemoryBudget {
 public:
  static constexpr uint64_t kUnlimited = UINT64_MAX;

  // A part of the budget, given back when it goes out of scope. The budget must outlive it.
  class Reservation {
   public:
    Reservation() = default;
    Reservation(Reservation&& other) noexcept { *this = std::move(other); }
    Reservation& operator=(Reservation&& other) noexcept;
    ~Reservation() { Release(); }
    uint64_t bytes() const { return bytes_; }
    void Release();

   private:
    friend class MemoryBudget;
    Reservation(MemoryBudget* budget, MemoryUse use, uint64_t bytes)
        : budget_(budget), use_(use), bytes_(bytes) {}
    MemoryBudget* budget_ = nullptr;
    MemoryUse use_ = MemoryUse::kBuffers;
    uint64_t bytes_ = 0;
  };

  explicit MemoryBudget(uint64_t limit_bytes = kUnlimited) : limit_(limit_bytes) {}

  // Fails with kResourceExhausted, naming what is wanted, what is in use and the limit; then
  // nothing changes. Thread-safe.
  Result<Reservation> Reserve(MemoryUse use, uint64_t bytes);

  // Before a Reserve() for any other use fails, `reclaim` is asked to give back this many bytes of
  // `use`, or what it can. It is called on the thread of that Reserve(). Null: none.
  void SetReclaim(MemoryUse use, std::function<void(uint64_t bytes)> reclaim);

  uint64_t limit_bytes() const { return limit_; }
  uint64_t used_bytes() const;
  uint64_t used_bytes(MemoryUse use) const;
  uint64_t peak_bytes() const;

 private:
  void Return(MemoryUse use, uint64_t bytes);
  void Reclaim(MemoryUse use, uint64_t bytes);

  const uint64_t limit_;
  mutable std::mutex mutex_;
  std::array<uint64_t, kNumMemoryUses> used_{};
  uint64_t total_ = 0;
  uint64_t peak_ = 0;
  MemoryUse reclaim_use_ = MemoryUse::kBuffers;
  std::function<void(uint64_t bytes)> reclaim_;
};

}  // namespace moiety

#endif  // MOIETY_BASE_MEMORY_BUDGET_H_
