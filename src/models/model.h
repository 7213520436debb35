// Model: an architecture with its weights, ready to compute. One architecture is one file of this
// folder and one line in registry.cc.
#ifndef MOIETY_MODELS_MODEL_H_
#define MOIETY_MODELS_MODEL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "format/config_reader.h"
#include "moiety/status.h"
#include "ops/batch.h"
#include "ops/exec.h"
#include "ops/state.h"
#include "store/weight_store.h"
#include "tensor/matrix.h"

namespace moiety {

// What people and reports ask of a model.
struct ModelInfo {
  std::string architecture;  // model_type of config.json
  int64_t vocab_size = 0;
  int64_t d_model = 0;
  int64_t num_layers = 0;
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  int64_t d_feed_forward = 0;  // width of a dense layer, or of one expert
  int64_t num_experts = 0;     // per MoE layer; 0 for a dense model
  int64_t top_k = 0;
  int64_t num_moe_layers = 0;
  int64_t context_length = 0;  // positions the model was made for
  int64_t sliding_window = 0;  // 0: none
  std::string router;          // strategy; empty for a dense model
  uint64_t parameters = 0;         // tied weights counted once
  uint64_t active_parameters = 0;  // used for one token
};

// Immutable once its store is loaded; may be used by several threads, each with its own Exec.
class Model {
 public:
  virtual ~Model() = default;
  virtual const ModelInfo& info() const = 0;
  virtual const StateLayout& state() const = 0;
  // The logits of batch.logit_rows: [logit_rows, vocab_size]. Extends the state of each segment's
  // sequence by its rows. Look at exec.status() afterwards.
  virtual Matrix Forward(Exec& exec, const Batch& batch) const = 0;
};

struct Architecture {
  std::string_view model_type;
  // Reads the config, declares the weights in the store and builds the model around them.
  Result<std::unique_ptr<const Model>> (*build)(ConfigReader& config, WeightStore& store);
};

// Builds the model that config.json describes. Fails for an architecture that moiety does not have,
// for a config that makes no sense, and for weights that do not fit it.
Result<std::unique_ptr<const Model>> BuildModel(ConfigReader& config, WeightStore& store);

// The model types that BuildModel knows.
std::vector<std::string_view> ModelTypes();

}  // namespace moiety

#endif  // MOIETY_MODELS_MODEL_H_
