#include "runtime/prompt_lookup.h"

#include <gmock/gmock.h>

#include <map>
#include <string>

#include "runtime/batcher.h"
#include "runtime/generate.h"
#include "support/bits.h"
#include "support/loaded_model.h"
#include "support/paths.h"

namespace moiety {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Ids = std::vector<int32_t>;

Ids Propose(const Ids& ids, const LookupOptions& options, int64_t max_count = 100) {
  return PromptLookup(options).Propose(ids, max_count);
}

TEST(PromptLookup, WhatFollowedTheLongestNGram) {
  const LookupOptions options = {.max_ngram = 3, .min_ngram = 1, .max_draft = 4};
  EXPECT_THAT(Propose({1, 2, 3, 4, 5, 6, 7, 1, 2, 3}, options), ElementsAre(4, 5, 6, 7));
  // A longer one counts more than a later one; of one length the last counts.
  EXPECT_THAT(Propose({1, 2, 3, 4, 9, 2, 3, 5, 9, 1, 2, 3}, options), ElementsAre(4, 9, 2, 3));
  EXPECT_THAT(Propose({2, 3, 4, 9, 2, 3, 5, 9, 1, 2, 3}, options), ElementsAre(5, 9, 1, 2));
  EXPECT_THAT(Propose({1, 2, 3, 4, 1, 2, 3, 5, 6, 7, 8, 9, 0, 1, 2, 3}, options),
              ElementsAre(5, 6, 7, 8));
  // No longer n-gram is looked for: the later of two.
  EXPECT_THAT(Propose({8, 1, 2, 3, 4, 5, 6, 7, 9, 1, 2, 3, 5, 6, 7, 8, 1, 2, 3}, options),
              ElementsAre(5, 6, 7, 8));
  EXPECT_THAT(Propose({1, 2, 3}, options), IsEmpty());
  EXPECT_THAT(Propose({1}, options), IsEmpty());
  EXPECT_THAT(Propose({}, options), IsEmpty());
}

TEST(PromptLookup, GoesOnWithItself) {
  const LookupOptions options = {.max_ngram = 3, .min_ngram = 1, .max_draft = 5};
  EXPECT_THAT(Propose({7, 7}, options), ElementsAre(7, 7, 7, 7, 7));
  EXPECT_THAT(Propose({1, 2, 3, 1, 2, 3}, options), ElementsAre(1, 2, 3, 1, 2));
}

TEST(PromptLookup, Limits) {
  const Ids ids = {1, 2, 3, 4, 5, 6, 1, 2};
  EXPECT_THAT(Propose(ids, {}), IsEmpty());  // off
  EXPECT_THAT(Propose(ids, {.max_ngram = 4}), ElementsAre(3, 4, 5, 6, 1, 2, 3, 4));
  EXPECT_THAT(Propose(ids, {.max_ngram = 4, .min_ngram = 3}), IsEmpty());
  EXPECT_THAT(Propose(ids, {.max_ngram = 1, .min_ngram = 3}, 1), ElementsAre(3));
  EXPECT_THAT(Propose(ids, {.max_ngram = 4}, 2), ElementsAre(3, 4));
  EXPECT_THAT(Propose(ids, {.max_ngram = 4, .min_draft = 3}, 2), IsEmpty());
  EXPECT_THAT(Propose(ids, {.max_ngram = 4}, 0), IsEmpty());
  EXPECT_THAT(Propose(ids, {.max_ngram = 4}, -1), IsEmpty());
}

TEST(PromptLookup, OptionsThatCannotBe) {
  EXPECT_TRUE(CheckLookupOptions({}).ok());
  EXPECT_EQ(CheckLookupOptions({.max_ngram = -1}).message(),
            "lookup.max_ngram must be from 0 to 256, found -1");
  EXPECT_THAT(CheckLookupOptions({.min_ngram = 0}).message(), HasSubstr("lookup.min_ngram"));
  EXPECT_THAT(CheckLookupOptions({.max_draft = 257}).message(), HasSubstr("lookup.max_draft"));
  EXPECT_THAT(CheckLookupOptions({.min_draft = -2}).message(), HasSubstr("lookup.min_draft"));
}

// --- The same bits with and without

constexpr LookupOptions kOn = {.max_ngram = 3, .min_ngram = 1, .max_draft = 5};

struct LookupOutcome {
  Ids ids, held;
  std::vector<float> logprobs;  // the last bits of the logits show in them
  std::string text;
  GenerationResult result;
};

LookupOutcome ContinueWith(Engine& engine, const std::string& prompt,
                           const GenerationOptions& options, int64_t cancel_after = -1) {
  LookupOutcome out;
  const auto ids = (*engine.tokenizer())->Encode(prompt);
  Sequence sequence(engine.pages());
  const auto result = Generate(engine, sequence, *ids, options, [&](const TokenEvent& event) {
    out.ids.push_back(event.id);
    out.logprobs.push_back(event.logprob);
    for (const TokenLogprob& top : event.top) out.logprobs.push_back(top.logprob);
    out.text += event.text;
    return static_cast<int64_t>(out.ids.size()) != cancel_after;
  });
  EXPECT_TRUE(result.ok()) << result.status().message();
  if (result.ok()) out.result = *result;
  out.held.assign(sequence.ids().begin(), sequence.ids().end());
  return out;
}

void ExpectSameLookup(const LookupOutcome& found, const LookupOutcome& expected) {
  EXPECT_EQ(found.ids, expected.ids);
  EXPECT_EQ(found.held, expected.held);
  EXPECT_TRUE(SameBits(found.logprobs, expected.logprobs));
  EXPECT_EQ(found.text, expected.text);
  EXPECT_EQ(found.result.finish_reason, expected.result.finish_reason);
  EXPECT_EQ(found.result.num_generated_tokens, expected.result.num_generated_tokens);
  EXPECT_EQ(expected.result.num_drafted_tokens, 0);
}

constexpr const char* kRepeats =
    "def count(numbers):\n    total = 0\n    for number in numbers:\n        total = total + "
    "number\n"
    "    return total\n\ndef count(numbers):\n    total = 0\n    for number in numbers:\n";

class PromptLookupGenerate : public testing::Test {
 protected:
  std::unique_ptr<Engine> engine = OpenOrFail(Starter());
};

TEST_F(PromptLookupGenerate, SameBits) {
  int64_t accepted = 0;
  for (const char* prompt : {kRepeats, "It was a dark night, and it was a dark night, and", "Il"}) {
    for (const double temperature : {0.0, 0.5, 1.5}) {
      for (const int64_t max_draft : {1, 5, 70}) {
        GenerationOptions options;
        options.sampling.temperature = temperature;
        options.sampling.seed = 7;
        options.sampling.repetition_penalty = temperature == 0.5 ? 1.05 : 1.0;
        options.max_tokens = 90;
        options.ignore_eos = true;
        options.top_logprobs = 2;
        const LookupOutcome plain = ContinueWith(*engine, prompt, options);
        options.lookup = kOn;
        options.lookup.max_draft = max_draft;
        const LookupOutcome found = ContinueWith(*engine, prompt, options);
        ExpectSameLookup(found, plain);
        EXPECT_LE(found.result.num_accepted_tokens, found.result.num_drafted_tokens);
        accepted += found.result.num_accepted_tokens;
      }
    }
  }
  EXPECT_GT(accepted, 100);
}

TEST_F(PromptLookupGenerate, EveryWayToEnd) {
  GenerationOptions options;
  options.sampling.temperature = 0;
  options.ignore_eos = true;
  for (int64_t max_tokens = 0; max_tokens < 12; ++max_tokens) {
    options.max_tokens = max_tokens;
    options.lookup = {};
    const LookupOutcome plain = ContinueWith(*engine, kRepeats, options);
    options.lookup = kOn;
    ExpectSameLookup(ContinueWith(*engine, kRepeats, options), plain);
  }
  options.max_tokens = 40;
  for (int64_t cancel_after = 1; cancel_after < 12; ++cancel_after) {
    options.lookup = {};
    const LookupOutcome plain = ContinueWith(*engine, kRepeats, options, cancel_after);
    options.lookup = kOn;
    ExpectSameLookup(ContinueWith(*engine, kRepeats, options, cancel_after), plain);
  }
  for (const char* stop : {"total", "+", "number\n", "return"}) {
    options.stop = {stop};
    options.lookup = {};
    const LookupOutcome plain = ContinueWith(*engine, kRepeats, options);
    options.lookup = kOn;
    ExpectSameLookup(ContinueWith(*engine, kRepeats, options), plain);
  }
}

TEST_F(PromptLookupGenerate, UntilTheContextIsFull) {
  GenerationOptions options;
  options.sampling.temperature = 0;
  options.ignore_eos = true;
  std::string prompt;
  while (static_cast<int64_t>((*engine->tokenizer())->Encode(prompt)->size()) <
         engine->model().info().context_length - 100) {
    prompt += kRepeats;
  }
  const LookupOutcome plain = ContinueWith(*engine, prompt, options);
  EXPECT_EQ(plain.result.finish_reason, FinishReason::kContextFull);
  options.lookup = kOn;
  options.lookup.max_draft = 30;
  const LookupOutcome found = ContinueWith(*engine, prompt, options);
  ExpectSameLookup(found, plain);
  EXPECT_GT(found.result.num_accepted_tokens, 0);
}

TEST_F(PromptLookupGenerate, FewerSteps) {
  GenerationOptions options;
  options.sampling.temperature = 0;
  options.max_tokens = 60;
  options.ignore_eos = true;
  options.lookup = kOn;
  Batcher batcher(*engine, {});
  BatchRequest request;
  request.prompt = *(*engine->tokenizer())->Encode(kRepeats);
  request.options = options;
  GenerationResult result;
  request.on_token = [](int64_t, const TokenEvent&) { return true; };
  request.on_end = [&](int64_t, const Result<GenerationResult>& ended) { result = *ended; };
  ASSERT_TRUE(batcher.Add(std::move(request)).ok());
  batcher.Run();
  EXPECT_EQ(result.num_generated_tokens, 60);
  EXPECT_GT(result.num_accepted_tokens, 10);
  // A token of each step, and those that were accepted.
  EXPECT_EQ(batcher.stats().num_steps, 60 - result.num_accepted_tokens);
}

// Many texts that are short of rows and of pages, some with look-up.
TEST_F(PromptLookupGenerate, InCompany) {
  const auto run = [&](bool lookup, Engine& in, const BatcherOptions& batching) {
    std::map<int64_t, LookupOutcome> outcomes;
    Batcher batcher(in, batching);
    for (int64_t i = 0; i < 6; ++i) {
      BatchRequest request;
      request.prompt =
          *(*in.tokenizer())->Encode(std::string(kRepeats).substr(static_cast<size_t>(3 * i)));
      request.options.sampling.temperature = i % 2 == 0 ? 0 : 0.7;
      request.options.sampling.seed = static_cast<uint64_t>(i);
      request.options.max_tokens = 50 + 3 * i;
      request.options.ignore_eos = true;
      if (lookup && i != 3) request.options.lookup = kOn;
      request.num_samples = i == 4 ? 3 : 1;
      request.on_token = [&outcomes, i](int64_t sample, const TokenEvent& event) {
        LookupOutcome& out = outcomes[10 * i + sample];
        out.ids.push_back(event.id);
        out.logprobs.push_back(event.logprob);
        out.text += event.text;
        return true;
      };
      request.on_end = [&outcomes, i](int64_t sample, const Result<GenerationResult>& result) {
        EXPECT_TRUE(result.ok()) << result.status().message();
        if (result.ok()) outcomes[10 * i + sample].result = *result;
      };
      EXPECT_TRUE(batcher.Add(std::move(request)).ok());
    }
    batcher.Run();
    EXPECT_EQ(in.pages().num_held(), 0);
    return outcomes;
  };
  const auto plain = run(false, *engine, {});
  EngineOptions few_pages;
  few_pages.pages.max_pages = 7;
  const auto small = OpenOrFail(Starter(), few_pages);
  for (const int64_t max_rows : {512, 16, 5, 1}) {
    for (Engine* in : {engine.get(), small.get()}) {
      const auto found = run(true, *in, {.max_sequences = 5, .max_rows = max_rows});
      ASSERT_EQ(found.size(), plain.size());
      for (const auto& [number, outcome] : found) ExpectSameLookup(outcome, plain.at(number));
    }
  }
}

TEST_F(PromptLookupGenerate, WrongOptionsAreErrors) {
  GenerationOptions options;
  options.lookup.max_ngram = 1000;
  Sequence sequence(engine->pages());
  const Ids prompt = {1};
  const auto result =
      Generate(*engine, sequence, prompt, options, [](const TokenEvent&) { return true; });
  EXPECT_EQ(result.status().message(), "lookup.max_ngram must be from 0 to 256, found 1000");
}

}  // namespace
}  // namespace moiety
