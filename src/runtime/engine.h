// Engine: a model opened from disk with everything that runs it.
#ifndef MOIETY_RUNTIME_ENGINE_H_
#define MOIETY_RUNTIME_ENGINE_H_

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/context.h"
#include "format/generation_config.h"
#include "models/model.h"
#include "moiety/cache_type.h"
#include "moiety/status.h"
#include "runtime/kv_pages.h"
#include "store/weight_store.h"
#include "tokenize/tokenizer.h"

namespace moiety {

struct EngineOptions {
  int num_threads = 0;  // 0: as many as the process may use
  std::string isa;      // kernels to use; empty: MOIETY_ISA of the environment, else the fastest
  uint64_t memory_limit_bytes = MemoryBudget::kUnlimited;
  Residency residency = Residency::kRepacked;
  StreamOptions streaming;  // if the weights are more than memory holds, or residency is kStreamed
  ComputeType compute = ComputeType::kF32;
  CacheType key_type = CacheType::kF32;  // of the KV cache
  CacheType value_type = CacheType::kF32;
  KvPageLimits pages;
};

// Which rows of ids want logits.
enum class LogitRows : uint8_t { kNone, kLast, kAll };

// What a step computes for one sequence: `ids` are its next tokens.
struct StepPart {
  Sequence* sequence;
  std::span<const int32_t> ids;
  LogitRows rows = LogitRows::kNone;
};

// Threads, kernels (those of `isa`, or of the environment's MOIETY_ISA, or the fastest) and a
// memory limit, as the options say. Fails for what this machine does not have.
Result<std::unique_ptr<Context>> MakeContext(const EngineOptions& options);

// Not thread-safe: one thread drives an engine (and the engine's own threads help it).
class Engine {
 public:
  // Opens a Hugging Face folder or a GGUF file. A tokenizer is optional here: see tokenizer().
  static Result<std::unique_ptr<Engine>> Open(const std::filesystem::path& model,
                                              const EngineOptions& options);

  // The model that a config.json describes, with random weights of the type that its `dtype` (or
  // `torch_dtype`) names: for measuring shapes that nobody has files of. It has no tokenizer, and
  // options.residency does not matter. Fails as Open() does, and with kResourceExhausted for more
  // weights than there is memory.
  static Result<std::unique_ptr<Engine>> OpenShape(const std::filesystem::path& config,
                                                   const EngineOptions& options, uint64_t seed);

  const std::filesystem::path& path() const { return path_; }
  const Model& model() const { return *model_; }
  const WeightStore& store() const { return *store_; }
  const GenerationConfig& generation_config() const { return generation_; }
  Context& context() { return *context_; }
  KvPagePool& pages() { return *pages_; }

  // What every later step applies to the choices of routers, in this order (none to begin with).
  // They must live until the last step or the next call. Keys and values depend on them: fails
  // while any sequence holds pages, and forgets cached ones.
  Status SetRouteEdits(std::vector<RouteEdit*> edits);

  // What a step needs at least beside weights: a page of the KV cache, and buffers.
  uint64_t least_beside_weights() const { return least_beside_weights_; }

  // The folder's tokenizer; an error where it has none or a broken one.
  Result<const Tokenizer*> tokenizer() const;

  // Whether ids may follow `length` tokens: they must be of the vocabulary and fit the context.
  Status CheckIds(int64_t length, std::span<const int32_t> ids) const;

  // One forward step: appends the ids of each part (which must have passed CheckIds) to its
  // sequence; the sequences must differ. Returns the logits of the wanted rows, in the order of the
  // parts [rows, vocab_size], valid until the next step. On failure all sequences are as before.
  // The logits of a sequence do not depend on what else is in the step.
  Result<Matrix> Step(std::span<const StepPart> parts, Observer* observer = nullptr);

  // Gives back the buffers that steps reuse, which are as large as the largest step needed.
  void ReleaseBuffers();

  // Appends tokens to a sequence in steps of at most `chunk` rows. on_logits (may be null with
  // kNone) gets the logits of the wanted rows of each step: `first` is the position of the first of
  // them, the matrix [rows, vocab_size] is valid during the call. On failure the sequence keeps the
  // steps that succeeded. Results do not depend on `chunk`.
  using OnLogits = std::function<Status(int64_t first, const Matrix& logits)>;
  Status Feed(Sequence& sequence, std::span<const int32_t> ids, LogitRows rows,
              const OnLogits& on_logits, Observer* observer = nullptr,
              int64_t chunk = kDefaultChunk);
  static constexpr int64_t kDefaultChunk = 512;

 private:
  Engine() = default;
  // An engine with its threads and its budget, but no model yet.
  static Result<std::unique_ptr<Engine>> Start(const std::filesystem::path& path,
                                               const EngineOptions& options);
  // Builds the model of `config` on the store and makes ready what runs it.
  Status Finish(ConfigReader& config, const EngineOptions& options);
  Status FeedReserved(Sequence& sequence, std::span<const int32_t> ids, LogitRows rows,
                      const OnLogits& on_logits, Observer* observer, int64_t chunk);
  Result<Matrix> Forward(std::span<const StepPart> parts, Observer* observer);

  std::filesystem::path path_;
  GenerationConfig generation_;
  std::unique_ptr<Context> context_;
  std::unique_ptr<WeightStore> store_;
  std::unique_ptr<const Model> model_;
  std::unique_ptr<KvPagePool> pages_;
  std::unique_ptr<Arena> arena_;
  std::vector<RouteEdit*> route_edits_;
  uint64_t least_beside_weights_ = 0;
  std::vector<int32_t> step_ids_;    // of the rows of a step
  std::vector<int32_t> logit_rows_;  // those that want logits
  Result<std::unique_ptr<const Tokenizer>> tokenizer_ = NotFound("");
};

// The tokenizer of a model folder, without the model.
Result<std::unique_ptr<const Tokenizer>> OpenTokenizer(const std::filesystem::path& model);

}  // namespace moiety

#endif  // MOIETY_RUNTIME_ENGINE_H_
