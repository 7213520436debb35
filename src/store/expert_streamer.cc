#include "store/expert_streamer.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/format.h"
#include "quant/block_format.h"
#include "quant/weight_panels.h"
#include "tensor/dtype.h"

namespace moiety {
namespace {

// Ranges with no more than this between them are read as one.
constexpr uint64_t kMaxGapBytes = 4096;
// While experts wait for slots, no more than this many are handed out at once: reading goes on when
// they are given back.
constexpr size_t kFewExperts = 4;

// Kernels read whole numbers; blocks from anywhere.
uint64_t AlignmentOf(DType dtype) { return IsBlockFormat(dtype) ? 1 : DTypeBlockBytes(dtype); }

bool IsAligned(const StreamedMatrix& m) { return m.offset % AlignmentOf(m.weight->dtype) == 0; }

}  // namespace

// Where the matrices of an expert go in a slot; returns the slot's bytes. A matrix that is not on a
// whole number in its file has a range of its own, in which it is moved.
uint64_t ExpertStreamer::LayOut(std::span<const StreamedMatrix> matrices,
                                std::vector<Range>& ranges, std::vector<uint64_t>& at) {
  std::vector<size_t> order(matrices.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::pair(matrices[a].file, matrices[a].offset) <
           std::pair(matrices[b].file, matrices[b].offset);
  });
  ranges.clear();
  at.resize(matrices.size());
  std::vector<size_t> range_of(matrices.size());
  bool may_grow = false;
  for (const size_t i : order) {
    const StreamedMatrix& m = matrices[i];
    Range* const last = ranges.empty() ? nullptr : &ranges.back();
    if (may_grow && IsAligned(m) && last->file == m.file &&
        m.offset - (last->offset + last->bytes) <= kMaxGapBytes) {
      last->bytes = m.offset + m.bytes - last->offset;
    } else {
      ranges.push_back({m.file, m.offset, m.bytes, 0});
      may_grow = IsAligned(m);
    }
    range_of[i] = ranges.size() - 1;
  }
  uint64_t bytes = 0;
  for (Range& range : ranges) {
    range.at = bytes;
    bytes += ReadMemoryBytes(range.offset, range.bytes);
  }
  for (size_t i = 0; i < matrices.size(); ++i) {
    const Range& range = ranges[range_of[i]];
    at[i] = range.at + OffsetInRead(range.offset) + (matrices[i].offset - range.offset);
  }
  return bytes;
}

uint64_t ExpertStreamer::SlotBytes(std::span<const StreamedExpert> experts) {
  uint64_t most = 0;
  std::vector<Range> ranges;
  std::vector<uint64_t> at;
  for (const StreamedExpert& expert : experts) {
    most = std::max(most, LayOut(expert.matrices, ranges, at));
  }
  return most;
}

ExpertStreamer::~ExpertStreamer() {
  if (budget_ != nullptr) budget_->SetReclaim(MemoryUse::kWeights, std::nullopt);
  reader_.reset();  // first: it writes to the slots
  // It only makes a next run faster, and there is nobody to tell.
  if (counter_.has_value()) (void)WriteExpertRates(rates_path_, shape_, counter_->rates());
}

Status ExpertStreamer::Start(const CacheShape& shape, std::vector<StreamedExpert> experts,
                             std::unique_ptr<RangeReader> reader,
                             std::unique_ptr<CachePolicy> policy, MemoryBudget& budget,
                             ThreadPool* pool) {
  MOIETY_CHECK(reader_ == nullptr && !experts.empty());
  shape_ = shape;
  budget_ = &budget;
  pool_ = pool;
  stats_.slot_bytes = SlotBytes(experts);
  stats_.num_experts = static_cast<int64_t>(experts.size());
  entries_.resize(static_cast<size_t>(shape.num_keys()));
  for (StreamedExpert& expert : experts) {
    Entry& e = entry(expert.key);
    e.matrices = std::move(expert.matrices);
    LayOut(e.matrices, e.ranges, e.at);
  }
  const auto max_slots = std::max(stats_.num_experts, kMinSlots);
  if (!memory_.Map(stats_.slot_bytes, static_cast<uint64_t>(max_slots))) {
    return ResourceExhausted(Format("out of memory: no addresses for {} experts of {}",
                                    experts.size(), FormatBytes(stats_.slot_bytes)));
  }
  reservations_.resize(static_cast<size_t>(max_slots));
  for (int64_t slot = max_slots; slot-- > 0;) unused_slots_.push_back(static_cast<int32_t>(slot));
  while (stats_.num_slots < kMinSlots) MOIETY_RETURN_IF_ERROR(AddSlot());
  cache_ = std::make_unique<ExpertCache>(shape, std::move(policy));
  reader_ = std::move(reader);
  budget.SetReclaim(MemoryUse::kWeights,
                    MemoryBudget::Reclaimer{[this](uint64_t bytes) { GiveBack(bytes); },
                                            [this] { return CouldGive(); }});
  return OkStatus();
}

