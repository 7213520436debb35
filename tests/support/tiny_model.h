// TinyModel: a model folder made on the fly, to be changed, broken and written.
#ifndef MOIETY_TESTS_SUPPORT_TINY_MODEL_H_
#define MOIETY_TESTS_SUPPORT_TINY_MODEL_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/shape.h"

namespace moiety {

// Two layers of width 16, vocabulary of TinyTokenizer(), context of 128.
nlohmann::json TinyLlamaConfig();
// The same with 3 experts of width 8, 2 per token.
nlohmann::json TinyMixtralConfig();
// The same for any type that moiety has; layer 0 of "gemma3" slides, by 4.
nlohmann::json TinyConfig(std::string_view model_type);

// A tokenizer with one token per byte: byte b has the id ByteId(b). Those of ASCII text are pieces
// of their own, the others byte tokens, as in Llama's tokenizers.
std::string TinyTokenizer();
inline constexpr int32_t kTinyVocab = 262;
inline constexpr int32_t ByteId(char byte) { return 6 + static_cast<uint8_t>(byte); }

class TinyModel {
 public:
  // Random f32 weights: for a config of the types that moiety had first (llama, mistral, mixtral,
  // qwen2, qwen3) of names and shapes that are listed for it, for others those that the model asks
  // for. (That it asks for the right ones is seen by the goldens.)
  explicit TinyModel(nlohmann::json config, uint64_t seed = 1);

  nlohmann::json& config() { return config_; }
  // Creates or replaces a tensor; without values it is random, of the scale of the others.
  void Set(const std::string& name, const Shape& shape, std::vector<float> values = {});
  void Erase(const std::string& name) { tensors_.erase(name); }
  std::vector<float>& values(const std::string& name) { return tensors_.at(name).values; }

  // config.json, model.safetensors, tokenizer.json and, if it was given, generation_config.json.
  void Write(const std::filesystem::path& folder) const;
  nlohmann::json generation_config;

 private:
  struct Tensor {
    Shape shape;
    std::vector<float> values;
  };
  nlohmann::json config_;
  uint64_t seed_;
  std::map<std::string, Tensor> tensors_;
};

// A model that always continues id i with next[i] (and an id that is not in `next` with id 0): the
// logit of that id is about 16, all others are 0. Id 2 ends a text.
TinyModel ScriptedModel(const std::map<int32_t, int32_t>& next);
// The same for a text whose bytes all differ: each is continued by the next, the last by `end`.
TinyModel ScriptedModel(const std::string& text, int32_t end);

}  // namespace moiety

#endif  // MOIETY_TESTS_SUPPORT_TINY_MODEL_H_
