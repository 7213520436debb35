// moiety template.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "support/paths.h"
#include "support/process.h"
#include "support/scratch_folder.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr const char* kTemplate =
    "{{ bos_token }}{% for m in messages %}\n<|{{ m.role }}|>{{ m.content }}\n{% endfor %}\n"
    "{% if tools %}{{ tools | tojson }}{% endif %}\n"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}\n";
constexpr const char* kMessages = R"([{"role": "user", "content": "Hi"}])";

class TemplateCommand : public testing::Test {
 protected:
  ProcessResult RunTemplate(std::vector<std::string> arguments,
                            const std::string& input = "") const {
    arguments.insert(arguments.begin(), "template");
    ProcessOptions options;
    options.input = input;
    return Moiety(arguments, options);
  }

  ScratchFolder folder;
  std::string jinja = folder.Write("t.jinja", kTemplate).string();
  std::string messages = folder.Write("m.json", kMessages).string();
};

TEST_F(TemplateCommand, PrintsTheTextAlone) {
  const ProcessResult result = RunTemplate({jinja, "--messages", messages});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out, "<|user|>Hi\n");
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(RunTemplate({jinja, "--messages", "-"}, kMessages).out, "<|user|>Hi\n");
}

TEST_F(TemplateCommand, GenerationPrompt) {
  const std::string object =
      R"({"add_generation_prompt": true, "messages": )" + std::string(kMessages) + "}";
  const std::string with = "<|user|>Hi\n<|assistant|>";
  EXPECT_EQ(RunTemplate({jinja, "-m", messages, "--add-generation-prompt"}).out, with);
  EXPECT_EQ(RunTemplate({jinja, "-m", "-"}, object).out, with);
  EXPECT_EQ(RunTemplate({jinja, "-m", "-", "--no-generation-prompt"}, object).out, "<|user|>Hi\n");
}

TEST_F(TemplateCommand, ReadsAWholeCase) {
  const std::string source =
      folder.Write("c.jinja", "{{ bos_token }}{{ eos_token }}{{ x }}{{ strftime_now('%d %b %Y') }}")
          .string();
  const json one = {{"id", "a/b"},
                    {"template", "x"},
                    {"template_inline", "y"},
                    {"expected", "z"},
                    {"tokenizer", "t"},
                    {"ids", {1, 2}},
                    {"messages", json::array()},
                    {"tools", nullptr},
                    {"documents", nullptr},
                    {"kwargs", {{"x", 5}}},
                    {"now", "2024-07-26T13:37:09"},
                    {"bos_token", "<s>"},
                    {"special_tokens", {{"eos_token", "</s>"}}},
                    {"add_generation_prompt", false}};
  EXPECT_EQ(RunTemplate({source, "-m", "-"}, one.dump()).out, "<s></s>526 Jul 2024");
}

TEST_F(TemplateCommand, ToolsOfAFile) {
  const std::string tools = folder.Write("tools.json", R"([{"b": 1, "a": 2}])").string();
  EXPECT_EQ(RunTemplate({jinja, "-m", messages, "--tools", tools}).out,
            "<|user|>Hi\n[{\"b\": 1, \"a\": 2}]");
}

TEST_F(TemplateCommand, TokensAndJson) {
  std::filesystem::copy_file(Starter() / "tokenizer.json", folder.path() / "tokenizer.json");
  folder.Write("chat_template.jinja", "{{ bos_token }}Il était");
  folder.Write("tokenizer_config.json", R"({"bos_token": "<s>"})");
  const std::string model = folder.path().string();
  EXPECT_EQ(RunTemplate({model, "-m", messages}).out, "<s>Il était");
  const json document = json::parse(RunTemplate({model, "-m", messages, "--json"}).out);
  EXPECT_EQ(document["text"], "<s>Il était");
  EXPECT_EQ(document["ids"][0], 1);
  EXPECT_THAT(RunTemplate({model, "-m", messages, "--tokens"}).out, HasSubstr("       1  <s>\n"));
  EXPECT_EQ(json::parse(RunTemplate({jinja, "-m", messages, "--json"}).out),
            json::parse(R"({"text": "<|user|>Hi\n"})"));
}

TEST_F(TemplateCommand, Errors) {
  const std::string raises = folder.Write("r.jinja", "{{ raise_exception('No, thanks.') }}");
  const ProcessResult raised = RunTemplate({raises, "-m", messages});
  ExpectError(raised, 1);
  EXPECT_EQ(raised.err, "moiety: No, thanks.\n");
  const std::string broken = folder.Write("b.jinja", "a\n{{ x.y }}");
  const ProcessResult failed = RunTemplate({broken, "-m", messages});
  ExpectError(failed, 1);
  EXPECT_THAT(failed.err, HasSubstr("b.jinja:2: 'x' is undefined"));
  ExpectError(RunTemplate({jinja}), 2);
  ExpectError(RunTemplate({jinja, "-m", messages, "--tokens"}), 1);
  ExpectError(RunTemplate({folder.path().string(), "-m", messages}), 1);
  ExpectError(RunTemplate({jinja, "-m", "-"}, "{"), 1);
  ExpectError(RunTemplate({jinja, "-m", "-"}, R"({"messages": [], "nope": 1})"), 1);
  ExpectError(RunTemplate({jinja, "-m", "-"}, R"({"messages": [], "now": "today"})"), 1);
  ExpectError(RunTemplate({jinja, "-m", "-"}, R"({"tools": []})"), 1);
}

}  // namespace
}  // namespace moiety
