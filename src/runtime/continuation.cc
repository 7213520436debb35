#include "runtime/continuation.h"

#include <algorithm>
#include <utility>

namespace moiety {
namespace {

SamplingOptions WithSeed(SamplingOptions sampling, uint64_t seed) {
  sampling.seed = seed;
  return sampling;
}

}  // namespace

Continuation::Continuation(const Tokenizer& tokenizer, const GenerationOptions& options,
                           uint64_t seed, std::span<const int32_t> eos,
                           std::span<const int32_t> prompt)
    : options_(options),
      eos_(eos),
      sampler_(WithSeed(options.sampling, seed)),
      stream_(tokenizer),
      stops_(options.stop) {
  sampler_.Accept(prompt);
  stream_.Prime(prompt);
}

Status Continuation::Choose(const KernelTable& kernels, std::span<const float> logits,
                            Sampler::Candidates& scratch) {
  MOIETY_ASSIGN_OR_RETURN(Logprobs logprobs,
                          ComputeLogprobs(kernels, logits, options_.top_logprobs));
  MOIETY_ASSIGN_OR_RETURN(event_.id, sampler_.Sample(logits, scratch));
  event_.logprob = static_cast<float>(logits[static_cast<size_t>(event_.id)] - logprobs.log_sum);
  event_.top = std::move(logprobs.top);
  return OkStatus();
}

std::optional<FinishReason> Continuation::Show(bool context_full, const OnToken& on_token) {
  ++num_tokens_;
  const bool ended =
      !options_.ignore_eos && std::find(eos_.begin(), eos_.end(), event_.id) != eos_.end();
  event_.text = ended ? "" : stops_.Next(stream_.Next(event_.id));
  const bool enough = num_tokens_ == options_.max_tokens;
  const bool last = ended || stops_.found() || enough || context_full;
  // Nothing follows the last token: what was held back is final.
  if (last && !stops_.found()) {
    event_.text += stops_.Next(stream_.Finish());
    if (!stops_.found()) event_.text += stops_.Finish();
  }
  if (!on_token(event_)) return FinishReason::kCancelled;
  if (!last) return std::nullopt;
  if (ended) return FinishReason::kEndOfText;
  if (stops_.found()) return FinishReason::kStopString;
  return enough ? FinishReason::kMaxTokens : FinishReason::kContextFull;
}

}  // namespace moiety
