// A tokenizer of Hugging Face (tokenizer.json, tokenizer_config.json) as GGUF metadata, in
// llama.cpp's words: tokenizer.ggml.* and tokenizer.chat_template.
//
//   tokenizer.json                       tokenizer.ggml.model
//   BPE over bytes                       "gpt2": tokens, merges, and a name for how texts are cut
//   BPE over characters, byte fallback   "llama": tokens and scores (higher: merged earlier)
//   Unigram                              "t5": tokens and scores (log probabilities), charsmap
//
// Scores allow every way to make a piece of two others. Where the merges of tokenizer.json do not
// (trainers other than sentencepiece keep one way per piece), the merges are written as well, and a
// reader that wants the same ids has to prefer them.
#ifndef MOIETY_FORMAT_GGUF_TOKENIZER_WRITER_H_
#define MOIETY_FORMAT_GGUF_TOKENIZER_WRITER_H_

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "format/generation_config.h"
#include "format/gguf_writer.h"
#include "moiety/status.h"

namespace moiety {

struct HfTokenizer {
  const nlohmann::json& document;      // tokenizer.json
  const nlohmann::json& config;        // tokenizer_config.json; an empty object if there is none
  const GenerationConfig& generation;  // the ids that end a text
  std::string chat_template;           // of chat_template.jinja; empty: what `config` says
  std::string where;                   // path of tokenizer.json, starts every message
};

// The types of tokens, as the numbers of tokenizer.ggml.token_type.
enum class GgufTokenType : int32_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6
};

// Adds the metadata of a tokenizer for a model of `vocab_size` rows; rows without a token get
// unused ones. lstrip, rstrip and single_word of added tokens have no key and are not kept.
//
// Fails with kInvalidData on a broken tokenizer.json and on ids beyond vocab_size, and with
// kUnsupported where GGUF cannot say what the tokenizer does.
Status AddGgufTokenizer(const HfTokenizer& tokenizer, int64_t vocab_size, GgufPairs& metadata);

}  // namespace moiety

#endif  // MOIETY_FORMAT_GGUF_TOKENIZER_WRITER_H_
