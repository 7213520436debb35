// Flags that leave out experts which routers chose, and what is told of it.
#ifndef MOIETY_CLI_CHOICE_FLAGS_H_
#define MOIETY_CLI_CHOICE_FLAGS_H_

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "moiety/status.h"
#include "routing/choice_limits.h"
#include "runtime/engine.h"

namespace moiety::cli {

// --experts-per-token and --expert-threshold.
void AddChoiceFlags(CLI::App& command, ChoiceLimits& limits);

// Puts the limits into force, as the only edits of an engine that has computed nothing yet but for
// `before`, which comes before them; null without limits. Fails as CheckChoiceLimits() does.
Result<std::unique_ptr<ChoiceLimiter>> LimitChoices(Engine& engine, const ChoiceLimits& limits,
                                                    RouteEdit* before = nullptr);

// "120 of 1234 choices left out (9.7 %)", and by which limit where both are set.
std::string ChoiceText(const ChoiceLimiter& limiter);
// "limits      120 of …\n", or empty without a limiter.
std::string ChoiceSummary(const ChoiceLimiter* limiter);
// The object "choice_limits"; nothing without a limiter.
void AddChoiceJson(const ChoiceLimiter* limiter, nlohmann::json& document);

}  // namespace moiety::cli

#endif  // MOIETY_CLI_CHOICE_FLAGS_H_
