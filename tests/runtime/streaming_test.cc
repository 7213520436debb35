// Engines whose experts live on disk: the same bits as from memory, whatever the budget, and errors
// that end what they must.
#include <gmock/gmock.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "runtime/batcher.h"
#include "runtime/engine.h"
#include "support/bits.h"
#include "support/faulty_reader.h"
#include "support/loaded_model.h"
#include "support/paths.h"
#include "support/scratch_folder.h"

namespace moiety {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// The starter has 18.1 MB of weights, 3.95 of them outside of experts.
constexpr uint64_t kHalf = 9'000'000;

EngineOptions Streamed(uint64_t limit) {
  EngineOptions options;
  options.memory_limit_bytes = limit;
  return options;
}

// A prompt, and then one token at a time.
std::vector<float> PromptAndTokens(Engine& engine, const std::vector<int32_t>& ids,
                                   int64_t num_prompt = 40) {
  Sequence sequence(engine.pages());
  const auto prompt = static_cast<size_t>(num_prompt);
  std::vector<float> logits = FeedLogits(engine, sequence, {ids.data(), prompt});
  for (size_t i = prompt; i < ids.size(); ++i) {
    const std::vector<float> row = FeedLogits(engine, sequence, {ids.data() + i, 1});
    logits.insert(logits.end(), row.begin(), row.end());
  }
  return logits;
}

TEST(Streaming, TheSameBitsForEveryBudgetPolicyReaderAndThreads) {
  const std::vector<int32_t> ids = SomeIds(56);
  const auto resident = OpenOrFail(Starter());
  ASSERT_NE(resident, nullptr);
  const std::vector<float> expected = PromptAndTokens(*resident, ids);
  EXPECT_FALSE(resident->store().streamer().streams());
  int threads = 1;
  for (const uint64_t limit : {uint64_t{6'000'000}, kHalf, uint64_t{14'000'000}}) {
    for (const CachePolicyInfo& policy : CachePolicies()) {
      EngineOptions options = Streamed(limit);
      options.num_threads = threads;
      options.streaming.policy = std::string(policy.name);
      options.streaming.method = threads == 2 ? ReadMethod::kThreads : ReadMethod::kAuto;
      threads = threads % 3 + 1;
      const auto engine = OpenOrFail(Starter(), options);
      ASSERT_NE(engine, nullptr);
      EXPECT_EQ(engine->store().residency(), Residency::kStreamed);
      EXPECT_TRUE(SameBits(PromptAndTokens(*engine, ids), expected)) << policy.name << " " << limit;
      const StreamStats stats = engine->store().streamer().stats();
      EXPECT_GT(stats.bytes_read, 0U);
      EXPECT_GT(stats.counts.evictions, 0);
      EXPECT_LE(engine->context().budget.peak_bytes(), limit);
    }
  }
}

TEST(Streaming, LearntRatesAreKeptForTheNextRun) {
  const ScratchFolder scratch;
  EngineOptions options = Streamed(6'000'000);
  options.streaming.policy = "learnt";
  options.streaming.rates_folder = scratch.path() / "rates";
  const std::vector<int32_t> ids = SomeIds(56);
  int64_t hits[2];
  std::vector<float> logits[2];
  for (int run = 0; run < 2; ++run) {
    const auto engine = OpenOrFail(Starter(), options);
    ASSERT_NE(engine, nullptr);
    logits[run] = PromptAndTokens(*engine, ids);
    hits[run] = engine->store().streamer().stats().counts.hits;
  }
  const auto files = std::filesystem::directory_iterator(options.streaming.rates_folder);
  EXPECT_EQ(std::distance(begin(files), end(files)), 1);
  EXPECT_NE(hits[0], hits[1]) << "the second run begins with what the first learnt";
  EXPECT_TRUE(SameBits(logits[0], logits[1]));
}

TEST(Streaming, CanBeAskedForWithoutALimit) {
  EngineOptions options;
  options.residency = Residency::kStreamed;
  const auto engine = OpenOrFail(Starter(), options);
  ASSERT_NE(engine, nullptr);
  const std::vector<int32_t> ids = SomeIds(20);
  EXPECT_TRUE(SameBits(AllLogits(*engine, ids), AllLogits(*OpenOrFail(Starter()), ids)));
  EXPECT_EQ(engine->store().streamer().stats().counts.evictions, 0);
  EXPECT_EQ(OpenStatus(TinyModel(TinyLlamaConfig()), options).code(), StatusCode::kUnsupported)
      << "no experts";
}

TEST(Streaming, TheLeastBudgetIsNamedAndWorks) {
  const Status status = Engine::Open(Starter(), Streamed(1'000'000)).status();
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  const std::string said = "the least that works is ";
  const size_t at = status.message().find(said);
  ASSERT_NE(at, std::string::npos) << status.message();
  const auto least =
      static_cast<uint64_t>(std::stod(status.message().substr(at + said.size())) * 1e6);
  const auto engine = OpenOrFail(Starter(), Streamed(least));
  ASSERT_NE(engine, nullptr);
  const std::vector<int32_t> ids = SomeIds(30);
  EXPECT_TRUE(SameBits(PromptAndTokens(*engine, ids, 20),
                       PromptAndTokens(*OpenOrFail(Starter()), ids, 20)));
  EXPECT_LE(engine->context().budget.peak_bytes(), least);
  EXPECT_EQ(Engine::Open(Starter(), Streamed(least - 200'000)).status().code(),
            StatusCode::kResourceExhausted);
}

// Steps at the least budget neither need more memory as they go on, nor lose any.
TEST(Streaming, AThousandStepsDoNotGrow) {
  const uint64_t limit = 5'700'000;
  const auto engine = OpenOrFail(Starter(), Streamed(limit));
  ASSERT_NE(engine, nullptr);
  uint64_t used = 0;
  for (int round = 0; round < 20; ++round) {
    Sequence sequence(engine->pages());
    for (const int32_t id : SomeIds(50, static_cast<uint64_t>(round))) {
      const Status status = engine->Feed(sequence, {&id, 1}, LogitRows::kNone, nullptr);
      ASSERT_TRUE(status.ok()) << status.message();
    }
    sequence.Truncate(0);
    const MemoryBudget& budget = engine->context().budget;
    if (round == 1) used = budget.used_bytes();
    EXPECT_TRUE(round < 2 || budget.used_bytes() <= used);
    EXPECT_LE(budget.peak_bytes(), limit);
  }
}

// The KV cache and buffers take memory from experts, and experts take it again.
TEST(Streaming, LongTextsAndExpertsShareTheBudget) {
  const auto engine = OpenOrFail(Starter(), Streamed(kHalf));
  ASSERT_NE(engine, nullptr);
  const std::vector<int32_t> ids = SomeIds(1000);
  const auto slots = [&] { return engine->store().streamer().stats().num_slots; };
  AllLogits(*engine, {ids.begin(), ids.begin() + 10});
  const int64_t many = slots();
  {
    Sequence sequence(engine->pages());
    const Status status = engine->Feed(sequence, ids, LogitRows::kNone, nullptr);
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_LT(slots(), many);
    sequence.Truncate(0);
  }
  engine->ReleaseBuffers();
  auto all = engine->context().budget.Reserve(MemoryUse::kBuffers, 3'000'000);
  EXPECT_TRUE(all.ok()) << "cached pages go first";
  all->Release();
  AllLogits(*engine, {ids.begin(), ids.begin() + 30});
  EXPECT_GE(slots(), many);
}

// Every `period`-th read fails.
EngineOptions Faulty(uint64_t limit, std::shared_ptr<std::atomic<int64_t>> period) {
  EngineOptions options = Streamed(limit);
  options.streaming.wrap_reader = [period](std::unique_ptr<RangeReader> reader) {
    auto count = std::make_shared<int64_t>(0);
    return std::make_unique<FaultyReader>(std::move(reader), [period, count](const RangeRead&) {
      const int64_t every = *period;
      return every > 0 && ++*count % every == 0 ? IoError("experts.gguf: cannot read at byte 7")
                                                : OkStatus();
    });
  };
  return options;
}

TEST(Streaming, AFailedReadEndsTheStepAlone) {
  const std::vector<int32_t> ids = SomeIds(40);
  const std::vector<float> expected = AllLogits(*OpenOrFail(Starter()), ids);
  for (const int64_t every : {1, 3, 100, 1000}) {
    auto period = std::make_shared<std::atomic<int64_t>>(0);
    const auto engine = OpenOrFail(Starter(), Faulty(6'000'000, period));
    ASSERT_NE(engine, nullptr);
    *period = every;
    int failed = 0;
    for (int i = 0; i < 200 && (i < 10 || failed == 0); ++i) {
      Sequence sequence(engine->pages());
      const Status status = engine->Feed(sequence, ids, LogitRows::kNone, nullptr);
      if (status.ok()) continue;
      ++failed;
      EXPECT_EQ(status.code(), StatusCode::kIoError);
      EXPECT_THAT(status.message(), HasSubstr("experts.gguf"));
      EXPECT_EQ(sequence.length(), 0);
    }
    EXPECT_GT(failed, 0) << every;
    *period = 0;
    EXPECT_TRUE(SameBits(AllLogits(*engine, ids), expected)) << every;
    EXPECT_LE(engine->context().budget.peak_bytes(), 6'000'000U);
  }
}

// Requests of a batch that need what cannot be read end with that error; others go on to the same
// texts as ever.
TEST(Streaming, OtherRequestsOfABatchGoOn) {
  const auto texts = [](Engine& engine) {
    Batcher batcher(engine, {});
    std::vector<std::pair<Status, std::vector<int32_t>>> ended(6);
    for (size_t i = 0; i < ended.size(); ++i) {
      BatchRequest request;
      request.prompt = SomeIds(5, i);
      request.options.max_tokens = 12;
      request.options.ignore_eos = true;
      request.options.sampling.temperature = 0;
      request.on_token = [&ended, i](int64_t, const TokenEvent& event) {
        ended[i].second.push_back(event.id);
        return true;
      };
      request.on_end = [&ended, i](int64_t, const Result<GenerationResult>& result) {
        ended[i].first = result.status();
      };
      EXPECT_TRUE(batcher.Add(std::move(request)).ok());
    }
    while (!batcher.idle()) batcher.Step();
    return ended;
  };
  const auto expected = texts(*OpenOrFail(Starter()));
  auto period = std::make_shared<std::atomic<int64_t>>(0);
  const auto engine = OpenOrFail(Starter(), Faulty(6'000'000, period));
  ASSERT_NE(engine, nullptr);
  *period = 37;
  int64_t failed = 0;
  const auto found = texts(*engine);
  for (size_t i = 0; i < found.size(); ++i) {
    if (found[i].first.ok()) {
      EXPECT_EQ(found[i].second, expected[i].second);
    } else {
      ++failed;
      EXPECT_EQ(found[i].first.code(), StatusCode::kIoError);
    }
  }
  EXPECT_GT(failed, 0);
  EXPECT_LT(failed, 6);
  *period = 0;
  for (const auto& [status, ids] : texts(*engine)) EXPECT_TRUE(status.ok()) << status.message();
}

TEST(Streaming, ATruncatedOrChangedFileIsAnError) {
  const ScratchFolder scratch;
  for (const char* file : {"config.json", "model.safetensors", "tokenizer.json"}) {
    std::filesystem::copy_file(Starter() / file, scratch.path() / file);
  }
  const auto engine = OpenOrFail(scratch.path(), Streamed(6'000'000));
  ASSERT_NE(engine, nullptr);
  const std::vector<int32_t> ids = SomeIds(20);
  AllLogits(*engine, ids);
  const auto fails = [&] {
    Sequence sequence(engine->pages());
    return engine->Feed(sequence, ids, LogitRows::kNone, nullptr);
  };
  const std::filesystem::path path = scratch.path() / "model.safetensors";
  std::filesystem::last_write_time(
      path, std::filesystem::last_write_time(path) + std::chrono::seconds(5));
  EXPECT_THAT(fails().message(), AllOf(HasSubstr("model.safetensors"), HasSubstr("changed")));
  std::filesystem::resize_file(path, 1000);
  EXPECT_THAT(fails().message(), HasSubstr("model.safetensors"));
}

}  // namespace
}  // namespace moiety