void ExpertStreamer::KeepRates(std::filesystem::path path, const ExpertRates* before) {
  rates_path_ = std::move(path);
  counter_.emplace(shape_, before);
}

void ExpertStreamer::Request(int64_t layer, std::span<const int32_t> experts) {
  const std::lock_guard lock(mutex_);
  EndVisit();
  std::vector<int32_t> keys;
  for (const int32_t expert : experts) {
    keys.push_back(static_cast<int32_t>(layer * shape_.num_experts) + expert);
  }
  cache_->policy().OnVisit(layer, keys);
  if (counter_.has_value()) counter_->OnVisit(layer, keys);
  CollectReads(false);  // of an earlier visit that ended early
  num_left_ = static_cast<int64_t>(keys.size());
  for (const int32_t key : keys) {
    Entry& e = entry(key);
    if (e.matrices.empty()) {  // it has none of its own: it is in memory
      ready_.push_back(key);
      continue;
    }
    e.wanted = true;
    if (e.place == Place::kDisk) {
      ++stats_.counts.misses;
      waiting_.push_back(key);
      continue;
    }
    ++stats_.counts.hits;
    if (e.place == Place::kComing) continue;  // has a pin
    cache_->Pin(key);
    ready_.push_back(key);
    if (e.in_rows) used_again_.push_back(key);
  }
  // With nothing to read there is nothing to wait for, and what is computed is what counts.
  if (waiting_.empty() && reader_->num_pending() == 0) {
    for (const int32_t key : ready_) Repack(key);
  }
  std::reverse(waiting_.begin(), waiting_.end());
  StartReads();
}

Status ExpertStreamer::AddSlot() {
  if (unused_slots_.empty()) return ResourceExhausted("every expert has a slot");
  MOIETY_ASSIGN_OR_RETURN(MemoryBudget::Reservation reservation,
                          budget_->ReserveFree(MemoryUse::kWeights, stats_.slot_bytes));
  const int32_t slot = unused_slots_.back();
  unused_slots_.pop_back();
  reservations_[static_cast<size_t>(slot)] = std::move(reservation);
  free_slots_.push_back(slot);
  ++stats_.num_slots;
  return OkStatus();
}

int32_t ExpertStreamer::TakeSlot() {
  if (free_slots_.empty() && !AddSlot().ok()) {
    const std::optional<int32_t> victim = cache_->Victim();
    if (!victim.has_value()) return -1;
    Evict(*victim);
  }
  const int32_t slot = free_slots_.back();
  free_slots_.pop_back();
  return slot;
}

void ExpertStreamer::Evict(int32_t key) {
  Entry& e = entry(key);
  for (const StreamedMatrix& m : e.matrices) m.weight->data = nullptr;
  cache_->Erase(key);
  free_slots_.push_back(std::exchange(e.slot, -1));
  e.place = Place::kDisk;
  e.in_rows = false;
  ++stats_.counts.evictions;
}

void ExpertStreamer::StartReads() {
  while (!waiting_.empty()) {
    const int32_t slot = TakeSlot();
    if (slot < 0) return;
    const int32_t key = waiting_.back();
    waiting_.pop_back();
    Entry& e = entry(key);
    e.slot = slot;
    e.place = Place::kComing;
    e.status = OkStatus();
    e.reads_left = static_cast<int32_t>(e.ranges.size());
    cache_->Insert(key);
    cache_->Pin(key);  // until it is here, and then until it was used
    if (reader_->num_pending() == 0) read_start_ = std::chrono::steady_clock::now();
    for (const Range& range : e.ranges) {
      reader_->Submit({range.file, range.offset, range.bytes, memory_.slot(slot) + range.at,
                       static_cast<uint64_t>(key)});
    }
  }
}

void ExpertStreamer::CollectReads(bool wait) {
  if (reader_->num_pending() == 0) return;
  done_.clear();
  const auto start = std::chrono::steady_clock::now();
  reader_->Collect(wait, done_);
  const auto end = std::chrono::steady_clock::now();
  if (wait) stats_.wait_seconds += std::chrono::duration<double>(end - start).count();
  if (reader_->num_pending() == 0) {
    stats_.read_seconds += std::chrono::duration<double>(end - read_start_).count();
  }
  for (RangeDone& done : done_) {
    const auto key = static_cast<int32_t>(done.tag);
    Entry& e = entry(key);
    if (e.status.ok()) e.status = std::move(done.status);
    if (--e.reads_left == 0) Arrive(key);
  }
}

