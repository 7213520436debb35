// A model as Hugging Face publishes it: a folder with
//
//   config.json                     what the model is
//   generation_config.json          how to generate with it; may be absent
//   model.safetensors               the weights in one file, or
//   model.safetensors.index.json    tensor name → file, for weights in several
//
// (Tokenizer files are read by tokenize/.)
#ifndef MOIETY_FORMAT_HF_FOLDER_H_
#define MOIETY_FORMAT_HF_FOLDER_H_

#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "format/generation_config.h"
#include "moiety/status.h"
#include "tensor/tensor_table.h"

namespace moiety {

struct HfConfig {
  std::filesystem::path dir;
  std::string config_path;                       // dir/config.json, for messages
  std::shared_ptr<const nlohmann::json> config;  // never null, always an object
  GenerationConfig generation;                   // token ids completed from config.json
};

struct HfFolder : HfConfig {
  TensorTable tensors;  // one entry in files per weight file, mapped; names as in the files
};

// Reads the two configs, not the weights.
Result<HfConfig> OpenHfConfig(const std::filesystem::path& dir);

// The same for a config.json alone, of any name and without a generation_config.json beside it.
Result<HfConfig> OpenHfConfigFile(const std::filesystem::path& file);

// The configs and the headers of the weight files. Where both forms of weights are there,
// model.safetensors is read and the index is not, as in the transformers library.
//
// Which tensors and shapes the model needs is not known here; that the files and the index agree
// with each other is checked. Fails with kNotFound (no such folder, config, weights or shard),
// kInvalidArgument (a file instead of a folder), kUnsupported (weights in another format only),
// kInvalidData (a broken file) or kIoError.
Result<HfFolder> OpenHfFolder(const std::filesystem::path& dir);

}  // namespace moiety

#endif  // MOIETY_FORMAT_HF_FOLDER_H_
