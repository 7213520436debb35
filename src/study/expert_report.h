// What a profile of experts says, as the document that reports show.
#ifndef MOIETY_STUDY_EXPERT_REPORT_H_
#define MOIETY_STUDY_EXPERT_REPORT_H_

#include <cstdint>
#include <nlohmann/json_fwd.hpp>

#include "moiety/model_info.h"
#include "study/expert_profile.h"

namespace moiety {

// Larger layers list their kMaxListedPairs strongest pairs instead of a table of all.
inline constexpr int64_t kMaxPairTableExperts = 64;
inline constexpr int64_t kMaxListedPairs = 40;
// Of all passages and layers together; passages are shortened alike where there would be more.
inline constexpr int64_t kMaxPassageChoices = 400'000;

// {
//   "model": {"architecture", "num_layers", "num_experts", "top_k", "router", "parameters",
//     "active_parameters"},
//   "classes": [names],
//   "texts": [{"name", "num_tokens", "num_read", "class_counts": [per class],
//     "passage": {"tokens": [text], "classes": [index],
//       "layers": [{"layer", "experts": [[id]], "weights": [[weight]]} per layer]}}],
//   "layers": [{"layer", "num_experts", "num_tokens", "num_dropped", "load": [per expert], "cv",
//     "max_violation", "expert_entropy", "gate_entropy",
//     "text_load": [[choices per expert] per text], "class_load": [[…] per class],
//     "text_information", "text_information_share", "text_information_by_chance",
//     "class_information", …,
//     "pairs": {"count": [[…]], "lift": [[…]]} or null,
//     "strongest_pairs": [{"experts": [a, b], "count", "lift"}]}]
// }
// Entropies and informations are in nats (expert_measures.h has the formulas); a share is of the
// most that the information could be, the smaller of the entropies of load and of texts (classes).
nlohmann::json ExpertReport(const ExpertProfile& profile, const ModelInfo& info);

}  // namespace moiety

#endif  // MOIETY_STUDY_EXPERT_REPORT_H_
