#include "runtime/generate.h"

#include <utility>

#include "runtime/batcher.h"

namespace moiety {

const char* FinishReasonName(FinishReason reason) {
  switch (reason) {
    case FinishReason::kEndOfText:
    case FinishReason::kStopString:
      return "stop";
    case FinishReason::kMaxTokens:
    case FinishReason::kContextFull:
      return "length";
    case FinishReason::kCancelled:
      return "cancelled";
  }
  return "";
}

SamplingOptions DefaultSampling(const GenerationConfig& config) {
  SamplingOptions s;
  s.temperature = config.temperature.value_or(s.temperature);
  s.top_k = config.top_k.value_or(s.top_k);
  s.top_p = config.top_p.value_or(s.top_p);
  s.min_p = config.min_p.value_or(s.min_p);
  s.repetition_penalty = config.repetition_penalty.value_or(s.repetition_penalty);
  // Its authors mean the whole text, as transformers applies it.
  if (config.repetition_penalty.has_value()) s.penalty_last_n = -1;
  if (config.do_sample == false) s.temperature = 0;
  return s;
}

Result<GenerationResult> Generate(Engine& engine, Sequence& sequence,
                                  std::span<const int32_t> prompt, const GenerationOptions& options,
                                  const OnToken& on_token, Observer* observer, int64_t num_held,
                                  const std::function<bool()>& cancelled) {
  if (on_token == nullptr) return InvalidArgument("on_token must not be empty");
  Result<GenerationResult> outcome = GenerationResult();
  BatchRequest request;
  request.prompt.assign(prompt.begin(), prompt.end());
  request.options = options;
  request.on_token = [&](int64_t, const TokenEvent& event) { return on_token(event); };
  request.on_end = [&](int64_t, const Result<GenerationResult>& result) { outcome = result; };
  request.cancelled = cancelled;
  request.sequence = &sequence;
  request.num_held = num_held;
  Batcher batcher(engine, {.max_sequences = 1}, observer);
  MOIETY_RETURN_IF_ERROR(batcher.Add(std::move(request)));
  batcher.Run();
  return outcome;
}

}  // namespace moiety
