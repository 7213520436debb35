#include "train/trained_model.h"

#include <string>
#include <utility>

#include "format/config_reader.h"
#include "format/hf_folder.h"

namespace moiety {
namespace {

Status FinishModel(Context& context, const std::string& where, TrainedModel& trained) {
  ConfigReader reader(trained.config, where);
  MOIETY_ASSIGN_OR_RETURN(trained.model, BuildModel(reader, *trained.store));
  MOIETY_RETURN_IF_ERROR(trained.store->Load());
  MOIETY_ASSIGN_OR_RETURN(trained.parameters, Parameters::Of(*trained.store, context.budget));
  return OkStatus();
}

}  // namespace

Result<TrainedModel> OpenTrainedModel(Context& context, const std::filesystem::path& folder) {
  MOIETY_ASSIGN_OR_RETURN(HfFolder files, OpenHfFolder(folder));
  TrainedModel trained;
  trained.config = *files.config;
  trained.store = std::make_unique<WeightStore>(std::move(files.tensors), folder.string(),
                                                Residency::kTrained, context.budget, &context.pool);
  MOIETY_RETURN_IF_ERROR(FinishModel(context, files.config_path, trained));
  return trained;
}

Result<TrainedModel> NewTrainedModel(Context& context, nlohmann::json config,
                                     const std::string& where, uint64_t seed,
                                     float standard_deviation) {
  TrainedModel trained;
  trained.config = std::move(config);
  trained.store =
      std::make_unique<WeightStore>(RandomWeights{DType::kF32, seed, standard_deviation, true},
                                    where, context.budget, context.pool);
  MOIETY_RETURN_IF_ERROR(FinishModel(context, where, trained));
  return trained;
}

}  // namespace moiety
