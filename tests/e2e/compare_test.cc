// moiety imatrix and moiety compare: what quantizing the bundled model costs.
#include <gmock/gmock.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "convert/imatrix.h"
#include "support/paths.h"
#include "support/process.h"
#include "support/scratch_folder.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::HasSubstr;

// Some German, some code: not all experts need to see both.
std::string SomeText() {
  std::string text;
  for (int i = 0; i < 60; ++i) {
    text += "Es war einmal ein alter Mann, der lebte mit seiner Frau in einem kleinen Haus. ";
    text += "The king went to the window and looked out over the sea, and said nothing.\n";
  }
  return text;
}

json CompareJson(const std::string& base, const std::string& model, const std::string& text) {
  const ProcessResult result = Moiety({"compare", base, model, text, "--json"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  return json::parse(result.out, nullptr, /*allow_exceptions=*/false);
}

TEST(Compare, ImportanceLowersTheDivergence) {
  const ScratchFolder scratch;
  const std::string text = scratch.Write("text.txt", SomeText()).string();
  const std::string imatrix = (scratch.path() / "imatrix.gguf").string();
  const ProcessResult collected =
      Moiety({"imatrix", Starter().string(), text, "-o", imatrix, "--json"});
  ASSERT_EQ(collected.exit_code, 0) << collected.err;
  const json report = json::parse(collected.out);
  const auto read = ReadImatrix(imatrix);
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(report["tensors"], read->of.size());
  EXPECT_EQ(report["chunks"], read->chunk_count);
  EXPECT_EQ(read->datasets, std::vector<std::string>{text});
  EXPECT_EQ(read->chunk_size, 512U);

  const std::string plain = (scratch.path() / "plain.gguf").string();
  const std::string weighted = (scratch.path() / "weighted.gguf").string();
  for (const std::string& out : {plain, weighted}) {
    std::vector<std::string> command = {"quantize", Starter().string(), out, "--type", "Q4_0"};
    if (out == weighted) command.insert(command.end(), {"--imatrix", imatrix});
    ASSERT_EQ(Moiety(command).exit_code, 0);
  }
  const json without = CompareJson(Starter().string(), plain, text);
  const json with = CompareJson(Starter().string(), weighted, text);
  EXPECT_LT(with["kl_mean"], without["kl_mean"]);
  EXPECT_GT(with["kl_mean"], 0);
  EXPECT_GT(with["same_top"], 0.7);
  EXPECT_EQ(with["base_perplexity"], without["base_perplexity"]);
}

TEST(Compare, TableOfFiles) {
  const ScratchFolder scratch;
  const std::string text = scratch.Write("text.txt", SomeText().substr(0, 3000)).string();
  const ProcessResult result =
      Moiety({"compare", Starter().string(), Starter().string(), text, text});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("same top\ntext.txt"));
  EXPECT_THAT(result.out, HasSubstr("0.00000   0.00000   0.00000  100.00 %\ntext.txt"));
}

// What both tokenizers read comes only once.
TEST(Compare, ReadsAPipe) {
  ProcessOptions options;
  options.input = SomeText().substr(0, 3000);
  const ProcessResult result =
      Moiety({"compare", Starter().string(), Starter().string(), "/dev/stdin"}, options);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("100.00 %"));
}

TEST(Compare, OneSentenceForWhatFails) {
  const ScratchFolder scratch;
  const std::string one = scratch.Write("one.txt", "").string();
  const ProcessResult result = Moiety({"compare", Starter().string(), Starter().string(), one});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("too short"));
  EXPECT_EQ(result.out, "");
  const ProcessResult unwritable =
      Moiety({"imatrix", Starter().string(), scratch.Write("t.txt", SomeText()).string(), "-o",
              "/nowhere/x.gguf", "--chunks", "1"});
  EXPECT_EQ(unwritable.exit_code, 1);
  EXPECT_THAT(unwritable.err, HasSubstr("/nowhere/x.gguf"));
}

TEST(Imatrix, NamesExpertsThatNoTokenMet) {
  const ScratchFolder scratch;
  const std::string text = scratch.Write("text.txt", "Il").string();
  const std::string out = (scratch.path() / "i.gguf").string();
  const ProcessResult result = Moiety({"imatrix", Starter().string(), text, "-o", out});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("no token met these experts"));
  EXPECT_THAT(result.out, HasSubstr("blk.0.ffn_down_exps.weight: experts "));
}

}  // namespace
}  // namespace moiety
