#include "runtime/conversation.h"

#include <gmock/gmock.h>

#include <limits>

#include "support/loaded_model.h"
#include "support/paths.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

// Tiny models take a token per byte.
constexpr const char* kTemplate =
    "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}";

ChatTemplate TestTemplate(const std::string& source = kTemplate) {
  auto parsed = ChatTemplate::Parse(source, "test.jinja", nlohmann::ordered_json::object());
  EXPECT_TRUE(parsed.ok()) << parsed.status().message();
  return *std::move(parsed);
}

std::unique_ptr<Engine> TinyEngine(int64_t context_length = 512) {
  json config = TinyMixtralConfig();
  config["max_position_embeddings"] = context_length;
  return OpenOrFail(TinyModel(config));
}

Conversation Open(Engine& engine, std::optional<ChatTemplate> chat_template = TestTemplate()) {
  auto conversation = Conversation::Create(engine, std::move(chat_template));
  EXPECT_TRUE(conversation.ok()) << conversation.status().message();
  return *std::move(conversation);
}

GenerationOptions Tokens(int64_t max_tokens, uint64_t seed = 1) {
  GenerationOptions options;
  options.max_tokens = max_tokens;
  options.sampling.seed = seed;
  options.sampling.repetition_penalty = 1.1;  // looks at the prompt, reused or not
  options.ignore_eos = true;
  return options;
}

struct Answer {
  Turn turn;
  Status status;
  std::vector<int32_t> ids;
  std::vector<float> logprobs;
};

OnToken Collect(Answer& answer, size_t stop_after = std::numeric_limits<size_t>::max()) {
  return [&answer, stop_after](const TokenEvent& event) {
    answer.ids.push_back(event.id);
    answer.logprobs.push_back(event.logprob);
    return answer.ids.size() < stop_after;
  };
}

Answer Say(Conversation& conversation, const std::string& text, const GenerationOptions& options,
           size_t stop_after = std::numeric_limits<size_t>::max()) {
  Answer answer;
  auto turn = conversation.Say(text, options, Collect(answer, stop_after));
  answer.status = turn.status();
  if (turn.ok()) answer.turn = *std::move(turn);
  return answer;
}

std::vector<std::string> Contents(const Conversation& conversation) {
  std::vector<std::string> contents;
  for (const ChatMessage& m : conversation.messages())
    contents.push_back(m.role[0] + (':' + m.content));
  return contents;
}

std::string Long(size_t size) { return std::string(size, 'x'); }

TEST(Conversation, ReuseChangesNoBit) {
  const auto engine = TinyEngine();
  ASSERT_NE(engine, nullptr);
  Conversation reusing = Open(*engine);
  ASSERT_TRUE(reusing.SetSystem("Be brief.").ok());
  for (const std::string text : {"one", "two and a half", "three", "é"}) {
    std::vector<ChatMessage> before = reusing.messages();
    const Answer answer = Say(reusing, text, Tokens(12));
    ASSERT_TRUE(answer.status.ok()) << answer.status.message();
    // A new conversation with the same messages has computed nothing yet.
    Conversation fresh = Open(*engine);
    if (before.size() == 1) {
      ASSERT_TRUE(fresh.SetSystem("Be brief.").ok());
    } else {
      ASSERT_TRUE(fresh.SetMessages(before).ok());
    }
    const Answer expected = Say(fresh, text, Tokens(12));
    ASSERT_TRUE(expected.status.ok()) << expected.status.message();
    EXPECT_EQ(answer.ids, expected.ids);
    EXPECT_EQ(answer.logprobs, expected.logprobs);
    EXPECT_EQ(answer.turn.text, expected.turn.text);
    EXPECT_EQ(expected.turn.num_reused_tokens, 0);
    EXPECT_EQ(answer.turn.generation.num_prompt_tokens, expected.turn.generation.num_prompt_tokens);
    if (before.size() > 1) {
      EXPECT_GT(answer.turn.num_reused_tokens, 10) << text;
    }
    EXPECT_EQ(reusing.messages(), fresh.messages());
  }
}

