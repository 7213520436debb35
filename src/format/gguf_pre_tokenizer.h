// The pre-tokenizers of byte-level tokenizers in GGUF files. The file has no pattern, only a name
// (tokenizer.ggml.pre); here is what each name stands for, in the words of a tokenizer.json.
#ifndef MOIETY_FORMAT_GGUF_PRE_TOKENIZER_H_
#define MOIETY_FORMAT_GGUF_PRE_TOKENIZER_H_

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string_view>

namespace moiety {

// One step in which a text is cut into words.
struct PreTokenizerStep {
  enum class Kind : uint8_t {
    kSplit,        // at the matches of `pattern`; what is between them are words as well
    kEachDigit,    // every digit is a word
    kDigits,       // so is every run of them
    kPunctuation,  // and every run of punctuation
    kWords,        // GPT-2's pattern, then bytes are written as characters
    kBytes,        // bytes are written as characters
  };
  Kind kind;
  std::string_view pattern = {};
};

struct GgufPreTokenizer {
  std::string_view name;
  std::span<const PreTokenizerStep> steps;  // exactly one of them is kWords or kBytes
  // The normalizer of the models that the name was made for is NFC. (The file does not say, and
  // llama.cpp does not normalize.)
  bool nfc = false;
  bool ignore_merges = false;  // a word that is a piece is never merged from smaller ones
  bool add_bos = false;        // where the file has no tokenizer.ggml.add_bos_token
};

// All that are known.
std::span<const GgufPreTokenizer> GgufPreTokenizers();

// Null for an unknown name.
const GgufPreTokenizer* FindGgufPreTokenizer(std::string_view name);

// The steps as the "pre_tokenizer" of a tokenizer.json.
nlohmann::json PreTokenizerJson(std::span<const PreTokenizerStep> steps);

}  // namespace moiety

#endif  // MOIETY_FORMAT_GGUF_PRE_TOKENIZER_H_
