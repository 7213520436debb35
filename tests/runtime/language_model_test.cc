// The public interface. That the numbers are right: tests/models/golden_test.cc.
#include <gmock/gmock.h>

#include "moiety/moiety.h"
#include "support/bits.h"
#include "support/loaded_model.h"
#include "support/paths.h"

namespace moiety {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Result<LanguageModel> LoadTiny(const TinyModel& model, const LoadOptions& options = {}) {
  const ScratchFolder folder;
  model.Write(folder.path());
  return LanguageModel::Load(folder.path(), options);
}

TEST(LanguageModel, EncodesAndDecodes) {
  const auto model = LanguageModel::Load(Starter());
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_THAT(*model->Encode("Il était une fois"), ElementsAre(1, 825, 1199, 793, 3072));
  EXPECT_THAT(*model->Encode("Il était une fois", false), ElementsAre(825, 1199, 793, 3072));
  const std::vector<int32_t> ids = {1, 825, 1199, 793, 3072};
  EXPECT_EQ(*model->Decode(ids), "Il était une fois");
  EXPECT_EQ(*model->Decode({}), "");
}

TEST(LanguageModel, GeneratesText) {
  auto model = LanguageModel::Load(Starter());
  ASSERT_TRUE(model.ok()) << model.status().message();
  GenerationOptions options = model->DefaultOptions();
  options.sampling.temperature = 0;
  options.max_tokens = 12;
  std::string text;
  int num_events = 0;
  const auto result = model->Generate("Il était une fois", options, [&](const TokenEvent& event) {
    text += event.text;
    ++num_events;
    return true;
  });
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_EQ(text, " de la maison. Elle avait été bien que le jeune homme");
  EXPECT_EQ(num_events, 12);
  EXPECT_EQ(result->num_prompt_tokens, 5);
  EXPECT_EQ(result->num_generated_tokens, 12);
  EXPECT_EQ(result->finish_reason, FinishReason::kMaxTokens);
}

TEST(LanguageModel, LogitsAndRouting) {
  auto model = LoadTiny(TinyModel(TinyMixtralConfig()));
  ASSERT_TRUE(model.ok()) << model.status().message();
  const std::vector<int32_t> ids = SomeIds(70);
  std::vector<LayerRouting> routing;
  const auto logits = model->Logits(ids, &routing);
  ASSERT_TRUE(logits.ok());
  EXPECT_EQ(logits->size(), 70U * kTinyVocab);
  ASSERT_EQ(routing.size(), 2U);
  for (size_t l = 0; l < 2; ++l) {
    EXPECT_EQ(routing[l].layer, static_cast<int64_t>(l));
    EXPECT_EQ(routing[l].num_tokens, 70);
    EXPECT_EQ(routing[l].num_experts, 3);
    EXPECT_EQ(routing[l].top_k, 2);
    EXPECT_EQ(routing[l].logits.size(), 70U * 3);
    EXPECT_EQ(routing[l].experts.size(), 70U * 2);
    EXPECT_EQ(routing[l].weights.size(), 70U * 2);
  }
  EXPECT_TRUE(SameBits(*model->Logits(ids), *logits)) << "nothing is left of the call before";
  const auto none = model->Logits({}, &routing);
  ASSERT_TRUE(none.ok());
  EXPECT_TRUE(none->empty());
  EXPECT_TRUE(routing.empty());
}

TEST(LanguageModel, DenseModelsRouteNothing) {
  auto model = LoadTiny(TinyModel(TinyLlamaConfig()));
  ASSERT_TRUE(model.ok()) << model.status().message();
  std::vector<LayerRouting> routing(3);
  ASSERT_TRUE(model->Logits(SomeIds(3), &routing).ok());
  EXPECT_TRUE(routing.empty());
}

TEST(LanguageModel, OptionsChangeNoResult) {
  const TinyModel tiny(TinyMixtralConfig());
  const std::vector<int32_t> ids = SomeIds(20);
  std::vector<float> expected;
  for (const KernelTable* kernels : AvailableKernels()) {
    for (const bool copy : {false, true}) {
      LoadOptions options;
      options.num_threads = copy ? 3 : 1;
      options.isa = kernels->isa;
      options.copy_weights = copy;
      options.memory_limit_bytes = copy ? 100'000'000 : 0;
      auto model = LoadTiny(tiny, options);
      ASSERT_TRUE(model.ok()) << model.status().message();
      const auto logits = model->Logits(ids);
      ASSERT_TRUE(logits.ok());
      if (expected.empty()) expected = *logits;
      EXPECT_TRUE(SameBits(*logits, expected));
    }
  }
}

TEST(LanguageModel, DefaultOptionsAreTheAuthors) {
  TinyModel tiny(TinyMixtralConfig());
  EXPECT_EQ(LoadTiny(tiny)->DefaultOptions().sampling.temperature, SamplingOptions().temperature);
  EXPECT_EQ(LoadTiny(tiny)->DefaultOptions().max_tokens, -1);
  tiny.generation_config = {{"temperature", 0.3}, {"max_new_tokens", 17}};
  EXPECT_EQ(LoadTiny(tiny)->DefaultOptions().sampling.temperature, 0.3);
  EXPECT_EQ(LoadTiny(tiny)->DefaultOptions().max_tokens, 17);
}

TEST(LanguageModel, CanBeMoved) {
  auto first = LoadTiny(TinyModel(TinyMixtralConfig()));
  ASSERT_TRUE(first.ok());
  LanguageModel second = *std::move(first);
  const auto logits = second.Logits(SomeIds(3));
  ASSERT_TRUE(logits.ok());
  auto third = LoadTiny(TinyModel(TinyLlamaConfig()));
  ASSERT_TRUE(third.ok());
  *third = std::move(second);
  EXPECT_EQ(third->info().architecture, "mixtral");
  EXPECT_TRUE(SameBits(*third->Logits(SomeIds(3)), *logits));
}

TEST(LanguageModel, Errors) {
  EXPECT_EQ(LanguageModel::Load("/no/such/folder").status().code(), StatusCode::kNotFound);
  LoadOptions options;
  options.isa = "bogus";
  EXPECT_THAT(LanguageModel::Load(Starter(), options).status().message(), HasSubstr("bogus"));
  options = {};
  options.memory_limit_bytes = 1'000'000;
  EXPECT_EQ(LanguageModel::Load(Starter(), options).status().code(),
            StatusCode::kResourceExhausted);
  options = {};
  options.num_threads = -1;
  EXPECT_EQ(LanguageModel::Load(Starter(), options).status().code(), StatusCode::kInvalidArgument);

  auto model = LanguageModel::Load(SourcePath("tests/data/models/mixtral_tiny"));
  ASSERT_TRUE(model.ok());
  for (const Status& status :
       {model->Encode("text").status(), model->Decode({}).status(),
        model->Generate("text", {}, [](const TokenEvent&) { return true; }).status()}) {
    EXPECT_THAT(status.message(), HasSubstr("tokenizer.json"));
  }
  const std::vector<int32_t> outside = {256};
  EXPECT_EQ(model->Logits(outside).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(model->Logits(std::vector<int32_t>(257, 1)).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_TRUE(model->Logits(std::vector<int32_t>(256, 1)).ok());
}

}  // namespace
}  // namespace moiety