TEST(Conversation, ReusesWhatIsTheSame) {
  const auto engine = OpenOrFail(ScriptedModel("abcdef", 2));
  ASSERT_NE(engine, nullptr);
  Conversation conversation = Open(*engine, std::nullopt);
  GenerationOptions greedy;
  greedy.sampling.temperature = 0;
  const Answer first = Say(conversation, "xa", greedy);
  EXPECT_EQ(first.turn.text, "bcdef");
  EXPECT_EQ(first.turn.num_reused_tokens, 0);
  EXPECT_EQ(first.turn.generation.finish_reason, FinishReason::kEndOfText);
  // All of "xabcdef" was fed; what ended the text was not.
  const Answer second = Say(conversation, "--d", greedy);
  EXPECT_EQ(second.turn.text, "ef");
  EXPECT_EQ(second.turn.num_reused_tokens, 7);
  EXPECT_EQ(second.turn.generation.num_prompt_tokens, 10);
  // The same again needs nothing but the last token of the prompt.
  Answer again;
  auto turn = conversation.AnswerAgain(greedy, Collect(again));
  ASSERT_TRUE(turn.ok());
  EXPECT_EQ(turn->num_reused_tokens, 9);
  EXPECT_EQ(turn->text, "ef");
  EXPECT_THAT(Contents(conversation), ElementsAre("u:xa", "a:bcdef", "u:--d", "a:ef"));
}

TEST(Conversation, AnswersAgainWithAnotherSeed) {
  const auto engine = TinyEngine();
  ASSERT_NE(engine, nullptr);
  Conversation conversation = Open(*engine);
  Answer none;
  EXPECT_THAT(conversation.AnswerAgain(Tokens(8), Collect(none)).status().message(),
              HasSubstr("there is no answer yet"));
  const Answer first = Say(conversation, "hello", Tokens(16, 1));
  Answer same, other;
  ASSERT_TRUE(conversation.AnswerAgain(Tokens(16, 1), Collect(same)).ok());
  EXPECT_EQ(same.ids, first.ids);
  ASSERT_TRUE(conversation.AnswerAgain(Tokens(16, 2), Collect(other)).ok());
  EXPECT_NE(other.ids, first.ids);
  EXPECT_EQ(conversation.messages().size(), 2U);
}

TEST(Conversation, WhatWasCancelledIsKeptAsFarAsItCame) {
  const auto engine = OpenOrFail(ScriptedModel("abcdef", 2));
  ASSERT_NE(engine, nullptr);
  Conversation conversation = Open(*engine, std::nullopt);
  GenerationOptions greedy;
  greedy.sampling.temperature = 0;
  const Answer answer = Say(conversation, "a", greedy, /*stop_after=*/3);
  EXPECT_EQ(answer.turn.generation.finish_reason, FinishReason::kCancelled);
  EXPECT_TRUE(answer.turn.kept);
  EXPECT_THAT(Contents(conversation), ElementsAre("u:a", "a:bcd"));
  EXPECT_EQ(Say(conversation, "", greedy).turn.text, "ef") << "it goes on from there";
}

TEST(Conversation, CancelledBeforeAnyTextIsAsIfNotAsked) {
  const auto engine = TinyEngine(4096);
  ASSERT_NE(engine, nullptr);
  Conversation conversation = Open(*engine);
  ASSERT_TRUE(Say(conversation, "one", Tokens(4)).status.ok());
  const std::vector<ChatMessage> before = conversation.messages();
  int asked = 0;
  Answer answer;
  const auto turn =
      conversation.Say(Long(2000), Tokens(4), Collect(answer), [&] { return ++asked > 2; });
  ASSERT_TRUE(turn.ok()) << turn.status().message();
  EXPECT_FALSE(turn->kept);
  EXPECT_EQ(turn->generation.finish_reason, FinishReason::kCancelled);
  EXPECT_THAT(answer.ids, ElementsAre());
  EXPECT_EQ(conversation.messages(), before);
  // What was computed of it is reused, and right.
  const Answer again = Say(conversation, Long(2000), Tokens(4));
  EXPECT_GT(again.turn.num_reused_tokens, 512);
  Conversation fresh = Open(*engine);
  ASSERT_TRUE(fresh.SetMessages(before).ok());
  EXPECT_EQ(Say(fresh, Long(2000), Tokens(4)).logprobs, again.logprobs);
}

