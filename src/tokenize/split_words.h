// Cuts words where something matches: what the pre-tokenizers that split have in common.
#ifndef MOIETY_TOKENIZE_SPLIT_WORDS_H_
#define MOIETY_TOKENIZE_SPLIT_WORDS_H_

#include <functional>
#include <string_view>
#include <vector>

#include "moiety/status.h"
#include "tokenize/component.h"
#include "tokenize/pre_tokenizer.h"
#include "tokenize/regex.h"

namespace moiety {

// What becomes of a match, by the names of tokenizer.json.
enum class SplitBehavior {
  kRemoved,             // it is left out
  kIsolated,            // it is a word
  kMergedWithPrevious,  // it ends the word before it
  kMergedWithNext,      // it begins the word behind it
  kContiguous,          // matches side by side are one word
};

// The component's field "behavior".
Result<SplitBehavior> ReadSplitBehavior(const Component& component);

// Appends the matches of a word, in order.
using FindMatches =
    std::function<Status(std::string_view word, std::vector<Regex::Match>& matches)>;

// `invert`: what does not match is the match.
Status SplitWords(Words& words, SplitBehavior behavior, bool invert, const FindMatches& find);

}  // namespace moiety

#endif  // MOIETY_TOKENIZE_SPLIT_WORDS_H_
