#include "convert/type_mix.h"

#include <gmock/gmock.h>

#include <map>
#include <set>
#include <string>

#include "convert/gguf_input.h"
#include "support/paths.h"

namespace moiety {
namespace {

using testing::HasSubstr;

// What llama.cpp chose for the same models.
TEST(TypeMix, TheSameTypesAsTheReference) {
  if (!HasShared()) GTEST_SKIP() << kNoShared;
  for (const auto& [folder, mix] :
       {std::pair{"mixtral_q4_k_m", "Q4_K_M"}, std::pair{"qwen3moe_q3_k_m", "Q3_K_M"}}) {
    SCOPED_TRACE(folder);
    const auto input =
        OpenGgufInput(SharedPath(std::string("conformance/gguf/") + folder + "/model.gguf"));
    ASSERT_TRUE(input.ok()) << input.status().message();
    const auto types = ChooseTypes(*FindTypeMix(mix), {}, input->tensors);
    ASSERT_TRUE(types.ok()) << types.status().message();
    for (size_t i = 0; i < types->size(); ++i) {
      EXPECT_EQ(DTypeName((*types)[i].dtype), DTypeName(input->tensors[i].pieces[0].dtype))
          << input->tensors[i].name;
    }
  }
}

// A model with `num_layers` layers, 8 query heads and a head of its own, rows of `cols`.
std::vector<GgufSourceTensor> Model(int64_t num_layers, int64_t num_experts, int64_t key_heads,
                                    int64_t cols = 256) {
  std::vector<GgufSourceTensor> tensors;
  const auto add = [&](const std::string& name, const Shape& shape) {
    tensors.push_back({name, shape, {{DType::kBF16, shape, 0, 0, 0}}});
  };
  add("token_embd.weight", {100, cols});
  add("output.weight", {100, cols});
  add("output_norm.weight", {cols});
  for (int64_t i = 0; i < num_layers; ++i) {
    const std::string prefix = "blk." + std::to_string(i) + ".";
    add(prefix + "attn_q.weight", {8 * 32, cols});
    add(prefix + "attn_k.weight", {key_heads * 32, cols});
    add(prefix + "attn_v.weight", {key_heads * 32, cols});
    add(prefix + "attn_q.bias", {8 * 32});
    add(prefix + "attn_q_norm.weight", {32});
    add(prefix + "attn_output.weight", {cols, cols});
    if (num_experts > 0) {
      add(prefix + "ffn_gate_inp.weight", {num_experts, cols});
      add(prefix + "ffn_up_exps.weight", {num_experts, cols, cols});
      add(prefix + "ffn_down_exps.weight", {num_experts, cols, cols});
    } else {
      add(prefix + "ffn_up.weight", {cols, cols});
      add(prefix + "ffn_down.weight", {cols, cols});
    }
  }
  return tensors;
}

std::map<std::string, DType> Types(const char* mix, const std::vector<GgufSourceTensor>& tensors,
                                   const TypeOptions& options = {}) {
  const auto types = ChooseTypes(*FindTypeMix(mix), options, tensors);
  EXPECT_TRUE(types.ok()) << types.status().message();
  std::map<std::string, DType> by_name;
  for (size_t i = 0; i < types->size(); ++i) by_name[tensors[i].name] = (*types)[i].dtype;
  return by_name;
}

TEST(TypeMix, NamesAndNumbersDiffer) {
  std::set<std::string_view> names;
  std::set<uint32_t> numbers;
  for (const TypeMix& mix : TypeMixes()) {
    EXPECT_TRUE(names.insert(mix.name).second) << mix.name;
    EXPECT_TRUE(numbers.insert(mix.file_type).second) << mix.name;
    EXPECT_EQ(FindTypeMix(mix.name), &mix);
  }
  EXPECT_EQ(FindTypeMix("q4_k_m")->file_type, 15U);
  EXPECT_EQ(FindTypeMix("q5_k")->name, "Q5_K_M");
  EXPECT_EQ(FindTypeMix("Q4"), nullptr);
  EXPECT_THAT(TypeMixNames(), HasSubstr("F32, F16, BF16, Q8_0"));
}

TEST(TypeMix, NormsRoutersAndBiasesStayF32) {
  for (const TypeMix& mix : TypeMixes()) {
    for (const bool pure : {false, true}) {
      TypeOptions options;
      options.pure = pure;
      const auto types = Types(std::string(mix.name).c_str(), Model(2, 8, 2), options);
      for (const char* name : {"output_norm.weight", "blk.1.attn_q_norm.weight",
                               "blk.0.attn_q.bias", "blk.0.ffn_gate_inp.weight"}) {
        EXPECT_EQ(types.at(name), DType::kF32) << mix.name << " " << name;
      }
      if (pure) {
        EXPECT_EQ(types.at("output.weight"), mix.base) << mix.name;
      }
    }
  }
}

TEST(TypeMix, LayersWithMoreBits) {
  const auto types = Types("Q4_K_M", Model(16, 0, 8));
  std::string six;
  for (int i = 0; i < 16; ++i) {
    const std::string prefix = "blk." + std::to_string(i);
    if (types.at(prefix + ".ffn_down.weight") == DType::kQ6_K) six += " " + std::to_string(i);
    EXPECT_EQ(types.at(prefix + ".attn_v.weight"), types.at(prefix + ".ffn_down.weight"));
    EXPECT_EQ(types.at(prefix + ".attn_output.weight"), DType::kQ4_K);
  }
  EXPECT_EQ(six, " 0 1 4 7 10 13 14 15");  // two at either end, every third between
  EXPECT_EQ(types.at("output.weight"), DType::kQ6_K);
  EXPECT_EQ(types.at("token_embd.weight"), DType::kQ4_K);
}

TEST(TypeMix, RulesLookAtTheModel) {
  // A tied embedding is the head.
  auto tied = Model(1, 0, 8);
  tied.erase(tied.begin() + 1);
  EXPECT_EQ(Types("Q4_K_S", tied).at("token_embd.weight"), DType::kQ6_K);
  // Many experts make attention cheap, few do not.
  EXPECT_EQ(Types("Q4_K_M", Model(8, 64, 2)).at("blk.0.attn_k.weight"), DType::kQ8_0);
  EXPECT_EQ(Types("Q4_K_M", Model(8, 64, 2)).at("blk.0.attn_output.weight"), DType::kQ5_K);
  EXPECT_EQ(Types("Q4_K_M", Model(8, 4, 2)).at("blk.0.attn_k.weight"), DType::kQ4_K);
  // Few heads of values serve many.
  EXPECT_EQ(Types("Q2_K", Model(8, 0, 2)).at("blk.0.attn_v.weight"), DType::kQ4_K);
  EXPECT_EQ(Types("Q2_K", Model(8, 0, 8)).at("blk.0.attn_v.weight"), DType::kQ3_K);
  // An importance matrix replaces some of the care.
  TypeOptions with;
  with.has_importance = true;
  EXPECT_EQ(Types("IQ4_XS", Model(8, 0, 8)).at("blk.0.ffn_down.weight"), DType::kQ5_K);
  EXPECT_EQ(Types("IQ4_XS", Model(8, 0, 8), with).at("blk.0.ffn_down.weight"), DType::kIQ4_XS);
  EXPECT_EQ(Types("Q4_0", Model(8, 0, 8), with).at("blk.0.ffn_down.weight"), DType::kQ4_1);
  // MXFP4 is for experts.
  const auto types = Types("MXFP4", Model(8, 4, 2));
  EXPECT_EQ(types.at("blk.0.ffn_up_exps.weight"), DType::kMXFP4);
  EXPECT_EQ(types.at("blk.0.attn_q.weight"), DType::kQ8_0);
  EXPECT_EQ(types.at("output.weight"), DType::kQ8_0);
}

TEST(TypeMix, RowsThatBlocksDoNotFit) {
  const std::pair<DType, DType> short_blocks[] = {
      {DType::kQ2_K, DType::kIQ4_NL}, {DType::kQ3_K, DType::kIQ4_NL},
      {DType::kQ4_K, DType::kQ5_0},   {DType::kQ5_K, DType::kQ5_1},
      {DType::kQ6_K, DType::kQ8_0},   {DType::kIQ4_XS, DType::kIQ4_NL}};
  for (const auto& [dtype, nearest] : short_blocks) {
    EXPECT_EQ(FitRows(dtype, 512), dtype);
    EXPECT_EQ(FitRows(dtype, 288), nearest);
    EXPECT_EQ(FitRows(dtype, 40), DType::kF16);
  }
  EXPECT_EQ(FitRows(DType::kQ4_0, 288), DType::kQ4_0);
  EXPECT_EQ(FitRows(DType::kQ4_0, 40), DType::kF16);
  EXPECT_EQ(FitRows(DType::kF32, 1), DType::kF32);
  const auto types = ChooseTypes(*FindTypeMix("Q4_K_S"), {}, Model(1, 0, 8, 288));
  ASSERT_TRUE(types.ok());
  EXPECT_EQ((*types)[0].dtype, DType::kQ5_0);
  EXPECT_EQ((*types)[0].wanted, DType::kQ4_K);
}

TEST(TypeMix, TypesByPattern) {
  TypeOptions options;
  for (const char* text : {R"(blk\.[01]\.ffn_down=q5_K)", "ffn_(down|up)=Q8_0", "norm=Q8_0"}) {
    auto rule = ParseTensorTypeRule(text);
    ASSERT_TRUE(rule.ok()) << rule.status().message();
    options.tensor_types.push_back(std::move(*rule));
  }
  const auto types = Types("Q4_0", Model(3, 0, 8), options);
  EXPECT_EQ(types.at("blk.0.ffn_down.weight"), DType::kQ5_K);
  EXPECT_EQ(types.at("blk.2.ffn_down.weight"), DType::kQ8_0);
  EXPECT_EQ(types.at("blk.0.ffn_up.weight"), DType::kQ8_0);
  EXPECT_EQ(types.at("blk.0.attn_q.weight"), DType::kQ4_0);
  EXPECT_EQ(types.at("output_norm.weight"), DType::kF32);
  for (const char* text : {"x", "=Q4_K", "x=", "x=Q4_K_M", "x=I32", "(=Q4_K"}) {
    EXPECT_FALSE(ParseTensorTypeRule(text).ok()) << text;
  }
}

}  // namespace
}  // namespace moiety
