// The memory of sequences: pages of keys and values.
#ifndef MOIETY_RUNTIME_KV_PAGES_H_
#define MOIETY_RUNTIME_KV_PAGES_H_

#include <cstdint>
#include <span>
#include <vector>

#include "base/aligned.h"
#include "base/memory_budget.h"
#include "moiety/status.h"
#include "ops/state.h"

namespace moiety {

// Hands out pages of one StateLayout and takes them back. Pages are allocated when first needed and
// kept for reuse. Not thread-safe: used by the thread that drives the engine.
class KvPagePool {
 public:
  KvPagePool(const StateLayout& layout, MemoryBudget& budget) : layout_(layout), budget_(budget) {}
  KvPagePool(const KvPagePool&) = delete;
  KvPagePool& operator=(const KvPagePool&) = delete;

  Result<float*> Take();  // fails when the budget or the machine has no more
  void Return(float* page) { free_.push_back(page); }

  int64_t NextSequence() { return num_sequences_++; }
  const StateLayout& layout() const { return layout_; }
  uint64_t page_bytes() const { return static_cast<uint64_t>(layout_.page_values) * sizeof(float); }

 private:
  struct Slot {
    AlignedBytes memory;
    MemoryBudget::Reservation reservation;
  };
  const StateLayout& layout_;
  MemoryBudget& budget_;
  std::vector<Slot> slots_;
  std::vector<float*> free_;
  int64_t num_sequences_ = 0;
};

// The state of one sequence: how many tokens it has and the pages that hold them. Gives its pages
// back when destroyed; the pool must outlive it.
class Sequence {
 public:
  explicit Sequence(KvPagePool& pool) : pool_(pool), number_(pool.NextSequence()) {}
  ~Sequence() { Truncate(0); }
  Sequence(const Sequence&) = delete;
  Sequence& operator=(const Sequence&) = delete;

  // Counts the sequences of a pool from 0: what observers know it by.
  int64_t number() const { return number_; }
  int64_t length() const { return length_; }
  std::span<float* const> pages() const { return pages_; }

  // Makes room for `count` more tokens. On failure the sequence is as before.
  Status Reserve(int64_t count);
  // Counts `count` tokens whose keys and values have been written.
  void Advance(int64_t count) { length_ += count; }
  // Forgets all but the first `length` tokens.
  void Truncate(int64_t length);

 private:
  KvPagePool& pool_;
  int64_t number_;
  std::vector<float*> pages_;
  int64_t length_ = 0;
};

}  // namespace moiety

#endif  // MOIETY_RUNTIME_KV_PAGES_H_
