// What a model's authors recommend for generating text (generation_config.json).
#ifndef MOIETY_FORMAT_GENERATION_CONFIG_H_
#define MOIETY_FORMAT_GENERATION_CONFIG_H_

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "moiety/status.h"

namespace moiety {

// Bounds of sampling options, for files and callers alike.
inline constexpr double kMaxTemperature = 1e6;
inline constexpr double kMinRepetitionPenalty = 1e-6;
inline constexpr double kMaxRepetitionPenalty = 1e6;

// Empty where the file says nothing; what applies then is the caller's decision.
struct GenerationConfig {
  std::optional<int32_t> bos_token_id;
  std::vector<int32_t> eos_token_ids;  // any of them ends a text
  std::optional<int32_t> pad_token_id;
  std::optional<bool> do_sample;             // false: always the most likely token
  std::optional<double> temperature;         // at least 0; 0 is the same as do_sample false
  std::optional<int64_t> top_k;              // 0: off
  std::optional<double> top_p;               // 0 to 1
  std::optional<double> min_p;               // 0 to 1
  std::optional<double> repetition_penalty;  // above 0; 1: off
  std::optional<int64_t> max_new_tokens;     // at least 1
};

// `json`: the contents of generation_config.json, whose path `where` starts every message. A field
// of the wrong type or out of range is an error; fields not listed above are left alone.
Result<GenerationConfig> ReadGenerationConfig(const nlohmann::json& json, const std::string& where);

// Takes the token ids that are still empty from the model's config.json: older models, and those
// without a generation_config.json, have them only there.
Status FillTokenIds(const nlohmann::json& config, const std::string& where,
                    GenerationConfig& generation);

}  // namespace moiety

#endif  // MOIETY_FORMAT_GENERATION_CONFIG_H_
