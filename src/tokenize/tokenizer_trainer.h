// Makes a tokenizer from texts: a tokenizer.json of one of the kinds below.
#ifndef MOIETY_TOKENIZE_TOKENIZER_TRAINER_H_
#define MOIETY_TOKENIZE_TOKENIZER_TRAINER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "moiety/status.h"
#include "tokenize/pre_tokenizer.h"

namespace moiety {

enum class TokenizerKind {
  kByteLevel,     // words by a regular expression, their bytes as symbols: GPT-2, Qwen, Llama 3
  kByteFallback,  // characters as symbols, "▁" for a space, rare ones by byte: Llama 2, Mixtral
};

struct TokenizerTrainerOptions {
  TokenizerKind kind = TokenizerKind::kByteFallback;
  int64_t vocab_size = 32000;
  int64_t min_frequency = 2;  // pairs that occur less often are not merged
  // kByteFallback: the most frequent characters that make up this share of the text are tokens.
  double character_coverage = 0.9995;
  // First in the vocabulary. Empty: those of the kind ("<|endoftext|>"; "<unk>", "<s>", "</s>").
  std::vector<std::string> special_tokens;
};

// The same texts in the same order and the same options give the same file.
class TokenizerTrainer {
 public:
  static Result<TokenizerTrainer> Create(TokenizerTrainerOptions options);

  // Counts the words of a text, valid UTF-8. Words end with the text.
  Status Add(std::string_view text);
  size_t num_words() const { return words_.size(); }  // different ones

  // Learns the merges; `on_merge` as in TrainBpe. The file to write as tokenizer.json.
  Result<nlohmann::ordered_json> Train(
      const std::function<bool(int64_t num_tokens)>& on_merge) const;
  // What tokenizer_config.json should say beside it.
  nlohmann::ordered_json Config() const;

 private:
  TokenizerTrainer(TokenizerTrainerOptions options, PreTokenizers pre_tokenizers)
      : options_(std::move(options)), pre_tokenizers_(std::move(pre_tokenizers)) {}

  TokenizerTrainerOptions options_;
  PreTokenizers pre_tokenizers_;  // how words are cut to be counted
  std::unordered_map<std::string, int64_t> words_;
};

}  // namespace moiety

#endif  // MOIETY_TOKENIZE_TOKENIZER_TRAINER_H_
