#include "runtime/engine.h"

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>
#include <vector>

#include "base/format.h"
#include "format/config_reader.h"
#include "format/gguf_model.h"
#include "format/gguf_tokenizer.h"
#include "format/hf_folder.h"
#include "io/mapped_file.h"
#include "kernels/kernels.h"
#include "ops/cache_type.h"
#include "ops/observer.h"
#include "routing/router.h"

namespace moiety {
namespace {

constexpr uint64_t kMaxTokenizerBytes = uint64_t{256} << 20;
constexpr int kMaxThreads = 1024;

Result<const KernelTable*> ChooseKernels(const std::string& isa) {
  const char* environment = std::getenv("MOIETY_ISA");
  return SelectKernels(isa.empty() && environment != nullptr ? environment : isa);
}

Status CheckCompute(const Context& context, const WeightStore& store) {
  if (context.compute == ComputeType::kF32) return OkStatus();
  if (context.kernels.matmul_bf16 == nullptr) {
    return Unsupported(Format(
        "computing in bf16 needs a processor with AVX-512 BF16 or AMX; the {} kernels here have no "
        "bf16 products",
        context.kernels.isa));
  }
  for (const Weight& weight : store.weights()) {
    if (weight.dtype == DType::kBF16 && weight.shape.size() == 2) return OkStatus();
  }
  return InvalidArgument("computing in bf16 needs bf16 weights; this model has none");
}

// The type of the weights as a config names it: newer ones in `dtype`, older in `torch_dtype`.
DType ReadWeightType(ConfigReader& config) {
  const char* key = config.Missing("dtype") ? "torch_dtype" : "dtype";
  const std::string name = config.String(key);
  if (name == "float32") return DType::kF32;
  if (name == "float16") return DType::kF16;
  if (name != "bfloat16" && config.status().ok()) {
    config.Fail(key, Format("must be float32, float16 or bfloat16, found \"{}\"", name));
  }
  return DType::kBF16;
}

// Those that are not there yet.
void AddStopIds(const std::vector<int32_t>& more, std::vector<int32_t>& ids) {
  for (const int32_t id : more) {
    if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
  }
}

// The pages of a model whose keys and values are kept in these types.
Result<StateLayout> LayOutState(std::vector<StateSpec> specs, CacheType key_type,
                                CacheType value_type) {
  for (StateSpec& spec : specs) {
    for (const CacheType type : {key_type, value_type}) {
      const int64_t block = CacheBlockValues(type);
      if (spec.head_dim % block != 0) {
        return Unsupported(
            Format("a KV cache of type {} needs a head_dim divisible by {}, the model's is {}",
                   CacheTypeName(type), block, spec.head_dim));
      }
    }
    spec.key_type = key_type;
    spec.value_type = value_type;
  }
  return StateLayout(std::move(specs));
}

// What the buffers of a step of few rows take at most, with room for memory that is lost between
// them.
uint64_t LeastBuffers(const ModelInfo& info) {
  const int64_t attention = 4 * (info.num_heads + 2 * info.num_kv_heads) * info.head_dim;
  const int64_t experts = info.num_experts + std::max<int64_t>(1, info.top_k) *
                                                 (2 * info.d_feed_forward + info.d_model);
  const int64_t values = info.vocab_size + 8 * info.d_model + attention + 2 * experts;
  return 2 * static_cast<uint64_t>(values) * sizeof(float) + (uint64_t{1} << 19);
}

}  // namespace

namespace {

Result<std::unique_ptr<const Tokenizer>> MakeTokenizer(const Result<GgufTokenizer>& gguf,
                                                       const std::filesystem::path& model) {
  if (!gguf.ok()) return Status(gguf.status());
  return Tokenizer::FromDocument(gguf->document, model.string());
}

}  // namespace

Result<std::unique_ptr<const Tokenizer>> OpenTokenizer(const std::filesystem::path& model) {
  if (IsGgufPath(model)) return MakeTokenizer(OpenGgufTokenizer(model), model);
  const std::filesystem::path path = model / "tokenizer.json";
  MOIETY_ASSIGN_OR_RETURN(const std::string json, ReadFile(path, kMaxTokenizerBytes));
  return Tokenizer::FromJson(json, path.string());
}

Result<std::unique_ptr<Context>> MakeContext(const EngineOptions& options) {
  if (options.num_threads < 0 || options.num_threads > kMaxThreads) {
    return InvalidArgument(
        Format("threads must be from 1 to {}, found {}", kMaxThreads, options.num_threads));
  }
  MOIETY_ASSIGN_OR_RETURN(const KernelTable* const kernels, ChooseKernels(options.isa));
  const int num_threads = options.num_threads == 0 ? UsableCpus() : options.num_threads;
  try {
    return std::make_unique<Context>(num_threads, *kernels, options.memory_limit_bytes,
                                     options.compute);
  } catch (const std::system_error&) {
    return ResourceExhausted(Format("the system cannot start {} threads", num_threads));
  }
}

Result<std::unique_ptr<Engine>> Engine::Start(const std::filesystem::path& path,
                                              const EngineOptions& options) {
  std::unique_ptr<Engine> engine(new Engine);
  engine->path_ = path;
  MOIETY_ASSIGN_OR_RETURN(engine->context_, MakeContext(options));
  return engine;
}

Status Engine::Finish(ConfigReader& config, const EngineOptions& options) {
  MOIETY_ASSIGN_OR_RETURN(model_, BuildModel(config, *store_));
  if (const std::string& router = model_->info().router; !router.empty()) {
    MOIETY_ASSIGN_OR_RETURN(const RouterInfo info, FindRouter(router));
    if (info.needs_whole_sequences) {
      return Unsupported(
          Format("{}: its router {} decides over whole sequences: such a model can be trained and "
                 "validated, but not continue a text",
                 config.where(), router));
    }
  }
  MOIETY_RETURN_IF_ERROR(CheckCompute(*context_, *store_));
  MOIETY_ASSIGN_OR_RETURN(StateLayout layout,
                          LayOutState(model_->state(), options.key_type, options.value_type));
  store_->SetStreaming(options.streaming);
  least_beside_weights_ = layout.page_bytes + LeastBuffers(model_->info());
  MOIETY_RETURN_IF_ERROR(store_->Load(least_beside_weights_));
  pages_ = std::make_unique<KvPagePool>(std::move(layout), context_->budget, options.pages);
  arena_ = std::make_unique<Arena>(context_->budget);
  return OkStatus();
}

Result<std::unique_ptr<Engine>> Engine::Open(const std::filesystem::path& model,
                                             const EngineOptions& options) {
  MOIETY_ASSIGN_OR_RETURN(std::unique_ptr<Engine> engine, Start(model, options));
  // What is the same in both kinds of files.
  const auto finish = [&](auto& files, const std::string& config_path) {
    engine->generation_ = files.generation;
    engine->store_ =
        std::make_unique<WeightStore>(std::move(files.tensors), model.string(), options.residency,
                                      engine->context_->budget, &engine->context_->pool);
    ConfigReader config(*files.config, config_path);
    return engine->Finish(config, options);
  };
  if (IsGgufPath(model)) {
    MOIETY_ASSIGN_OR_RETURN(GgufModel gguf, OpenGgufModel(model));
    {  // its document, which is large, is not needed beside the weights
      const Result<GgufTokenizer> tokenizer = ReadGgufTokenizer(gguf.header, model.string());
      engine->tokenizer_ = MakeTokenizer(tokenizer, model);
      if (tokenizer.ok()) AddStopIds(tokenizer->stop_ids, gguf.generation.eos_token_ids);
    }
    MOIETY_RETURN_IF_ERROR(finish(gguf, model.string()));
  } else {
    MOIETY_ASSIGN_OR_RETURN(HfFolder folder, OpenHfFolder(model));
    MOIETY_RETURN_IF_ERROR(finish(folder, folder.config_path));
    engine->tokenizer_ = OpenTokenizer(model);
  }
  return engine;
}

Result<std::unique_ptr<Engine>> Engine::OpenShape(const std::filesystem::path& config,
                                                  const EngineOptions& options, uint64_t seed) {
  MOIETY_ASSIGN_OR_RETURN(std::unique_ptr<Engine> engine, Start(config, options));
  MOIETY_ASSIGN_OR_RETURN(const HfConfig file, OpenHfConfigFile(config));
  engine->generation_ = file.generation;
  ConfigReader reader(*file.config, file.config_path);
  const DType dtype = ReadWeightType(reader);
  MOIETY_RETURN_IF_ERROR(Status(reader.status()));
  engine->store_ = std::make_unique<WeightStore>(RandomWeights{dtype, seed}, config.string(),
                                                 engine->context_->budget, engine->context_->pool);
  MOIETY_RETURN_IF_ERROR(engine->Finish(reader, options));
  engine->tokenizer_ = NotFound(Format("{}: random weights have no tokenizer", config.string()));
  return engine;
}

Result<const Tokenizer*> Engine::tokenizer() const {
  if (!tokenizer_.ok()) return Status(tokenizer_.status());
  return tokenizer_->get();
}

Status Engine::CheckIds(int64_t length, std::span<const int32_t> ids) const {
  const int64_t context_length = model_->info().context_length;
  const auto num_ids = static_cast<int64_t>(ids.size());
  if (length + num_ids > context_length) {
    return InvalidArgument(
        Format("{} tokens do not fit the model's context of {}", length + num_ids, context_length));
  }
  for (const int32_t id : ids) {
    if (id < 0 || id >= model_->info().vocab_size) {
      return InvalidArgument(Format("token id {} is outside the model's vocabulary of {}", id,
                                    model_->info().vocab_size));
    }
  }
  return OkStatus();
}

Status Engine::SetRouteEdits(std::vector<RouteEdit*> edits) {
  if (pages_->num_held() > 0) {
    return InvalidArgument(Format(
        "{}: what limits or replays choices cannot change while sequences hold keys and values",
        path_.string()));
  }
  pages_->DropCached();
  route_edits_ = std::move(edits);
  return OkStatus();
}

void Engine::ReleaseBuffers() { arena_ = std::make_unique<Arena>(context_->budget); }

Result<Matrix> Engine::Step(std::span<const StepPart> parts, Observer* observer) {
  const auto reserve = [parts] {
    Status status;
    for (const StepPart& part : parts) {
      if (status.ok()) status = part.sequence->Reserve(static_cast<int64_t>(part.ids.size()));
    }
    return status;
  };
  Status status = reserve();
  if (!status.ok()) {
    ReleaseBuffers();
    status = reserve();
  }
  Result<Matrix> logits = status.ok() ? Forward(parts, observer) : std::move(status);
  // What a smaller step needs may lie otherwise.
  if (logits.status().code() == StatusCode::kResourceExhausted) ReleaseBuffers();
  for (const StepPart& part : parts) {
    if (logits.ok()) {
      part.sequence->Advance(part.ids);
    } else {
      part.sequence->Truncate(part.sequence->length());  // gives back what was reserved
    }
  }
  return logits;
}

Result<Matrix> Engine::Forward(std::span<const StepPart> parts, Observer* observer) {
  step_ids_.clear();
  logit_rows_.clear();
  Batch batch;
  batch.layout = &pages_->layout();
  for (const StepPart& part : parts) {
    const auto begin = static_cast<int64_t>(step_ids_.size());
    const auto count = static_cast<int64_t>(part.ids.size());
    if (count == 0) continue;
    step_ids_.insert(step_ids_.end(), part.ids.begin(), part.ids.end());
    batch.segments.push_back({.begin = begin,
                              .count = count,
                              .position = part.sequence->length(),
                              .sequence = part.sequence->number(),
                              .pages = part.sequence->pages()});
    if (part.rows == LogitRows::kNone) continue;
    const int64_t first = part.rows == LogitRows::kAll ? begin : begin + count - 1;
    for (int64_t row = first; row < begin + count; ++row) {
      logit_rows_.push_back(static_cast<int32_t>(row));
    }
  }
  batch.ids = step_ids_;
  batch.logit_rows = logit_rows_;
  if (observer != nullptr) observer->OnStep(batch);

  arena_->Release({});
  Exec exec(*context_, *arena_, observer);
  exec.set_route_edits(route_edits_);
  const Matrix logits = model_->Forward(exec, batch);
  MOIETY_RETURN_IF_ERROR(Status(exec.status()));
  return logits;
}

Status Engine::Feed(Sequence& sequence, std::span<const int32_t> ids, LogitRows rows,
                    const OnLogits& on_logits, Observer* observer, int64_t chunk) {
  MOIETY_RETURN_IF_ERROR(CheckIds(sequence.length(), ids));
  if (chunk < 1) return InvalidArgument(Format("chunk must be at least 1, found {}", chunk));
  if (store_->streamer().streams() && !sequence.Reserve(static_cast<int64_t>(ids.size())).ok()) {
    ReleaseBuffers();  // those of a larger step may be in the way
  }
  MOIETY_RETURN_IF_ERROR(sequence.Reserve(static_cast<int64_t>(ids.size())));
  Status status = FeedReserved(sequence, ids, rows, on_logits, observer, chunk);
  if (!status.ok()) sequence.Truncate(sequence.length());  // pages of steps that did not come
  return status;
}

Status Engine::FeedReserved(Sequence& sequence, std::span<const int32_t> ids, LogitRows rows,
                            const OnLogits& on_logits, Observer* observer, int64_t chunk) {
  const auto num_ids = static_cast<int64_t>(ids.size());
  for (int64_t begin = 0; begin < num_ids;) {
    const int64_t count = std::min(chunk, num_ids - begin);
    const bool wanted =
        rows == LogitRows::kAll || (rows == LogitRows::kLast && begin + count == num_ids);
    const int64_t length = sequence.length();
    const StepPart part{&sequence,
                        ids.subspan(static_cast<size_t>(begin), static_cast<size_t>(count)),
                        wanted ? rows : LogitRows::kNone};
    const Result<Matrix> logits = Step({&part, 1}, observer);
    // Fewer rows have smaller buffers, and leave room for experts.
    if (logits.status().code() == StatusCode::kResourceExhausted && count > 1 &&
        store_->streamer().streams()) {
      chunk = count / 2;
      MOIETY_RETURN_IF_ERROR(sequence.Reserve(num_ids - begin));
      continue;
    }
    MOIETY_RETURN_IF_ERROR(Status(logits.status()));
    begin += count;
    if (!wanted) continue;
    if (Status status = on_logits(sequence.length() - logits->rows, *logits); !status.ok()) {
      sequence.Truncate(length);
      return status;
    }
  }
  return OkStatus();
}

}  // namespace moiety
