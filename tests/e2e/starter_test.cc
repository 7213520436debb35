// The starter model with its real weights, tokenizer and routing, through the binary.
#include <gtest/gtest.h>

#include "support/golden.h"
#include "support/paths.h"
#include "support/process.h"
#include "support/scratch_folder.h"

namespace moiety {
namespace {

using nlohmann::json;

// The six texts of ../shared/models/starter/reference.json.
class StarterText : public testing::TestWithParam<size_t> {
 protected:
  void SetUp() override {
    if (!HasShared()) GTEST_SKIP() << kNoShared;
    const json reference = ReadJson(SharedPath("models/starter/reference.json"));
    ASSERT_EQ(reference["texts"].size(), 6U);
    text_ = reference["texts"][GetParam()];
  }
  json text_;
};

TEST_P(StarterText, Tokenizes) {
  const ProcessResult result = Moiety({"tokenize", Starter().string(), text_["text"], "--json"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(json::parse(result.out)["ids"], text_["input_ids"]);
}

TEST_P(StarterText, HasTheLogitsOfTheReference) {
  const ScratchFolder scratch;
  const json prompts = {{"prompts", {{{"input_ids", text_["input_ids"]}}}}};
  const ProcessResult result = Moiety({"logits", Starter().string(), "--ids",
                                       scratch.Write("ids.json", prompts.dump()).string(), "--out",
                                       (scratch.path() / "out").string(), "--greedy",
                                       std::to_string(text_["greedy_ids"].size())});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const TensorFile out(scratch.path() / "out");
  const TensorFile reference(SharedPath("models/starter/reference.safetensors"));
  const std::vector<float> golden = reference.Floats("p" + std::to_string(GetParam()) + ".logits");
  // The bound for computing in f32, as for the golden cases; reference.json allows a hundred times
  // that.
  EXPECT_LE(ErrorOverDeviation(out.Floats("p0.logits"), golden), 2e-4);
  EXPECT_EQ(out.Longs("p0.greedy_ids"), text_["greedy_ids"].get<std::vector<int64_t>>());
}

TEST_P(StarterText, ContinuesGreedily) {
  const ProcessResult result =
      Moiety({"run", Starter().string(), "-p", text_["text"], "--greedy", "-n", "48"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out, text_["greedy_text"].get<std::string>() + "\n");
}

INSTANTIATE_TEST_SUITE_P(Reference, StarterText, testing::Range<size_t>(0, 6));

// Everyone has the model, so something of it can be checked everywhere.
TEST(Starter, WritesFrench) {
  const ProcessResult result =
      Moiety({"run", Starter().string(), "-p", "Il était une fois", "--greedy", "-n", "24"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out,
            "Il était une fois de la maison. Elle avait été bien que le jeune homme de "
            "la ville de la maison de la Cibot\n");
}

}  // namespace
}  // namespace moiety
