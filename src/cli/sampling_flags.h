// The flags that choose tokens, shared by the commands that write text.
#ifndef MOIETY_CLI_SAMPLING_FLAGS_H_
#define MOIETY_CLI_SAMPLING_FLAGS_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "format/generation_config.h"
#include "moiety/generation.h"
#include "moiety/status.h"

namespace moiety::cli {

// Empty where the user said nothing.
struct SamplingFlags {
  std::optional<double> temperature, top_p, min_p, repetition_penalty;
  std::optional<int64_t> top_k, penalty_last_n;
  double presence_penalty = 0, frequency_penalty = 0;
  std::vector<std::string> logit_bias;
  bool greedy = false;
  int64_t seed = -1;
};

// `seed_names`: "-s,--seed" where -s is free. A "*" in a description stands for what
// generation_config.json may say instead: see kSamplingFootnote.
void AddSamplingFlags(CLI::App& command, SamplingFlags& flags, const std::string& seed_names);
inline constexpr const char* kSamplingFootnote =
    "\n* or what the model's generation_config.json says";

// What the flags say, over what the model's authors recommend, over moiety's defaults. Draws a seed
// if none is given.
Result<SamplingOptions> ReadSamplingFlags(const SamplingFlags& flags,
                                          const GenerationConfig& config);

}  // namespace moiety::cli

#endif  // MOIETY_CLI_SAMPLING_FLAGS_H_
