// What BERT's tokenizer does to a text before WordPiece: clean it, and cut it at white space and
// punctuation.
#ifndef MOIETY_TOKENIZE_BERT_H_
#define MOIETY_TOKENIZE_BERT_H_

#include <memory>

#include "moiety/status.h"
#include "tokenize/component.h"
#include "tokenize/normalizer.h"
#include "tokenize/pre_tokenizer.h"

namespace moiety {

// From {"type": "BertNormalizer", "clean_text": …, "handle_chinese_chars": …, "strip_accents": …,
// "lowercase": …}, in this order: control characters go and white space becomes a space; spaces
// around Chinese characters; canonical decomposition (NFD) without nonspacing marks; lower case.
// "strip_accents": null means what "lowercase" says.
Result<std::unique_ptr<const Normalizer>> MakeBertNormalizer(const Component& component);

// From {"type": "BertPreTokenizer"}: white space goes, each punctuation character is a word.
Result<std::unique_ptr<const PreTokenizer>> MakeBertPreTokenizer(const Component& component);

}  // namespace moiety

#endif  // MOIETY_TOKENIZE_BERT_H_
