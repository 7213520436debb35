// Arena: memory of one forward step. Allocating is a pointer bump; everything is given back at
// once.
#ifndef MOIETY_BASE_ARENA_H_
#define MOIETY_BASE_ARENA_H_

#include <cstddef>
#include <vector>

#include "base/aligned.h"
#include "base/memory_budget.h"
#include "moiety/status.h"

namespace moiety {

// Chunks stay with the arena over Release(), so the second step of a size allocates nothing.
// Not thread-safe.
class Arena {
 public:
  struct Mark {
    size_t chunk = 0;
    size_t used = 0;
  };

  explicit Arena(MemoryBudget& budget) : budget_(budget) {}
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // `bytes` of uninitialised memory on a cache line, valid until a Release() to an earlier mark.
  // Fails when the budget or the machine has no more.
  Result<std::byte*> Allocate(size_t bytes);

  Mark mark() const { return {chunk_, used_}; }
  // Gives back what was allocated since `mark`; Release({}) gives back everything.
  void Release(Mark mark);

 private:
  struct Chunk {
    AlignedBytes memory;
    size_t size = 0;
    MemoryBudget::Reservation reservation;
  };

  MemoryBudget& budget_;
  std::vector<Chunk> chunks_;
  size_t chunk_ = 0;  // index of the chunk in use
  size_t used_ = 0;   // bytes used of it
};

}  // namespace moiety

#endif  // MOIETY_BASE_ARENA_H_
