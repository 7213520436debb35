// Generating text: how the next token is chosen, when a text ends, and what is reported.
#ifndef MOIETY_GENERATION_H_
#define MOIETY_GENERATION_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace moiety {

// Applied in this order: penalties, logit bias, temperature, top-k, top-p, min-p, draw.
// The values are the defaults of llama.cpp, the order is that of transformers.
struct SamplingOptions {
  double temperature = 0.8;  // 0: greedy, the most likely token always
  int64_t top_k = 40;        // keep the k most likely tokens; 0: all
  double top_p = 0.95;  // keep the fewest tokens whose probabilities sum to at least this; 1: all
  double min_p = 0.05;  // keep tokens at least this fraction as likely as the best; 0: all

  // Over the last `penalty_last_n` tokens, prompt included (-1: all of them, 0: none).
  int64_t penalty_last_n = 64;
  double repetition_penalty = 1.0;  // positive logits ÷, negative × (Keskar et al. 2019); 1: off
  double presence_penalty = 0.0;    // subtracted once from tokens that occurred
  double frequency_penalty = 0.0;   // subtracted once per occurrence

  std::map<int32_t, double> logit_bias;  // added to the logit of a token id; -inf: never
  // The same seed, model and prompt give the same text, whatever else runs beside it.
  uint64_t seed = 0;
};

// Prompt look-up: tokens that followed the same n-gram earlier in the text are computed together
// with the last one, and kept as far as the model chooses them. Changes the speed alone: the text
// is the same bits with and without. Pays where texts repeat parts of themselves.
struct LookupOptions {
  int64_t max_ngram = 0;  // the longest that is looked for; 0: no look-up
  int64_t min_ngram = 2;  // the shortest (max_ngram where that is less)
  int64_t max_draft = 8;  // tokens that are proposed at once
  int64_t min_draft = 0;  // fewer are not tried, as at the end of a text
};
inline constexpr int64_t kMaxLookupTokens = 256;  // of an n-gram, and of a draft

struct GenerationOptions {
  SamplingOptions sampling;
  LookupOptions lookup;
  int64_t max_tokens = -1;        // -1: until the model ends the text or the context is full
  std::vector<std::string> stop;  // the text ends before the first of these; none is shown
  bool ignore_eos = false;
  int64_t top_logprobs = 0;  // how many alternatives each event lists
};

struct TokenLogprob {
  int32_t id = 0;
  float logprob = 0;  // natural logarithm, from the model's own distribution (before any option)
};

struct TokenEvent {
  int32_t id = 0;
  std::string text;  // what became final with this token: whole characters, perhaps none
  float logprob = 0;
  std::vector<TokenLogprob> top;  // the most likely tokens, best first
};

enum class FinishReason {
  kEndOfText,    // the model's end-of-sequence token
  kStopString,   // one of GenerationOptions::stop
  kMaxTokens,    // GenerationOptions::max_tokens
  kContextFull,  // the model has no more positions
  kCancelled,    // the callback asked to stop
};
// "stop" for the first two, "length" for the next two, "cancelled": the words of the OpenAI API.
const char* FinishReasonName(FinishReason reason);

struct GenerationResult {
  FinishReason finish_reason = FinishReason::kEndOfText;
  int64_t num_prompt_tokens = 0;
  int64_t num_generated_tokens = 0;
  double prompt_seconds = 0;      // until the first token was chosen
  double generation_seconds = 0;  // from then on
  // Tokens that prompt look-up proposed, and those of them that the model chose.
  int64_t num_drafted_tokens = 0;
  int64_t num_accepted_tokens = 0;
};

// Called for each token as soon as it is there; returns false to stop.
using OnToken = std::function<bool(const TokenEvent& event)>;

}  // namespace moiety

#endif  // MOIETY_GENERATION_H_
