// Pre-tokenizers that cut words where a pattern or a kind of character stands: Split, Digits,
// Punctuation, Whitespace, WhitespaceSplit, CharDelimiterSplit.
#ifndef MOIETY_TOKENIZE_SPLIT_H_
#define MOIETY_TOKENIZE_SPLIT_H_

#include "tokenize/pre_tokenizer.h"

namespace moiety {

using PreTokenizerResult = Result<std::unique_ptr<const PreTokenizer>>;

PreTokenizerResult MakeSplit(const Component& component);
PreTokenizerResult MakeDigits(const Component& component);
PreTokenizerResult MakePunctuation(const Component& component);
PreTokenizerResult MakeWhitespace(const Component& component);
PreTokenizerResult MakeWhitespaceSplit(const Component& component);
PreTokenizerResult MakeCharDelimiterSplit(const Component& component);

}  // namespace moiety

#endif  // MOIETY_TOKENIZE_SPLIT_H_
