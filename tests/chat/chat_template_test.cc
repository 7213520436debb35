// Chat templates against texts of transformers, and the files that they come from.
#include "chat/chat_template.h"

#include <gmock/gmock.h>

#include <ctime>
#include <filesystem>
#include <map>

#include "io/mapped_file.h"
#include "support/cpu_time.h"
#include "support/paths.h"
#include "support/scratch_folder.h"
#include "tokenize/tokenizer.h"

namespace moiety {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;
using testing::HasSubstr;

std::string Read(const fs::path& path) {
  auto text = ReadFile(path, 64 << 20);
  EXPECT_TRUE(text.ok()) << text.status().message();
  return text.ok() ? *std::move(text) : "";
}

ChatInput InputOf(const ordered_json& one) {
  ChatInput input;
  input.messages = one["messages"];
  input.tools = one["tools"];
  input.documents = one["documents"];
  input.add_generation_prompt = one["add_generation_prompt"];
  input.variables = one["kwargs"];
  std::tm now = {};
  EXPECT_NE(strptime(one["now"].get<std::string>().c_str(), "%Y-%m-%dT%H:%M:%S", &now), nullptr);
  input.now = now;
  return input;
}

TEST(ChatTemplateConformance, EqualsTransformers) {
  const fs::path folder = SharedPath("conformance/chat");
  if (!fs::exists(folder)) GTEST_SKIP() << kNoShared;
  const ordered_json document = ordered_json::parse(Read(folder / "cases.json"));
  EXPECT_EQ(document["cases"].size(), 194U);
  std::map<std::string, std::unique_ptr<const Tokenizer>> tokenizers;
  for (const ordered_json& one : document["cases"]) {
    const std::string source = one.contains("template_inline")
                                   ? one["template_inline"].get<std::string>()
                                   : Read(folder / one["template"].get<std::string>());
    const auto chat = ChatTemplate::Parse(source, "t", one["special_tokens"]);
    ASSERT_TRUE(chat.ok()) << one["id"] << chat.status().message();
    const Result<std::string> text = chat->Render(InputOf(one));
    if (one.contains("error")) {
      ASSERT_FALSE(text.ok()) << one["id"];
      EXPECT_EQ(text.status().code(), StatusCode::kInvalidArgument) << one["id"];
      EXPECT_EQ(text.status().message(), one["error"]) << one["id"];
      continue;
    }
    ASSERT_TRUE(text.ok()) << one["id"] << text.status().message();
    EXPECT_EQ(*text, one["expected"]) << one["id"];
    if (!one.contains("ids")) continue;
    const std::string kind = one["tokenizer"];
    if (!tokenizers.contains(kind)) {
      const fs::path path = SharedPath("conformance/tokenizers/" + kind + "/tokenizer.json");
      auto tokenizer = Tokenizer::FromJson(Read(path), path.string());
      tokenizers[kind] = tokenizer.ok() ? *std::move(tokenizer) : nullptr;
    }
    if (tokenizers[kind] == nullptr) continue;  // a kind that moiety does not have
    const auto ids = tokenizers[kind]->Encode(*text, /*add_special=*/false);
    ASSERT_TRUE(ids.ok()) << ids.status().message();
    EXPECT_EQ(*ids, one["ids"]) << one["id"];
  }
}

ChatInput Conversation(int num_messages) {
  ChatInput input;
  for (int i = 0; i < num_messages; ++i) {
    input.messages.push_back({{"role", i % 2 == 0 ? "user" : "assistant"},
                              {"content", "Message " + std::to_string(i) + std::string(200, 'x')}});
  }
  return input;
}

TEST(ChatTemplate, IsFast) {
  const auto chat = ChatTemplate::Parse(
      "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' and m.tool_calls is not "
      "defined %}{{ '[INST] ' + m['content'] | trim + ' [/INST]' }}{% else %}{{ m.content ~ "
      "eos_token }}{% endif %}{% endfor %}",
      "t", {{"bos_token", "<s>"}, {"eos_token", "</s>"}});
  ASSERT_TRUE(chat.ok());
  const ChatInput input = Conversation(100);
  const double start = CpuSeconds();
  constexpr int kRuns = 20;
  for (int i = 0; i < kRuns; ++i) ASSERT_TRUE(chat->Render(input).ok());
  EXPECT_LT((CpuSeconds() - start) / kRuns, 0.05);  // about 0.0002 without sanitizers
}

TEST(ChatTemplate, VariablesHideSpecialTokens) {
  const auto chat = ChatTemplate::Parse(
      "{{ bos_token }}|{{ eos_token }}|{{ x }}|{{ tools }}|{{ documents }}|{{ messages }}|"
      "{{ add_generation_prompt }}",
      "t", {{"bos_token", "<s>"}, {"eos_token", "</s>"}});
  ASSERT_TRUE(chat.ok());
  ChatInput input;
  input.variables = {{"eos_token", "E"}, {"x", 1}};
  EXPECT_EQ(*chat->Render(input), "<s>|E|1|None|None|[]|True");
}

TEST(ReadChatTemplate, FromTheConfigAlone) {
  ordered_json config = {{"bos_token", "<s>"}, {"chat_template", "{{ bos_token }}!"}};
  const auto read = ReadChatTemplate(config, "a.gguf");
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(*read->Render({}), "<s>!");
  EXPECT_THAT(ReadChatTemplate(config, "a.gguf", "tools").status().message(),
              HasSubstr("a.gguf: there is no chat template \"tools\""));
  config.erase("chat_template");
  EXPECT_EQ(ReadChatTemplate(config, "a.gguf").status().code(), StatusCode::kNotFound);
}

TEST(OpenChatTemplate, FileThenConfig) {
  const ScratchFolder folder;
  folder.Write("tokenizer_config.json",
               R"({"bos_token": {"content": "<s>", "lstrip": false}, "eos_token": "</s>",
                   "pad_token": null, "model_max_length": 1000000000000000019884624838656,
                   "chat_template": "config {{ bos_token }}{{ eos_token }}"
                   })");
  const auto config = OpenChatTemplate(folder.path());
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(*config->Render({}), "config <s></s>");
  EXPECT_EQ(config->source(), "config {{ bos_token }}{{ eos_token }}");
  folder.Write("chat_template.jinja", "file {{ bos_token }}{{ pad_token is defined }}");
  EXPECT_EQ(*OpenChatTemplate(folder.path())->Render({}), "file <s>False");
}

