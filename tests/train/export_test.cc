#include "train/export.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "runtime/engine.h"
#include "support/bits.h"
#include "support/loaded_model.h"
#include "support/scratch_folder.h"
#include "train/trained_model.h"

namespace moiety {
namespace {

const nlohmann::json kExported = {{"model_type", "mixtral"},
                                  {"vocab_size", 60},
                                  {"hidden_size", 16},
                                  {"head_dim", 8},
                                  {"intermediate_size", 24},
                                  {"num_hidden_layers", 1},
                                  {"num_attention_heads", 2},
                                  {"num_key_value_heads", 1},
                                  {"num_local_experts", 3},
                                  {"num_experts_per_tok", 2},
                                  {"max_position_embeddings", 64},
                                  {"rms_norm_eps", 1e-5},
                                  {"hidden_act", "silu"},
                                  {"rope_theta", 1e4},
                                  {"bos_token_id", 1},
                                  {"eos_token_id", 2}};

TEST(Export, IsTheModelThatWasTrained) {
  Context context(1, *AvailableKernels().back(), MemoryBudget::kUnlimited);
  auto trained = NewTrainedModel(context, kExported, "config", 3, 0.1F);
  ASSERT_TRUE(trained.ok()) << trained.status().message();
  const ScratchFolder folder;
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    const Status status =
        ExportModel(folder.path(), trained->config, trained->parameters, "", dtype);
    ASSERT_TRUE(status.ok()) << status.message();
    const auto read = OpenTrainedModel(context, folder.path());
    ASSERT_TRUE(read.ok()) << read.status().message();
    ASSERT_EQ(read->parameters.all().size(), trained->parameters.all().size());
    for (size_t i = 0; i < read->parameters.all().size(); ++i) {
      const Parameter& found = read->parameters.all()[i];
      const Parameter& expected = trained->parameters.all()[i];
      EXPECT_EQ(found.name, expected.name);
      std::vector<float> values(expected.values.begin(), expected.values.end());
      if (dtype == DType::kBF16) {
        for (float& value : values) value = BF16ToF32(F32ToBF16(value));
      }
      EXPECT_TRUE(SameBits(found.values, values)) << found.name;
    }
    EXPECT_NE(OpenOrFail(folder.path()), nullptr);
    const auto config = nlohmann::json::parse(folder.Read("config.json"));
    EXPECT_EQ(config["dtype"], dtype == DType::kF32 ? "float32" : "bfloat16");
    EXPECT_EQ(nlohmann::json::parse(folder.Read("generation_config.json"))["eos_token_id"], 2);
  }
}

TEST(Export, RefusesOtherTypes) {
  Context context(1, *AvailableKernels().back(), MemoryBudget::kUnlimited);
  auto trained = NewTrainedModel(context, kExported, "config", 3, 0.1F);
  const ScratchFolder folder;
  EXPECT_EQ(ExportModel(folder.path() / "x", trained->config, trained->parameters, "", DType::kQ8_0)
                .code(),
            StatusCode::kInvalidArgument);
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "x"));
  folder.Write("file", "");
  EXPECT_EQ(ExportModel(folder.path() / "file" / "x", trained->config, trained->parameters, "",
                        DType::kF32)
                .code(),
            StatusCode::kIoError);
}

}  // namespace
}  // namespace moiety
