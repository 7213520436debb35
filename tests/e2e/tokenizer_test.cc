// moiety tokenizer train.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "support/paths.h"
#include "support/process.h"
#include "support/scratch_folder.h"

namespace moiety {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;

std::string EvalText() { return MOIETY_SOURCE_DIR "/tests/data/eval/text.txt"; }

json ReadJson(const fs::path& path) {
  std::ifstream file(path);
  return json::parse(file);
}

TEST(TokenizerTrain, WhatItWritesTokenizes) {
  for (const std::string kind : {"byte-fallback", "byte-level"}) {
    const ScratchFolder folder;
    const std::string out = (folder.path() / "new" / "tokenizer").string();
    const ProcessResult result = Moiety({"tokenizer", "train", EvalText(), EvalText(), "-o", out,
                                         "--type", kind, "--vocab-size", "450"});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(result.out, HasSubstr("tokenizer.json: 450 tokens, "));
    EXPECT_EQ(result.err, "");  // a bar is for terminals
    EXPECT_EQ(ReadJson(fs::path(out) / "tokenizer.json")["model"]["vocab"].size(), 450U);
    EXPECT_EQ(ReadJson(fs::path(out) / "tokenizer_config.json")["tokenizer_class"],
              "PreTrainedTokenizerFast");
    const ProcessResult ids = Moiety({"tokenize", out, "Déjà  vu,\n\"she\" said. 🙂", "--ids"});
    EXPECT_EQ(ids.exit_code, 0) << ids.err;
    ProcessOptions options;
    options.input = ids.out;
    EXPECT_EQ(Moiety({"detokenize", out}, options).out, "Déjà  vu,\n\"she\" said. 🙂\n");
  }
}

TEST(TokenizerTrain, JsonAndFewPairs) {
  const ScratchFolder folder;
  const std::string text = (folder.path() / "text").string();
  std::ofstream(text) << "ab ab ab";
  const ProcessResult result = Moiety(
      {"tokenizer", "train", text, "-o", folder.path().string(), "--vocab-size", "1000", "--json"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const json document = json::parse(result.out);
  EXPECT_EQ(document["bytes"], 8);
  EXPECT_EQ(document["words"], 1);
  EXPECT_EQ(document["vocab_size"], 3 + 256 + 3 + 2);
  const ProcessResult people =
      Moiety({"tokenizer", "train", text, "-o", folder.path().string(), "--vocab-size", "1000"});
  EXPECT_THAT(people.out, HasSubstr("No more pairs occur 2 times: the vocabulary has 264 tokens "
                                    "instead of 1000."));
}

TEST(TokenizerTrain, Errors) {
  const ScratchFolder folder;
  const std::string out = folder.path().string();
  const ProcessResult missing = Moiety({"tokenizer", "train", out + "/no.txt", "-o", out});
  ExpectError(missing, 1);
  EXPECT_THAT(missing.err, HasSubstr("no.txt"));

  const std::string latin = out + "/latin1.txt";
  std::ofstream(latin) << "caf\xE9";
  const ProcessResult encoding = Moiety({"tokenizer", "train", latin, "-o", out});
  ExpectError(encoding, 1);
  EXPECT_THAT(encoding.err, HasSubstr("latin1.txt: not UTF-8 at byte 3"));
  EXPECT_FALSE(fs::exists(folder.path() / "tokenizer.json"));

  const ProcessResult small =
      Moiety({"tokenizer", "train", EvalText(), "-o", out, "--vocab-size", "10"});
  ExpectError(small, 1);
  EXPECT_THAT(small.err, HasSubstr("a vocabulary of 10 is too small"));
  ExpectError(Moiety({"tokenizer", "train", EvalText()}), 2);
  ExpectError(Moiety({"tokenizer", "train", EvalText(), "-o", out, "--type", "magic"}), 2);
  ExpectError(Moiety({"tokenizer"}), 2);
  const ProcessResult not_a_folder = Moiety({"tokenizer", "train", EvalText(), "-o", latin + "/x"});
  ExpectError(not_a_folder, 1);
}

}  // namespace
}  // namespace moiety
