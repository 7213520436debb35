// What the files of this folder share: each is a strategy, made by its function here and listed in
// routing/registry.cc.
#ifndef MOIETY_ROUTING_STRATEGIES_STRATEGIES_H_
#define MOIETY_ROUTING_STRATEGIES_STRATEGIES_H_

#include <cstdint>
#include <memory>
#include <string_view>

#include "moiety/status.h"
#include "routing/router.h"

namespace moiety {

// What the random numbers of a step are for (RandomField).
enum class RouterDraw : uint32_t { kNoise = 1, kSecondExpert = 2, kSample = 3 };

inline constexpr std::string_view kNoiseWeight = "noise.weight";  // of noisy_topk

// 1 ≤ top_k ≤ num_experts, else an error that begins with "router NAME".
Status CheckTopK(std::string_view name, const RouterOptions& options);

// Groups divide the experts, and the open ones have enough for top_k; else such an error.
Status CheckGroups(std::string_view name, const RouterOptions& options);

using RouterMaker = Result<std::unique_ptr<const Router>>(const RouterOptions& options,
                                                          int64_t d_model);
RouterMaker MakeAttentiveRouter;
RouterMaker MakeBaseRouter;
RouterMaker MakeExpertChoiceRouter;
RouterMaker MakeGaussianRouter;
RouterMaker MakeGroupLimitedRouter;
RouterMaker MakeGshardRouter;
RouterMaker MakeHardRouter;
RouterMaker MakeHashRouter;
RouterMaker MakeHierarchicalRouter;
RouterMaker MakeNoisyTopKRouter;
RouterMaker MakeSigmoidBiasRouter;
RouterMaker MakeSoftRouter;
RouterMaker MakeSwitchRouter;
RouterMaker MakeTopKRouter;

}  // namespace moiety

#endif  // MOIETY_ROUTING_STRATEGIES_STRATEGIES_H_
