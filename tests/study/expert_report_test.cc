#include "study/expert_report.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "study/report_number.h"
#include "support/loaded_model.h"

namespace moiety {
namespace {

using nlohmann::json;

// A profile of two texts by a tiny model, 3 experts of which each token has 2.
struct Profiled {
  std::unique_ptr<Engine> engine;
  ExpertProfile profile;
};
Profiled MakeProfile(const ProfileOptions& options, json config = TinyMixtralConfig()) {
  Profiled made;
  made.engine = OpenOrFail(TinyModel(std::move(config)));
  if (made.engine == nullptr) return made;
  EXPECT_TRUE(made.profile.Read(*made.engine, "a", SomeIds(50, 1), options, nullptr).ok());
  EXPECT_TRUE(made.profile.Read(*made.engine, "b", SomeIds(40, 2), options, nullptr).ok());
  return made;
}

TEST(ExpertReport, SaysWhatTheProfileCounted) {
  const auto [engine, profile] = MakeProfile({16, 1000, 12});
  ASSERT_NE(engine, nullptr);
  const json report = ExpertReport(profile, engine->model().info());
  EXPECT_EQ(report["model"]["architecture"], "mixtral");
  EXPECT_EQ(report["model"]["num_experts"], 3);
  EXPECT_EQ(report["model"]["top_k"], 2);
  EXPECT_EQ(report["model"]["router"], "topk");
  EXPECT_EQ(report["classes"].size(), kNumTokenClasses);
  ASSERT_EQ(report["texts"].size(), 2U);
  ASSERT_EQ(report["layers"].size(), 2U);
  for (size_t t = 0; t < 2; ++t) {
    const json& text = report["texts"][t];
    EXPECT_EQ(text["name"], t == 0 ? "a" : "b");
    EXPECT_EQ(text["num_tokens"], t == 0 ? 50 : 40);
    EXPECT_EQ(text["num_read"], t == 0 ? 48 : 32);
    EXPECT_EQ(text["passage"]["tokens"].size(), 12U);
    EXPECT_EQ(text["passage"]["classes"].size(), 12U);
    for (size_t l = 0; l < 2; ++l) {
      const json& passage = text["passage"]["layers"][l];
      ASSERT_EQ(passage["experts"].size(), 12U);
      const auto& kept = profile.layers()[l].passages[t][3];
      EXPECT_EQ(passage["experts"][3], json({kept[0].expert, kept[1].expert}));
      EXPECT_EQ(passage["weights"][3][0], ReportNumber(kept[0].weight, 3));
    }
  }
  for (size_t l = 0; l < 2; ++l) {
    const json& layer = report["layers"][l];
    const ExpertProfile::Layer& counted = profile.layers()[l];
    EXPECT_EQ(layer["layer"], counted.layer);
    EXPECT_EQ(layer["num_tokens"], 80);
    EXPECT_EQ(layer["num_dropped"], 0);
    EXPECT_EQ(layer["load"], counted.load);
    EXPECT_EQ(layer["cv"], ReportNumber(LoadCv(counted.load)));
    EXPECT_EQ(layer["max_violation"], ReportNumber(MaxViolation(counted.load)));
    EXPECT_EQ(layer["expert_entropy"], ReportNumber(Entropy(counted.load)));
    EXPECT_EQ(layer["gate_entropy"], ReportNumber(counted.gate_entropy()));
    EXPECT_EQ(layer["text_load"], json(counted.text_load));
    for (int64_t e = 0; e < 3; ++e) {
      EXPECT_EQ(layer["class_load"][0][static_cast<size_t>(e)], counted.class_load.at(e, 0));
    }
    const double information = MutualInformation(counted.TextTable());
    EXPECT_EQ(layer["text_information"], ReportNumber(information));
    const double most =
        std::min(Entropy(counted.load), Entropy(std::vector<int64_t>{48 * 2, 32 * 2}));
    EXPECT_EQ(layer["text_information_share"], ReportNumber(information / most));
    EXPECT_EQ(layer["text_information_by_chance"], ReportNumber(2.0 / (2 * 160)));
    EXPECT_EQ(layer["class_information"], ReportNumber(MutualInformation(counted.class_load)));
    EXPECT_EQ(layer["pairs"]["count"][2][1], counted.pairs.at(1, 2));
    EXPECT_EQ(layer["pairs"]["count"][1][2], counted.pairs.at(1, 2));
    EXPECT_TRUE(layer["pairs"]["lift"][1][1].is_null());
    const json& strongest = layer["strongest_pairs"];
    ASSERT_FALSE(strongest.empty());
    for (size_t i = 1; i < strongest.size(); ++i) {
      EXPECT_GE(strongest[i - 1]["count"], strongest[i]["count"]);
    }
  }
}

TEST(ExpertReport, OneTextTellsNothingAboutTexts) {
  const auto engine = OpenOrFail(TinyModel(TinyMixtralConfig()));
  ASSERT_NE(engine, nullptr);
  ExpertProfile profile;
  ASSERT_TRUE(profile.Read(*engine, "a", SomeIds(20), {.window = 16}, nullptr).ok());
  const json report = ExpertReport(profile, engine->model().info());
  EXPECT_EQ(report["layers"][0]["text_information"], 0);
  EXPECT_TRUE(report["layers"][0]["text_information_share"].is_null());
}

TEST(ExpertReport, ManyExpertsListTheirStrongestPairs) {
  json config = TinyMixtralConfig();
  config["num_local_experts"] = kMaxPairTableExperts + 1;
  const auto [engine, profile] = MakeProfile({16, 1000, 0}, config);
  ASSERT_NE(engine, nullptr);
  const json report = ExpertReport(profile, engine->model().info());
  EXPECT_TRUE(report["layers"][0]["pairs"].is_null());
  EXPECT_LE(report["layers"][0]["strongest_pairs"].size(), static_cast<size_t>(kMaxListedPairs));
  EXPECT_TRUE(report["texts"][0]["passage"]["tokens"].empty());
}

}  // namespace
}  // namespace moiety