TEST(Conversation, LeavesOutTheOldestPairs) {
  const auto engine = TinyEngine(400);
  ASSERT_NE(engine, nullptr);
  Conversation conversation = Open(*engine);
  ASSERT_TRUE(conversation.SetSystem("S").ok());
  // Pairs of about 62 tokens; with room for 20, the sixth no longer fits and half is to be free.
  int64_t left_out = 0;
  std::vector<int64_t> changes;
  for (int i = 0; i < 12; ++i) {
    const std::vector<ChatMessage> before = conversation.messages();
    const Answer answer = Say(conversation, std::to_string(i) + Long(10), Tokens(20));
    ASSERT_TRUE(answer.status.ok()) << answer.status.message();
    EXPECT_LE(answer.turn.generation.num_prompt_tokens, 380);
    EXPECT_EQ(answer.turn.num_left_out % 2, 0);
    EXPECT_EQ(answer.turn.newly_left_out, answer.turn.num_left_out > left_out);
    if (answer.turn.newly_left_out) {
      EXPECT_LE(answer.turn.generation.num_prompt_tokens, 280);
      EXPECT_GT(answer.turn.num_left_out, left_out);
      changes.push_back(i);
    } else if (i > 0) {
      EXPECT_GT(answer.turn.num_reused_tokens, 20) << "the beginning stays";
    }
    left_out = answer.turn.num_left_out;
    EXPECT_EQ(conversation.messages().size(), before.size() + 2) << "no message is lost";

    // The model saw the system message and what was not left out.
    std::vector<ChatMessage> seen = before;
    seen.erase(seen.begin() + 1, seen.begin() + 1 + left_out);
    Conversation fresh = Open(*engine);
    ASSERT_TRUE(fresh.SetMessages(seen).ok());
    EXPECT_EQ(Say(fresh, std::to_string(i) + Long(10), Tokens(20)).ids, answer.ids);
  }
  EXPECT_GE(changes.size(), 2U);
  for (size_t i = 1; i < changes.size(); ++i) EXPECT_GT(changes[i] - changes[i - 1], 1);
}

