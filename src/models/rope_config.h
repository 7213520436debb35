// The rope settings of a Hugging Face config.
#ifndef MOIETY_MODELS_ROPE_CONFIG_H_
#define MOIETY_MODELS_ROPE_CONFIG_H_

#include <cstdint>

#include "format/config_reader.h"
#include "ops/rope.h"

namespace moiety {

// Reads rope_theta and rope_scaling (with `type` or `rope_type`), or rope_parameters as
// transformers 5 writes them, and rope_interleave. Kinds: default, linear, llama3, yarn; another one is an error of
// `config`.
RopeTable ReadRopeTable(ConfigReader& config, int64_t head_dim, int64_t context_length,
                        double default_theta);

}  // namespace moiety

#endif  // MOIETY_MODELS_ROPE_CONFIG_H_
