// The memory of sequences: pages of keys and values, shared where sequences begin alike.
#ifndef MOIETY_RUNTIME_KV_PAGES_H_
#define MOIETY_RUNTIME_KV_PAGES_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <span>
#include <vector>

#include "base/aligned.h"
#include "base/memory_budget.h"
#include "moiety/status.h"
#include "ops/state.h"
#include "runtime/prefix_cache.h"

namespace moiety {

struct KvPageLimits {
  int64_t max_pages = 0;  // at once, cached ones included; 0: as the memory budget allows
  // Of pages that no sequence holds any more, kept for sequences that begin like theirs.
  uint64_t max_cached_bytes = uint64_t{256} << 20;
};

// Hands out pages of one StateLayout, counts who holds them and takes them back. Pages are
// allocated when first needed. What nobody holds is kept for reuse, and if it was published, with
// its contents: the least recently used of those go when pages or memory run out, so caching never
// makes anything fail. Used by the thread that drives the engine; only the memory budget may ask it
// for memory on another one.
class KvPagePool {
 public:
  KvPagePool(StateLayout layout, MemoryBudget& budget, const KvPageLimits& limits = {});
  ~KvPagePool();
  KvPagePool(const KvPagePool&) = delete;
  KvPagePool& operator=(const KvPagePool&) = delete;

  // A page with one holder. Fails when the budget, the limit or the machine has no more.
  Result<PageId> Take();
  void Share(PageId page);   // one more holder
  void Return(PageId page);  // one less

  std::byte* data(PageId page) const { return slots_[static_cast<size_t>(page)].memory.get(); }
  bool is_shared(PageId page) const { return slots_[static_cast<size_t>(page)].holders > 1; }

  // Makes a full page that the caller holds findable as the one with these ids after node `before`
  // (PrefixCache), and returns its node. If another page is known as that already, the caller gets
  // it instead: `page` changes, and the holder with it.
  int64_t Publish(int64_t before, std::span<const int32_t> ids, PageId& page);
  // Forgets what a page held, because that will change.
  void Unpublish(PageId page);
  // The node and the page that Publish() made known, or kNone. The caller becomes a holder.
  struct Found {
    int64_t node = PrefixCache::kNone;
    PageId page = -1;
  };
  Found FindAndShare(int64_t before, std::span<const int32_t> ids);

  // Forgets the contents of all pages that nobody holds.
  void DropCached();

  // Pages that Take() can hand out: free, cached, or within limits not yet allocated (the
  // machine may have less).
  int64_t num_available() const;
  int64_t num_held() const;    // by sequences
  int64_t num_cached() const;  // by nobody, with their contents

  int64_t NextSequence() { return num_sequences_++; }
  const StateLayout& layout() const { return layout_; }
  uint64_t page_bytes() const { return layout_.page_bytes; }

 private:
  struct Slot {
    AlignedBytes memory;  // null: given back
    MemoryBudget::Reservation reservation;
    int64_t holders = 0;
    int64_t node = PrefixCache::kNone;
    std::list<PageId>::iterator cached;  // in cached_, while nobody holds it and it has a node
  };

  Slot& slot(PageId page) { return slots_[static_cast<size_t>(page)]; }
  void Allocate(AlignedBytes memory, MemoryBudget::Reservation reservation);
  void DropLeastRecent();
  void GiveBack(uint64_t bytes);

  const StateLayout layout_;
  MemoryBudget& budget_;
  const KvPageLimits limits_;
  mutable std::mutex mutex_;
  std::vector<Slot> slots_;
  std::vector<PageId> free_;   // have memory
  std::vector<PageId> empty_;  // have none
  std::list<PageId> cached_;   // least recently used first
  PrefixCache prefixes_;
  int64_t num_sequences_ = 0;
};

// The state of one sequence: its tokens and the pages that hold their keys and values. Gives its
// pages back when destroyed; the pool must outlive it.
class Sequence {
 public:
  explicit Sequence(KvPagePool& pool) : pool_(pool), number_(pool.NextSequence()) {}
  ~Sequence() { Truncate(0); }
  Sequence(const Sequence&) = delete;
  Sequence& operator=(const Sequence&) = delete;

  // Counts the sequences of a pool from 0: what observers know it by.
  int64_t number() const { return number_; }
  int64_t length() const { return static_cast<int64_t>(ids_.size()); }
  std::span<const int32_t> ids() const { return ids_; }
  std::span<std::byte* const> pages() const { return pages_; }

  // Makes room for `count` more tokens. A page that another sequence shares is copied before it is
  // written to. On failure the sequence is as before.
  Status Reserve(int64_t count);
  // Adds tokens whose keys and values have been written.
  void Advance(std::span<const int32_t> ids);
  // Forgets all but the first `length` tokens, and what was reserved.
  void Truncate(int64_t length);

  // Makes the pages that are full findable for sequences that begin alike.
  void Publish();
  // An empty sequence takes the pages of the longest known beginning of `ids`; at least one id is
  // left to compute, so that there are logits. Returns how many tokens that gives.
  int64_t AdoptPrefix(std::span<const int32_t> ids);
  // An empty sequence becomes a second one with the tokens of `other` (of the same pool).
  void Fork(const Sequence& other);

 private:
  void Push(PageId page);
  Status MakeLastPageWritable();

  KvPagePool& pool_;
  int64_t number_;
  std::vector<int32_t> ids_;
  std::vector<PageId> page_ids_;
  std::vector<std::byte*> pages_;  // the same, where they are
  std::vector<int64_t> nodes_;     // of the first pages, those that are published
};

}  // namespace moiety

#endif  // MOIETY_RUNTIME_KV_PAGES_H_
