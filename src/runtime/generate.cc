#include "runtime/generate.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <vector>

#include "base/format.h"
#include "runtime/sampler.h"
#include "runtime/stop_strings.h"

namespace moiety {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

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
                                  const OnToken& on_token, Observer* observer, int64_t num_held) {
  const ModelInfo& info = engine.model().info();
  MOIETY_RETURN_IF_ERROR(CheckSamplingOptions(options.sampling, info.vocab_size));
  if (options.max_tokens < -1) {
    return InvalidArgument(Format("max_tokens must be -1 or more, found {}", options.max_tokens));
  }
  if (on_token == nullptr) return InvalidArgument("on_token must not be empty");
  if (options.top_logprobs < 0) {
    return InvalidArgument(
        Format("top_logprobs must be 0 or more, found {}", options.top_logprobs));
  }
  if (prompt.empty())
    return InvalidArgument("the prompt is empty: the model needs at least one token");
  const auto num_prompt = static_cast<int64_t>(prompt.size());
  if (num_held < 0 || num_held >= num_prompt || num_held > sequence.length()) {
    return InvalidArgument(
        Format("num_held must be below the prompt's {} and at most the sequence's {}, found {}",
               num_prompt, sequence.length(), num_held));
  }
  MOIETY_ASSIGN_OR_RETURN(const Tokenizer* const tokenizer, engine.tokenizer());

  Sampler sampler(options.sampling);
  sampler.Accept(prompt);
  Tokenizer::Stream stream(*tokenizer);
  stream.Prime(prompt);
  StopStrings stops(options.stop);
  const std::vector<int32_t>& eos = engine.generation_config().eos_token_ids;
  const int64_t max_tokens =
      options.max_tokens < 0 ? std::numeric_limits<int64_t>::max() : options.max_tokens;

  GenerationResult result;
  result.num_prompt_tokens = num_prompt;
  TokenEvent event;
  const Engine::OnLogits choose = [&](int64_t, const Matrix& logits) -> Status {
    const std::span<const float> row(logits.data, static_cast<size_t>(logits.cols));
    MOIETY_ASSIGN_OR_RETURN(Logprobs logprobs,
                            ComputeLogprobs(engine.context().kernels, row, options.top_logprobs));
    MOIETY_ASSIGN_OR_RETURN(event.id, sampler.Sample(row));
    event.logprob = static_cast<float>(row[static_cast<size_t>(event.id)] - logprobs.log_sum);
    event.top = std::move(logprobs.top);
    return OkStatus();
  };

  Clock::time_point start = Clock::now();
  const bool any = max_tokens > 0;
  MOIETY_RETURN_IF_ERROR(engine.Feed(sequence, prompt.subspan(static_cast<size_t>(num_held)),
                                     any ? LogitRows::kLast : LogitRows::kNone, choose, observer));
  result.prompt_seconds = SecondsSince(start);
  result.finish_reason = FinishReason::kMaxTokens;
  start = Clock::now();
  while (result.num_generated_tokens < max_tokens) {
    ++result.num_generated_tokens;
    const bool ended =
        !options.ignore_eos && std::find(eos.begin(), eos.end(), event.id) != eos.end();
    event.text = ended ? "" : stops.Next(stream.Next(event.id));
    const bool last = ended || stops.found() || result.num_generated_tokens == max_tokens ||
                      sequence.length() == info.context_length;
    // Nothing follows the last token: what was held back is final.
    if (last && !stops.found()) {
      event.text += stops.Next(stream.Finish());
      if (!stops.found()) event.text += stops.Finish();
    }
    if (!on_token(event)) {
      result.finish_reason = FinishReason::kCancelled;
      break;
    }
    if (last) {
      result.finish_reason = ended           ? FinishReason::kEndOfText
                             : stops.found() ? FinishReason::kStopString
                             : result.num_generated_tokens == max_tokens
                                 ? FinishReason::kMaxTokens
                                 : FinishReason::kContextFull;
      break;
    }
    MOIETY_RETURN_IF_ERROR(
        engine.Feed(sequence, {&event.id, 1}, LogitRows::kLast, choose, observer));
  }
  result.generation_seconds = SecondsSince(start);
  return result;
}

}  // namespace moiety
