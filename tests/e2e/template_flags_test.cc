// Which chat template a chat uses.
#include <gmock/gmock.h>

#include "support/chat_model.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

json Answer(const std::string& model, std::vector<std::string> flags) {
  flags.insert(flags.begin(), {model, "-p", "Bonjour", "--greedy", "-n", "4", "--json"});
  const ProcessResult result = PipedChat("", flags);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  json answer = json::parse(result.out, nullptr, /*allow_exceptions=*/false);
  EXPECT_TRUE(answer.is_object()) << result.out;
  return answer.is_object() ? answer["content"] : answer;
}

TEST(TemplateFlags, AFileInsteadOfTheModels) {
  const ScratchFolder scratch;
  const std::string own = ChatModel(scratch, "own").string();
  const std::string none = ChatModel(scratch, "none", "").string();
  const std::string file = scratch.Write("chat.jinja", kChatTemplate).string();
  EXPECT_EQ(Answer(none, {"--template", file}), Answer(own, {}));
  EXPECT_NE(Answer(none, {}), Answer(own, {}));
}

TEST(TemplateFlags, SpecialTokensReachTheFile) {
  const ScratchFolder scratch;
  const std::string model = ChatModel(scratch, "model").string();
  const std::string file =
      scratch
          .Write("chat.jinja",
                 "{{ bos_token }}{% for m in messages %}{{ m['content'] }}{% endfor %}")
          .string();
  // <s> and the text: what the model sees without a template.
  EXPECT_EQ(Answer(model, {"--template", file}), Answer(model, {"--plain"}));
}

TEST(TemplateFlags, PlainText) {
  const ScratchFolder scratch;
  const std::string model = ChatModel(scratch, "model").string();
  EXPECT_EQ(Answer(model, {"--plain"}), Answer(Starter().string(), {}));
  EXPECT_THAT(PipedChat("", {model, "--plain"}).err,
              HasSubstr("[plain text: the model continues what is typed]"));
}

TEST(TemplateFlags, WhatIsNotThereOrBrokenIsAnError) {
  const ScratchFolder scratch;
  const std::string model = ChatModel(scratch, "model").string();
  const std::string broken = ChatModel(scratch, "broken", "{% broken").string();
  const std::string file = scratch.Write("broken.jinja", "{% broken").string();
  ExpectError(PipedChat("", {model, "--template", scratch.path() / "none"}), 1);
  ExpectError(PipedChat("", {model, "--template-name", "no such one"}), 1);
  ExpectError(PipedChat("", {Starter().string(), "--template-name", "no such one"}), 1);
  ExpectError(PipedChat("", {broken}), 1);
  const ProcessResult result = PipedChat("", {model, "--template", file});
  ExpectError(result, 1);
  EXPECT_THAT(result.err, HasSubstr("broken.jinja"));
}

TEST(TemplateFlags, WhatATemplateRefusesFailsTheTurn) {
  const ScratchFolder scratch;
  const std::string source =
      "{% for m in messages %}{% if m['role'] == 'system' %}"
      "{{ raise_exception('system role is not supported') }}{% endif %}{% endfor %}";
  const std::string model = ChatModel(scratch, "model", source + kChatTemplate).string();
  const ProcessResult result =
      PipedChat("one\n/system Be brief.\ntwo\n/system -\nthree\n", {model, "--greedy", "-n", "1"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("moiety: system role is not supported\n"));
  EXPECT_THAT(result.err, HasSubstr("moiety: 1 of 5 inputs failed"));
}

}  // namespace
}  // namespace moiety
