#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/paths.h"
#include "support/process.h"
#include "support/scratch_folder.h"
#include "support/tiny_model.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

const char* const kLog =
    R"({"event":"step","step":1,"loss":5.5,"lr":1e-3,"gradient_norm":1.2,"tokens":64,"tokens_per_s":50,"layers":[{"layer":0,"load":[3,1],"cv":0.5,"max_vio":0.5,"gate_entropy":0.6,"expert_entropy":0.5,"dropped":0}]}
{"event":"step","step":2,"loss":5.0,"skipped":"layer 0: a spike"}
{"event":"validation","step":2,"loss":5.1,"domains":{"de":{"loss":5.0},"en":{"loss":5.2}}}
)";

// What the script of the page reads.
json DocumentOf(const std::string& page) {
  const std::string open = "<script type=\"application/json\" id=\"report\">";
  const size_t begin = page.find(open);
  EXPECT_NE(begin, std::string::npos);
  const size_t end = page.find("</script>", begin);
  return json::parse(page.substr(begin + open.size(), end - begin - open.size()));
}

TEST(Report, OfAModelAndTwoTexts) {
  const ScratchFolder scratch;
  const std::string prose = SourcePath("tests/data/eval/text.txt").string();
  std::string code;
  for (int i = 0; i < 60; ++i) {
    code += "def f" + std::to_string(i) + "(x):\n    return x + " + std::to_string(7 * i) + "\n\n";
  }
  const std::string program = scratch.Write("program.train.py", code).string();
  const std::string out = (scratch.path() / "page.html").string();
  const ProcessResult result =
      Moiety({"report", Starter().string(), prose, program, "-o", out, "--tokens", "512"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("page.html: "));
  const std::string page = scratch.Read("page.html");
  const json document = DocumentOf(page);
  EXPECT_EQ(document["name"], "starter");
  EXPECT_FALSE(document.contains("training"));
  const json& experts = document["experts"];
  ASSERT_EQ(experts["texts"].size(), 2U);
  EXPECT_EQ(experts["texts"][0]["name"], "text");
  EXPECT_EQ(experts["texts"][1]["name"], "program");
  EXPECT_EQ(experts["texts"][1]["num_read"], 512);
  EXPECT_EQ(experts["texts"][1]["passage"]["tokens"][0], "<s>");
  EXPECT_THAT(experts["texts"][1]["passage"]["tokens"].dump(), HasSubstr("def"));
  ASSERT_EQ(experts["layers"].size(), 4U);
  for (const json& layer : experts["layers"]) {
    int64_t choices = 0;
    for (const int64_t n : layer["load"]) choices += n;
    EXPECT_EQ(choices, 2 * layer["num_tokens"].get<int64_t>());
    // Prose and code are told apart, by more than chance.
    EXPECT_GT(layer["text_information"].get<double>(),
              5 * layer["text_information_by_chance"].get<double>());
  }
  for (const char* part : {"uPlot", "The MIT License", "Content-Security-Policy"}) {
    EXPECT_THAT(page, HasSubstr(part));
  }
  for (const char* load : {"src=", "url(", "@import", "<link", "fetch(", "XMLHttpRequest"}) {
    EXPECT_THAT(page, Not(HasSubstr(load)));
  }

  // The same numbers, and no page where none is named.
  const ProcessResult printed =
      Moiety({"report", Starter().string(), prose, program, "--json", "--tokens", "512"});
  EXPECT_EQ(json::parse(printed.out), document);
  EXPECT_EQ(printed.err, "");
}

TEST(Report, OfARun) {
  const ScratchFolder run;
  run.Write("log.jsonl", std::string(kLog) + "{\"event\":\"st");
  const std::string out = (run.path() / "page.html").string();
  const ProcessResult result = Moiety({"report", run.path().string() + "/", "--json", "-o", out});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const json document = json::parse(result.out);
  EXPECT_EQ(DocumentOf(run.Read("page.html")), document);
  EXPECT_EQ(document["name"], run.path().filename().string());
  EXPECT_FALSE(document.contains("experts"));
  const json& training = document["training"];
  EXPECT_EQ(training["num_steps"], 2);
  EXPECT_EQ(training["num_skipped"], 1);
  EXPECT_EQ(training["num_cut_lines"], 1);
  EXPECT_EQ(training["best_validation"]["loss"], 5.1);
  EXPECT_EQ(training["layers"][0]["load_share"], json::parse("[[0.75, 0.25]]"));
}

TEST(Report, OfARunWithItsModel) {
  const ScratchFolder run;
  run.Write("log.jsonl", kLog);
  std::filesystem::create_directory(run.path() / "model");
  TinyModel(TinyMixtralConfig()).Write(run.path() / "model");
  const std::string a = run.Write("a.txt", std::string(100, 'a')).string();
  const std::string b = run.Write("a.md", std::string(100, 'b')).string();
  const ProcessResult result =
      Moiety({"report", run.path().string(), a, b, "--json", "--passage", "4", "--window", "32"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const json document = json::parse(result.out);
  EXPECT_EQ(document["training"]["num_steps"], 2);
  EXPECT_EQ(document["experts"]["texts"][0]["name"], "a.txt") << "two have the stem a";
  EXPECT_EQ(document["experts"]["texts"][1]["name"], "a.md");
  EXPECT_EQ(document["experts"]["texts"][1]["num_read"], 96);
  EXPECT_EQ(document["experts"]["texts"][1]["passage"]["tokens"].size(), 4U);
}

TEST(Report, Errors) {
  const ScratchFolder run;
  run.Write("log.jsonl", std::string(kLog) + "{\"event\":\n" + kLog);
  const ScratchFolder scratch;
  scratch.Write("log.jsonl", kLog);
  const std::string text = scratch.Write("a.txt", "Some words here.").string();
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{Starter().string()}, "whose report needs text files"},
      {{(scratch.path() / "none").string(), text}, "none"},
      {{run.path().string()}, "log.jsonl:4: "},
      {{scratch.path().string(), text}, "model: there is no model yet"},
      {{Starter().string(), (scratch.path() / "none.txt").string()}, "none.txt: cannot open"},
      {{Starter().string(), scratch.Write("empty.txt", "").string()}, "empty.txt: the text is too"},
      {{Starter().string(), text, "--window", "1"}, "window must be from 2"},
      {{SourcePath("tests/data/models/qwen2").string(), text}, "tokenizer.json"},
      {{scratch.path().string(), "-o", (scratch.path() / "no/such/page.html").string()},
       "page.html"},
      {{scratch.path().string(), "-o", "/dev/full/page.html"}, "page.html"},
  };
  for (const auto& [arguments, message] : cases) {
    std::vector<std::string> all = {"report", "--json"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const ProcessResult result = Moiety(all);
    ExpectError(result, 1);
    EXPECT_THAT(result.err, HasSubstr(message));
  }
  ExpectError(Moiety({"report"}), 2);
  ExpectError(Moiety({"report", Starter().string(), text, "--tokens", "1"}), 2);
}

TEST(Report, DenseModelsHaveNoExperts) {
  const ScratchFolder folder;
  TinyModel(TinyLlamaConfig()).Write(folder.path());
  const ProcessResult result =
      Moiety({"report", folder.path().string(), folder.Write("a.txt", "words").string(), "--json"});
  ExpectError(result, 1);
  EXPECT_THAT(result.err, HasSubstr("is a dense llama model"));
}

}  // namespace
}  // namespace moiety
