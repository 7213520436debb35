// The tokenizer in a GGUF file's metadata (tokenizer.ggml.*), in the words of a Hugging Face
// folder:
//
//   tokenizer.ggml.model   what it becomes
//   gpt2                   byte-level BPE: tokens, merges, and a pre-tokenizer by its name
//   llama                  BPE of SentencePiece: merges follow from the scores
//   t5                     Unigram
//
// What tokenize/ and chat/ build from it is the same as from a folder.
#ifndef MOIETY_FORMAT_GGUF_TOKENIZER_H_
#define MOIETY_FORMAT_GGUF_TOKENIZER_H_

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "format/gguf.h"
#include "moiety/status.h"

namespace moiety {

struct GgufTokenizer {
  nlohmann::json document;  // tokenizer.json
  // tokenizer_config.json: "bos_token", "eos_token", "unk_token" and "pad_token" where there are
  // such, "add_bos_token", "add_eos_token", and "chat_template" (a text, or a list of
  // {"name", "template"} where templates have names).
  nlohmann::ordered_json config;
  // Each ends a text: of a text, a turn and a message (eos, eot, eom), and control tokens that are
  // known to do so by their names, as files often tell only one of them. No id twice.
  std::vector<int32_t> stop_ids;
};

// Where the file leaves something out, what llama.cpp assumes for that kind applies: <s>, </s> and
// <unk> of `llama` are 1, 2 and 0; </s> and <unk> of `t5` are 1 and 2; `llama` begins a text with
// <s>, `t5` ends it with </s>. An id outside the vocabulary is an error, but that of padding, which
// nothing here needs, is then left out.
//
// Tokens that only fill up the vocabulary ("[PAD7]" with id 7, unused) are no tokens here. What a
// GGUF file does not say is whether added tokens take white space around them: they do not.
//
// Fails with kInvalidData (a list that is missing or of another type or length, a token twice, text
// that is not UTF-8, as many tokens as the embedding has not, …), or with kUnsupported (a kind or a
// pre-tokenizer that is not known).
Result<GgufTokenizer> ReadGgufTokenizer(const GgufHeader& header, const std::string& where);

// The same of a file, of whatever architecture. Also fails as ParseGgufHeader does.
Result<GgufTokenizer> OpenGgufTokenizer(const std::filesystem::path& path);

}  // namespace moiety

#endif  // MOIETY_FORMAT_GGUF_TOKENIZER_H_
