// Sampler: from logits to the next token.
#ifndef MOIETY_RUNTIME_SAMPLER_H_
#define MOIETY_RUNTIME_SAMPLER_H_

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "kernels/kernels.h"
#include "moiety/generation.h"
#include "moiety/status.h"

namespace moiety {

// Fails with kInvalidArgument naming the option, its range and what was found.
Status CheckSamplingOptions(const SamplingOptions& options, int64_t vocab_size);

// log softmax of `logits` at `id`, and the `count` most likely tokens, best first (ties: lower id).
// Fails with kInvalidData when a logit is not a number.
struct Logprobs {
  double log_sum = 0;  // log Σ exp(logit)
  std::vector<TokenLogprob> top;
};
Result<Logprobs> ComputeLogprobs(const KernelTable& kernels, std::span<const float> logits,
                                 int64_t count);

// Chooses tokens for one sequence. The n-th choice depends on the seed, n and the logits alone.
class Sampler {
 public:
  // `options` must have passed CheckSamplingOptions.
  explicit Sampler(SamplingOptions options) : options_(std::move(options)) {}

  struct Candidate {
    int32_t id;
    double logit;
    double p;
  };
  using Candidates = std::vector<Candidate>;

  // Tells the sampler about tokens it did not choose (the prompt), for the penalties.
  void Accept(std::span<const int32_t> ids);

  // Chooses and accepts. Fails with kInvalidData if no logit is finite or one is NaN (a broken
  // model). `scratch` is memory to work in, its contents are of no importance: many samplers can
  // share one.
  Result<int32_t> Sample(std::span<const float> logits, Candidates& scratch);
  Result<int32_t> Sample(std::span<const float> logits) {
    Candidates scratch;
    return Sample(logits, scratch);
  }

 private:
  void Penalize(std::vector<Candidate>& candidates) const;
  void Truncate(std::vector<Candidate>& candidates) const;

  SamplingOptions options_;
  std::vector<int32_t> history_;
  std::unordered_map<int32_t, int64_t> counts_;  // of the last penalty_last_n tokens
  uint64_t num_sampled_ = 0;
};

}  // namespace moiety

#endif  // MOIETY_RUNTIME_SAMPLER_H_
