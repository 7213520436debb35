// ExpertStreamer: experts that live on disk and are brought into slots of memory when a layer asks
// for them. The slots are what the memory budget leaves: they are taken one by one as they are
// needed, and given back when the KV cache or the buffers of a step need the memory.
#ifndef MOIETY_STORE_EXPERT_STREAMER_H_
#define MOIETY_STORE_EXPERT_STREAMER_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "base/memory_budget.h"
#include "base/parallel.h"
#include "io/range_reader.h"
#include "moiety/status.h"
#include "store/cache_policy.h"
#include "store/expert_cache.h"
#include "store/expert_rates.h"
#include "store/expert_source.h"
#include "store/slot_memory.h"
#include "tensor/weight.h"

namespace moiety {

// A matrix of an expert and where its rows are.
struct StreamedMatrix {
  Weight* weight = nullptr;  // its data is set while the expert is in a slot, and null else
  int32_t file = 0;          // of the reader's
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

struct StreamedExpert {
  int32_t key = 0;  // of CacheShape
  std::vector<StreamedMatrix> matrices;
};

// Since the streamer was started.
struct StreamStats {
  uint64_t bytes_read = 0;  // by finished reads, what they read too much for whole blocks included
  CacheCounts counts;       // of experts that layers asked for: a step asks for each once
  double wait_seconds = 0;  // spent waiting with nothing to compute
  double read_seconds = 0;  // while any read was under way
  int64_t num_slots = 0;    // that have memory now
  int64_t num_experts = 0;  // that are streamed
  uint64_t slot_bytes = 0;
};

// Experts arrive as rows. Those that are used again are repacked into panels (quant/panels.h),
// which are computed faster, while the streamer would only wait for the disk.
class ExpertStreamer : public ExpertSource {
 public:
  // So that one expert can come in while another is computed.
  static constexpr int64_t kMinSlots = 2;

  ExpertStreamer() = default;
  ~ExpertStreamer() override;
  ExpertStreamer(const ExpertStreamer&) = delete;
  ExpertStreamer& operator=(const ExpertStreamer&) = delete;

  // Memory that holds any one of the experts.
  static uint64_t SlotBytes(std::span<const StreamedExpert> experts);

  // From now on the experts are streamed. The weights, the budget and the pool (null:
  // there is none) must outlive the streamer. Takes kMinSlots slots at once, or fails if the budget
  // or the machine does not have them.
  Status Start(const CacheShape& shape, std::vector<StreamedExpert> experts,
               std::unique_ptr<RangeReader> reader, std::unique_ptr<CachePolicy> policy,
               MemoryBudget& budget, ThreadPool* pool = nullptr);

  // Where counts of uses go when the streamer ends, for the next run's policy; `before` is what
  // earlier runs left, or null. After Start().
  void KeepRates(std::filesystem::path path, const ExpertRates* before);

  bool streams() const override { return reader_ != nullptr; }
  void Request(int64_t layer, std::span<const int32_t> experts) override;
  Result<std::span<const int32_t>> Next() override;
  void Finish() override;

  StreamStats stats() const;
  const RangeReader* reader() const { return reader_.get(); }

 private:
  enum class Place : uint8_t { kDisk, kComing, kSlot };
  // A range that is read at once: matrices that are neighbours.
  struct Range {
    int32_t file;
    uint64_t offset;
    uint64_t bytes;
    uint64_t at;  // where it begins in the slot
  };
  struct Entry {
    std::vector<StreamedMatrix> matrices;
    std::vector<uint64_t> at;  // where each begins in the slot
    std::vector<Range> ranges;
    Place place = Place::kDisk;
    bool in_rows = false;  // in a slot as it is in the file, though panels would be faster
    int32_t slot = -1;
    int32_t reads_left = 0;
    bool wanted = false;  // by the current Request(), and not handed out
    Status status;        // of reads
  };

  static uint64_t LayOut(std::span<const StreamedMatrix> matrices, std::vector<Range>& ranges,
                         std::vector<uint64_t>& at);
  Entry& entry(int32_t key) { return entries_[static_cast<size_t>(key)]; }
  // Gets memory for one more slot, if the budget has it to spare.
  Status AddSlot();
  // -1: every slot is in use.
  int32_t TakeSlot();
  void Evict(int32_t key);
  void StartReads();
  void CollectReads(bool wait);
  void Arrive(int32_t key);
  void Repack(int32_t key);
  bool RepackOne();
  void EndVisit();
  void GiveBack(uint64_t bytes);
  uint64_t CouldGive() const;

  mutable std::mutex mutex_;  // another thread's reservation may ask for memory
  CacheShape shape_;
  std::unique_ptr<RangeReader> reader_;  // null: nothing streams
  std::optional<ExpertRateCounter> counter_;
  std::filesystem::path rates_path_;
  std::unique_ptr<ExpertCache> cache_;  // experts that have a slot, or are coming into one
  MemoryBudget* budget_ = nullptr;
  ThreadPool* pool_ = nullptr;
  std::vector<Entry> entries_;  // by key; without matrices: not streamed
  SlotMemory memory_;
  std::vector<MemoryBudget::Reservation> reservations_;  // by slot
  std::vector<int32_t> unused_slots_;                    // without memory, the next last
  std::vector<int32_t> free_slots_;                      // with memory and no expert

  // The current visit, in keys.
  std::vector<int32_t> waiting_;  // for a slot, the next last
  std::vector<int32_t> ready_;
  std::vector<int32_t> handed_;
  std::vector<int32_t> handed_experts_;  // their numbers within the layer
  int64_t num_left_ = 0;                 // not handed out
  Status failed_;
  std::vector<RangeDone> done_;
  std::deque<int32_t> used_again_;  // experts in rows that were asked for again, perhaps gone since
  StreamStats stats_;
  std::chrono::steady_clock::time_point read_start_;  // since when any read is under way
};

}  // namespace moiety

#endif  // MOIETY_STORE_EXPERT_STREAMER_H_
