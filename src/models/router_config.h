// The object "moiety_router" of a config.json: the routing strategy of MoE layers and its options,
// where it is another than the architecture's own top-k. transformers passes over it.
//
//   {"strategy": "sigmoid_bias", "groups": 4, "groups_per_token": 2}
#ifndef MOIETY_MODELS_ROUTER_CONFIG_H_
#define MOIETY_MODELS_ROUTER_CONFIG_H_

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "format/config_reader.h"
#include "routing/router.h"

namespace moiety {

inline constexpr const char* kRouterKey = "moiety_router";

// Sets `strategy` and what the object has of the options but num_experts, top_k and renormalize,
// which configs say elsewhere. Without the object nothing changes. Errors are the reader's.
void ReadRouter(ConfigReader& config, std::string& strategy, RouterOptions& options);

// The object that ReadRouter reads: options that differ from their defaults.
nlohmann::json RouterObject(const std::string& strategy, const RouterOptions& options);

}  // namespace moiety

#endif  // MOIETY_MODELS_ROUTER_CONFIG_H_
