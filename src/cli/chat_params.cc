#include "cli/chat_params.h"

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <variant>

#include "base/format.h"
#include "format/json.h"
#include "runtime/sampler.h"

namespace moiety::cli {
namespace {

using nlohmann::json;

constexpr const char* kMaxTokens = "max_tokens";
constexpr const char* kSeed = "seed";

struct Parameter {
  const char* flag;  // of the command line
  const char* name;  // in a saved chat
  std::variant<double SamplingOptions::*, int64_t SamplingOptions::*, uint64_t SamplingOptions::*,
               int64_t GenerationOptions::*>
      member;
  const char* description;
};

constexpr std::array<Parameter, 10> kParameters = {{
    {"temp", "temperature", &SamplingOptions::temperature, "0: always the most likely token"},
    {"top-k", "top_k", &SamplingOptions::top_k, "among the k most likely tokens, 0: all"},
    {"top-p", "top_p", &SamplingOptions::top_p, "among tokens of this total probability, 1: all"},
    {"min-p", "min_p", &SamplingOptions::min_p, "none below this share of the best, 0: all"},
    {"repeat-penalty", "repetition_penalty", &SamplingOptions::repetition_penalty,
     "divides logits of tokens that occurred, 1: off"},
    {"repeat-last-n", "penalty_last_n", &SamplingOptions::penalty_last_n,
     "tokens that penalties look back at, -1: all"},
    {"presence-penalty", "presence_penalty", &SamplingOptions::presence_penalty,
     "taken from logits of tokens that occurred"},
    {"frequency-penalty", "frequency_penalty", &SamplingOptions::frequency_penalty,
     "the same, per occurrence"},
    {"seed", kSeed, &SamplingOptions::seed, "of the next answer's draws; grows by 1 per answer"},
    {"predict", kMaxTokens, &GenerationOptions::max_tokens,
     "tokens of an answer, -1: until it ends"},
}};

json Value(const Parameter& parameter, const GenerationOptions& options) {
  return std::visit(
      [&](auto member) -> json {
        if constexpr (std::is_same_v<decltype(member), int64_t GenerationOptions::*>) {
          return options.*member;
        } else {
          return options.sampling.*member;
        }
      },
      parameter.member);
}

// Only the type; the range is a matter of all options together.
Status SetValue(const Parameter& parameter, const json& value, GenerationOptions& options) {
  const bool is_int =
      value.is_number_integer() &&
      (!value.is_number_unsigned() || value.get<uint64_t>() <= std::numeric_limits<int64_t>::max());
  const auto expected = [&](const char* what) {
    return InvalidArgument(
        Format("{} must be {}, found {}", parameter.name, what, ShowJson(value)));
  };
  if (const auto* real = std::get_if<double SamplingOptions::*>(&parameter.member)) {
    if (!value.is_number()) return expected("a number");
    options.sampling.*(*real) = value.get<double>();
  } else if (const auto* count = std::get_if<int64_t SamplingOptions::*>(&parameter.member)) {
    if (!is_int) return expected("a whole number");
    options.sampling.*(*count) = value.get<int64_t>();
  } else if (const auto* seed = std::get_if<uint64_t SamplingOptions::*>(&parameter.member)) {
    if (!value.is_number_unsigned()) return expected("a whole number of at least 0");
    options.sampling.*(*seed) = value.get<uint64_t>();
  } else {
    if (!is_int || value.get<int64_t>() < -1) return expected("a whole number of at least -1");
    options.max_tokens = value.get<int64_t>();
  }
  return OkStatus();
}

const Parameter* Find(std::string_view name) {
  const auto* found = std::find_if(
      kParameters.begin(), kParameters.end(),
      [&](const Parameter& parameter) { return name == parameter.flag || name == parameter.name; });
  return found == kParameters.end() ? nullptr : found;
}

}  // namespace

std::string ParameterTable(const GenerationOptions& options) {
  std::string table;
  for (const Parameter& parameter : kParameters) {
    table += Format("  {:<18} {:<12} {}\n", parameter.flag, Value(parameter, options).dump(),
                    parameter.description);
  }
  return table;
}

Status SetParameter(std::string_view name, std::string_view value, int64_t vocab_size,
                    GenerationOptions& options) {
  const Parameter* parameter = Find(name);
  if (parameter == nullptr) {
    std::string names;
    for (const Parameter& known : kParameters) {
      names += (names.empty() ? "" : ", ") + std::string(known.flag);
    }
    return InvalidArgument(Format("there is no parameter \"{}\"; there are {}", name, names));
  }
  const Result<json> number = ParseJson(value, parameter->name);
  GenerationOptions changed = options;
  MOIETY_RETURN_IF_ERROR(
      SetValue(*parameter, number.ok() ? *number : json(std::string(value)), changed));
  MOIETY_RETURN_IF_ERROR(CheckSamplingOptions(changed.sampling, vocab_size));
  options = std::move(changed);
  return OkStatus();
}

json ParameterJson(const GenerationOptions& options) {
  json all = json::object();
  for (const Parameter& parameter : kParameters) all[parameter.name] = Value(parameter, options);
  return all;
}

Status ReadParameterJson(const json& parameters, const std::string& where, int64_t vocab_size,
                         GenerationOptions& options) {
  if (!parameters.is_object()) {
    return InvalidData(
        Format("{}: parameters must be an object, found {}", where, ShowJson(parameters)));
  }
  GenerationOptions changed = options;
  for (const auto& [name, value] : parameters.items()) {
    const Parameter* parameter = Find(name);
    if (parameter == nullptr || name != parameter->name) {
      return InvalidData(Format("{}: there is no parameter {}", where, ShowJson(name)));
    }
    MOIETY_RETURN_IF_ERROR(SetValue(*parameter, value, changed).WithContext(where));
  }
  MOIETY_RETURN_IF_ERROR(CheckSamplingOptions(changed.sampling, vocab_size).WithContext(where));
  options = std::move(changed);
  return OkStatus();
}

}  // namespace moiety::cli
