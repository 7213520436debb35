#include "cli/sampling_flags.h"

#include <charconv>
#include <random>
#include <system_error>

#include "base/format.h"
#include "cli/command.h"
#include "runtime/generate.h"

namespace moiety::cli {
namespace {

// "ID+BIAS" or "ID-BIAS"; the bias may be -inf.
Status ReadLogitBias(const std::vector<std::string>& texts, SamplingOptions& sampling) {
  for (const std::string& text : texts) {
    int32_t id = 0;
    double bias = 0;
    const char* end = text.data() + text.size();
    const auto [sign, id_error] = std::from_chars(text.data(), end, id);
    // from_chars takes a minus but no plus.
    const char* number = sign != end && *sign == '+' ? sign + 1 : sign;
    const bool signed_bias = sign != end && (*sign == '+' || *sign == '-');
    const auto [last, bias_error] = std::from_chars(number, end, bias);
    if (id_error != std::errc() || bias_error != std::errc() || last != end || !signed_bias) {
      return InvalidArgument(
          Format("--logit-bias: expected ID+BIAS or ID-BIAS, found \"{}\"", text));
    }
    sampling.logit_bias[id] = bias;
  }
  return OkStatus();
}

}  // namespace

void AddSamplingFlags(CLI::App& command, SamplingFlags& flags, const std::string& seed_names) {
  command
      .add_option("--temp,--temperature", flags.temperature,
                  "Temperature, 0: greedy (default: 0.8 *)")
      ->check(CLI::Range(0.0, kMaxTemperature).description(""));
  command.add_flag("--greedy", flags.greedy, "Always the most likely token, as --temp 0");
  command
      .add_option("--top-k", flags.top_k,
                  "Choose among the k most likely tokens, 0: all (default: 40 *)")
      ->check(AtLeast(0));
  command
      .add_option(
          "--top-p", flags.top_p,
          "Choose among the most likely tokens of this total probability, 1: all (default: 0.95 *)")
      ->check(CLI::Range(0.0, 1.0).description(""));
  command
      .add_option("--min-p", flags.min_p,
                  "Drop tokens less likely than this share of the best, 0: none (default: 0.05 *)")
      ->check(CLI::Range(0.0, 1.0).description(""));
  command
      .add_option("--repeat-penalty,--repetition-penalty", flags.repetition_penalty,
                  "Divide the logits of tokens that occurred, 1: off (default: 1 *)")
      ->check(CLI::Range(kMinRepetitionPenalty, kMaxRepetitionPenalty).description(""));
  command.add_option("--presence-penalty", flags.presence_penalty,
                     "Subtract from the logits of tokens that occurred");
  command.add_option("--frequency-penalty", flags.frequency_penalty,
                     "Subtract per occurrence of a token");
  command
      .add_option("--repeat-last-n", flags.penalty_last_n,
                  "Tokens that penalties look back at, -1: all (default: 64, or all with a "
                  "recommended penalty)")
      ->check(AtLeast(-1));
  command
      .add_option("--logit-bias", flags.logit_bias,
                  "ID+BIAS or ID-BIAS: change a token's logit; repeatable")
      ->allow_extra_args(false);
  command.add_option(seed_names, flags.seed, "Seed of the draws, -1: a random one (default: -1)")
      ->check(AtLeast(-1));
}

Result<SamplingOptions> ReadSamplingFlags(const SamplingFlags& flags,
                                          const GenerationConfig& config) {
  SamplingOptions s = DefaultSampling(config);
  s.penalty_last_n = flags.penalty_last_n.value_or(s.penalty_last_n);
  s.presence_penalty = flags.presence_penalty;
  s.frequency_penalty = flags.frequency_penalty;
  s.temperature = flags.greedy ? 0 : flags.temperature.value_or(s.temperature);
  s.top_k = flags.top_k.value_or(s.top_k);
  s.top_p = flags.top_p.value_or(s.top_p);
  s.min_p = flags.min_p.value_or(s.min_p);
  s.repetition_penalty = flags.repetition_penalty.value_or(s.repetition_penalty);
  s.seed = flags.seed < 0 ? std::random_device{}() : static_cast<uint64_t>(flags.seed);
  MOIETY_RETURN_IF_ERROR(ReadLogitBias(flags.logit_bias, s));
  return s;
}

}  // namespace moiety::cli