void ExpertStreamer::Arrive(int32_t key) {
  Entry& e = entry(key);
  const bool wanted = std::exchange(e.wanted, false);
  if (!e.status.ok()) {
    if (wanted && failed_.ok()) failed_ = e.status;
    cache_->Erase(key);
    free_slots_.push_back(std::exchange(e.slot, -1));
    e.place = Place::kDisk;
    return;
  }
  for (const Range& range : e.ranges) {
    stats_.bytes_read += ReadMemoryBytes(range.offset, range.bytes);
  }
  std::byte* const slot = memory_.slot(e.slot);
  for (size_t i = 0; i < e.matrices.size(); ++i) {
    const StreamedMatrix& m = e.matrices[i];
    std::byte* data = slot + e.at[i];
    if (!IsAligned(m)) {
      std::byte* const from = data;
      data -= e.at[i] % AlignmentOf(m.weight->dtype);
      std::memmove(data, from, m.bytes);
    }
    m.weight->data = data;
    m.weight->layout = BlockLayout::kRows;
    e.in_rows = e.in_rows || HasPanels(m.weight->dtype, m.weight->shape);
  }
  e.place = Place::kSlot;
  if (wanted) {
    ready_.push_back(key);
  } else {
    cache_->Unpin(key);
  }
}

// Panels are made of the same bytes as their rows, so they take their place.
void ExpertStreamer::Repack(int32_t key) {
  Entry& e = entry(key);
  if (!std::exchange(e.in_rows, false)) return;
  for (const StreamedMatrix& m : e.matrices) {
    if (!HasPanels(m.weight->dtype, m.weight->shape)) continue;
    std::byte* const slot = memory_.slot(e.slot);
    MakePanelsInPlace(m.weight->dtype, m.weight->shape, slot + (m.weight->data - slot), pool_);
    m.weight->layout = BlockLayout::kPanels;
  }
}

// Repacks an expert that was used again; false if there is none.
bool ExpertStreamer::RepackOne() {
  while (!used_again_.empty()) {
    const int32_t key = used_again_.front();
    used_again_.pop_front();
    if (entry(key).place != Place::kSlot || !entry(key).in_rows) continue;
    Repack(key);
    return true;
  }
  return false;
}

Result<std::span<const int32_t>> ExpertStreamer::Next() {
  const std::lock_guard lock(mutex_);
  for (const int32_t key : handed_) {
    if (!entry(key).matrices.empty()) cache_->Unpin(key);
  }
  handed_.clear();
  handed_experts_.clear();
  // What came for an earlier visit gives slots to this one.
  CollectReads(false);
  StartReads();
  while (ready_.empty() && num_left_ > 0 && failed_.ok()) {
    if (reader_->num_pending() == 0) {
      failed_ = ResourceExhausted("out of memory: no slot for an expert");
      break;
    }
    CollectReads(!RepackOne());
    StartReads();
  }
  if (!failed_.ok()) {
    Status failed = std::exchange(failed_, OkStatus());
    EndVisit();
    return failed;
  }
  const size_t count = waiting_.empty() ? ready_.size() : std::min(ready_.size(), kFewExperts);
  handed_.assign(ready_.begin(), ready_.begin() + static_cast<ptrdiff_t>(count));
  ready_.erase(ready_.begin(), ready_.begin() + static_cast<ptrdiff_t>(count));
  num_left_ -= static_cast<int64_t>(count);
  for (const int32_t key : handed_) {
    entry(key).wanted = false;
    handed_experts_.push_back(static_cast<int32_t>(key % shape_.num_experts));
  }
  return std::span<const int32_t>(handed_experts_);
}

void ExpertStreamer::Finish() {
  const std::lock_guard lock(mutex_);
  EndVisit();
}

void ExpertStreamer::EndVisit() {
  for (std::vector<int32_t>* keys : {&handed_, &ready_}) {
    for (const int32_t key : *keys) {
      if (entry(key).matrices.empty()) continue;
      entry(key).wanted = false;
      cache_->Unpin(key);
    }
    keys->clear();
  }
  for (const int32_t key : waiting_) entry(key).wanted = false;
  waiting_.clear();
  // Those that are still coming come, and stay as long as they are worth it.
  if (num_left_ > 0) {
    for (Entry& e : entries_) e.wanted = false;
  }
  num_left_ = 0;
  failed_ = OkStatus();
}

void ExpertStreamer::GiveBack(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  CollectReads(false);
  uint64_t given = 0;
  while (given < bytes && stats_.num_slots > kMinSlots) {
    if (free_slots_.empty()) {
      const std::optional<int32_t> victim = cache_->Victim();
      if (!victim.has_value()) return;
      Evict(*victim);
    }
    const int32_t slot = free_slots_.back();
    free_slots_.pop_back();
    memory_.Discard(slot);
    reservations_[static_cast<size_t>(slot)].Release();
    unused_slots_.push_back(slot);
    --stats_.num_slots;
    given += stats_.slot_bytes;
  }
}

uint64_t ExpertStreamer::CouldGive() const {
  const std::lock_guard lock(mutex_);
  const int64_t movable = static_cast<int64_t>(free_slots_.size()) + cache_->num_unpinned();
  return static_cast<uint64_t>(std::min(stats_.num_slots - kMinSlots, movable)) * stats_.slot_bytes;
}

StreamStats ExpertStreamer::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

}  // namespace moiety
