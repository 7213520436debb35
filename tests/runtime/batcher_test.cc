// The batcher: the same bits alone and in any company, and errors that stay with their request.
#include "runtime/batcher.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>

#include "runtime/generate.h"
#include "support/bits.h"
#include "support/loaded_model.h"
#include "support/paths.h"

namespace moiety {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// What came of one sample.
struct Sample {
  std::vector<int32_t> ids;
  std::vector<float> logprobs;  // the last bits of the logits show in them
  std::string text;
  Result<GenerationResult> result = InvalidArgument("it has not ended");
  int num_ends = 0;
};

BatchRequest Request(std::vector<int32_t> prompt, uint64_t seed, int64_t max_tokens = 20) {
  BatchRequest request;
  request.prompt = std::move(prompt);
  request.options.sampling.seed = seed;
  request.options.sampling.temperature = 1.5;
  request.options.sampling.repetition_penalty = 1.1;
  request.options.max_tokens = max_tokens;
  request.options.ignore_eos = true;
  request.options.top_logprobs = 3;
  return request;
}

// Collects into samples[first], samples[first + 1], …
void CollectInto(BatchRequest& request, std::map<int64_t, Sample>& samples, int64_t first) {
  request.on_token = [&samples, first](int64_t sample, const TokenEvent& event) {
    Sample& s = samples[first + sample];
    s.ids.push_back(event.id);
    s.logprobs.push_back(event.logprob);
    for (const TokenLogprob& top : event.top) s.logprobs.push_back(top.logprob);
    s.text += event.text;
    return true;
  };
  request.on_end = [&samples, first](int64_t sample, const Result<GenerationResult>& result) {
    samples[first + sample].result = result;
    ++samples[first + sample].num_ends;
  };
}

std::map<int64_t, Sample> RunAll(Engine& engine, std::vector<BatchRequest> requests,
                                 const BatcherOptions& options = {},
                                 BatcherStats* stats = nullptr) {
  std::map<int64_t, Sample> samples;
  Batcher batcher(engine, options);
  int64_t first = 0;
  for (BatchRequest& request : requests) {
    CollectInto(request, samples, first);
    first += request.num_samples;
    const Status status = batcher.Add(std::move(request));
    EXPECT_TRUE(status.ok()) << status.message();
  }
  batcher.Run();
  if (stats != nullptr) *stats = batcher.stats();
  for (const auto& [number, sample] : samples) EXPECT_EQ(sample.num_ends, 1) << number;
  return samples;
}

void ExpectSame(const Sample& found, const Sample& expected) {
  ASSERT_TRUE(found.result.ok()) << found.result.status().message();
  EXPECT_EQ(found.ids, expected.ids);
  EXPECT_TRUE(SameBits(found.logprobs, expected.logprobs));
  EXPECT_EQ(found.text, expected.text);
  EXPECT_EQ(found.result->finish_reason, expected.result->finish_reason);
  EXPECT_EQ(found.result->num_prompt_tokens, expected.result->num_prompt_tokens);
  EXPECT_EQ(found.result->num_generated_tokens, expected.result->num_generated_tokens);
}

// Seventeen requests of all lengths; some begin alike.
std::vector<BatchRequest> MixedRequests(size_t longest) {
  std::vector<BatchRequest> requests;
  const std::vector<int32_t> common = SomeIds(longest, 99);
  for (size_t i = 0; i < 17; ++i) {
    std::vector<int32_t> prompt = SomeIds(1 + (i * 37) % longest, i);
    if (i % 3 == 0) {
      prompt.assign(common.begin(), common.begin() + static_cast<ptrdiff_t>(longest - i));
      prompt.push_back(static_cast<int32_t>(i));
    }
    requests.push_back(Request(prompt, i, static_cast<int64_t>(1 + (i * 7) % 23)));
  }
  return requests;
}

// Each of them on its own, nothing reused.
std::map<int64_t, Sample> Alone(const std::filesystem::path& folder,
                                std::vector<BatchRequest> requests) {
  std::map<int64_t, Sample> samples;
  EngineOptions options;
  options.pages.max_cached_bytes = 0;
  const auto engine = OpenOrFail(folder, options);
  for (size_t i = 0; i < requests.size(); ++i) {
    BatcherStats stats;
    samples[static_cast<int64_t>(i)] = RunAll(*engine, {requests[i]}, {}, &stats)[0];
    EXPECT_EQ(stats.num_reused, 0);
  }
  return samples;
}

TEST(Batcher, SameBitsAloneAndInAnyCompany) {
  const std::vector<BatchRequest> requests = MixedRequests(170);
  const std::map<int64_t, Sample> expected = Alone(Starter(), requests);
  const auto engine = OpenOrFail(Starter());
  ASSERT_NE(engine, nullptr);
  for (const BatcherOptions& options :
       std::vector<BatcherOptions>{{.max_sequences = 17, .max_rows = 512},
                                   {.max_sequences = 17, .max_rows = 64},
                                   {.max_sequences = 5, .max_rows = 7},
                                   {.max_sequences = 2, .max_rows = 1},
                                   {.max_sequences = 100, .max_rows = 10000}}) {
    SCOPED_TRACE(options.max_rows);
    BatcherStats stats;
    const auto found = RunAll(*engine, requests, options, &stats);
    ASSERT_EQ(found.size(), 17U);
    for (const auto& [i, sample] : found) ExpectSame(sample, expected.at(i));
    EXPECT_LE(stats.max_running, options.max_sequences);
    EXPECT_EQ(stats.num_preemptions, 0);
  }
}

TEST(Batcher, StepsTakeDecodeRowsFirstAndPromptsInOrder) {
  class Rows : public Observer {
   public:
    void OnStep(const Batch& batch) override {
      steps.emplace_back();
      for (const Segment& s : batch.segments) steps.back().emplace_back(s.sequence, s.count);
    }
    std::vector<std::vector<std::pair<int64_t, int64_t>>> steps;
  };
  const auto engine = OpenOrFail(TinyModel(TinyMixtralConfig()));
  ASSERT_NE(engine, nullptr);
  Rows rows;
  Batcher batcher(*engine, {.max_sequences = 2, .max_rows = 8}, &rows);
  std::map<int64_t, Sample> samples;
  for (const auto& [length, count] :
       std::vector<std::pair<size_t, int64_t>>{{3, 4}, {10, 2}, {2, 1}}) {
    BatchRequest request = Request(SomeIds(length), 1, count);
    CollectInto(request, samples, 0);
    ASSERT_TRUE(batcher.Add(std::move(request)).ok());
  }
  batcher.Run();
  using Step = std::vector<std::pair<int64_t, int64_t>>;
  EXPECT_THAT(rows.steps, ElementsAre(Step{{0, 3}, {1, 5}}, Step{{0, 1}, {1, 5}},
                                      Step{{0, 1}, {1, 1}}, Step{{0, 1}, {2, 2}}));
}

TEST(Batcher, PrefixesAreReusedWithTheSameBits) {
  const auto engine = OpenOrFail(Starter());
  ASSERT_NE(engine, nullptr);
  std::vector<int32_t> prompt = SomeIds(200);
  BatcherStats stats;
  const Sample fresh = RunAll(*engine, {Request(prompt, 5)}, {}, &stats)[0];
  EXPECT_EQ(stats.num_reused, 0);
  EXPECT_EQ(stats.num_rows, 200 + 19);
  const Sample again = RunAll(*engine, {Request(prompt, 5)}, {}, &stats)[0];
  EXPECT_EQ(stats.num_reused, 192);
  EXPECT_EQ(stats.num_rows, 8 + 19);
  ExpectSame(again, fresh);
  EXPECT_EQ(engine->pages().num_held(), 0);
  // A prompt of whole pages leaves its last page to compute.
  prompt.resize(128);
  RunAll(*engine, {Request(prompt, 5)}, {}, &stats);
  EXPECT_EQ(stats.num_reused, 64);
}

TEST(Batcher, PreemptedTextsHaveTheSameBits) {
  const std::vector<BatchRequest> requests = MixedRequests(170);
  const std::map<int64_t, Sample> expected = Alone(Starter(), requests);
  for (const int64_t max_pages : {4, 5, 9}) {
    EngineOptions options;
    options.pages.max_pages = max_pages;
    const auto engine = OpenOrFail(Starter(), options);
    ASSERT_NE(engine, nullptr);
    BatcherStats stats;
    const auto found = RunAll(*engine, requests, {.max_sequences = 17, .max_rows = 40}, &stats);
    for (const auto& [i, sample] : found) ExpectSame(sample, expected.at(i));
    EXPECT_EQ(engine->pages().num_held(), 0);
  }
}

// Two texts that grow into memory for one: both were started, so one has to wait.
TEST(Batcher, TheYoungestGivesItsPagesBack) {
  EngineOptions options;
  options.pages.max_pages = 5;
  const auto engine = OpenOrFail(Starter(), options);
  ASSERT_NE(engine, nullptr);
  std::vector<BatchRequest> requests = {Request(SomeIds(30, 1), 1, 200),
                                        Request(SomeIds(30, 2), 2, 200)};
  const std::map<int64_t, Sample> expected = Alone(Starter(), requests);
  BatcherStats stats;
  const auto found = RunAll(*engine, requests, {}, &stats);
  EXPECT_GT(stats.num_preemptions, 0);
  for (const auto& [i, sample] : found) ExpectSame(sample, expected.at(i));
}

// Requests start when there are pages for all of their prompts, so few are computed twice.
TEST(Batcher, PromptsWaitForPages) {
  EngineOptions options;
  options.pages.max_pages = 6;
  const auto engine = OpenOrFail(Starter(), options);
  ASSERT_NE(engine, nullptr);
  std::vector<BatchRequest> requests;
  for (uint64_t i = 0; i < 8; ++i) requests.push_back(Request(SomeIds(100, i), i, 10));
  BatcherStats stats;
  const auto found = RunAll(*engine, requests, {}, &stats);
  EXPECT_EQ(stats.num_preemptions, 0);
  EXPECT_EQ(stats.num_rows, 8 * 109);
  EXPECT_EQ(stats.max_running, 2);
  for (const auto& [i, sample] : found) EXPECT_TRUE(sample.result.ok());
}

TEST(Batcher, WhatCannotFitFailsAlone) {
  EngineOptions options;
  options.pages.max_pages = 3;
  const auto engine = OpenOrFail(Starter(), options);
  ASSERT_NE(engine, nullptr);
  std::vector<BatchRequest> requests = {Request(SomeIds(40, 1), 1), Request(SomeIds(300, 2), 2),
                                        Request(SomeIds(150, 3), 3, 100),
                                        Request(SomeIds(60, 4), 4)};
  const std::map<int64_t, Sample> expected = Alone(Starter(), requests);
  const auto found = RunAll(*engine, requests, {.max_rows = 32});
  ExpectSame(found.at(0), expected.at(0));
  ExpectSame(found.at(3), expected.at(3));
  EXPECT_THAT(found.at(1).result.status().message(),
              HasSubstr("no room for 300 tokens: all 3 pages of the KV cache are in use"));
  // This one gets as far as there is room.
  EXPECT_THAT(found.at(2).result.status().message(), HasSubstr("no room for 193 tokens"));
  EXPECT_EQ(found.at(2).ids.size(), 43U);
  EXPECT_TRUE(
      std::equal(found.at(2).ids.begin(), found.at(2).ids.end(), expected.at(2).ids.begin()));
}

// The same with a limit of bytes, which the buffers of steps share.
TEST(Batcher, AMemoryLimitOfBytes) {
  const std::vector<BatchRequest> requests = MixedRequests(170);
  const std::map<int64_t, Sample> expected = Alone(Starter(), requests);
  EngineOptions options;
  {
    const auto free_engine = OpenOrFail(Starter());
    RunAll(*free_engine, {requests[0]}, {.max_rows = 48});
    const MemoryBudget& used = free_engine->context().budget;
    options.memory_limit_bytes = used.used_bytes(MemoryUse::kWeights) +
                                 used.used_bytes(MemoryUse::kBuffers) +
                                 7 * free_engine->pages().page_bytes();
  }
  const auto engine = OpenOrFail(Starter(), options);
  ASSERT_NE(engine, nullptr);
  // Steps of more rows than there are buffers for become smaller.
  for (const int64_t max_rows : {48, 512}) {
    const auto found = RunAll(*engine, requests, {.max_rows = max_rows});
    for (const auto& [i, sample] : found) ExpectSame(sample, expected.at(i));
  }
  EXPECT_LE(engine->context().budget.peak_bytes(), options.memory_limit_bytes);
}

TEST(Batcher, SamplesAreSeparateRunsWithTheirSeeds) {
  const auto engine = OpenOrFail(Starter());
  ASSERT_NE(engine, nullptr);
  const std::vector<int32_t> prompt = SomeIds(100);
  std::vector<BatchRequest> separate;
  for (uint64_t seed = 7; seed < 12; ++seed) separate.push_back(Request(prompt, seed, 70));
  const std::map<int64_t, Sample> expected = Alone(Starter(), separate);
  for (const BatcherOptions& options :
       std::vector<BatcherOptions>{{.max_sequences = 32}, {.max_sequences = 2, .max_rows = 9}}) {
    const auto fresh = OpenOrFail(Starter());
    BatchRequest request = Request(prompt, 7, 70);
    request.num_samples = 5;
    BatcherStats stats;
    const auto found = RunAll(*fresh, {request}, options, &stats);
    ASSERT_EQ(found.size(), 5U);
    for (const auto& [i, sample] : found) ExpectSame(sample, expected.at(i));
    EXPECT_EQ(stats.num_rows, 100 + 5 * 69) << "the prompt is computed once";
    EXPECT_LE(stats.max_running, options.max_sequences);
  }
  EXPECT_NE(expected.at(0).ids, expected.at(1).ids);
}

TEST(Batcher, SamplesArePreemptedToo) {
  EngineOptions options;
  options.pages.max_pages = 6;
  const auto engine = OpenOrFail(Starter(), options);
  ASSERT_NE(engine, nullptr);
  std::vector<BatchRequest> separate;
  for (uint64_t seed = 7; seed < 12; ++seed) separate.push_back(Request(SomeIds(100), seed, 120));
  const std::map<int64_t, Sample> expected = Alone(Starter(), separate);
  BatchRequest request = separate.front();
  request.num_samples = 5;
  BatcherStats stats;
  const auto found = RunAll(*engine, {request}, {}, &stats);
  EXPECT_GT(stats.num_preemptions, 0);
  for (const auto& [i, sample] : found) ExpectSame(sample, expected.at(i));
}

TEST(Batcher, RequestsComeAndGoWhileItRuns) {
  const auto engine = OpenOrFail(Starter());
  ASSERT_NE(engine, nullptr);
  const std::vector<BatchRequest> requests = {Request(SomeIds(9, 1), 1),
                                              Request(SomeIds(80, 2), 2)};
  const std::map<int64_t, Sample> expected = Alone(Starter(), requests);
  std::map<int64_t, Sample> samples;
  Batcher batcher(*engine, {});
  BatchRequest second = requests[1];
  CollectInto(second, samples, 1);
  BatchRequest first = requests[0];
  CollectInto(first, samples, 0);
  // The fifth token of the first adds the second, its tenth ends it.
  first.on_token = [&, collect = first.on_token](int64_t sample, const TokenEvent& event) {
    collect(sample, event);
    if (samples[0].ids.size() == 5) {
      EXPECT_TRUE(batcher.Add(std::move(second)).ok());
    }
    return samples[0].ids.size() < 10;
  };
  ASSERT_TRUE(batcher.Add(std::move(first)).ok());
  batcher.Run();
  EXPECT_TRUE(batcher.idle());
  EXPECT_EQ(samples[0].result->finish_reason, FinishReason::kCancelled);
  EXPECT_TRUE(std::equal(samples[0].ids.begin(), samples[0].ids.end(), expected.at(0).ids.begin()));
  EXPECT_EQ(samples[0].ids.size(), 10U);
  ExpectSame(samples[1], expected.at(1));
}

TEST(Batcher, CancelledEndsAllSamples) {
  const auto engine = OpenOrFail(Starter());
  ASSERT_NE(engine, nullptr);
  int asked = 0;
  std::map<int64_t, Sample> samples;
  Batcher batcher(*engine, {.max_rows = 10});
  BatchRequest request = Request(SomeIds(35), 1);
  request.num_samples = 3;
  request.cancelled = [&] { return ++asked > 2; };
  CollectInto(request, samples, 0);
  ASSERT_TRUE(batcher.Add(std::move(request)).ok());
  batcher.Run();
  ASSERT_EQ(samples.size(), 3U);
  for (const auto& [i, sample] : samples) {
    ASSERT_TRUE(sample.result.ok());
    EXPECT_EQ(sample.result->finish_reason, FinishReason::kCancelled);
    EXPECT_EQ(sample.result->num_generated_tokens, 0);
    EXPECT_EQ(sample.num_ends, 1);
  }
  EXPECT_EQ(batcher.stats().num_rows, 20);
}

TEST(Batcher, BrokenLogitsEndTheirRequestOnly) {
  TinyModel model = ScriptedModel("ab", 2);
  // Id 'a' leads to a logit that is no number, but nothing else does.
  std::vector<float>& embedding = model.values("model.embed_tokens.weight");
  const size_t width = embedding.size() / kTinyVocab;
  std::fill_n(embedding.begin() + static_cast<ptrdiff_t>(width * static_cast<size_t>(ByteId('a'))),
              width, std::numeric_limits<float>::quiet_NaN());
  const auto engine = OpenOrFail(model);
  ASSERT_NE(engine, nullptr);
  const auto found = RunAll(*engine, {Request({ByteId('b')}, 1, 3), Request({ByteId('a')}, 1, 3),
                                      Request({ByteId('c')}, 1, 3)});
  EXPECT_TRUE(found.at(0).result.ok());
  EXPECT_EQ(found.at(1).result.status().code(), StatusCode::kInvalidData);
  EXPECT_TRUE(found.at(2).result.ok());
}

TEST(Batcher, RequestsAreChecked) {
  const auto engine = OpenOrFail(TinyModel(TinyMixtralConfig()));
  ASSERT_NE(engine, nullptr);
  Batcher batcher(*engine, {});
  const auto message = [&](const auto& change) {
    BatchRequest request = Request(SomeIds(5), 1);
    change(request);
    return batcher.Add(std::move(request)).message();
  };
  EXPECT_THAT(message([](BatchRequest& r) { r.num_samples = 0; }), HasSubstr("num_samples"));
  EXPECT_THAT(message([](BatchRequest& r) { r.prompt.clear(); }), HasSubstr("the prompt is empty"));
  EXPECT_THAT(message([](BatchRequest& r) { r.prompt.resize(129); }),
              HasSubstr("129 tokens do not fit the model's context of 128"));
  EXPECT_THAT(message([](BatchRequest& r) { r.prompt = {kTinyVocab}; }), HasSubstr("vocabulary"));
  EXPECT_THAT(message([](BatchRequest& r) { r.options.sampling.top_p = 2; }), HasSubstr("top_p"));
  Sequence sequence(engine->pages());
  EXPECT_THAT(message([&](BatchRequest& r) {
                r.sequence = &sequence;
                r.num_samples = 2;
              }),
              HasSubstr("1 to continue a sequence"));
  EXPECT_TRUE(batcher.idle());
  const auto no_tokenizer = OpenOrFail(SourcePath("tests/data/models/mixtral_tiny"));
  Batcher other(*no_tokenizer, {});
  EXPECT_THAT(other.Add(Request({1, 2}, 1)).message(), HasSubstr("tokenizer.json"));
}

// Rounded caches are no less exact about company, chunks and reuse.
TEST(Batcher, SameBitsForEveryCacheType) {
  const std::vector<BatchRequest> requests = MixedRequests(170);
  for (const CacheType type : {CacheType::kF16, CacheType::kQ8_0}) {
    EngineOptions options;
    options.key_type = options.value_type = type;
    const auto alone = OpenOrFail(Starter(), options);
    const auto engine = OpenOrFail(Starter(), options);
    ASSERT_NE(engine, nullptr);
    const auto found = RunAll(*engine, requests, {.max_rows = 50});
    for (const auto& [i, sample] : found) {
      ExpectSame(sample, RunAll(*alone, {requests[static_cast<size_t>(i)]})[0]);
    }
  }
}

}  // namespace
}  // namespace moiety
