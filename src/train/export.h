// Writing a trained model as a Hugging Face folder.
#ifndef MOIETY_TRAIN_EXPORT_H_
#define MOIETY_TRAIN_EXPORT_H_

#include <filesystem>
#include <nlohmann/json_fwd.hpp>

#include "moiety/status.h"
#include "tensor/dtype.h"
#include "train/parameters.h"

namespace moiety {

// Writes config.json, generation_config.json and model.safetensors to `folder`, which is made if it
// is not there, and copies the tokenizer's files from `tokenizer` (a folder). Each file appears
// complete or not at all, config.json last: a folder without one is no model. What a router has
// only while training (models/router_config.h) goes where the architecture is our own, "moiety".
//   dtype  of all weights: F32, F16 or BF16, rounded once
// Fails with kIoError (disk full, no permission) and with kInvalidArgument for another dtype.
Status ExportModel(const std::filesystem::path& folder, const nlohmann::json& config,
                   const Parameters& parameters, const std::filesystem::path& tokenizer,
                   DType dtype);

}  // namespace moiety

#endif  // MOIETY_TRAIN_EXPORT_H_
