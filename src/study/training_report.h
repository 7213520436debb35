// The log of a training run as the document that reports show: curves thinned out to what a page
// can draw.
#ifndef MOIETY_STUDY_TRAINING_REPORT_H_
#define MOIETY_STUDY_TRAINING_REPORT_H_

#include <cstdint>
#include <nlohmann/json_fwd.hpp>

#include "study/training_log.h"

namespace moiety {

// What a curve is thinned out to.
inline constexpr int64_t kMaxCurvePoints = 1000;
// The same for layers, whose numbers are many; fewer where all their experts together would have
// more than kMaxLoadNumbers, but not below kMinLayerPoints.
inline constexpr int64_t kMaxLayerPoints = 240;
inline constexpr int64_t kMinLayerPoints = 20;
inline constexpr int64_t kMaxLoadNumbers = 200'000;
// Skipped steps that are listed one by one; all are counted.
inline constexpr int64_t kMaxListedSkips = 200;

// {
//   "first_step", "last_step", "num_steps": steps in the log,
//   "tokens": of them all, "tokens_per_s": median, "num_skipped", "skipped": [{"step", "why"}],
//   "resumes": [step], "num_superseded", "num_cut_lines",
//   "smoothing_steps", "final_loss",
//   "curves": {"steps_per_point", "step": [last of each point], "loss", "loss_min", "loss_max",
//     "loss_smoothed", "learning_rate", "gradient_norm", "gradient_norm_max", "tokens_per_s",
//     "skipped": [steps skipped in each point], those of kRouterLosses that were logged},
//   "validation": {"step", "loss", "domains": {name: [loss]}},
//   "best_validation": {"step", "loss"} or null,
//   "layers": [{"layer", "num_experts", "num_steps", "steps_per_point", "step", "cv",
//     "max_violation", "gate_entropy", "expert_entropy", "dropped_share",
//     "load_share": [[share of the tokens per expert] per point]}]
// }
// Each point is the mean of `steps_per_point` logged steps in a row (the last may have fewer), or
// their smallest or largest value where its name says so; steps that were skipped do not count in
// the losses. "loss_smoothed" is the mean of up to smoothing_steps steps around each, before
// thinning; towards both ends of the log it is over fewer. "final_loss" is the mean of the last
// smoothing_steps. Numbers that were not logged are null.
nlohmann::json TrainingReport(const TrainingLog& log);

}  // namespace moiety

#endif  // MOIETY_STUDY_TRAINING_REPORT_H_
