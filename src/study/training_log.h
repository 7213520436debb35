// The log of a training run, as `moiety train` writes it: log.jsonl, an object per line.
//
//   {"event":"step","step":1,"loss":5.5,"lr":1e-3,"gradient_norm":1.2,"tokens":4096,
//    "tokens_per_s":5000.0,"balance_loss":2.0, other kRouterLosses,"skipped":"why, where it was",
//    "layers":[{"layer":0,"load":[…],"cv":0.1,"max_vio":0.2,"gate_entropy":1.9,
//               "expert_entropy":2.0,"dropped":0}]}
//   {"event":"validation","step":100,"loss":2.1,"domains":{"de":{"loss":2.0,"tokens":10000}}}
//   {"event":"resume","step":120}
//
// Other events and fields are ignored. A number that is null or not there is NaN here.
#ifndef MOIETY_STUDY_TRAINING_LOG_H_
#define MOIETY_STUDY_TRAINING_LOG_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "moiety/status.h"
#include "routing/router_losses.h"

namespace moiety {

// What is read is at most a few times as large as its text.
inline constexpr uint64_t kMaxTrainingLogBytes = uint64_t{1} << 30;
inline constexpr int64_t kMaxLoggedLayers = 65536;
inline constexpr int64_t kMaxLoggedExperts = 65536;

struct TrainingLog {
  struct Step {
    int64_t step;
    double loss, learning_rate, gradient_norm, tokens, tokens_per_s;
    std::array<double, kRouterLosses.size()> router_losses;  // in that order
    bool skipped;                                            // its gradients were thrown away
    std::string skip_reason;                                 // empty where it was not
  };
  // A MoE layer over the steps that say something about it.
  struct Layer {
    int64_t layer = 0;
    int64_t num_experts = 0;
    std::vector<size_t> at;   // indices into `steps`, ascending
    std::vector<float> load;  // [steps of the layer, num_experts] tokens
    // [steps of the layer]
    std::vector<double> cv, max_violation, gate_entropy, expert_entropy, dropped;
  };
  struct Validation {
    int64_t step;
    double loss;
    std::map<std::string, double> domains;  // loss by name
  };

  std::vector<Step> steps;              // ascending
  std::vector<Layer> layers;            // ascending
  std::vector<Validation> validations;  // ascending
  std::vector<int64_t> resumes;         // the steps that runs went on from
  int64_t num_superseded = 0;           // steps that were computed again after a resume
  int64_t num_cut_lines = 0;            // lines cut short when a run was killed
};

// `where` (a file name) and the line start every message. A resume at step N takes back what the
// log has of later steps: they are computed again. A line that is no JSON is counted as cut short
// if it is the last one and has no line end, or if the run was resumed right after it; anywhere
// else it is an error, like a field of another type and a step that does not come after the one
// before. A log without steps is fine.
Result<TrainingLog> ParseTrainingLog(std::string_view text, const std::string& where);

}  // namespace moiety

#endif  // MOIETY_STUDY_TRAINING_LOG_H_
