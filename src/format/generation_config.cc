#include "format/generation_config.h"

#include <nlohmann/json.hpp>

#include "base/format.h"
#include "format/config_reader.h"

namespace moiety {
namespace {

void ReadTokenId(ConfigReader& reader, const char* key, std::optional<int32_t>& id) {
  if (id.has_value() || reader.Missing(key)) return;
  id = static_cast<int32_t>(reader.IntOr(key, 0, 0, INT32_MAX));
}

void ReadTokenIds(ConfigReader& reader, GenerationConfig& generation) {
  ReadTokenId(reader, "bos_token_id", generation.bos_token_id);
  if (generation.eos_token_ids.empty()) {
    for (const int64_t id : reader.IntsOr("eos_token_id", {}, 0, INT32_MAX)) {
      generation.eos_token_ids.push_back(static_cast<int32_t>(id));
    }
  }
  // -1 is how early Llama configs write "there is no padding token".
  if (!generation.pad_token_id.has_value() && !reader.Missing("pad_token_id")) {
    const int64_t id = reader.IntOr("pad_token_id", -1, -1, INT32_MAX);
    if (id >= 0) generation.pad_token_id = static_cast<int32_t>(id);
  }
}

std::optional<double> ReadFloat(ConfigReader& reader, const char* key, double min, double max) {
  if (reader.Missing(key)) return std::nullopt;
  const double value = reader.FloatOr(key, min);
  if (value < min || value > max) {
    reader.Fail(key, Format("must be a number from {} to {}, found {}", min, max, value));
  }
  return value;
}

std::optional<int64_t> ReadInt(ConfigReader& reader, const char* key, int64_t min) {
  if (reader.Missing(key)) return std::nullopt;
  return reader.IntOr(key, min, min, INT64_MAX);
}

}  // namespace

Result<GenerationConfig> ReadGenerationConfig(const nlohmann::json& document,
                                              const std::string& where) {
  // Nobody means more than these; a limit makes 1e300 an error here instead of an infinity later.
  ConfigReader reader(document, where);
  GenerationConfig generation;
  ReadTokenIds(reader, generation);
  if (!reader.Missing("do_sample")) generation.do_sample = reader.BoolOr("do_sample", false);
  generation.temperature = ReadFloat(reader, "temperature", 0, kMaxTemperature);
  generation.top_k = ReadInt(reader, "top_k", 0);
  generation.top_p = ReadFloat(reader, "top_p", 0, 1);
  generation.min_p = ReadFloat(reader, "min_p", 0, 1);
  generation.repetition_penalty =
      ReadFloat(reader, "repetition_penalty", kMinRepetitionPenalty, kMaxRepetitionPenalty);
  generation.max_new_tokens = ReadInt(reader, "max_new_tokens", 1);
  MOIETY_RETURN_IF_ERROR(reader.status());
  return generation;
}

Status FillTokenIds(const nlohmann::json& config, const std::string& where,
                    GenerationConfig& generation) {
  ConfigReader reader(config, where);
  ReadTokenIds(reader, generation);
  return reader.status();
}

}  // namespace moiety
