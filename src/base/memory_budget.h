// MemoryBudget: the one accountant of memory. Whoever holds weights, caches, state or buffers asks
// here first, so `--memory` is a limit and not a hope.
#ifndef MOIETY_BASE_MEMORY_BUDGET_H_
#define MOIETY_BASE_MEMORY_BUDGET_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
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

  // The same, but nobody is asked to give anything back for it.
  Result<Reservation> ReserveFree(MemoryUse use, uint64_t bytes);

  // Who holds more than it must. Before a Reserve() for any other use fails, `give` is asked to
  // give back this many bytes of its own, or what it can, on the thread of that Reserve().
  struct Reclaimer {
    std::function<void(uint64_t bytes)> give;
    std::function<uint64_t()> could_give;  // how many bytes that may be; null: not known
  };
  // One for each use; of several, they are asked in the order of MemoryUse from the last to the
  // first, so cached pages go before weights that would have to be read again. Nullopt: none.
  void SetReclaim(MemoryUse use, std::optional<Reclaimer> reclaimer);

  // kUnlimited becomes a limit. Whoever sets it sees to what is reserved already.
  void SetLimit(uint64_t limit_bytes);
  uint64_t limit_bytes() const;
  // What Reserve() for `use` would find: what is free and what others could give.
  uint64_t obtainable_bytes(MemoryUse use) const;
  uint64_t used_bytes() const;
  uint64_t used_bytes(MemoryUse use) const;
  uint64_t peak_bytes() const;

 private:
  void Return(MemoryUse use, uint64_t bytes);
  void Reclaim(MemoryUse use, uint64_t bytes);
  uint64_t FreeBytes() const { return limit_ - std::min(limit_, total_); }

  uint64_t limit_;
  mutable std::mutex mutex_;
  std::array<uint64_t, kNumMemoryUses> used_{};
  uint64_t total_ = 0;
  uint64_t peak_ = 0;
  std::array<std::optional<Reclaimer>, kNumMemoryUses> reclaimers_;
};

}  // namespace moiety

#endif  // MOIETY_BASE_MEMORY_BUDGET_H_
