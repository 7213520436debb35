// Rope settings in all the spellings that configs have.
#include "models/rope_config.h"

#include <gmock/gmock.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace moiety {
namespace {

using nlohmann::json;
using testing::FloatEq;
using testing::HasSubstr;
using testing::Pointwise;

constexpr int64_t kHeadDim = 8;
constexpr int64_t kContext = 64;

struct Outcome {
  RopeTable table;
  Status status;
};
Outcome ReadRope(const json& fields, double default_theta = 10000) {
  const json config = fields.is_null() ? json::object() : fields;
  ConfigReader reader(config, "config.json");
  RopeTable table = ReadRopeTable(reader, kHeadDim, kContext, default_theta);
  return {std::move(table), reader.status()};
}
RopeTable Table(const json& config, double default_theta = 10000) {
  Outcome outcome = ReadRope(config, default_theta);
  EXPECT_TRUE(outcome.status.ok()) << outcome.status.message();
  EXPECT_EQ(outcome.table.inverse_frequencies.size(), static_cast<size_t>(kHeadDim / 2));
  return outcome.table;
}

std::vector<float> Frequencies(double theta, double factor = 1) {
  std::vector<float> f;
  for (int i = 0; i < kHeadDim / 2; ++i)
    f.push_back(static_cast<float>(std::pow(theta, -2.0 * i / kHeadDim) / factor));
  return f;
}

TEST(RopeConfig, Theta) {
  EXPECT_THAT(Table({}).inverse_frequencies, Pointwise(FloatEq(), Frequencies(10000)));
  EXPECT_THAT(Table({}, 1e6).inverse_frequencies, Pointwise(FloatEq(), Frequencies(1e6)));
  EXPECT_THAT(Table({{"rope_theta", 500}}).inverse_frequencies,
              Pointwise(FloatEq(), Frequencies(500)));
  EXPECT_THAT(Table({{"rope_scaling", nullptr}, {"rope_theta", 500}}).inverse_frequencies,
              Pointwise(FloatEq(), Frequencies(500)));
  EXPECT_EQ(Table({}).attention_factor, 1);
}

TEST(RopeConfig, RopeParametersAreReadFirst) {
  const json parameters = {{"rope_theta", 300}, {"rope_type", "default"}};
  EXPECT_THAT(Table({{"rope_parameters", parameters}, {"rope_theta", 500}}).inverse_frequencies,
              Pointwise(FloatEq(), Frequencies(300)));
  const json no_theta = {{"rope_type", "linear"}, {"factor", 2}};
  EXPECT_THAT(Table({{"rope_parameters", no_theta}, {"rope_theta", 500}}).inverse_frequencies,
              Pointwise(FloatEq(), Frequencies(500, 2)));
}

TEST(RopeConfig, LinearInBothSpellings) {
  for (const char* key : {"type", "rope_type"}) {
    EXPECT_THAT(Table({{"rope_scaling", {{key, "linear"}, {"factor", 4.0}}}}).inverse_frequencies,
                Pointwise(FloatEq(), Frequencies(10000, 4)));
  }
}

TEST(RopeConfig, Llama3KeepsShortWavesAndSlowsLongOnes) {
  const json scaling = {{"rope_type", "llama3"},
                        {"factor", 8.0},
                        {"low_freq_factor", 1.0},
                        {"high_freq_factor", 4.0},
                        {"original_max_position_embeddings", 64}};
  const std::vector<float> found = Table({{"rope_scaling", scaling}}).inverse_frequencies;
  // Wavelengths: 6, 63, 628, 6283. Below 64 / 4 kept, above 64 / 1 slowed, 63 between: by the
  // formula, smooth = (64 / 62.83 - 1) / (4 - 1).
  EXPECT_FLOAT_EQ(found[0], 1);
  const double wave = 2 * M_PI / 0.1;
  const double smooth = (64 / wave - 1) / 3;
  EXPECT_NEAR(found[1], (1 - smooth) * 0.1 / 8 + smooth * 0.1, 1e-7);
  EXPECT_FLOAT_EQ(found[2], 0.01F / 8);
  EXPECT_FLOAT_EQ(found[3], 0.001F / 8);
}

TEST(RopeConfig, YarnScalesWhatTurnsSlowlyAndTheAttention) {
  const json scaling = {
      {"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 64}};
  const RopeTable table = Table({{"rope_scaling", scaling}});
  EXPECT_FLOAT_EQ(table.inverse_frequencies.front(), 1) << "turns ten times in 64 tokens";
  EXPECT_FLOAT_EQ(table.inverse_frequencies.back(), 0.001F / 4) << "turns a hundredth";
  EXPECT_FLOAT_EQ(table.attention_factor, static_cast<float>(0.1 * std::log(4.0) + 1));
}

TEST(RopeConfig, YarnAttentionFactor) {
  const json base = {{"rope_type", "yarn"}, {"factor", 4.0}};
  const auto factor = [&](const json& more) {
    json scaling = base;
    scaling.update(more);
    return Table({{"rope_scaling", scaling}}).attention_factor;
  };
  const auto mscale = [](double m) { return 0.1 * m * std::log(4.0) + 1; };
  EXPECT_FLOAT_EQ(factor({{"attention_factor", 1.5}}), 1.5F);
  EXPECT_FLOAT_EQ(factor({{"mscale", 2.0}, {"mscale_all_dim", 0.5}}),
                  static_cast<float>(mscale(2) / mscale(0.5)));
  // As in the reference, one of the two alone counts for nothing.
  EXPECT_FLOAT_EQ(factor({{"mscale", 2.0}}), static_cast<float>(mscale(1)));
  EXPECT_FLOAT_EQ(factor({{"mscale_all_dim", 2.0}}), static_cast<float>(mscale(1)));
  EXPECT_FLOAT_EQ(factor({{"factor", 0.5}}), 1);
}

TEST(RopeConfig, YarnOriginalContextIsTheModelsByDefault) {
  const auto frequencies = [](const json& more) {
    json scaling = {{"rope_type", "yarn"}, {"factor", 4.0}};
    scaling.update(more);
    return Table({{"rope_theta", 100}, {"rope_scaling", scaling}}).inverse_frequencies;
  };
  const std::vector<float> found = frequencies(json::object());
  EXPECT_EQ(found, frequencies({{"original_max_position_embeddings", kContext}}));
  EXPECT_NE(found, frequencies({{"original_max_position_embeddings", 8 * kContext}}));
}

TEST(RopeConfig, Errors) {
  const auto llama3 = [](const json& more) {
    json scaling = {{"rope_type", "llama3"},
                    {"factor", 8.0},
                    {"low_freq_factor", 1.0},
                    {"high_freq_factor", 4.0},
                    {"original_max_position_embeddings", 64}};
    scaling.update(more);
    return json{{"rope_scaling", scaling}};
  };
  const auto yarn = [](const json& more) {
    json scaling = {{"type", "yarn"}, {"factor", 4.0}};
    scaling.update(more);
    return json{{"rope_scaling", scaling}};
  };
  const std::vector<std::pair<json, std::string>> cases = {
      {{{"rope_theta", 0}}, "\"rope_theta\" must be from 1 to 1000000000000000, found 0"},
      {{{"rope_theta", -3}}, "\"rope_theta\" must be from 1 to 1000000000000000, found -3"},
      {{{"rope_theta", "big"}}, "\"rope_theta\" must be a finite number"},
      {{{"rope_scaling", "linear"}}, "\"rope_scaling\" must be an object"},
      {{{"rope_scaling", {{"type", 1}}}}, "\"rope_scaling.type\" must be a string"},
      {{{"rope_scaling", {{"type", "linear"}}}}, "\"rope_scaling.factor\" is missing"},
      {{{"rope_scaling", {{"type", "linear"}, {"factor", 0}}}},
       "\"rope_scaling.factor\" must be from 1e-06 to 1000000000, found 0"},
      {{{"rope_parameters", {{"rope_type", "linear"}, {"factor", -1}}}},
       "\"rope_parameters.factor\" must be from 1e-06 to 1000000000"},
      {llama3({{"factor", nullptr}}), "\"rope_scaling.factor\" is missing"},
      {llama3({{"low_freq_factor", 0}}),
       "\"rope_scaling.low_freq_factor\" must be from 1e-06 to 1000000000"},
      {llama3({{"high_freq_factor", 1.0}}),
       "\"rope_scaling.high_freq_factor\" must be above low_freq_factor 1, found 1"},
      {llama3({{"original_max_position_embeddings", 0}}),
       "\"rope_scaling.original_max_position_embeddings\""},
      {yarn({{"beta_fast", 0}}), "\"rope_scaling.beta_fast\" must be from 1e-06 to 1000000000"},
      {yarn({{"beta_slow", -1}}), "\"rope_scaling.beta_slow\" must be from 1e-06 to 1000000000"},
      {yarn({{"attention_factor", 0}}),
       "\"rope_scaling.attention_factor\" must be from 1e-06 to 1000000000"},
      {yarn({{"original_max_position_embeddings", 0}}),
       "\"rope_scaling.original_max_position_embeddings\""},
      {yarn({{"truncate", 1}}), "\"rope_scaling.truncate\" must be true or false"},
  };
  for (const auto& [config, message] : cases) {
    const Status status = ReadRope(config).status;
    EXPECT_EQ(status.code(), StatusCode::kInvalidData) << config;
    EXPECT_THAT(status.message(), HasSubstr(message));
  }
  json theta = yarn(json::object());
  theta["rope_theta"] = 1;
  EXPECT_THAT(ReadRope(theta).status.message(), HasSubstr("rope_theta\" must not be 1 with yarn"));
}

TEST(RopeConfig, LayersOfATypeHaveTheirOwn) {
  constexpr RopeKeys kLocal = {
      .theta = "rope_local_base_freq", .scaling = "", .layer_type = "sliding_attention"};
  const auto local = [&](const json& config) {
    ConfigReader reader(config, "config.json");
    RopeTable table = ReadRopeTable(reader, kHeadDim, kContext, 100, kLocal);
    EXPECT_TRUE(reader.status().ok()) << reader.status().message();
    return table.inverse_frequencies;
  };
  const json scaling = {{"rope_type", "linear"}, {"factor", 8.0}};
  EXPECT_THAT(local(json::object()), Pointwise(FloatEq(), Frequencies(100)));
  EXPECT_THAT(local({{"rope_theta", 7}, {"rope_scaling", scaling}, {"rope_local_base_freq", 300}}),
              Pointwise(FloatEq(), Frequencies(300)));
  const json both = {
      {"rope_parameters",
       {{"full_attention", scaling},
        {"sliding_attention", {{"rope_type", "linear"}, {"factor", 2}, {"rope_theta", 200}}}}}};
  EXPECT_THAT(local(both), Pointwise(FloatEq(), Frequencies(200, 2)));
  ConfigReader reader(both, "config.json");
  EXPECT_THAT(ReadRopeTable(reader, kHeadDim, kContext, 100, {.layer_type = "full_attention"})
                  .inverse_frequencies,
              Pointwise(FloatEq(), Frequencies(100, 8)));
}

TEST(RopeConfig, UnknownKindNamesTheKnownOnes) {
  const Status status = ReadRope({{"rope_scaling", {{"rope_type", "spiral"}}}}).status;
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_THAT(status.message(),
              HasSubstr("\"spiral\": supported are default, linear, llama3, yarn"));
}

}  // namespace
}  // namespace moiety
