// ByteLevel: texts as bytes, where each byte is written as a character that can be seen (Radford et
// al. 2019, GPT-2). A space is Ġ, a line break Ċ. As a pre-tokenizer, a normalizer and a decoder.
#ifndef MOIETY_TOKENIZE_BYTE_LEVEL_H_
#define MOIETY_TOKENIZE_BYTE_LEVEL_H_

#include "tokenize/decoder.h"
#include "tokenize/normalizer.h"
#include "tokenize/pre_tokenizer.h"

namespace moiety {

Result<std::unique_ptr<const PreTokenizer>> MakeByteLevelPreTokenizer(const Component& component);
Result<std::unique_ptr<const Normalizer>> MakeByteLevelNormalizer(const Component& component);
Result<std::unique_ptr<const Decoder>> MakeByteLevelDecoder(const Component& component);

// As a post-processor it moves offsets, which moiety does not have; its fields are checked.
Status CheckByteLevelFields(const Component& component);

// The character that stands for a byte, in UTF-8.
std::string_view ByteLevelCharacter(uint8_t byte);

}  // namespace moiety

#endif  // MOIETY_TOKENIZE_BYTE_LEVEL_H_
