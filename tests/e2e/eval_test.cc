// moiety eval: perplexity and expert shares against transformers.
#include <gmock/gmock.h>

#include <cmath>
#include <fstream>

#include "support/golden.h"
#include "support/paths.h"
#include "support/process.h"
#include "support/scratch_folder.h"
#include "support/tiny_model.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::HasSubstr;

json EvalJson(const std::string& file, std::vector<std::string> flags) {
  std::vector<std::string> arguments = {"eval", Starter().string(), file, "--json"};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  ProcessOptions options;
  options.seconds = 580;
  const ProcessResult result = Moiety(arguments, options);
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.err, "");
  json document = json::parse(result.out, nullptr, /*allow_exceptions=*/false);
  EXPECT_TRUE(document.is_object()) << result.out;
  return document;
}

// The validation texts of the starter model: about 64,000 tokens each, so this takes a while.
class EvalOfValidationText : public testing::TestWithParam<const char*> {};

TEST_P(EvalOfValidationText, AgreesWithTheReference) {
  if (!HasShared()) GTEST_SKIP() << kNoShared;
  const std::string file = std::string(GetParam()) + ".valid.txt";
  const json reference = ReadJson(SharedPath("models/starter/reference.json"));
  const json& expected = reference["files"][file];
  ASSERT_TRUE(expected.is_object());
  const json found = EvalJson(SharedPath("data/multilingual/" + file).string(), {"--experts"});
  EXPECT_EQ(found["ids"], expected["ids"]);
  EXPECT_EQ(found["windows"], expected["windows"]);
  EXPECT_EQ(found["predicted"], expected["predicted"]);
  EXPECT_EQ(found["window"], reference["window"]);
  EXPECT_EQ(found["stride"], reference["window"]);
  const double perplexity = expected["perplexity"];
  EXPECT_NEAR(found["perplexity"], perplexity, 1e-3 * perplexity);
  // Rounding differs from the reference's, so of the choices of 60,000 tokens a few near ties may
  // too.
  constexpr double kShare = 1e-4;
  const json& layers = expected["expert_share_by_layer"];
  ASSERT_EQ(found["experts"].size(), layers.size());
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    ASSERT_EQ(found["experts"][layer]["share"].size(), layers[layer].size());
    for (size_t e = 0; e < layers[layer].size(); ++e) {
      EXPECT_NEAR(found["experts"][layer]["share"][e], layers[layer][e], kShare)
          << "layer " << layer << " expert " << e;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Texts, EvalOfValidationText,
                         testing::Values("en", "fr", "it", "de", "es", "code"),
                         [](const auto& one) { return std::string(one.param); });

const std::string& OwnText() {
  static const std::string path = SourcePath("tests/data/eval/text.txt").string();
  return path;
}

// golden.json was written by tests/goldens/make_perplexity.py, which runs transformers.
TEST(Eval, AgreesWithTransformersOnOwnText) {
  const json golden = ReadJson(SourcePath("tests/data/eval/golden.json"));
  ASSERT_EQ(golden["results"].size(), 4U);
  for (const json& expected : golden["results"]) {
    SCOPED_TRACE(expected["window"].dump() + " / " + expected["stride"].dump());
    std::vector<std::string> flags = {"--experts", "--window", expected["window"].dump()};
    // By default windows do not overlap.
    if (expected["stride"] != expected["window"]) {
      flags.insert(flags.end(), {"--stride", expected["stride"].dump()});
    }
    const json found = EvalJson(OwnText(), flags);
    EXPECT_EQ(found["ids"], golden["ids"]);
    EXPECT_EQ(found["window"], expected["window"]);
    EXPECT_EQ(found["stride"], expected["stride"]);
    EXPECT_EQ(found["windows"], expected["windows"]);
    EXPECT_EQ(found["predicted"], expected["predicted"]);
    // Both compute in f32; errors of single tokens (1e-5) average out.
    EXPECT_NEAR(found["nll"], expected["nll"], 1e-5);
    EXPECT_NEAR(found["perplexity"], expected["perplexity"],
                1e-5 * expected["perplexity"].get<double>());
    const json& layers = expected["expert_load_by_layer"];
    ASSERT_EQ(found["experts"].size(), layers.size());
    for (size_t layer = 0; layer < layers.size(); ++layer) {
      EXPECT_EQ(found["experts"][layer]["layer"], layer);
      EXPECT_EQ(found["experts"][layer]["load"], layers[layer]);
    }
  }
}

TEST(Eval, BitsPerByteCountsThePredictedText) {
  const ScratchFolder scratch;
  // One window holds all of it: every byte but those of the first id (<s>) is predicted.
  const std::string text = "The miller's daughter kept the key.\n";
  const json found = EvalJson(scratch.Write("a.txt", text).string(), {});
  const double bits = found["nll"].get<double>() * found["predicted"].get<double>() / std::log(2.0);
  EXPECT_NEAR(found["bits_per_byte"], bits / static_cast<double>(text.size()), 1e-9);
  EXPECT_EQ(found["windows"], 1);
}

TEST(Eval, PrintsALinePerFileAndATable) {
  const ScratchFolder scratch;
  const std::string a = scratch.Write("a.txt", "Once upon a time there was a mill.").string();
  const std::string b = scratch.Write("b.txt", "Il était une fois un moulin.").string();
  const ProcessResult result = Moiety({"eval", Starter().string(), a, b, "--experts"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.err, "");
  EXPECT_TRUE(result.out.starts_with("file ")) << result.out;
  EXPECT_THAT(result.out, HasSubstr("\na.txt "));
  EXPECT_THAT(result.out, HasSubstr("\nb.txt "));
  EXPECT_THAT(result.out, HasSubstr("balance"));
  EXPECT_EQ(result.out.find('\x1b'), std::string::npos) << "no colours in a pipe";

  const json list = json::parse(Moiety({"eval", Starter().string(), a, b, "--json"}).out);
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[0]["file"], a);
  EXPECT_EQ(list[1]["file"], b);
  EXPECT_FALSE(list[0].contains("experts"));
}

TEST(Eval, WritesATraceOfEveryRow) {
  const ScratchFolder scratch;
  const std::string path = (scratch.path() / "trace.jsonl").string();
  const json found = EvalJson(OwnText(), {"--window", "128", "--trace", path});
  std::ifstream file(path);
  std::string line;
  size_t num_rows = 0;
  while (std::getline(file, line)) {
    const json entry = json::parse(line);
    if (entry.contains("rows")) num_rows += entry["rows"].size();
  }
  EXPECT_EQ(num_rows, 128 * found["windows"].get<size_t>());
}

TEST(Eval, Errors) {
  const ScratchFolder scratch;
  const std::string model = Starter().string();
  const std::string text = scratch.Write("a.txt", "Some words here.").string();
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{model, (scratch.path() / "none.txt").string()}, "none.txt: cannot open"},
      {{model, text, "--window", "1"},
       "window must be from 2 to the model's context of 1024, found 1"},
      {{model, text, "--window", "1025"}, "found 1025"},
      {{model, text, "--window", "16", "--stride", "17"},
       "stride must be from 1 to the window of 16"},
      {{model, text, "--stride", "0"}, "stride must be from 1"},
      {{model, scratch.Write("empty.txt", "").string()}, "too short"},
      {{SourcePath("tests/data/models/qwen2").string(), text}, "tokenizer.json"},
      {{model, scratch.Write("latin1.txt", "caf\xE9 noir").string()},
       "latin1.txt: not UTF-8 at byte 3"},
      {{model, text, "--trace", (scratch.path() / "no/such/folder").string()},
       "cannot write the trace"},
      {{model, text, "--trace", "/dev/full"},
       "/dev/full: cannot write the trace: No space left on device"},
  };
  for (const auto& [arguments, message] : cases) {
    std::vector<std::string> all = {"eval", "--json"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const ProcessResult result = Moiety(all);
    ExpectError(result, 1);
    EXPECT_THAT(result.err, HasSubstr(message));
  }
  // The table has no heading either when there is nothing to put under it.
  ExpectError(Moiety({"eval", model, (scratch.path() / "none.txt").string()}), 1);
}

TEST(Eval, TheWindowIsAtMostTheContext) {
  const ScratchFolder folder;
  TinyModel(TinyMixtralConfig()).Write(folder.path());
  const std::string text = folder.Write("a.txt", std::string(300, 'a')).string();
  const json found = json::parse(Moiety({"eval", folder.path().string(), text, "--json"}).out);
  EXPECT_EQ(found["window"], 128);
  EXPECT_EQ(found["stride"], 128);
  EXPECT_EQ(found["windows"], 300 / 128);
}

TEST(Eval, DenseModelsHaveNoExperts) {
  const ScratchFolder scratch;
  const ProcessResult result = Moiety({"eval", SourcePath("tests/data/models/qwen2").string(),
                                       scratch.Write("a.txt", "words").string(), "--experts"});
  ExpectError(result, 1);
  EXPECT_THAT(result.err, HasSubstr("is a dense qwen2 model"));
}

}  // namespace
}  // namespace moiety
