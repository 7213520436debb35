// The routing strategies. A new one: its file in strategies/, and a row here.
#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "base/format.h"
#include "base/nearest_name.h"
#include "routing/router.h"
#include "routing/strategies/strategies.h"

namespace moiety {
namespace {

struct Strategy {
  RouterInfo info;
  RouterMaker* make;
};

constexpr std::array kStrategies = {
    Strategy{{.name = "topk",
              .summary = "the k most probable experts",
              .reference = "Shazeer et al. 2017; Jiang et al. 2024 (Mixtral)",
              .options = "renormalize capacity_factor",
              .at_inference = AtInference::kTopK},
             MakeTopKRouter},
    Strategy{{.name = "noisy_topk",
              .summary = "top-k of logits with learned noise",
              .reference = "Shazeer et al. 2017",
              .options = "noise capacity_factor",
              .at_inference = AtInference::kTopKRenormalized,
              .training_weight = kNoiseWeight},
             MakeNoisyTopKRouter},
    Strategy{{.name = "switch",
              .summary = "the most probable expert; tokens without room pass by",
              .reference = "Fedus et al. 2022",
              .options = "capacity_factor",
              .at_inference = AtInference::kTopKAsScored},
             MakeSwitchRouter},
    Strategy{{.name = "gshard",
              .summary = "the best expert, the second by chance",
              .reference = "Lepikhin et al. 2020",
              .options = "capacity_factor",
              .at_inference = AtInference::kTopKRenormalized},
             MakeGshardRouter},
    Strategy{{.name = "sigmoid_bias",
              .summary = "sigmoid scores, balanced by a bias instead of a loss",
              .reference = "Wang et al. 2024; DeepSeek-AI 2024 (V3)",
              .options = "renormalize capacity_factor scale groups groups_per_token "
                         "bias_update_rate"},
             MakeSigmoidBiasRouter},
    Strategy{{.name = "group_limited",
              .summary = "top-k within the best groups of experts",
              .reference = "DeepSeek-AI 2024 (V2)",
              .options = "renormalize capacity_factor scale groups groups_per_token"},
             MakeGroupLimitedRouter},
    Strategy{{.name = "hash",
              .summary = "experts that the token's id names",
              .reference = "Roller et al. 2021",
              .options = "table"},
             MakeHashRouter},
    Strategy{{.name = "hard",
              .summary = "one expert with weight 1, the gate learns by an estimator",
              .reference = "Bengio et al. 2013; Williams 1992",
              .options = "estimator"},
             MakeHardRouter},
    Strategy{{.name = "soft",
              .summary = "all experts, mixed by their probabilities",
              .reference = "Jacobs et al. 1991",
              .options = "",
              .at_inference = AtInference::kTopKAsScored},
             MakeSoftRouter},
    Strategy{{.name = "hierarchical",
              .summary = "top-k leaves of a tree of gates",
              .reference = "Jordan, Jacobs 1994",
              .options = "branching renormalize capacity_factor"},
             MakeHierarchicalRouter},
    Strategy{{.name = "attentive",
              .summary = "top-k of a query against the experts' keys",
              .reference = "Vaswani et al. 2017; Krishnamurthy et al. 2023",
              .options = "d_key renormalize capacity_factor"},
             MakeAttentiveRouter},
    Strategy{{.name = "gaussian",
              .summary = "the experts whose Gaussian most likely made the token",
              .reference = "Xu, Jordan, Hinton 1995",
              .options = "renormalize capacity_factor"},
             MakeGaussianRouter},
    Strategy{{.name = "base",
              .summary = "equal loads by assignment while training, then the best expert",
              .reference = "Lewis et al. 2021",
              .options = "",
              .causal = false},
             MakeBaseRouter},
    Strategy{{.name = "expert_choice",
              .summary = "each expert takes the tokens that want it most",
              .reference = "Zhou et al. 2022",
              .options = "capacity_factor",
              .causal = false,
              .needs_whole_sequences = true},
             MakeExpertChoiceRouter},
};

Result<Strategy> Find(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Strategy& strategy : kStrategies) {
    if (strategy.info.name == name) return strategy;
    names.push_back(strategy.info.name);
  }
  return InvalidArgument(
      Format("unknown router \"{}\"; did you mean \"{}\"?", name, NearestName(name, names)));
}

}  // namespace

std::vector<std::string_view> RouterInfo::OptionNames() const {
  std::vector<std::string_view> names;
  for (std::string_view left = options; !left.empty();) {
    const size_t end = std::min(left.find(' '), left.size());
    if (end > 0) names.push_back(left.substr(0, end));
    left.remove_prefix(std::min(end + 1, left.size()));
  }
  return names;
}

std::vector<RouterInfo> Routers() {
  std::vector<RouterInfo> routers;
  for (const Strategy& strategy : kStrategies) routers.push_back(strategy.info);
  return routers;
}

Result<RouterInfo> FindRouter(std::string_view name) {
  MOIETY_ASSIGN_OR_RETURN(const Strategy strategy, Find(name));
  return strategy.info;
}

Status CheckTopK(std::string_view name, const RouterOptions& options) {
  if (options.num_experts >= 1 && options.top_k >= 1 && options.top_k <= options.num_experts) {
    return OkStatus();
  }
  return InvalidArgument(
      Format("router {}: top_k must be from 1 to the number of experts ({}), found {}", name,
             options.num_experts, options.top_k));
}

Status CheckGroups(std::string_view name, const RouterOptions& options) {
  const int64_t groups = options.groups;
  const int64_t open = options.groups_per_token;
  if (groups < 1 || options.num_experts % groups != 0 || open < 1 || open > groups) {
    return InvalidArgument(
        Format("router {}: {} groups, {} of them open to a token, do not divide {} experts", name,
               groups, open, options.num_experts));
  }
  if (options.top_k > options.num_experts / groups * open) {
    return InvalidArgument(Format("router {}: top_k is {}, but only {} experts are open to a token",
                                  name, options.top_k, options.num_experts / groups * open));
  }
  return OkStatus();
}

Result<std::unique_ptr<const Router>> MakeRouter(std::string_view name,
                                                 const RouterOptions& options, int64_t d_model) {
  MOIETY_ASSIGN_OR_RETURN(const Strategy strategy, Find(name));
  return strategy.make(options, d_model);
}

}  // namespace moiety
