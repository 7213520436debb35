// WeightStore: what a WeightRef points to. All weights of a model go through it; where their bytes
// live (mapped, resident, streamed) is decided here and nowhere else.
#ifndef MOIETY_STORE_WEIGHT_STORE_H_
#define MOIETY_STORE_WEIGHT_STORE_H_

#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/aligned.h"
#include "base/memory_budget.h"
#include "base/parallel.h"
#include "io/range_reader.h"
#include "moiety/status.h"
#include "store/cache_policy.h"
#include "store/expert_source.h"
#include "store/expert_streamer.h"
#include "store/random_weights.h"
#include "tensor/tensor_table.h"
#include "tensor/weight.h"

namespace moiety {

enum class Residency : uint8_t {
  kMapped,  // read where the file is mapped: no copy, pages come in when touched
  // As kMapped, but matrices that products read are copied into panels (quant/weight_panels.h)
  // while loading, which are read faster. If memory would not hold the copies, all stay where they
  // are.
  kRepacked,
  kResident,  // copied to memory of our own while loading, into panels
  kTrained,   // decoded to f32 in memory of our own, to be changed through Values()
  // What every token needs is resident; experts stay on disk and come into slots of memory when a
  // layer asks for them (expert_source.h), as many as the memory budget leaves.
  kStreamed,
};

// How experts are streamed.
struct StreamOptions {
  std::string policy = std::string(kDefaultCachePolicy);
  ReadMethod method = ReadMethod::kAuto;
  // Where counts of uses are kept from run to run, a file for each model, for the policy "learnt";
  // empty: nowhere.
  std::filesystem::path rates_folder;
  // Stands between the streamer and the reader; null: nothing does.
  std::function<std::unique_ptr<RangeReader>(std::unique_ptr<RangeReader>)> wrap_reader;
};

// What streaming a model takes, whether it is streamed or not.
struct StreamNeeds {
  uint64_t resident_bytes = 0;  // of weights that every token needs
  uint64_t streamed_bytes = 0;  // of experts on disk
  uint64_t slot_bytes = 0;      // memory for one of them
  int64_t num_experts = 0;      // of all layers; 0: there is nothing to stream
  int64_t num_layers = 0;       // that have experts
};

class WeightStore {
 public:
  // `table` and its files stay alive with the store; `where` (the model's path) starts messages.
  // `pool`, which must outlive the store, shares the work of loading and of repacking; null: the
  // caller does it all.
  WeightStore(TensorTable table, std::string where, Residency residency, MemoryBudget& budget,
              ThreadPool* pool = nullptr)
      : table_(std::move(table)),
        where_(std::move(where)),
        residency_(residency),
        budget_(budget),
        pool_(pool) {}
  // A store without files: every weight that is declared exists and is random. Always resident.
  // `pool` must outlive Load().
  WeightStore(const RandomWeights& random, std::string where, MemoryBudget& budget,
              ThreadPool& pool)
      : where_(std::move(where)),
        residency_(Residency::kResident),
        budget_(budget),
        random_(random),
        pool_(&pool) {}
  WeightStore(const WeightStore&) = delete;
  WeightStore& operator=(const WeightStore&) = delete;

  bool Has(std::string_view name) const { return table_.tensors.contains(name); }
  size_t num_tensors() const { return table_.tensors.size(); }
  const TensorTable& table() const { return table_; }

  // Declares a weight of the model: the tensor must exist with exactly this shape and a type that
  // the kernels read; its bytes are not touched yet. One tensor may be declared twice (tied
  // embeddings). Errors name the tensor, what was expected and what was found. A random weight
  // fails with kResourceExhausted once there is no memory for what was declared.
  //
  // `offset` is added to each element of a vector from a file; a random one has its values as they
  // are used.
  Result<WeightRef> Declare(const WeightGroup& group, const std::string& name, const Shape& shape,
                            float offset = 0);

  // How to stream, if it comes to that. Before Load().
  void SetStreaming(StreamOptions options) { streaming_ = std::move(options); }

  // Brings in everything that was declared. Call once, after the last Declare(). `others_bytes` is
  // what a step needs at least beside weights. A model with experts that does not fit a limit of
  // the budget (or, where there is none, the memory that the machine has) beside that is streamed,
  // unless a residency other than kRepacked was asked for; the budget then has a limit. Fails with
  // kResourceExhausted if a limit is too small for that too, and says the least that works.
  Status Load(uint64_t others_bytes = 0);