TEST(OpenChatTemplate, SeveralByName) {
  const ScratchFolder folder;
  folder.Write("tokenizer_config.json", R"({"chat_template": [
      {"name": "default", "template": "one"}, {"name": "tool_use", "template": "two"}]})");
  EXPECT_EQ(*OpenChatTemplate(folder.path())->Render({}), "one");
  EXPECT_EQ(*OpenChatTemplate(folder.path(), "tool_use")->Render({}), "two");
  const Status missing = OpenChatTemplate(folder.path(), "rag").status();
  EXPECT_EQ(missing.code(), StatusCode::kNotFound);
  EXPECT_THAT(missing.message(), HasSubstr("\"rag\", only \"default\", \"tool_use\""));
  fs::create_directory(folder.path() / "additional_chat_templates");
  folder.Write("additional_chat_templates/rag.jinja", "three");
  EXPECT_EQ(*OpenChatTemplate(folder.path(), "rag")->Render({}), "three");
  EXPECT_EQ(OpenChatTemplate(folder.path(), "../x").status().code(), StatusCode::kInvalidArgument);
}

TEST(OpenChatTemplate, Errors) {
  const ScratchFolder folder;
  const auto error = [&] { return OpenChatTemplate(folder.path()).status(); };
  EXPECT_EQ(error().code(), StatusCode::kNotFound);
  EXPECT_EQ(OpenChatTemplate(folder.path() / "none").status().code(), StatusCode::kNotFound);
  folder.Write("tokenizer_config.json", R"({"chat_template": null})");
  EXPECT_THAT(error().message(), HasSubstr("the model has no chat template"));
  folder.Write("tokenizer_config.json", R"({"chat_template": 5})");
  EXPECT_EQ(error().code(), StatusCode::kInvalidData);
  folder.Write("tokenizer_config.json", R"({"bos_token": 5, "chat_template": ""})");
  EXPECT_THAT(error().message(), HasSubstr("\"bos_token\": expected a text, found 5"));
  folder.Write("tokenizer_config.json", R"({"chat_template": "a\n{{ x"})");
  EXPECT_THAT(error().message(), HasSubstr("tokenizer_config.json: chat_template:2: "));
  folder.Write("tokenizer_config.json", "[]");
  EXPECT_EQ(error().code(), StatusCode::kInvalidData);
  folder.Write("tokenizer_config.json", "{}");
  folder.Write("chat_template.jinja", "\xFF");
  EXPECT_THAT(error().message(), HasSubstr("chat_template.jinja: not UTF-8"));
}

}  // namespace
}  // namespace moiety
