// Metaspace: spaces become a visible character ("▁", sentencepiece's way) before the model, and
// spaces again after it.
#ifndef MOIETY_TOKENIZE_METASPACE_H_
#define MOIETY_TOKENIZE_METASPACE_H_

#include <memory>

#include "moiety/status.h"
#include "tokenize/component.h"
#include "tokenize/decoder.h"
#include "tokenize/pre_tokenizer.h"

namespace moiety {

// Both read {"type": "Metaspace", "replacement": "▁", "prepend_scheme": …, "split": …}.
// "prepend_scheme" says which words get a replacement in front unless they start with one:
// "always", "first" (the one that starts the text), "never". Older files have "add_prefix_space"
// instead, where false means "never"; if both are there, they must agree.

// Replaces each space; with "split" (the default) also cuts before each replacement.
Result<std::unique_ptr<const PreTokenizer>> MakeMetaspacePreTokenizer(const Component& component);

// Replacements become spaces; those of the first piece disappear, unless the scheme is "never".
Result<std::unique_ptr<const Decoder>> MakeMetaspaceDecoder(const Component& component);

}  // namespace moiety

#endif  // MOIETY_TOKENIZE_METASPACE_H_