  // Where MoE layers get their experts. Lives as long as the store.
  ExpertSource& experts() { return streamer_; }
  const ExpertStreamer& streamer() const { return streamer_; }

  // The elements of a weight of a kTrained store, or of random ones of type F32, once loaded and
  // before ReadInBf16().
  std::span<float> Values(WeightRef weight);

  // From now on products read a matrix of such a store in bf16: from `rounded` [d_out, d_in], and
  // on the way back from `pairs` (Weight::bf16_pairs). Memory of the caller, which outlives that.
  void ReadInBf16(WeightRef weight, const uint16_t* rounded, const uint32_t* pairs);

  // Of what was declared.
  StreamNeeds NeedsOfStreaming() const;

  // Names of tensors in the files that nothing declared.
  std::vector<std::string> Unused() const;

  // kStreamed or kMapped also where kRepacked was asked for and memory does not hold the copies.
  Residency residency() const { return residency_; }
  // Declared bytes but those of matrices that are copied or repacked as residency() has it.
  uint64_t mapped_bytes() const { return mapped_bytes_; }
  // Declared bytes that are on disk until they are needed.
  uint64_t streamed_bytes() const { return streamed_bytes_; }
  // Where the weights come from if not from files.
  const std::optional<RandomWeights>& random() const { return random_; }
  // Declared bytes, tied weights once.
  uint64_t declared_bytes() const { return declared_bytes_; }

  // All declared weights, in order; tied ones appear twice.
  const std::deque<Weight>& weights() const { return weights_; }

 private:
  const std::byte* FileBytes(const TensorInfo& info) const;
  // Adds the tensor that is declared to the table of a store without files.
  Status AddRandom(const std::string& name, const Shape& shape);
  Status CheckDeclared(const std::string& name, const Shape& shape) const;
  bool IsRepacked(const Weight& weight) const;
  bool AllAreCopied() const {
    return residency_ == Residency::kResident || residency_ == Residency::kTrained;
  }
  // Whether a weight comes from disk when it is needed, if experts are streamed.
  bool CanStream(const Weight& weight) const;
  bool IsStreamed(const Weight& weight) const {
    return residency_ == Residency::kStreamed && CanStream(weight);
  }
  // Bytes of our own that a weight needs; 0 when it is read where it is mapped, or streamed.
  size_t OwnBytes(const Weight& weight) const;
  // Of all weights together.
  uint64_t AllOwnBytes() const;
  // Those that can be streamed, and the numbering of their layers.
  CacheShape StreamedExperts(std::vector<StreamedExpert>& experts) const;
  void ChooseResidency(uint64_t others_bytes);
  Status Reserve();
  Status StartStreaming(uint64_t others_bytes);
  void FillRandom(Weight& weight, std::byte* to) const;
  // Copies the matrices that have memory, into panels where IsRepacked().
  Status CopyMatrices(std::span<const std::pair<Weight*, std::byte*>> copies) const;
  // Rows [begin, end) of the matrix at `to`; of panels, whole ones and what is behind the last.
  Status CopyRows(const Weight& weight, int64_t begin, int64_t end, std::byte* to) const;

  TensorTable table_;
  std::string where_;
  Residency residency_;
  MemoryBudget& budget_;
  std::optional<RandomWeights> random_;
  ThreadPool* pool_ = nullptr;
  uint64_t random_limit_ = 0;   // bytes that random weights may have; 0 before the first
  std::deque<Weight> weights_;  // stable addresses: WeightRef points at these
  std::map<std::string, Weight*, std::less<>> by_name_;
  std::set<std::string, std::less<>> shared_;      // declared more than once
  std::set<std::string, std::less<>> multiplied_;  // by products, not only looked up in
  uint64_t declared_bytes_ = 0;
  uint64_t mapped_bytes_ = 0;
  uint64_t streamed_bytes_ = 0;
  AlignedBytes memory_;  // of resident matrices and widened vectors
  MemoryBudget::Reservation reservation_;
  StreamOptions streaming_;
  ExpertStreamer streamer_;  // points to weights_
};

}  // namespace moiety

#endif  // MOIETY_STORE_WEIGHT_STORE_H_
