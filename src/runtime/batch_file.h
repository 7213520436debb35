// Batch files: requests as JSON Lines, an object per line, with the field names of OpenAI's
// completions.
//
//   {"prompt": "Once upon a time", "max_tokens": 20, "n": 2, "seed": 7}
//   {"id": "b", "messages": [{"role": "user", "content": "Hello"}], "temperature": 0}
//
// Fields: prompt or messages, id, n, max_tokens, temperature, top_k, top_p, min_p, seed, stop,
// presence_penalty, frequency_penalty, repetition_penalty, repeat_last_n, logit_bias, ignore_eos.
// null is the same as leaving a field out; blank lines are skipped.
#ifndef MOIETY_RUNTIME_BATCH_FILE_H_
#define MOIETY_RUNTIME_BATCH_FILE_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "moiety/generation.h"
#include "moiety/status.h"

namespace moiety {

inline constexpr int64_t kMaxSamples = 1024;  // of one request

struct BatchLine {
  int64_t line = 0;                 // counted from 1
  nlohmann::json id;                // a string or an integer; null: none
  std::string prompt;               // if there are no messages
  nlohmann::ordered_json messages;  // a list of objects, or null
  GenerationOptions options;
  bool has_seed = false;  // of its own
  int64_t num_samples = 1;
};

// `where` (a file name) and the line start every message. What a line leaves out is as in
// `defaults`. Fails for a file without requests, at the first line that is no object, at a field
// that is unknown, of the wrong type or out of range, and where prompt and messages are both there
// or both missing.
Result<std::vector<BatchLine>> ParseBatchFile(std::string_view text, const std::string& where,
                                              const BatchLine& defaults, int64_t vocab_size);

}  // namespace moiety

#endif  // MOIETY_RUNTIME_BATCH_FILE_H_
