// The rope settings of a Hugging Face config.
#ifndef MOIETY_MODELS_ROPE_CONFIG_H_
#define MOIETY_MODELS_ROPE_CONFIG_H_

#include <cstdint>
#include <string_view>

#include "format/config_reader.h"
#include "ops/rope.h"

namespace moiety {

// Where the settings stand. Models whose layers differ in rope have them per type of layer.
struct RopeKeys {
  std::string_view theta = "rope_theta";
  std::string_view scaling = "rope_scaling";  // empty: these layers have none
  std::string_view layer_type = {};           // the object inside rope_parameters; empty: itself
};

// Reads theta and scaling (with `type` or `rope_type`), or rope_parameters as transformers 5 writes
// them, and rope_interleave. Kinds: default, linear, llama3, yarn; another one is an error of
// `config`.
RopeTable ReadRopeTable(ConfigReader& config, int64_t head_dim, int64_t context_length,
                        double default_theta, const RopeKeys& keys = {});

}  // namespace moiety

#endif  // MOIETY_MODELS_ROPE_CONFIG_H_