TEST(Conversation, AMessageThatDoesNotFitIsAnError) {
  const auto engine = TinyEngine(200);
  ASSERT_NE(engine, nullptr);
  Conversation conversation = Open(*engine);
  ASSERT_TRUE(conversation.SetSystem("S").ok());
  ASSERT_TRUE(Say(conversation, "hi", Tokens(8)).status.ok());
  const std::vector<ChatMessage> before = conversation.messages();
  const Answer answer = Say(conversation, Long(300), Tokens(8));
  EXPECT_EQ(answer.status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(answer.status.message(),
              HasSubstr("the message does not fit: with what always goes before it, it is 334 "
                        "tokens, and the model's context is 200"));
  EXPECT_EQ(conversation.messages(), before);
  // One that fits without the room for an answer has what is left.
  const Answer tight = Say(conversation, Long(150), Tokens(-1));
  ASSERT_TRUE(tight.status.ok()) << tight.status.message();
  EXPECT_EQ(tight.turn.num_left_out, 2);
  EXPECT_EQ(tight.turn.generation.finish_reason, FinishReason::kContextFull);
  EXPECT_EQ(tight.turn.generation.num_prompt_tokens + tight.turn.generation.num_generated_tokens,
            201);
}

TEST(Conversation, PlainTextIsContinuedAsItStands) {
  const auto engine = OpenOrFail(Starter());
  ASSERT_NE(engine, nullptr);
  GenerationOptions greedy;
  greedy.sampling.temperature = 0;
  greedy.max_tokens = 6;
  Conversation conversation = Open(*engine, std::nullopt);
  EXPECT_TRUE(conversation.is_plain());
  const Answer first = Say(conversation, "Il était une fois", greedy);
  EXPECT_EQ(first.turn.text, " de la maison. Elle avait");
  EXPECT_EQ(first.turn.generation.num_prompt_tokens, 5) << "<s> goes before the text";
  const Answer second = Say(conversation, " été", greedy);
  EXPECT_GT(second.turn.num_reused_tokens, 8);
  Conversation whole = Open(*engine, std::nullopt);
  EXPECT_EQ(Say(whole, "Il était une fois de la maison. Elle avait été", greedy).ids, second.ids);
  EXPECT_EQ(conversation.SetSystem("text").code(), StatusCode::kUnsupported);
  EXPECT_EQ(conversation.SetMessages({{"system", "text"}}).code(), StatusCode::kUnsupported);
}

TEST(Conversation, PlainTextLosesItsBeginning) {
  const auto engine = TinyEngine(200);
  ASSERT_NE(engine, nullptr);
  Conversation conversation = Open(*engine, std::nullopt);
  int64_t left_out = 0;
  int changes = 0;
  for (int i = 0; i < 12; ++i) {
    const std::string line = "some words é " + std::to_string(i);
    std::string text;
    for (const ChatMessage& m : conversation.messages()) text += m.content;
    text += line;
    const Answer answer = Say(conversation, line, Tokens(20));
    ASSERT_TRUE(answer.status.ok()) << answer.status.message();
    const Turn& turn = answer.turn;
    EXPECT_LE(turn.generation.num_prompt_tokens, 180);
    if (turn.newly_left_out) {
      ++changes;
      EXPECT_LE(turn.generation.num_prompt_tokens, 130);
    }
    EXPECT_GE(turn.num_left_out, left_out);
    left_out = turn.num_left_out;
    Conversation fresh = Open(*engine, std::nullopt);
    EXPECT_EQ(Say(fresh, text.substr(static_cast<size_t>(left_out)), Tokens(20)).ids, answer.ids);
  }
  EXPECT_GE(changes, 2);
  EXPECT_EQ(Say(conversation, Long(300), Tokens(4)).status.code(), StatusCode::kInvalidArgument);
}

TEST(Conversation, StartsAgain) {
  const auto engine = TinyEngine(200);
  ASSERT_NE(engine, nullptr);
  Conversation conversation = Open(*engine);
  ASSERT_TRUE(conversation.SetSystem("Be brief.").ok());
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(Say(conversation, "hello", Tokens(20)).status.ok());
  conversation.Reset();
  EXPECT_THAT(Contents(conversation), ElementsAre("s:Be brief."));
  EXPECT_EQ(conversation.system(), "Be brief.");
  const Answer answer = Say(conversation, "hello", Tokens(20));
  EXPECT_EQ(answer.turn.num_left_out, 0);
  ASSERT_TRUE(conversation.SetSystem("").ok());
  EXPECT_THAT(Contents(conversation), ElementsAre());
  EXPECT_EQ(conversation.system(), "");
}

TEST(Conversation, ChecksMessages) {
  const auto engine = TinyEngine();
  ASSERT_NE(engine, nullptr);
  Conversation conversation = Open(*engine);
  ASSERT_TRUE(conversation.SetMessages({{"system", "s"}, {"user", "u"}, {"assistant", "a"}}).ok());
  const std::vector<ChatMessage> before = conversation.messages();
  const std::vector<std::pair<std::vector<ChatMessage>, std::string>> cases = {
      {{{"assistant", "a"}}, "message 1 must be of role \"user\", found \"assistant\""},
      {{{"user", "u"}, {"user", "u"}}, "message 2 must be of role \"assistant\", found \"user\""},
      {{{"system", "s"}, {"system", "s"}}, "message 2 must be of role \"user\", found \"system\""},
      {{{"user", "u"}}, "the answer to it is missing"},
      {{{"user", "\xFF"}, {"assistant", "a"}}, "message 1 is not UTF-8"},
  };
  for (const auto& [messages, message] : cases) {
    EXPECT_THAT(conversation.SetMessages(messages).message(), HasSubstr(message));
    EXPECT_EQ(conversation.messages(), before);
  }
  ASSERT_TRUE(conversation.SetMessages({}).ok());
  // What is said is made UTF-8.
  ASSERT_TRUE(Say(conversation, "a\xFF", Tokens(1)).status.ok());
  EXPECT_EQ(conversation.messages().front().content, "a\xEF\xBF\xBD");
}

TEST(Conversation, FailuresLeaveItAsItWas) {
  const auto engine = TinyEngine();
  ASSERT_NE(engine, nullptr);
  Conversation conversation =
      Open(*engine, TestTemplate(std::string("{% for m in messages %}{% if m['content'] == "
                                             "'provoke' %}{{ raise_exception('I will not be "
                                             "provoked') }}{% endif %}{% endfor %}") +
                                 kTemplate));
  ASSERT_TRUE(Say(conversation, "one", Tokens(4)).status.ok());
  const std::vector<ChatMessage> before = conversation.messages();
  EXPECT_EQ(Say(conversation, "provoke", Tokens(4)).status.message(), "I will not be provoked");
  GenerationOptions wrong = Tokens(4);
  wrong.sampling.temperature = -1;
  EXPECT_THAT(Say(conversation, "two", wrong).status.message(), HasSubstr("temperature"));
  EXPECT_EQ(conversation.messages(), before);
  EXPECT_TRUE(Say(conversation, "three", Tokens(4)).status.ok());

  Conversation empty = Open(*engine, std::nullopt);
  EXPECT_THAT(Say(empty, "", Tokens(4)).status.message(), HasSubstr("has no tokens"));
}

TEST(Conversation, NeedsATokenizer) {
  const auto engine = OpenOrFail(SourcePath("tests/data/models/mixtral_tiny"));
  ASSERT_NE(engine, nullptr);
  EXPECT_THAT(Conversation::Create(*engine, std::nullopt).status().message(),
              HasSubstr("tokenizer.json"));
}

}  // namespace
}  // namespace moiety
