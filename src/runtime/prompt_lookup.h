// Prompt look-up: guesses what follows from what followed before. Texts that repeat parts of
// themselves (code that is edited, a document that is quoted) then need fewer steps: the guess is
// computed together with the last token, and what the model chooses otherwise is thrown away
// (speculative decoding, Leviathan et al. 2023, with n-grams of the text in place of a second
// model, Saxena 2023, "Prompt Lookup Decoding"). The text is the same bits as without.
#ifndef MOIETY_RUNTIME_PROMPT_LOOKUP_H_
#define MOIETY_RUNTIME_PROMPT_LOOKUP_H_

#include <cstdint>
#include <span>
#include <vector>

#include "moiety/generation.h"
#include "moiety/status.h"

namespace moiety {

// Fails with kInvalidArgument naming the option, what it must be and what was found.
Status CheckLookupOptions(const LookupOptions& options);

class PromptLookup {
 public:
  // `options` must have passed CheckLookupOptions.
  explicit PromptLookup(const LookupOptions& options) : options_(options) {}

  // What may follow `ids`: the tokens behind the last earlier occurrence of the longest n-gram that
  // `ids` end with, n from max_ngram down to min_ngram, at most `max_count` of them and
  // max_draft. Where they reach the end of `ids` they go on with themselves, as a text does that
  // repeats what it has just said. Empty if no n-gram occurs twice, or for less than min_draft.
  // O(ids).
  std::vector<int32_t> Propose(std::span<const int32_t> ids, int64_t max_count) const;

 private:
  LookupOptions options_;
};

}  // namespace moiety

#endif  // MOIETY_RUNTIME_PROMPT_LOOKUP_H_
