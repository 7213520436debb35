// The parameters of answers that /params shows and changes, and that a saved chat keeps.
#ifndef MOIETY_CLI_CHAT_PARAMS_H_
#define MOIETY_CLI_CHAT_PARAMS_H_

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "moiety/generation.h"
#include "moiety/status.h"

namespace moiety::cli {

// A line per parameter: name, value, what it does.
std::string ParameterTable(const GenerationOptions& options);

// Sets the parameter that a flag of `moiety chat` (without its dashes) or a saved chat calls `name`
// to the number in `value`. On failure, which names what is allowed, nothing changes.
Status SetParameter(std::string_view name, std::string_view value, int64_t vocab_size,
                    GenerationOptions& options);

// {"temperature": 0.8, …}, and back. On failure nothing changes; parameters that are not in `json`
// keep their values.
nlohmann::json ParameterJson(const GenerationOptions& options);
Status ReadParameterJson(const nlohmann::json& json, const std::string& where, int64_t vocab_size,
                         GenerationOptions& options);

}  // namespace moiety::cli

#endif  // MOIETY_CLI_CHAT_PARAMS_H_
