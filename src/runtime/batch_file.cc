#include "runtime/batch_file.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <system_error>
#include <utility>

#include "base/format.h"
#include "format/config_reader.h"
#include "format/json.h"
#include "runtime/sampler.h"

namespace moiety {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 17> kFields = {"prompt",
                                                      "messages",
                                                      "id",
                                                      "n",
                                                      "max_tokens",
                                                      "temperature",
                                                      "top_k",
                                                      "top_p",
                                                      "min_p",
                                                      "seed",
                                                      "stop",
                                                      "presence_penalty",
                                                      "logit_bias",
                                                      "repeat_last_n",
                                                      "ignore_eos",
                                                      "frequency_penalty",
                                                      "repetition_penalty"};

void ReadSampling(const json& object, ConfigReader& reader, BatchLine& line) {
  SamplingOptions& s = line.options.sampling;
  s.temperature = reader.FloatOr("temperature", s.temperature);
  s.top_k = reader.IntOr("top_k", s.top_k, 0, INT64_MAX);
  s.top_p = reader.FloatOr("top_p", s.top_p);
  s.min_p = reader.FloatOr("min_p", s.min_p);
  s.penalty_last_n = reader.IntOr("repeat_last_n", s.penalty_last_n, -1, INT32_MAX);
  s.repetition_penalty = reader.FloatOr("repetition_penalty", s.repetition_penalty);
  s.presence_penalty = reader.FloatOr("presence_penalty", s.presence_penalty);
  s.frequency_penalty = reader.FloatOr("frequency_penalty", s.frequency_penalty);
  if (!reader.Missing("seed")) {
    s.seed = static_cast<uint64_t>(reader.IntOr("seed", 0, 0, INT64_MAX));
    line.has_seed = true;
  }
  std::optional<ConfigReader> biases = reader.Object("logit_bias");
  if (!biases.has_value()) return;
  std::set<int32_t> named;
  for (const auto& [key, value] : object["logit_bias"].items()) {
    int32_t id = 0;
    const char* const end = key.data() + key.size();
    const auto [last, error] = std::from_chars(key.data(), end, id);
    if (error != std::errc() || last != end || !value.is_number()) {
      reader.Fail("logit_bias", Format("must map token ids to numbers, found {}: {}", ShowJson(key),
                                       ShowJson(value)));
      return;
    }
    if (!named.insert(id).second) {
      reader.Fail("logit_bias", Format("names token id {} twice", id));
      return;
    }
    s.logit_bias[id] = biases->Float(key);
  }
}

void ReadStops(const json& object, ConfigReader& reader, BatchLine& line) {
  if (reader.Missing("stop")) return;
  if (object["stop"].is_string()) {
    line.options.stop = {object["stop"].get<std::string>()};
  } else {
    line.options.stop = reader.StringsOr("stop", {});
  }
}

void ReadId(const json& object, ConfigReader& reader, BatchLine& line) {
  if (reader.Missing("id")) return;
  line.id = object["id"];
  if (!line.id.is_string() && !line.id.is_number_integer()) {
    reader.Fail("id", Format("must be a string or an integer, found {}", ShowJson(line.id)));
  }
}

void ReadInput(const json& object, std::string_view text, ConfigReader& reader, BatchLine& line) {
  if (reader.Missing("prompt") == reader.Missing("messages")) {
    reader.Fail("prompt", "or messages must be there, one of the two");
    return;
  }
  if (reader.Missing("messages")) {
    line.prompt = reader.String("prompt");
    return;
  }
  const json& messages = object["messages"];
  const auto is_message = [](const json& m) {
    return m.is_object() && m.contains("role") && m["role"].is_string();
  };
  if (!messages.is_array() || messages.empty() || !std::ranges::all_of(messages, is_message)) {
    reader.Fail("messages",
                Format("must be a list of objects with a \"role\", found {}", ShowJson(messages)));
    return;
  }
  // Templates see the keys in the order of the file.
  if (auto ordered = ParseOrderedJson(text, reader.where()); ordered.ok()) {
    line.messages = std::move((*ordered)["messages"]);
  }
}

Result<BatchLine> ParseLine(std::string_view text, const std::string& where,
                            const BatchLine& defaults, int64_t vocab_size) {
  MOIETY_ASSIGN_OR_RETURN(const json object, ParseJson(text, where));
  if (!object.is_object()) {
    return InvalidData(Format("{}: expected a JSON object, found {}", where, ShowJson(object)));
  }
  for (const auto& [key, value] : object.items()) {
    if (std::ranges::find(kFields, key) == kFields.end()) {
      return InvalidData(Format("{}: unknown field {}", where, ShowJson(key)));
    }
  }
  BatchLine line = defaults;
  ConfigReader reader(object, where);
  ReadInput(object, text, reader, line);
  ReadId(object, reader, line);
  line.num_samples = reader.IntOr("n", line.num_samples, 1, kMaxSamples);
  line.options.max_tokens = reader.IntOr("max_tokens", line.options.max_tokens, -1, INT64_MAX);
  line.options.ignore_eos = reader.BoolOr("ignore_eos", line.options.ignore_eos);
  ReadStops(object, reader, line);
  ReadSampling(object, reader, line);
  MOIETY_RETURN_IF_ERROR(Status(reader.status()));
  MOIETY_RETURN_IF_ERROR(
      CheckSamplingOptions(line.options.sampling, vocab_size).WithContext(where));
  return line;
}

}  // namespace

Result<std::vector<BatchLine>> ParseBatchFile(std::string_view text, const std::string& where,
                                              const BatchLine& defaults, int64_t vocab_size) {
  std::vector<BatchLine> lines;
  for (int64_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    MOIETY_ASSIGN_OR_RETURN(BatchLine parsed,
                            ParseLine(line, Format("{}:{}", where, number), defaults, vocab_size));
    parsed.line = number;
    lines.push_back(std::move(parsed));
  }
  if (lines.empty()) return InvalidData(Format("{}: has no requests", where));
  return lines;
}

}  // namespace moiety
