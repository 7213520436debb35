#include "study/expert_profile.h"

#include <gmock/gmock.h>

#include <cmath>

#include "moiety/layer_routing.h"
#include "routing/router.h"
#include "routing/router_recorder.h"
#include "support/loaded_model.h"

namespace moiety {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<int32_t> IdsOf(const std::string& text) {
  std::vector<int32_t> ids = {1};
  for (const char byte : text) ids.push_back(ByteId(byte));
  return ids;
}

const std::string& LettersText() {
  static const std::string text =
      "The miller's daughter kept the key in a box of 12 drawers, and lost it.\n";
  return text;
}
const std::string& DigitsText() {
  static const std::string text = "3.14159 26535 + 89793 = 23846; \xE4\xB8\xAD\xE6\x96\x87";
  return text;
}

// What the model decides in windows of `window`, by another observer.
std::vector<LayerRouting> Record(Engine& engine, std::span<const int32_t> ids, int64_t window) {
  RouterRecorder recorder(2);
  for (size_t begin = 0; begin < ids.size(); begin += static_cast<size_t>(window)) {
    Sequence sequence(engine.pages());
    const auto part = ids.subspan(begin, static_cast<size_t>(window));
    EXPECT_TRUE(engine.Feed(sequence, part, LogitRows::kNone, nullptr, &recorder).ok());
  }
  return recorder.Take();
}

// Everything the profile counts, counted again from recorded choices in plain loops.
TEST(ExpertProfile, CountsWhatTheRouterChose) {
  const auto engine = OpenOrFail(TinyModel(TinyMixtralConfig()));
  ASSERT_NE(engine, nullptr);
  const ProfileOptions options = {.window = 16, .max_tokens = 1000, .passage_tokens = 20};
  const std::vector<std::vector<int32_t>> texts = {IdsOf(LettersText()), IdsOf(DigitsText())};
  ExpertProfile profile;
  std::vector<int64_t> progress;
  ASSERT_TRUE(profile
                  .Read(*engine, "letters", texts[0], options,
                        [&](int64_t done) { progress.push_back(done); })
                  .ok());
  ASSERT_TRUE(profile.Read(*engine, "digits", texts[1], options, nullptr).ok());

  const auto size = static_cast<int64_t>(texts[0].size());
  ASSERT_EQ(profile.texts().size(), 2U);
  EXPECT_EQ(profile.texts()[0].name, "letters");
  EXPECT_EQ(profile.texts()[0].num_tokens, size);
  EXPECT_EQ(profile.texts()[0].num_read, size / 16 * 16);
  EXPECT_THAT(progress, ElementsAre(16, 32, 48, 64));
  ASSERT_EQ(profile.layers().size(), 2U);

  for (size_t l = 0; l < 2; ++l) {
    const ExpertProfile::Layer& layer = profile.layers()[l];
    EXPECT_EQ(layer.layer, static_cast<int64_t>(l));
    EXPECT_EQ(layer.num_experts, 3);
    EXPECT_EQ(layer.num_dropped, 0);
    std::vector<int64_t> load(3);
    CountTable by_text(3, 2);
    CountTable by_class(3, kNumTokenClasses);
    CountTable pairs(3, 3);
    double entropy = 0;
    int64_t num_tokens = 0;
    for (size_t t = 0; t < 2; ++t) {
      const auto read = static_cast<size_t>(profile.texts()[t].num_read);
      const std::span<const int32_t> ids = std::span(texts[t]).first(read);
      const LayerRouting routing = Record(*engine, ids, 16)[l];
      ASSERT_EQ(routing.num_tokens, static_cast<int64_t>(read));
      const std::vector<TextToken> tokens = TextTokens(**engine->tokenizer(), ids);
      for (size_t i = 0; i < read; ++i, ++num_tokens) {
        const int32_t a = routing.experts[2 * i];
        const int32_t b = routing.experts[2 * i + 1];
        for (const int32_t e : {a, b}) {
          ++load[static_cast<size_t>(e)];
          ++by_text.at(e, static_cast<int64_t>(t));
          ++by_class.at(e, static_cast<int64_t>(tokens[i].token_class));
        }
        ++pairs.at(std::min(a, b), std::max(a, b));
        double sum = 0;
        const float* logits = &routing.logits[3 * i];
        for (int e = 0; e < 3; ++e) sum += std::exp(logits[e]);
        for (int e = 0; e < 3; ++e) {
          entropy -= std::exp(logits[e]) / sum * std::log(std::exp(logits[e]) / sum);
        }
        if (i < 20) {
          const auto& kept = layer.passages[t][i];
          ASSERT_EQ(kept.size(), 2U);
          EXPECT_EQ(kept[0].expert, a);
          EXPECT_EQ(kept[1].expert, b);
          EXPECT_EQ(kept[0].weight, routing.weights[2 * i]);
          EXPECT_EQ(kept[1].weight, routing.weights[2 * i + 1]);
        }
      }
      EXPECT_EQ(layer.passages[t].size(), 20U);
      ASSERT_EQ(profile.texts()[t].passage.size(), 20U);
      EXPECT_EQ(profile.texts()[t].passage[5].text, tokens[5].text);
    }
    EXPECT_EQ(layer.num_tokens, num_tokens);
    EXPECT_EQ(layer.load, load);
    EXPECT_EQ(layer.TextTable().counts, by_text.counts);
    EXPECT_EQ(layer.class_load.counts, by_class.counts);
    EXPECT_EQ(layer.pairs.counts, pairs.counts);
    EXPECT_NEAR(layer.gate_entropy(), entropy / static_cast<double>(num_tokens), 1e-5);
  }
}

TEST(ExpertProfile, ReadsAtMostWhatIsAskedFor) {
  const auto engine = OpenOrFail(TinyModel(TinyMixtralConfig()));
  ASSERT_NE(engine, nullptr);
  const std::vector<int32_t> ids = IdsOf(LettersText());
  ExpertProfile profile;
  ASSERT_TRUE(profile.Read(*engine, "a", ids, {16, 40, 0}, nullptr).ok());
  EXPECT_EQ(profile.texts()[0].num_read, 32);
  EXPECT_TRUE(profile.texts()[0].passage.empty());
  EXPECT_TRUE(profile.layers()[0].passages[0].empty());
  // Shorter than one window.
  ASSERT_TRUE(profile.Read(*engine, "b", std::span(ids).first(5), {16, 40, 8}, nullptr).ok());
  EXPECT_EQ(profile.texts()[1].num_read, 5);
  EXPECT_EQ(profile.layers()[0].passages[1].size(), 5U);
  EXPECT_EQ(profile.layers()[0].num_tokens, 37);
}

TEST(ExpertProfile, Errors) {
  const auto dense = OpenOrFail(TinyModel(TinyLlamaConfig()));
  const auto engine = OpenOrFail(TinyModel(TinyMixtralConfig()));
  ASSERT_TRUE(dense != nullptr && engine != nullptr);
  const std::vector<int32_t> ids = IdsOf("abc");
  ExpertProfile profile;
  EXPECT_THAT(profile.Read(*dense, "a", ids, {}, nullptr).message(),
              HasSubstr("is a dense llama model"));
  EXPECT_THAT(profile.Read(*engine, "a", ids, {.window = 129}, nullptr).message(),
              HasSubstr("found 129"));
  EXPECT_THAT(profile.Read(*engine, "a", std::span(ids).first(1), {.window = 8}, nullptr).message(),
              HasSubstr("too short"));
  EXPECT_TRUE(profile.layers().empty());
}

}  // namespace
}  // namespace moiety
