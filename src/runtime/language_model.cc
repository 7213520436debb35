// The public API over the engine.
#include "moiety/moiety.h"

#include <utility>

#include "routing/router_recorder.h"
#include "runtime/engine.h"
#include "runtime/generate.h"

namespace moiety {

LanguageModel::LanguageModel(std::unique_ptr<Engine> engine) : engine_(std::move(engine)) {}
LanguageModel::LanguageModel(LanguageModel&&) noexcept = default;
LanguageModel& LanguageModel::operator=(LanguageModel&&) noexcept = default;
LanguageModel::~LanguageModel() = default;

Result<LanguageModel> LanguageModel::Load(const std::filesystem::path& folder,
                                          const LoadOptions& options) {
  EngineOptions engine_options;
  engine_options.num_threads = options.num_threads;
  engine_options.isa = options.isa;
  if (options.memory_limit_bytes > 0)
    engine_options.memory_limit_bytes = options.memory_limit_bytes;
  engine_options.key_type = options.key_type;
  engine_options.value_type = options.value_type;
  engine_options.residency = options.copy_weights     ? Residency::kResident
                             : options.repack_weights ? Residency::kRepacked
                                                      : Residency::kMapped;
  MOIETY_ASSIGN_OR_RETURN(std::unique_ptr<Engine> engine, Engine::Open(folder, engine_options));
  return LanguageModel(std::move(engine));
}

const ModelInfo& LanguageModel::info() const { return engine_->model().info(); }

Result<std::vector<int32_t>> LanguageModel::Encode(std::string_view text, bool add_special) const {
  MOIETY_ASSIGN_OR_RETURN(const Tokenizer* const tokenizer, engine_->tokenizer());
  return tokenizer->Encode(text, add_special);
}

Result<std::string> LanguageModel::Decode(std::span<const int32_t> ids) const {
  MOIETY_ASSIGN_OR_RETURN(const Tokenizer* const tokenizer, engine_->tokenizer());
  return tokenizer->Decode(ids);
}

GenerationOptions LanguageModel::DefaultOptions() const {
  GenerationOptions options;
  options.sampling = DefaultSampling(engine_->generation_config());
  options.max_tokens = engine_->generation_config().max_new_tokens.value_or(options.max_tokens);
  return options;
}

Result<GenerationResult> LanguageModel::Generate(std::string_view prompt,
                                                 const GenerationOptions& options,
                                                 const OnToken& on_token) {
  MOIETY_ASSIGN_OR_RETURN(const std::vector<int32_t> ids, Encode(prompt));
  Sequence sequence(engine_->pages());
  const int64_t num_held = sequence.AdoptPrefix(ids);  // of an earlier call that began alike
  return moiety::Generate(*engine_, sequence, ids, options, on_token, nullptr, num_held);
}

Result<std::vector<float>> LanguageModel::Logits(std::span<const int32_t> ids,
                                                 std::vector<LayerRouting>* routing) {
  std::vector<float> logits;
  RouterRecorder recorder(info().top_k);
  Sequence sequence(engine_->pages());
  const auto collect = [&](int64_t, const Matrix& rows) {
    logits.insert(logits.end(), rows.data, rows.data + rows.size());
    return OkStatus();
  };
  MOIETY_RETURN_IF_ERROR(engine_->Feed(sequence, ids, LogitRows::kAll, collect,
                                       routing == nullptr ? nullptr : &recorder));
  if (routing != nullptr) *routing = recorder.Take();
  return logits;
}

}  // namespace moiety
