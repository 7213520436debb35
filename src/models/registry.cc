#include <array>

#include "base/format.h"
#include "models/model.h"

namespace moiety {

// Each is defined in the file of that architecture.
using Builder = Result<std::unique_ptr<const Model>>(ConfigReader& config, WeightStore& store);
Builder BuildGemma3;
Builder BuildGemma3Text;
Builder BuildLlama;
Builder BuildMistral;
Builder BuildMixtral;
Builder BuildMoiety;
Builder BuildOlmoe;
Builder BuildQwen2;
Builder BuildQwen2Moe;
Builder BuildQwen3;
Builder BuildQwen3Moe;

namespace {

constexpr std::array kArchitectures = {
    Architecture{"gemma3", BuildGemma3},      Architecture{"gemma3_text", BuildGemma3Text},
    Architecture{"llama", BuildLlama},        Architecture{"mistral", BuildMistral},
    Architecture{"mixtral", BuildMixtral},    Architecture{"moiety", BuildMoiety},
    Architecture{"olmoe", BuildOlmoe},        Architecture{"qwen2", BuildQwen2},
    Architecture{"qwen2_moe", BuildQwen2Moe}, Architecture{"qwen3", BuildQwen3},
    Architecture{"qwen3_moe", BuildQwen3Moe},
};

}  // namespace

std::vector<std::string_view> ModelTypes() {
  std::vector<std::string_view> names;
  names.reserve(kArchitectures.size());
  for (const Architecture& architecture : kArchitectures) names.push_back(architecture.model_type);
  return names;
}

Result<std::unique_ptr<const Model>> BuildModel(ConfigReader& config, WeightStore& store) {
  const std::string type = config.String("model_type");
  MOIETY_RETURN_IF_ERROR(config.status());
  if (!config.Missing("quantization_config")) {
    config.FailUnsupported("quantization_config",
                           "is set: quantized Hugging Face folders cannot be read");
    return config.status();
  }
  for (const Architecture& architecture : kArchitectures) {
    if (architecture.model_type == type) return architecture.build(config, store);
  }
  std::string known;
  for (const std::string_view name : ModelTypes())
    known += (known.empty() ? "" : ", ") + std::string(name);
  config.FailUnsupported("model_type",
                         Format("is \"{}\", which is not one of the supported {}", type, known));
  return config.status();
}

}  // namespace moiety
