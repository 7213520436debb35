// Continuation: the text that follows a prompt, from the logits of its tokens.
#ifndef MOIETY_RUNTIME_CONTINUATION_H_
#define MOIETY_RUNTIME_CONTINUATION_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "kernels/kernels.h"
#include "moiety/generation.h"
#include "moiety/status.h"
#include "runtime/sampler.h"
#include "runtime/stop_strings.h"
#include "tokenize/tokenizer.h"

namespace moiety {

class Continuation {
 public:
  // `options` must have passed CheckSamplingOptions. `eos`: ids that end a text. All that is
  // borrowed must outlive the continuation, but for `prompt`.
  Continuation(const Tokenizer& tokenizer, const GenerationOptions& options, uint64_t seed,
               std::span<const int32_t> eos, std::span<const int32_t> prompt);

  // Chooses the next token. Different continuations may do so at the same time, each with a scratch
  // of its own. Fails for logits of which nothing can be chosen.
  Status Choose(const KernelTable& kernels, std::span<const float> logits,
                Sampler::Candidates& scratch);

  // The token that was chosen last.
  int32_t id() const { return event_.id; }

  // Hands that token to `on_token`, and says why the text ends with it if it does. `context_full`:
  // the model has no position for it.
  std::optional<FinishReason> Show(bool context_full, const OnToken& on_token);

  int64_t num_tokens() const { return num_tokens_; }  // shown

 private:
  const GenerationOptions& options_;
  std::span<const int32_t> eos_;
  Sampler sampler_;
  Tokenizer::Stream stream_;
  StopStrings stops_;
  TokenEvent event_;
  int64_t num_tokens_ = 0;
};

}  // namespace moiety

#endif  // MOIETY_RUNTIME_CONTINUATION_H_
