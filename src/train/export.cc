#include "train/export.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <system_error>
#include <vector>

#include "base/format.h"
#include "format/replacing_file.h"
#include "format/safetensors.h"
#include "io/mapped_file.h"
#include "models/router_config.h"
#include "routing/router.h"

namespace moiety {
namespace {

// The values in `dtype`, as checkpoints have them.
std::vector<std::byte> Round(const Parameter& parameter, DType dtype) {
  std::vector<float> values(parameter.values.begin(), parameter.values.end());
  for (float& value : values) value -= parameter.offset;
  std::vector<std::byte> bytes(DTypeBytes(dtype, values.size()));
  if (dtype == DType::kF32) {
    std::memcpy(bytes.data(), values.data(), bytes.size());
    return bytes;
  }
  auto* const halves = reinterpret_cast<uint16_t*>(bytes.data());
  std::transform(values.begin(), values.end(), halves,
                 dtype == DType::kBF16 ? F32ToBF16 : F32ToF16);
  return bytes;
}

const char* TorchName(DType dtype) {
  return dtype == DType::kF32 ? "float32" : dtype == DType::kF16 ? "float16" : "bfloat16";
}

Status CopyFile(const std::filesystem::path& from, const std::filesystem::path& to) {
  MOIETY_ASSIGN_OR_RETURN(const std::shared_ptr<const MappedFile> file, MappedFile::Open(from));
  const std::span<const std::byte> bytes = file->bytes();
  return ReplaceFile(to, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

// Published architectures have no room for what a router has while training: takes it out of the
// config. Returns how the names of the weights end that go with it; empty for none.
Result<std::string> LeaveOutTraining(nlohmann::json& config) {
  if (!config.contains(kRouterKey) || config["model_type"] == "moiety") return std::string();
  MOIETY_ASSIGN_OR_RETURN(const RouterInfo router,
                          FindRouter(config[kRouterKey]["strategy"].get<std::string>()));
  config.erase(kRouterKey);
  return std::string(router.training_weight);
}

}  // namespace

Status ExportModel(const std::filesystem::path& folder, const nlohmann::json& config,
                   const Parameters& parameters, const std::filesystem::path& tokenizer,
                   DType dtype) {
  if (dtype != DType::kF32 && dtype != DType::kF16 && dtype != DType::kBF16) {
    return InvalidArgument(
        Format("a model is exported as F32, F16 or BF16, not as {}", DTypeName(dtype)));
  }
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return IoError(Format("{}: cannot create: {}", folder.string(), error.message()));

  nlohmann::json written = config;
  MOIETY_ASSIGN_OR_RETURN(const std::string left_out, LeaveOutTraining(written));
  std::vector<std::vector<std::byte>> bytes;
  std::vector<TensorToWrite> tensors;
  for (const Parameter& p : parameters.all()) {
    if (!left_out.empty() && p.name.ends_with(left_out)) continue;
    bytes.push_back(Round(p, dtype));
    tensors.push_back({p.name, dtype, p.shape, bytes.back()});
  }
  MOIETY_RETURN_IF_ERROR(
      WriteSafetensors(folder / "model.safetensors", tensors, {{"format", "pt"}}));
  for (const char* name : {"tokenizer.json", "tokenizer_config.json"}) {
    if (tokenizer.empty() || !std::filesystem::exists(tokenizer / name)) continue;
    MOIETY_RETURN_IF_ERROR(CopyFile(tokenizer / name, folder / name));
  }
  nlohmann::json generation = {{"do_sample", true}, {"temperature", 0.8}, {"top_p", 0.95}};
  written["dtype"] = TorchName(dtype);
  for (const char* key : {"bos_token_id", "eos_token_id", "pad_token_id"}) {
    if (config.contains(key)) generation[key] = config[key];
  }
  MOIETY_RETURN_IF_ERROR(ReplaceFile(folder / "generation_config.json", generation.dump(2) + "\n"));
  return ReplaceFile(folder / "config.json", written.dump(2) + "\n");
}

}  // namespace moiety
