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
#include "moiety/model_info.h"
#include "moiety/status.h"
#include "ops/batch.h"
#include "ops/exec.h"
#include "ops/state.h"
#include "store/weight_store.h"
#include "tensor/matrix.h"

namespace moiety {

// Immutable once its store is loaded; may be used by several threads, each with its own Exec.
class Model {
 public:
  virtual ~Model() = default;
  virtual const ModelInfo& info() const = 0;
  // What each layer remembers of a sequence; exact keys and values, unless the pages that batches
  // bring are laid out for another type.
  virtual const std::vector<StateSpec>& state() const = 0;
  // What the head is applied to, for batch.logit_rows: [logit_rows, d_model]. Extends the state of
  // each segment's sequence by its rows. Look at exec.status() afterwards, here and below.
  virtual Matrix Hidden(Exec& exec, const Batch& batch) const = 0;
  // The logits of such rows: [rows, vocab_size].
  virtual Matrix Logits(Exec& exec, const Matrix& hidden) const = 0;
  Matrix Forward(Exec& exec, const Batch& batch) const { return Logits(exec, Hidden(exec, batch)); }
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
