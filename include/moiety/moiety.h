// moiety: run Mixture-of-Experts language models on the computer you own.
//
//   auto model = moiety::LanguageModel::Load("path/to/folder");
//   if (!model.ok()) return Fail(model.status().message());
//   const auto result = model->Generate(
//       "Once upon a time", model->DefaultOptions(), [](const moiety::TokenEvent& event) {
//         std::cout << event.text << std::flush;
//         return true;  // go on
//       });
//   if (!result.ok()) return Fail(result.status().message());
//
// Nothing here prints or exits, and errors are values; the one exception thrown is std::bad_alloc.
// A model's files are mapped: if one is made shorter while it is in use, the system ends the
// process (SIGBUS), unless copy_weights is set. See examples/generate.cc for a whole program.
#ifndef MOIETY_MOIETY_H_
#define MOIETY_MOIETY_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "moiety/cache_type.h"
#include "moiety/generation.h"
#include "moiety/layer_routing.h"
#include "moiety/model_info.h"
#include "moiety/status.h"

namespace moiety {

class Engine;

struct LoadOptions {
  int num_threads = 0;  // 0: as many as the process may use
  std::string isa;  // "ref", "avx2", "avx512", "amx", "neon"; empty: MOIETY_ISA, else the fastest
  // Of weights, KV cache and buffers together; 0: what is free. Experts that do not fit stay on
  // disk and are read when they are needed.
  uint64_t memory_limit_bytes = 0;
  // To memory of our own. Otherwise they are mapped from the files, but quantized ones, which are
  // read faster when repacked; without that they are mapped too, which processes can share.
  bool copy_weights = false;
  bool repack_weights = true;
  // Of the KV cache; the model's head_dim must suit it.
  CacheType key_type = CacheType::kF32;
  CacheType value_type = CacheType::kF32;
};

// A model with its tokenizer, ready to generate. Calls on one object must not overlap; results
// depend neither on the number of threads nor on the instruction set.
class LanguageModel {
 public:
  // Opens a Hugging Face folder (config.json, *.safetensors, tokenizer.json).
  static Result<LanguageModel> Load(const std::filesystem::path& folder,
                                    const LoadOptions& options = {});
  LanguageModel(LanguageModel&&) noexcept;
  LanguageModel& operator=(LanguageModel&&) noexcept;
  ~LanguageModel();

  const ModelInfo& info() const;

  // Text ⇄ token ids. Fails if the folder has no tokenizer or one that is not supported.
  // `add_special`: with <s> and the like. Any text has ids; ids outside the vocabulary have no
  // text.
  Result<std::vector<int32_t>> Encode(std::string_view text, bool add_special = true) const;
  Result<std::string> Decode(std::span<const int32_t> ids) const;

  // moiety's defaults, changed by what the model's authors recommend (generation_config.json).
  GenerationOptions DefaultOptions() const;

  // Continues a text; the events' texts joined are the continuation. Fails for options outside
  // their ranges, a prompt of no tokens or of more than info().context_length, an empty `on_token`,
  // a memory limit that is reached, and a model that computes no finite logit.
  Result<GenerationResult> Generate(std::string_view prompt, const GenerationOptions& options,
                                    const OnToken& on_token);

  // The logits after each of `ids`: [ids, info().vocab_size], row-major (that much memory, 4 bytes
  // a value). `routing` (may be null) gets what the router of each MoE layer decided. Fails for ids
  // outside the vocabulary, more of them than info().context_length, or a memory limit that is
  // reached.
  Result<std::vector<float>> Logits(std::span<const int32_t> ids,
                                    std::vector<LayerRouting>* routing = nullptr);

 private:
  explicit LanguageModel(std::unique_ptr<Engine> engine);
  std::unique_ptr<Engine> engine_;
};

}  // namespace moiety

#endif  // MOIETY_MOIETY_H_
