// TrainedModel: a model whose weights are f32 values of our own, to be changed.
#ifndef MOIETY_TRAIN_TRAINED_MODEL_H_
#define MOIETY_TRAIN_TRAINED_MODEL_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/context.h"
#include "models/model.h"
#include "moiety/status.h"
#include "store/weight_store.h"
#include "train/parameters.h"

namespace moiety {

struct TrainedModel {
  nlohmann::json config;  // as config.json has it
  std::unique_ptr<WeightStore> store;
  std::unique_ptr<const Model> model;
  Parameters parameters;
};

// The model of a Hugging Face folder, with its weights. `context` must outlive it.
Result<TrainedModel> OpenTrainedModel(Context& context, const std::filesystem::path& folder);

// A model as config.json would describe it, with weights that depend on the seed alone: matrices
// uniform with this standard deviation, gains of norms 1. `where` starts messages about the config.
Result<TrainedModel> NewTrainedModel(Context& context, nlohmann::json config,
                                     const std::string& where, uint64_t seed,
                                     float standard_deviation);

}  // namespace moiety

#endif  // MOIETY_TRAIN_TRAINED_MODEL_H_
