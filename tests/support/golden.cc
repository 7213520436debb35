#include "support/golden.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <ostream>
#include <utility>

#include "models/model.h"
#include "support/paths.h"

namespace moiety {
namespace {

namespace fs = std::filesystem;

// What f32 arithmetic in another order can cost on these models: the goldens themselves are up to
// 2e-5 standard deviations from a computation in f64, and the margins of every choice are far
// wider.
constexpr double kLogitsOverDeviation = 2e-4;
constexpr double kRouterLogits = 2e-4;
constexpr double kWeights = 2e-5;

double MaxError(std::span<const float> values, std::span<const float> golden) {
  if (values.size() != golden.size()) return std::numeric_limits<double>::infinity();
  double max = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double error = std::abs(static_cast<double>(values[i]) - static_cast<double>(golden[i]));
    if (!(error <= max)) max = std::isnan(error) ? std::numeric_limits<double>::infinity() : error;
  }
  return max;
}

using Choices = std::vector<std::pair<int32_t, float>>;  // (expert, weight), by expert

Choices ChoicesOf(const std::vector<int32_t>& experts, const std::vector<float>& weights,
                  size_t token, size_t top_k) {
  Choices choices;
  for (size_t k = token * top_k; k < (token + 1) * top_k; ++k)
    choices.emplace_back(experts[k], weights[k]);
  std::sort(choices.begin(), choices.end());
  return choices;
}

void ExpectRouting(const TensorFile& golden, const std::string& name, const LayerRouting& routing) {
  SCOPED_TRACE(name);
  EXPECT_LE(MaxError(routing.logits, golden.Floats(name + "logits")), kRouterLogits);
  const std::vector<int32_t> experts = golden.Ints(name + "experts");
  const std::vector<float> weights = golden.Floats(name + "weights");
  ASSERT_EQ(golden.ShapeOf(name + "experts"), (Shape{routing.num_tokens, routing.top_k}));
  ASSERT_EQ(golden.ShapeOf(name + "logits"), (Shape{routing.num_tokens, routing.num_experts}));
  ASSERT_EQ(routing.experts.size(), experts.size());
  ASSERT_EQ(routing.weights.size(), weights.size());
  const auto top_k = static_cast<size_t>(routing.top_k);
  for (size_t token = 0; token < experts.size() / top_k; ++token) {
    const Choices found = ChoicesOf(routing.experts, routing.weights, token, top_k);
    const Choices expected = ChoicesOf(experts, weights, token, top_k);
    for (size_t k = 0; k < top_k; ++k) {
      EXPECT_EQ(found[k].first, expected[k].first) << "token " << token;
      EXPECT_NEAR(found[k].second, expected[k].second, kWeights) << "token " << token;
    }
  }
}

}  // namespace

nlohmann::json ReadJson(const fs::path& path) {
  std::ifstream file(path);
  nlohmann::json document = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (!document.is_discarded()) return document;
  ADD_FAILURE() << path << " cannot be read as JSON";
  return nullptr;
}

void PrintTo(const GoldenCase& golden, std::ostream* out) { *out << golden.folder.string(); }

std::vector<GoldenCase> GoldenCases() {
  std::vector<GoldenCase> cases;
  for (const bool own : {false, true}) {
    const fs::path models =
        own ? SourcePath("tests/data/models") : SharedPath("conformance/models");
    std::error_code missing;
    for (const auto& entry : fs::directory_iterator(models, missing)) {
      if (!fs::exists(entry.path() / "golden.json")) continue;
      const nlohmann::json config = ReadJson(entry.path() / "config.json");
      cases.push_back(
          {entry.path().filename().string(), config.value("model_type", ""), entry.path(), own});
    }
  }
  std::sort(cases.begin(), cases.end(),
            [](const GoldenCase& a, const GoldenCase& b) { return a.folder < b.folder; });
  return cases;
}

std::vector<GoldenCase> SupportedGoldenCases(bool with_text) {
  std::vector<GoldenCase> cases = GoldenCases();
  std::erase_if(cases, [&](const GoldenCase& golden) {
    return !IsSupported(golden.architecture) ||
           (with_text && !fs::exists(golden.folder / "tokenizer.json"));
  });
  return cases;
}

std::string GoldenName(const GoldenCase& golden) {
  std::string name = (golden.own ? "own_" : "") + golden.name;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return std::isalnum(static_cast<uint8_t>(c)) == 0; },
      '_');
  return name;
}

bool IsSupported(const std::string& architecture) {
  const auto types = ModelTypes();
  return std::find(types.begin(), types.end(), architecture) != types.end();
}

std::vector<nlohmann::json> GoldenPrompts(const GoldenCase& golden) {
  const nlohmann::json document = ReadJson(golden.folder / "golden.json");
  if (document.is_object() && !document["prompts"].empty()) return document["prompts"];
  ADD_FAILURE() << golden.folder << ": golden.json has no prompts";
  return {};
}

void ExpectGolden(const TensorFile& golden, size_t prompt, const PromptResult& result) {
  const std::string name = "p" + std::to_string(prompt);
  SCOPED_TRACE(name);
  EXPECT_LE(ErrorOverDeviation(result.logits, golden.Floats(name + ".logits")),
            kLogitsOverDeviation);
  EXPECT_EQ(result.greedy_ids, golden.Longs(name + ".greedy_ids"));
  size_t num_layers = 0;
  for (const LayerRouting& layer : result.routing) {
    ExpectRouting(golden, name + ".router." + std::to_string(layer.layer) + ".", layer);
  }
  // No layer of the golden may be missing from the result.
  constexpr int kMoreThanAnyLayer = 256;
  for (int layer = 0; layer < kMoreThanAnyLayer; ++layer) {
    num_layers += golden.Has(name + ".router." + std::to_string(layer) + ".logits") ? 1 : 0;
  }
  EXPECT_EQ(result.routing.size(), num_layers);
}

double ErrorOverDeviation(std::span<const float> values, std::span<const float> golden) {
  if (golden.empty()) return std::numeric_limits<double>::infinity();
  double mean = 0;
  for (const float x : golden) mean += static_cast<double>(x) / static_cast<double>(golden.size());
  double variance = 0;
  for (const float x : golden) {
    variance += (static_cast<double>(x) - mean) * (static_cast<double>(x) - mean) /
                static_cast<double>(golden.size());
  }
  return MaxError(values, golden) / std::sqrt(variance);
}

}  // namespace moiety
