#include "models/rope_config.h"

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/format.h"

namespace moiety {
namespace {

struct RopeInput {
  double theta;
  double context_length;
};

// A number that keeps every frequency and factor within f32.
double Bounded(ConfigReader& config, std::string_view key, double value, double min, double max) {
  if (value >= min && value <= max) return value;
  config.Fail(key, Format("must be from {} to {}, found {}", min, max, value));
  return min;
}
double Positive(ConfigReader& config, std::string_view key, double value) {
  return Bounded(config, key, value, 1e-6, 1e9);
}
double Factor(ConfigReader& scaling) {
  return Positive(scaling, "factor", scaling.Float("factor"));
}

// Each kind scales the frequencies and returns the attention factor.
double NoScaling(ConfigReader&, const RopeInput&, std::vector<double>&) { return 1; }

double LinearScaling(ConfigReader& scaling, const RopeInput&, std::vector<double>& frequencies) {
  ScaleRopeLinear(frequencies, Factor(scaling));
  return 1;
}

double Llama3Scaling(ConfigReader& scaling, const RopeInput&, std::vector<double>& frequencies) {
  Llama3RopeScaling s;
  s.factor = Factor(scaling);
  s.low_freq_factor = Positive(scaling, "low_freq_factor", scaling.Float("low_freq_factor"));
  s.high_freq_factor = Positive(scaling, "high_freq_factor", scaling.Float("high_freq_factor"));
  s.original_context = static_cast<double>(scaling.Dim("original_max_position_embeddings"));
  if (s.high_freq_factor <= s.low_freq_factor) {
    scaling.Fail("high_freq_factor", Format("must be above low_freq_factor {}, found {}",
                                            s.low_freq_factor, s.high_freq_factor));
    return 1;
  }
  ScaleRopeLlama3(frequencies, s);
  return 1;
}

double YarnScaling(ConfigReader& scaling, const RopeInput& input,
                   std::vector<double>& frequencies) {
  YarnRopeScaling s;
  s.factor = Factor(scaling);
  s.beta_fast = Positive(scaling, "beta_fast", scaling.FloatOr("beta_fast", 32));
  s.beta_slow = Positive(scaling, "beta_slow", scaling.FloatOr("beta_slow", 1));
  s.original_context =
      Positive(scaling, "original_max_position_embeddings",
               scaling.FloatOr("original_max_position_embeddings", input.context_length));
  s.truncate = scaling.BoolOr("truncate", true);
  if (input.theta == 1) scaling.Fail("rope_theta", "must not be 1 with yarn");
  if (!scaling.status().ok()) return 1;
  ScaleRopeYarn(frequencies, input.theta, s);
  // The paper's factor, or the ratio DeepSeek configures. As in the reference, mscale counts only
  // together with mscale_all_dim, and neither may be 0.
  const double mscale = scaling.FloatOr("mscale", 0);
  const double mscale_all_dim = scaling.FloatOr("mscale_all_dim", 0);
  const double factor = mscale != 0 && mscale_all_dim != 0
                            ? YarnMscale(s.factor, mscale) / YarnMscale(s.factor, mscale_all_dim)
                            : YarnMscale(s.factor, 1);
  return Positive(scaling, "attention_factor", scaling.FloatOr("attention_factor", factor));
}

struct RopeKind {
  std::string_view name;
  double (*scale)(ConfigReader& scaling, const RopeInput& input, std::vector<double>& frequencies);
};
constexpr std::array kRopeKinds = {
    RopeKind{"default", NoScaling},
    RopeKind{"linear", LinearScaling},
    RopeKind{"llama3", Llama3Scaling},
    RopeKind{"yarn", YarnScaling},
};

}  // namespace

RopeTable ReadRopeTable(ConfigReader& config, int64_t head_dim, int64_t context_length,
                        double default_theta, const RopeKeys& keys) {
  if (!config.status().ok()) return {};
  std::optional<ConfigReader> scaling = config.Object("rope_parameters");
  if (scaling.has_value() && !keys.layer_type.empty()) scaling = scaling->Object(keys.layer_type);
  double theta = config.FloatOr(keys.theta, default_theta);
  if (scaling.has_value()) {
    theta = scaling->FloatOr("rope_theta", theta);
  } else if (!keys.scaling.empty()) {
    scaling = config.Object(keys.scaling);
  }
  Bounded(config, keys.theta, theta, 1, 1e15);
  for (ConfigReader* place : {&config, scaling.has_value() ? &*scaling : nullptr}) {
    if (place == nullptr) continue;
    if (const double part = place->FloatOr("partial_rotary_factor", 1.0); part != 1.0) {
      place->FailUnsupported("partial_rotary_factor", Format("is {}: only 1 is supported", part));
    }
  }

  std::string kind = "default";
  if (scaling.has_value())
    kind = scaling->StringOr("rope_type", scaling->StringOr("type", "default"));
  if (!config.status().ok()) return {};
  std::vector<double> frequencies = RopeFrequencies(theta, head_dim);
  std::string names;
  for (const RopeKind& candidate : kRopeKinds) {
    if (candidate.name == kind) {
      const RopeInput input{theta, static_cast<double>(context_length)};
      // Without scaling settings there is nothing a kind could read.
      const double factor = scaling.has_value() ? candidate.scale(*scaling, input, frequencies) : 1;
      RopeTable table = MakeRopeTable(frequencies, factor);
      table.interleaved = config.BoolOr("rope_interleave", false);
      return table;
    }
    names += (names.empty() ? "" : ", ") + std::string(candidate.name);
  }
  scaling->FailUnsupported("rope_type", Format("is \"{}\": supported are {}", kind, names));
  return {};
}

}  // namespace moiety
