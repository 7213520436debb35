#include "train/schedule.h"

#include <algorithm>

#include "base/exact_math.h"

namespace moiety {
namespace {
constexpr double kPi = 3.14159265358979323846;
}

bool IsSchedule(const std::string& name) {
  return name == "cosine" || name == "linear" || name == "constant" || name == "wsd";
}

double LearningRateFactor(const ScheduleOptions& options, int64_t t, int64_t n) {
  const auto step = static_cast<double>(t);
  const auto warmup = static_cast<double>(options.warmup_steps);
  if (step < warmup) return step / warmup;
  const double r = options.min_lr_ratio;
  const double rest = static_cast<double>(n) - warmup;
  const double u = rest <= 0 ? 1 : std::min(1.0, (step - warmup) / rest);
  if (options.name == "cosine") return r + (1 - r) * 0.5 * (1 + ExactCos(kPi * u));
  if (options.name == "linear") return 1 - (1 - r) * u;
  if (options.name == "wsd" && options.decay_steps > 0) {
    const auto decay = static_cast<double>(options.decay_steps);
    const double begin = static_cast<double>(n) - decay;
    return step <= begin ? 1 : 1 - (1 - r) * std::min(1.0, (step - begin) / decay);
  }
  return 1;
}

}  // namespace moiety
