#include "cli/choice_flags.h"

#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "base/format.h"
#include "cli/command.h"

namespace moiety::cli {

void AddChoiceFlags(CLI::App& command, ChoiceLimits& limits) {
  command
      .add_option("--experts-per-token", limits.experts_per_token,
                  "Compute only this many of the experts that a token chose, the best ones: "
                  "faster, another text (default: all)")
      ->check(AtLeast(1));
  command
      .add_option("--expert-threshold", limits.threshold,
                  "Leave out experts whose weight is below this share of the token's largest, such "
                  "as 0.2: faster, another text (default: none)")
      ->check(CLI::Validator(
          [](const std::string& text) {
            double value = 0;
            const char* const end = text.data() + text.size();
            const auto [last, error] = std::from_chars(text.data(), end, value);
            return error == std::errc() && last == end && value > 0 && value < 1
                       ? ""
                       : Format("expected a number above 0 and below 1, found \"{}\"", text);
          },
          ""));
}

Result<std::unique_ptr<ChoiceLimiter>> LimitChoices(Engine& engine, const ChoiceLimits& limits,
                                                    RouteEdit* before) {
  std::vector<RouteEdit*> edits;
  if (before != nullptr) edits.push_back(before);
  std::unique_ptr<ChoiceLimiter> limiter;
  if (Status status = CheckChoiceLimits(limits, engine.model().info()); !status.ok()) {
    return std::move(status).WithContext(engine.path().string());
  }
  if (limits.any()) {
    limiter = std::make_unique<ChoiceLimiter>(limits);
    edits.push_back(limiter.get());
  }
  MOIETY_RETURN_IF_ERROR(engine.SetRouteEdits(std::move(edits)));
  return limiter;
}

namespace {

double ShareOf(int64_t part, int64_t whole) {
  return whole == 0 ? 0 : 100 * static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

std::string ChoiceText(const ChoiceLimiter& limiter) {
  const ChoiceCounts& c = limiter.counts();
  std::string text = Format("{} of {} choices left out ({:.1f} %)", c.num_left_out(), c.num_choices,
                            ShareOf(c.num_left_out(), c.num_choices));
  if (limiter.limits().experts_per_token != 0 && limiter.limits().threshold != 0) {
    text += Format(", {} by their number, {} by their weight", c.num_beyond_count,
                   c.num_below_threshold);
  }
  return text;
}

std::string ChoiceSummary(const ChoiceLimiter* limiter) {
  return limiter == nullptr ? "" : Format("limits      {}\n", ChoiceText(*limiter));
}

void AddChoiceJson(const ChoiceLimiter* limiter, nlohmann::json& document) {
  if (limiter == nullptr) return;
  const ChoiceLimits& limits = limiter->limits();
  const ChoiceCounts& counts = limiter->counts();
  nlohmann::json& out = document["choice_limits"];
  if (limits.experts_per_token != 0) out["experts_per_token"] = limits.experts_per_token;
  if (limits.threshold != 0) out["expert_threshold"] = limits.threshold;
  out["choices"] = counts.num_choices;
  out["left_out"] = counts.num_left_out();
  out["left_out_by_experts_per_token"] = counts.num_beyond_count;
  out["left_out_by_expert_threshold"] = counts.num_below_threshold;
}

}  // namespace moiety::cli
