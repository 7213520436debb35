#include "runtime/generate.h"

#include <gmock/gmock.h>

#include <limits>
#include <span>

#include "base/utf8.h"
#include "routing/router_recorder.h"
#include "support/loaded_model.h"
#include "support/paths.h"

namespace moiety {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int32_t kEnd = 2;  // id that ends a text of a tiny model

struct Outcome {
  std::vector<TokenEvent> events;
  GenerationResult result;
  Status status;
  std::string text() const {
    std::string joined;
    for (const TokenEvent& event : events) joined += event.text;
    return joined;
  }
  std::vector<int32_t> ids() const {
    std::vector<int32_t> ids;
    for (const TokenEvent& event : events) ids.push_back(event.id);
    return ids;
  }
};

// `stop_after`: the callback asks to stop at this many events.
Outcome Continue(Engine& engine, const std::vector<int32_t>& prompt,
                 const GenerationOptions& options,
                 size_t stop_after = std::numeric_limits<size_t>::max(),
                 Observer* observer = nullptr) {
  Outcome outcome;
  Sequence sequence(engine.pages());
  const auto result = Generate(
      engine, sequence, prompt, options,
      [&](const TokenEvent& event) {
        EXPECT_TRUE(IsUtf8(event.text)) << event.text;
        outcome.events.push_back(event);
        return outcome.events.size() < stop_after;
      },
      observer);
  outcome.status = result.status();
  if (result.ok()) outcome.result = *result;
  return outcome;
}

GenerationOptions Greedy() {
  GenerationOptions options;
  options.sampling.temperature = 0;
  return options;
}

std::vector<int32_t> Bytes(const std::string& text) {
  std::vector<int32_t> ids;
  for (const char c : text) ids.push_back(ByteId(c));
  return ids;
}

TEST(Generate, UntilTheModelEndsTheText) {
  const auto engine = OpenOrFail(ScriptedModel("abcdef", kEnd));
  ASSERT_NE(engine, nullptr);
  const Outcome outcome = Continue(*engine, Bytes("b"), Greedy());
  EXPECT_EQ(outcome.text(), "cdef");
  EXPECT_THAT(outcome.ids(), ElementsAre(ByteId('c'), ByteId('d'), ByteId('e'), ByteId('f'), kEnd));
  EXPECT_EQ(outcome.events.back().text, "");
  EXPECT_EQ(outcome.result.finish_reason, FinishReason::kEndOfText);
  EXPECT_EQ(outcome.result.num_prompt_tokens, 1);
  EXPECT_EQ(outcome.result.num_generated_tokens, 5);
  EXPECT_GT(outcome.result.prompt_seconds, 0);
  EXPECT_GT(outcome.result.generation_seconds, 0);
}

TEST(Generate, AnyEndOfTextIdEndsIt) {
  TinyModel model = ScriptedModel("abcdef", kEnd);
  model.generation_config = {{"eos_token_id", {ByteId('e'), ByteId('d')}}};
  const auto engine = OpenOrFail(model);
  ASSERT_NE(engine, nullptr);
  EXPECT_EQ(Continue(*engine, Bytes("a"), Greedy()).text(), "bc");
}

TEST(Generate, EndOfTextCanBeIgnored) {
  const auto engine =
      OpenOrFail(ScriptedModel({{ByteId('a'), kEnd}, {kEnd, ByteId('b')}, {ByteId('b'), kEnd}}));
  ASSERT_NE(engine, nullptr);
  GenerationOptions options = Greedy();
  options.ignore_eos = true;
  options.max_tokens = 4;
  const Outcome outcome = Continue(*engine, Bytes("a"), options);
  EXPECT_THAT(outcome.ids(), ElementsAre(kEnd, ByteId('b'), kEnd, ByteId('b')));
  EXPECT_EQ(outcome.result.finish_reason, FinishReason::kMaxTokens);
}

TEST(Generate, MaxTokens) {
  const auto engine = OpenOrFail(ScriptedModel("abcdef", kEnd));
  ASSERT_NE(engine, nullptr);
  for (const int64_t max_tokens : {0, 1, 3, 5}) {
    GenerationOptions options = Greedy();
    options.max_tokens = max_tokens;
    const Outcome outcome = Continue(*engine, Bytes("a"), options);
    EXPECT_EQ(outcome.text(), std::string("bcdef").substr(0, static_cast<size_t>(max_tokens)));
    EXPECT_EQ(outcome.result.num_generated_tokens, max_tokens);
    EXPECT_EQ(outcome.result.finish_reason, FinishReason::kMaxTokens);
  }
  // The end of the text comes first when both meet.
  GenerationOptions options = Greedy();
  options.max_tokens = 6;
  EXPECT_EQ(Continue(*engine, Bytes("a"), options).result.finish_reason, FinishReason::kEndOfText);
}

TEST(Generate, StopStringsOverTokens) {
  const auto engine = OpenOrFail(ScriptedModel("abcdefgh", kEnd));
  ASSERT_NE(engine, nullptr);
  const std::vector<std::tuple<std::vector<std::string>, std::string, FinishReason>> cases = {
      {{"def"}, "bc", FinishReason::kStopString},
      {{"b"}, "", FinishReason::kStopString},
      {{"fgh", "ef"}, "bcd", FinishReason::kStopString},
      {{"dex", "hi"}, "bcdefgh", FinishReason::kEndOfText},  // beginnings only
      {{"ab"}, "bcdefgh", FinishReason::kEndOfText},         // the prompt is no part of the text
      {{""}, "bcdefgh", FinishReason::kEndOfText},
  };
  for (const auto& [stop, text, reason] : cases) {
    GenerationOptions options = Greedy();
    options.stop = stop;
    const Outcome outcome = Continue(*engine, Bytes("a"), options);
    EXPECT_EQ(outcome.text(), text);
    EXPECT_EQ(outcome.result.finish_reason, reason);
  }
  // What is held back comes out when the tokens run out.
  GenerationOptions options = Greedy();
  options.stop = {"defx"};
  options.max_tokens = 4;
  EXPECT_EQ(Continue(*engine, Bytes("a"), options).text(), "bcde");
}

TEST(Generate, CancelStopsAtOnce) {
  const auto engine = OpenOrFail(ScriptedModel("abcdefgh", kEnd));
  ASSERT_NE(engine, nullptr);
  for (const size_t stop_after : {1, 3}) {
    const Outcome outcome = Continue(*engine, Bytes("a"), Greedy(), stop_after);
    EXPECT_EQ(outcome.events.size(), stop_after);
    EXPECT_EQ(outcome.result.num_generated_tokens, static_cast<int64_t>(stop_after));
    EXPECT_EQ(outcome.result.finish_reason, FinishReason::kCancelled);
  }
}

TEST(Generate, FillsTheContext) {
  const auto engine = OpenOrFail(ScriptedModel({{ByteId('a'), ByteId('a')}}));
  ASSERT_NE(engine, nullptr);
  for (const size_t prompt : {1, 100, 127, 128}) {
    const Outcome outcome = Continue(*engine, Bytes(std::string(prompt, 'a')), Greedy());
    // The last token needs no position of its own.
    EXPECT_EQ(outcome.text(), std::string(129 - prompt, 'a'));
    EXPECT_EQ(outcome.result.finish_reason, FinishReason::kContextFull);
  }
  EXPECT_THAT(Continue(*engine, Bytes(std::string(129, 'a')), Greedy()).status.message(),
              HasSubstr("129 tokens do not fit the model's context of 128"));
}

TEST(Generate, ContinuesASequence) {
  const auto engine = OpenOrFail(Starter());
  ASSERT_NE(engine, nullptr);
  GenerationOptions options = Greedy();
  options.max_tokens = 6;
  const std::vector<int32_t> whole = Continue(*engine, {1, 825, 1199, 793, 3072}, options).ids();
  Sequence sequence(engine->pages());
  const std::vector<int32_t> before = {1, 825, 1199};
  ASSERT_TRUE(engine->Feed(sequence, before, LogitRows::kNone, nullptr).ok());
  std::vector<int32_t> ids;
  const std::vector<int32_t> prompt = {793, 3072};
  const auto result = Generate(*engine, sequence, prompt, options, [&](const TokenEvent& event) {
    ids.push_back(event.id);
    return true;
  });
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(ids, whole);
  EXPECT_EQ(sequence.length(), 5 + 5) << "the last token was not fed";
}

// What the sequence holds of the prompt counts for everything but the computation.
TEST(Generate, TakesTheBeginningOfThePromptFromTheSequence) {
  const auto engine = OpenOrFail(Starter());
  ASSERT_NE(engine, nullptr);
  GenerationOptions options;
  options.sampling.seed = 3;
  options.sampling.repetition_penalty = 1.5;
  options.max_tokens = 12;
  const std::vector<int32_t> prompt = {1, 825, 1199, 793, 3072};
  const Outcome whole = Continue(*engine, prompt, options);
  for (const int64_t num_held : {1, 4}) {
    Sequence sequence(engine->pages());
    const std::span<const int32_t> held = std::span(prompt).first(static_cast<size_t>(num_held));
    ASSERT_TRUE(engine->Feed(sequence, held, LogitRows::kNone, nullptr).ok());
    Outcome outcome;
    const OnToken collect = [&](const TokenEvent& event) {
      outcome.events.push_back(event);
      return true;
    };
    const auto result = Generate(*engine, sequence, prompt, options, collect, nullptr, num_held);
    ASSERT_TRUE(result.ok()) << result.status().message();
    EXPECT_EQ(result->num_prompt_tokens, 5);
    EXPECT_EQ(outcome.ids(), whole.ids());
    EXPECT_EQ(outcome.text(), whole.text());
  }
  Sequence empty(engine->pages());
  const OnToken ignore = [](const TokenEvent&) { return true; };
  for (const int64_t num_held : {-1, 1, 5}) {
    EXPECT_THAT(
        Generate(*engine, empty, prompt, options, ignore, nullptr, num_held).status().message(),
        HasSubstr("num_held must be below the prompt's 5 and at most the sequence's 0"));
  }
}

// Characters of several bytes come whole.
TEST(Generate, CharactersAreNeverCut) {
  const auto engine =
      OpenOrFail(ScriptedModel("a\xE2\x82\xAC"
                               "b\xF0\x9F\x99\x88"
                               "c",
                               kEnd));
  ASSERT_NE(engine, nullptr);
  const Outcome outcome = Continue(*engine, Bytes("a"), Greedy());
  std::vector<std::string> texts;
  for (const TokenEvent& event : outcome.events) texts.push_back(event.text);
  EXPECT_EQ(outcome.text(),
            "\xE2\x82\xAC"
            "b\xF0\x9F\x99\x88"
            "c");
  EXPECT_EQ(texts[0] + texts[1], "") << "two bytes of three";
  EXPECT_EQ(texts[4] + texts[5] + texts[6], "") << "three bytes of four";
  // A text that ends within one.
  GenerationOptions options = Greedy();
  options.max_tokens = 6;
  EXPECT_EQ(Continue(*engine, Bytes("a"), options).text().substr(0, 4),
            "\xE2\x82\xAC"
            "b");
  EXPECT_TRUE(IsUtf8(Continue(*engine, Bytes("a"), options).text()));
}

// Random bytes, so mostly no UTF-8 at all: what is shown is what Decode says of all of it.
TEST(Generate, EventsJoinedAreTheDecodedText) {
  const auto engine = OpenOrFail(TinyModel(TinyMixtralConfig()));
  ASSERT_NE(engine, nullptr);
  const Tokenizer& tokenizer = **engine->tokenizer();
  for (uint64_t seed = 0; seed < 40; ++seed) {
    GenerationOptions options;
    options.sampling.seed = seed;
    options.sampling.temperature = 3;
    options.sampling.top_k = 0;
    options.ignore_eos = true;
    options.max_tokens = 60;
    if (seed % 2 == 1)
      options.stop = {"\xEF\xBF\xBD\xEF\xBF\xBDz", "qq"};  // holds back, rarely found
    const std::vector<int32_t> prompt = Bytes("some words");
    const Outcome outcome = Continue(*engine, prompt, options);
    ASSERT_TRUE(outcome.status.ok()) << outcome.status.message();
    std::vector<int32_t> all = prompt;
    for (const int32_t id : outcome.ids()) all.push_back(id);
    const std::string decoded = tokenizer.Decode(all);
    if (outcome.result.finish_reason == FinishReason::kStopString) {
      EXPECT_TRUE(decoded.starts_with("some words" + outcome.text()));
    } else {
      EXPECT_EQ(outcome.events.size(), 60U);
      EXPECT_EQ("some words" + outcome.text(), decoded);
    }
  }
}

TEST(Generate, LogprobsAreTheModels) {
  const auto engine = OpenOrFail(Starter());
  ASSERT_NE(engine, nullptr);
  GenerationOptions options;
  options.sampling.seed = 9;
  options.sampling.temperature = 2;  // options do not change the logprobs
  options.sampling.logit_bias = {{300, 3.0}};
  options.max_tokens = 10;
  options.top_logprobs = 4;
  const std::vector<int32_t> prompt = {1, 825, 1199};
  const Outcome outcome = Continue(*engine, prompt, options);
  std::vector<int32_t> all = prompt;
  for (const int32_t id : outcome.ids()) all.push_back(id);
  const std::vector<float> logits = AllLogits(*engine, all);
  for (size_t i = 0; i < outcome.events.size(); ++i) {
    const TokenEvent& event = outcome.events[i];
    const std::vector<float> row =
        LogitsAt(*engine, logits, static_cast<int64_t>(prompt.size() - 1 + i));
    double sum = 0;
    for (const float x : row) sum += std::exp(static_cast<double>(x));
    const auto logprob = [&](int32_t id) {
      return static_cast<double>(row[static_cast<size_t>(id)]) - std::log(sum);
    };
    EXPECT_NEAR(event.logprob, logprob(event.id), 1e-5);
    ASSERT_EQ(event.top.size(), 4U);
    EXPECT_EQ(event.top[0].id, std::max_element(row.begin(), row.end()) - row.begin());
    for (const TokenLogprob& t : event.top) EXPECT_NEAR(t.logprob, logprob(t.id), 1e-5);
  }
}

TEST(Generate, SeedsAreReproducible) {
  const auto engine = OpenOrFail(Starter());
  ASSERT_NE(engine, nullptr);
  const auto ids = [&](uint64_t seed) {
    GenerationOptions options;
    options.sampling.seed = seed;
    options.max_tokens = 20;
    return Continue(*engine, {1, 825, 1199}, options).ids();
  };
  EXPECT_EQ(ids(1), ids(1));
  EXPECT_NE(ids(1), ids(2));
}

TEST(Generate, ObserverSeesPromptAndTokens) {
  const auto engine = OpenOrFail(Starter());
  ASSERT_NE(engine, nullptr);
  GenerationOptions options = Greedy();
  options.max_tokens = 4;
  RouterRecorder recorder(2);
  EXPECT_TRUE(Continue(*engine, {1, 825, 1199}, options, 100, &recorder).status.ok());
  const auto layers = recorder.Take();
  ASSERT_EQ(layers.size(), 4U);
  for (const LayerRouting& layer : layers) EXPECT_EQ(layer.num_tokens, 3 + 3);
}

TEST(Generate, Errors) {
  const auto engine = OpenOrFail(ScriptedModel("ab", kEnd));
  ASSERT_NE(engine, nullptr);
  const auto message = [&](const auto& change, const std::vector<int32_t>& prompt) {
    GenerationOptions options;
    change(options);
    const Outcome outcome = Continue(*engine, prompt, options);
    EXPECT_EQ(outcome.status.code(), StatusCode::kInvalidArgument);
    EXPECT_TRUE(outcome.events.empty());
    return outcome.status.message();
  };
  using O = GenerationOptions;
  EXPECT_THAT(message([](O&) {}, {}), HasSubstr("the prompt is empty"));
  EXPECT_THAT(message([](O& o) { o.max_tokens = -2; }, {1}),
              HasSubstr("max_tokens must be -1 or more, found -2"));
  EXPECT_THAT(message([](O& o) { o.top_logprobs = -1; }, {1}),
              HasSubstr("top_logprobs must be 0 or more"));
  EXPECT_THAT(message([](O& o) { o.sampling.top_p = 2; }, {1}), HasSubstr("top_p"));
  EXPECT_THAT(message([](O& o) { o.sampling.logit_bias[kTinyVocab] = 1; }, {1}),
              HasSubstr("logit_bias"));
  EXPECT_THAT(message([](O&) {}, {kTinyVocab}), HasSubstr("vocabulary of 262"));
}

TEST(Generate, BrokenWeightsAreAnErrorNotAText) {
  TinyModel model = ScriptedModel("ab", kEnd);
  model.values("model.norm.weight")[0] = std::numeric_limits<float>::quiet_NaN();
  const auto engine = OpenOrFail(model);
  ASSERT_NE(engine, nullptr);
  const Outcome outcome = Continue(*engine, Bytes("a"), Greedy());
  EXPECT_EQ(outcome.status.code(), StatusCode::kInvalidData);
  EXPECT_THAT(outcome.status.message(), HasSubstr("not a number"));
}

}  // namespace
}  // namespace moiety
