#include "train/trained_model.h"

#include <gmock/gmock.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "support/bits.h"
#include "support/scratch_folder.h"
#include "support/tiny_model.h"
#include "train/gradient_pass.h"

namespace moiety {
namespace {

using testing::HasSubstr;

Context TrainingContext(uint64_t limit = MemoryBudget::kUnlimited) {
  return Context(2, *AvailableKernels().back(), limit);
}

double LossOf(Context& context, const TrainedModel& trained) {
  std::vector<int32_t> ids;  // enough for every expert to be chosen
  for (int32_t i = 0; i < 40; ++i) ids.push_back(i * 37 % kTinyVocab);
  GradientPass pass(context, *trained.model, nullptr, {});
  const TrainingSequence sequence = {ids, ids};
  const auto losses = pass.Run({&sequence, 1}, 40, 1);
  EXPECT_TRUE(losses.ok()) << losses.status().message();
  return losses.ok() ? losses->cross_entropy : NAN;
}

TEST(OpenTrainedModel, HasTheWeightsOfTheFolder) {
  ScratchFolder scratch;
  TinyModel tiny(TinyMixtralConfig());
  tiny.Write(scratch.path());
  Context context = TrainingContext();
  auto trained = OpenTrainedModel(context, scratch.path());
  ASSERT_TRUE(trained.ok()) << trained.status().message();
  EXPECT_EQ(trained->config["model_type"], "mixtral");
  EXPECT_EQ(trained->store->residency(), Residency::kTrained);
  EXPECT_THAT(trained->store->Unused(), testing::IsEmpty());
  EXPECT_EQ(trained->parameters.num_values(), trained->model->info().parameters);
  for (const Parameter& p : trained->parameters.all()) {
    EXPECT_TRUE(SameBits(p.values, tiny.values(p.name))) << p.name;
  }
}

TEST(OpenTrainedModel, SeesItsParametersChange) {
  ScratchFolder scratch;
  TinyModel(TinyMixtralConfig()).Write(scratch.path());
  Context context = TrainingContext();
  auto trained = OpenTrainedModel(context, scratch.path());
  ASSERT_TRUE(trained.ok()) << trained.status().message();
  const double before = LossOf(context, *trained);
  for (const Parameter& p : trained->parameters.all()) {
    const std::vector<float> values(p.values.begin(), p.values.end());
    for (float& value : p.values) value *= 1.25F;
    EXPECT_NE(LossOf(context, *trained), before) << p.name;
    std::copy(values.begin(), values.end(), p.values.begin());
  }
  EXPECT_EQ(LossOf(context, *trained), before);
}

TEST(OpenTrainedModel, OfWhatIsNoModel) {
  ScratchFolder scratch;
  Context context = TrainingContext();
  EXPECT_EQ(OpenTrainedModel(context, scratch.path() / "none").status().code(),
            StatusCode::kNotFound);
  TinyModel tiny(TinyLlamaConfig());
  tiny.Erase("model.norm.weight");
  tiny.Write(scratch.path());
  const auto trained = OpenTrainedModel(context, scratch.path());
  EXPECT_EQ(trained.status().code(), StatusCode::kNotFound);
  EXPECT_THAT(trained.status().message(), HasSubstr("model.norm.weight"));
  EXPECT_EQ(context.budget.used_bytes(), 0U);
}

// Memory for the weights but not for their gradients.
TEST(OpenTrainedModel, BeyondTheMemory) {
  ScratchFolder scratch;
  TinyModel(TinyLlamaConfig()).Write(scratch.path());
  Context unlimited = TrainingContext();
  const auto trained = OpenTrainedModel(unlimited, scratch.path());
  ASSERT_TRUE(trained.ok());
  Context context = TrainingContext(unlimited.budget.used_bytes() - 1);
  EXPECT_EQ(OpenTrainedModel(context, scratch.path()).status().code(),
            StatusCode::kResourceExhausted);
  EXPECT_EQ(context.budget.used_bytes(), 0U);
}

TEST(NewTrainedModel, DependsOnTheSeedAlone) {
  const auto values = [](uint64_t seed, int threads) {
    Context context(threads, *AvailableKernels().back(), MemoryBudget::kUnlimited);
    const auto trained = NewTrainedModel(context, TinyMixtralConfig(), "config.json", seed, 0.05F);
    EXPECT_TRUE(trained.ok()) << trained.status().message();
    std::vector<float> all;
    for (const Parameter& p : trained->parameters.all()) {
      all.insert(all.end(), p.values.begin(), p.values.end());
    }
    return all;
  };
  const std::vector<float> first = values(1, 1);
  EXPECT_TRUE(SameBits(values(1, 3), first));
  EXPECT_FALSE(SameBits(values(2, 1), first));
}

TEST(NewTrainedModel, HasTheStatedDeviation) {
  Context context = TrainingContext();
  auto trained = NewTrainedModel(context, TinyLlamaConfig(), "config.json", 1, 0.05F);
  ASSERT_TRUE(trained.ok()) << trained.status().message();
  for (const Parameter& p : trained->parameters.all()) {
    if (p.kind == WeightKind::kNorm) {
      EXPECT_EQ(p.values[0], 1) << p.name;
    } else if (p.name == "lm_head.weight") {
      double squares = 0;
      for (const float value : p.values) squares += std::pow(static_cast<double>(value), 2);
      EXPECT_NEAR(std::sqrt(squares / static_cast<double>(p.values.size())), 0.05, 0.002);
    }
  }
  // Nothing is known yet: about the logarithm of the vocabulary per token.
  EXPECT_NEAR(LossOf(context, *trained) / 40, std::log(kTinyVocab), 0.2);
}

TEST(NewTrainedModel, TiedEmbeddingsAreOneParameter) {
  nlohmann::json config = TinyLlamaConfig();
  config["tie_word_embeddings"] = true;
  Context context = TrainingContext();
  const auto trained = NewTrainedModel(context, config, "config.json", 1, 0.05F);
  ASSERT_TRUE(trained.ok()) << trained.status().message();
  int embeddings = 0;
  for (const Parameter& p : trained->parameters.all()) embeddings += p.shape[0] == kTinyVocab;
  EXPECT_EQ(embeddings, 1);
  EXPECT_EQ(trained->parameters.num_values(), trained->model->info().parameters);
}

TEST(NewTrainedModel, OfABadConfig) {
  Context context = TrainingContext();
  nlohmann::json config = TinyLlamaConfig();
  config.erase("hidden_size");
  const auto trained = NewTrainedModel(context, config, "my/config.json", 1, 0.05F);
  ASSERT_FALSE(trained.ok());
  EXPECT_THAT(trained.status().message(),
              testing::AllOf(HasSubstr("my/config.json"), HasSubstr("hidden_size")));
}

}  // namespace
}  // namespace moiety
