// The engine: the same bits whatever runs them, and errors that lose nothing.
#include "runtime/engine.h"

#include <gmock/gmock.h>
#include <stdlib.h>

#include <cmath>

#include "routing/router_recorder.h"
#include "support/bits.h"
#include "support/golden.h"
#include "support/loaded_model.h"
#include "support/paths.h"

namespace moiety {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// A model and ids that pass the end of a page, of a chunk and (where there is one) of the window.
struct BitsCase {
  std::string name;
  std::filesystem::path folder;
  size_t num_ids;
};
void PrintTo(const BitsCase& one, std::ostream* out) { *out << one.folder.string(); }

std::vector<BitsCase> BitsCases() {
  std::vector<BitsCase> cases = {{"starter", Starter(), 70}};
  for (const GoldenCase& golden : GoldenCases()) {
    const bool slides = golden.name == "mixtral_swa" || golden.name == "qwen2_swa";
    const bool half = golden.name == "mixtral_tiny";  // f16, five experts
    if (slides || half) cases.push_back({GoldenName(golden), golden.folder, 150});
  }
  return cases;
}

class SameBitsTest : public testing::TestWithParam<BitsCase> {};

TEST_P(SameBitsTest, ForAnyChunkThreadsIsaAndResidency) {
  // Ids of the smallest vocabulary.
  std::vector<int32_t> ids = SomeIds(GetParam().num_ids);
  for (int32_t& id : ids) id %= 256;
  std::vector<float> expected;
  std::vector<LayerRouting> routing;
  for (const KernelTable* kernels : AvailableKernels()) {
    for (const int threads : {1, 2, 3, 5}) {
      for (const Residency residency : {Residency::kMapped, Residency::kResident}) {
        EngineOptions options;
        options.isa = kernels->isa;
        options.num_threads = threads;
        options.residency = residency;
        const auto engine = OpenOrFail(GetParam().folder, options);
        ASSERT_NE(engine, nullptr);
        ASSERT_STREQ(engine->context().kernels.isa, kernels->isa);
        ASSERT_EQ(engine->context().pool.num_threads(), threads);
        ASSERT_EQ(engine->store().residency(), residency);
        for (const int64_t chunk : {1, 7, 64, 512}) {
          // Every chunk on the fastest kernels; elsewhere one of them by turns, for time.
          if (kernels != AvailableKernels().back() &&
              (chunk != 7) != (residency == Residency::kMapped))
            continue;
          SCOPED_TRACE(std::string(kernels->isa) + ", " + std::to_string(threads) +
                       " threads, chunk " + std::to_string(chunk));
          Sequence sequence(engine->pages());
          RouterRecorder recorder(engine->model().info().top_k);
          const std::vector<float> logits = FeedLogits(*engine, sequence, ids, chunk, &recorder);
          EXPECT_EQ(sequence.length(), static_cast<int64_t>(ids.size()));
          const std::vector<LayerRouting> layers = recorder.Take();
          if (expected.empty()) {
            expected = logits;
            routing = layers;
          }
          ASSERT_FALSE(logits.empty());
          EXPECT_TRUE(SameBits(logits, expected));
          ASSERT_EQ(layers.size(), routing.size());
          for (size_t l = 0; l < layers.size(); ++l) {
            EXPECT_TRUE(SameBits(layers[l].logits, routing[l].logits));
            EXPECT_EQ(layers[l].experts, routing[l].experts);
            EXPECT_TRUE(SameBits(layers[l].weights, routing[l].weights));
          }
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, SameBitsTest, testing::ValuesIn(BitsCases()),
                         [](const auto& one) { return one.param.name; });

TEST(Engine, LogitRowsAreThoseThatWereAskedFor) {
  const auto engine = OpenOrFail(TinyModel(TinyMixtralConfig()));
  ASSERT_NE(engine, nullptr);
  const std::vector<int32_t> ids = SomeIds(10);
  const std::vector<float> all = AllLogits(*engine, ids);
  EXPECT_EQ(all.size(), 10U * kTinyVocab);
  for (const int64_t chunk : {1, 3, 10, 11}) {
    Sequence sequence(engine->pages());
    std::vector<int64_t> positions;
    const auto feed = [&](std::vector<int32_t> part, LogitRows rows) {
      const Status status = engine->Feed(
          sequence, part, rows,
          [&](int64_t first, const Matrix& logits) {
            for (int64_t i = 0; i < logits.rows; ++i) {
              positions.push_back(first + i);
              EXPECT_TRUE(SameBits({logits.Row(i), kTinyVocab}, LogitsAt(*engine, all, first + i)));
            }
            return OkStatus();
          },
          nullptr, chunk);
      EXPECT_TRUE(status.ok()) << status.message();
    };
    feed({ids.begin(), ids.begin() + 4}, LogitRows::kNone);
    feed({ids.begin() + 4, ids.begin() + 7}, LogitRows::kLast);
    feed({}, LogitRows::kAll);
    feed({ids.begin() + 7, ids.end()}, LogitRows::kAll);
    EXPECT_THAT(positions, testing::ElementsAre(6, 7, 8, 9));
    EXPECT_EQ(sequence.length(), 10);
  }
}

TEST(Engine, SequencesDoNotSeeEachOther) {
  const auto engine = OpenOrFail(TinyModel(TinyMixtralConfig()));
  ASSERT_NE(engine, nullptr);
  const std::vector<int32_t> a = SomeIds(80, 1);
  const std::vector<int32_t> b = SomeIds(80, 2);
  const std::vector<float> expected_a = AllLogits(*engine, a);
  const std::vector<float> expected_b = AllLogits(*engine, b);
  Sequence first(engine->pages());
  Sequence second(engine->pages());
  std::vector<float> found_a;
  std::vector<float> found_b;
  for (size_t i = 0; i < a.size(); i += 16) {
    for (const bool is_first : {true, false}) {
      const std::span<const int32_t> part(&(is_first ? a : b)[i], 16);
      const std::vector<float> logits = FeedLogits(*engine, is_first ? first : second, part);
      std::vector<float>& found = is_first ? found_a : found_b;
      found.insert(found.end(), logits.begin(), logits.end());
    }
  }
  EXPECT_TRUE(SameBits(found_a, expected_a));
  EXPECT_TRUE(SameBits(found_b, expected_b));
}

TEST(Engine, TruncatedSequencesContinueLikeFreshOnes) {
  for (const bool slides : {false, true}) {
    nlohmann::json config = TinyMixtralConfig();
    if (slides) config["sliding_window"] = 20;
    const auto engine = OpenOrFail(TinyModel(config));
    ASSERT_NE(engine, nullptr);
    const std::vector<int32_t> ids = SomeIds(100, 1);
    const std::vector<int32_t> others = SomeIds(100, 2);
    const std::vector<float> expected = AllLogits(*engine, ids);
    for (const int64_t kept : {0, 1, 63, 64, 65, 99}) {
      Sequence sequence(engine->pages());
      FeedLogits(*engine, sequence, {ids.data(), static_cast<size_t>(kept)});
      FeedLogits(*engine, sequence, {others.data(), static_cast<size_t>(100 - kept)});
      sequence.Truncate(kept);
      const std::vector<float> rest =
          FeedLogits(*engine, sequence, std::span(ids).subspan(static_cast<size_t>(kept)));
      EXPECT_TRUE(
          SameBits(rest, std::span(expected).subspan(static_cast<size_t>(kept * kTinyVocab))))
          << kept;
    }
  }
}

TEST(Engine, MoreThanTheContextIsAnError) {
  const auto engine = OpenOrFail(TinyModel(TinyMixtralConfig()));
  ASSERT_NE(engine, nullptr);
  Sequence sequence(engine->pages());
  const std::vector<int32_t> ids = SomeIds(129);
  const Status too_many = engine->Feed(sequence, ids, LogitRows::kNone, nullptr);
  EXPECT_EQ(too_many.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(too_many.message(), HasSubstr("129 tokens do not fit the model's context of 128"));
  EXPECT_EQ(sequence.length(), 0);
  EXPECT_TRUE(engine->Feed(sequence, {ids.data(), 128}, LogitRows::kNone, nullptr).ok());
  EXPECT_FALSE(engine->Feed(sequence, {ids.data(), 1}, LogitRows::kNone, nullptr).ok());
  EXPECT_EQ(sequence.length(), 128);
  EXPECT_TRUE(engine->Feed(sequence, {}, LogitRows::kNone, nullptr).ok());
}

TEST(Engine, AnErrorOfTheCallbackEndsTheFeed) {
  const auto engine = OpenOrFail(TinyModel(TinyMixtralConfig()));
  ASSERT_NE(engine, nullptr);
  Sequence sequence(engine->pages());
  int calls = 0;
  const Status status = engine->Feed(
      sequence, SomeIds(30), LogitRows::kAll,
      [&](int64_t, const Matrix&) { return ++calls == 3 ? Cancelled("enough") : OkStatus(); },
      nullptr, 8);
  EXPECT_EQ(status.code(), StatusCode::kCancelled);
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(sequence.length(), 16) << "the steps before that one";
  // It can go on from there.
  const std::vector<int32_t> ids = SomeIds(30);
  const std::vector<float> rest = FeedLogits(*engine, sequence, std::span(ids).subspan(16));
  const std::vector<float> all = AllLogits(*engine, ids);
  EXPECT_TRUE(SameBits(rest, std::span(all).subspan(16 * kTinyVocab)));
}

TEST(Engine, AMemoryLimitIsAnErrorThatLosesNothing) {
  const auto free_engine = OpenOrFail(Starter());
  ASSERT_NE(free_engine, nullptr);
  constexpr int64_t kChunk = 16;
  const std::vector<int32_t> ids = SomeIds(200);
  Sequence fresh(free_engine->pages());
  const std::vector<float> expected = FeedLogits(*free_engine, fresh, ids, kChunk);
  const MemoryBudget& used = free_engine->context().budget;

  EngineOptions options;
  options.memory_limit_bytes = 1'000'000;
  const Status weights = Engine::Open(Starter(), options).status();
  EXPECT_EQ(weights.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(weights.message(), AllOf(HasSubstr("weights"), HasSubstr("1.00 MB")));

  // Room for the weights, the buffers of such steps and three pages: 192 tokens.
  options.memory_limit_bytes = used.used_bytes(MemoryUse::kWeights) +
                               used.used_bytes(MemoryUse::kBuffers) +
                               3 * free_engine->pages().page_bytes();
  const auto engine = OpenOrFail(Starter(), options);
  ASSERT_NE(engine, nullptr);
  Sequence sequence(engine->pages());
  std::vector<float> found = FeedLogits(*engine, sequence, {ids.data(), 100}, kChunk);
  Sequence other(engine->pages());
  EXPECT_TRUE(
      engine->Feed(other, {ids.data(), 64}, LogitRows::kNone, nullptr, nullptr, kChunk).ok());
  const Status status =
      engine->Feed(other, {ids.data(), 1}, LogitRows::kNone, nullptr, nullptr, kChunk);
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("KV cache"), HasSubstr("memory limit")));
  EXPECT_EQ(other.length(), 64);
  EXPECT_LE(engine->context().budget.peak_bytes(), options.memory_limit_bytes);
  // Steps that need larger buffers are refused as well, and give back the pages they had taken.
  other.Truncate(0);
  EXPECT_EQ(engine
                ->Feed(other, {ids.data(), 64}, LogitRows::kAll,
                       [](int64_t, const Matrix&) { return OkStatus(); })
                .code(),
            StatusCode::kResourceExhausted);
  EXPECT_EQ(other.length(), 0);
  // The sequence that was there goes on once there is room, with the same bits.
  const std::vector<float> rest = FeedLogits(*engine, sequence, {ids.data() + 100, 92}, kChunk);
  found.insert(found.end(), rest.begin(), rest.end());
  EXPECT_TRUE(SameBits(found, {expected.data(), found.size()}));
}

TEST(Engine, ChunksHaveAtLeastOneRow) {
  const auto engine = OpenOrFail(TinyModel(TinyMixtralConfig()));
  ASSERT_NE(engine, nullptr);
  for (const int64_t chunk : {0, -1}) {
    Sequence sequence(engine->pages());
    const Status status =
        engine->Feed(sequence, SomeIds(3), LogitRows::kNone, nullptr, nullptr, chunk);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(sequence.length(), 0);
  }
}

TEST(Engine, OptionsAreChecked) {
  const TinyModel model(TinyMixtralConfig());
  for (const int threads : {-1, 1025, INT32_MIN}) {
    EngineOptions options;
    options.num_threads = threads;
    const Status status = OpenStatus(model, options);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(),
                HasSubstr("threads must be from 1 to 1024, found " + std::to_string(threads)));
  }
  EngineOptions options;
  options.isa = "bogus";
  EXPECT_THAT(OpenStatus(model, options).message(),
              AllOf(HasSubstr("\"bogus\""), HasSubstr("ref")));
  EXPECT_EQ(OpenOrFail(model)->context().pool.num_threads(), UsableCpus());
}

// The option says more than the environment, which says more than the processor.
TEST(Engine, IsaOfTheEnvironment) {
  const char* before = getenv("MOIETY_ISA");
  const std::string restore = before == nullptr ? "" : before;
  const TinyModel model(TinyMixtralConfig());
  setenv("MOIETY_ISA", "ref", 1);
  EXPECT_STREQ(OpenOrFail(model)->context().kernels.isa, "ref");
  EngineOptions options;
  options.isa = AvailableKernels().back()->isa;
  EXPECT_STREQ(OpenOrFail(model, options)->context().kernels.isa, options.isa.c_str());
  setenv("MOIETY_ISA", "bogus", 1);
  EXPECT_THAT(OpenStatus(model).message(), HasSubstr("\"bogus\""));
  unsetenv("MOIETY_ISA");
  EXPECT_STREQ(OpenOrFail(model)->context().kernels.isa, AvailableKernels().back()->isa);
  if (before != nullptr) setenv("MOIETY_ISA", restore.c_str(), 1);
}

TEST(Engine, ATokenizerIsOptional) {
  const ScratchFolder folder;
  TinyModel(TinyMixtralConfig()).Write(folder.path());
  EXPECT_TRUE(OpenOrFail(folder.path())->tokenizer().ok());
  folder.Write("tokenizer.json", "{");
  EXPECT_EQ(OpenOrFail(folder.path())->tokenizer().status().code(), StatusCode::kInvalidData);
  std::filesystem::remove(folder.path() / "tokenizer.json");
  const auto engine = OpenOrFail(folder.path());
  ASSERT_NE(engine, nullptr);
  EXPECT_THAT(engine->tokenizer().status().message(), HasSubstr("tokenizer.json"));
  EXPECT_EQ(AllLogits(*engine, {1, 2}).size(), 2U * kTinyVocab);
}

// Seventeen sequences at once, each at another place of its text, one row or many: every row has
// the bits that it has alone.
TEST(Engine, LogitsOfAStepDoNotDependOnItsCompany) {
  for (const std::filesystem::path& folder :
       {Starter(), SourcePath("tests/data/models/qwen2_swa")}) {
    const auto engine = OpenOrFail(folder);
    ASSERT_NE(engine, nullptr);
    const auto vocab_size = static_cast<size_t>(engine->model().info().vocab_size);
    struct Member {
      std::vector<int32_t> ids;
      std::vector<float> alone, found;
      std::unique_ptr<Sequence> sequence;
      int64_t chunk;
    };
    std::vector<Member> members(17);
    for (size_t i = 0; i < members.size(); ++i) {
      Member& m = members[i];
      m.ids = SomeIds(20 + i * 13 % 150, i);
      for (int32_t& id : m.ids) id %= 256;
      m.alone = AllLogits(*engine, m.ids);
      m.sequence = std::make_unique<Sequence>(engine->pages());
      m.chunk = i % 4 == 0 ? 64 : i % 4 == 1 ? 7 : i % 4 == 2 ? 1 : 1000;
    }
    while (true) {
      std::vector<StepPart> parts;
      std::vector<Member*> order;
      for (Member& m : members) {
        const auto left = static_cast<int64_t>(m.ids.size()) - m.sequence->length();
        if (left == 0) continue;
        parts.push_back({m.sequence.get(),
                         std::span(m.ids).subspan(static_cast<size_t>(m.sequence->length()),
                                                  static_cast<size_t>(std::min(left, m.chunk))),
                         LogitRows::kAll});
        order.push_back(&m);
      }
      if (parts.empty()) break;
      const auto logits = engine->Step(parts);
      ASSERT_TRUE(logits.ok()) << logits.status().message();
      const float* row = logits->data;
      for (size_t i = 0; i < parts.size(); ++i) {
        const size_t count = parts[i].ids.size() * vocab_size;
        order[i]->found.insert(order[i]->found.end(), row, row + count);
        row += count;
      }
    }
    for (const Member& m : members) EXPECT_TRUE(SameBits(m.found, m.alone));
  }
}

TEST(Engine, AStepThatFailsChangesNoSequence) {
  EngineOptions options;
  options.pages.max_pages = 2;
  const auto engine = OpenOrFail(TinyModel(TinyMixtralConfig()), options);
  ASSERT_NE(engine, nullptr);
  Sequence a(engine->pages());
  Sequence b(engine->pages());
  const std::vector<int32_t> ids = SomeIds(65);
  const StepPart both[] = {{&a, std::span(ids).first(3)}, {&b, ids}};
  EXPECT_EQ(engine->Step(both).status().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(a.length(), 0);
  EXPECT_EQ(b.length(), 0);
  EXPECT_EQ(engine->pages().num_held(), 0);
  EXPECT_TRUE(engine->Step({&both[0], 1}).ok());
  EXPECT_EQ(a.length(), 3);
}

// Pages that were computed by another sequence, or shared by a fork, give the same bits.
TEST(Engine, SharedPagesChangeNoBit) {
  const auto engine = OpenOrFail(Starter());
  ASSERT_NE(engine, nullptr);
  const std::vector<int32_t> ids = SomeIds(200);
  const std::vector<float> expected = AllLogits(*engine, ids);
  const auto vocab_size = static_cast<size_t>(engine->model().info().vocab_size);
  Sequence first(engine->pages());
  FeedLogits(*engine, first, {ids.data(), 150});
  first.Publish();
  Sequence adopted(engine->pages());
  ASSERT_EQ(adopted.AdoptPrefix(ids), 128);
  Sequence fork(engine->pages());
  fork.Fork(first);
  // The fork goes another way in the middle of a page, then the others go on.
  FeedLogits(*engine, fork, SomeIds(30, 8));
  EXPECT_TRUE(SameBits(FeedLogits(*engine, adopted, std::span(ids).subspan(128)),
                       std::span(expected).subspan(128 * vocab_size)));
  EXPECT_TRUE(SameBits(FeedLogits(*engine, first, std::span(ids).subspan(150)),
                       std::span(expected).subspan(150 * vocab_size)));
  fork.Truncate(150);
  EXPECT_TRUE(SameBits(FeedLogits(*engine, fork, std::span(ids).subspan(150)),
                       std::span(expected).subspan(150 * vocab_size)));
}

TEST(Engine, CacheTypesKeepTheirBitsAndTheirSize) {
  const std::vector<int32_t> ids = SomeIds(150);
  uint64_t exact_bytes = 0;
  for (const CacheType type : {CacheType::kF32, CacheType::kF16, CacheType::kQ8_0}) {
    EngineOptions options;
    options.key_type = options.value_type = type;
    std::vector<float> expected;
    for (const KernelTable* kernels : AvailableKernels()) {
      options.isa = kernels->isa;
      const auto engine = OpenOrFail(Starter(), options);
      ASSERT_NE(engine, nullptr);
      for (const int64_t chunk : {1, 7, 64, 512}) {
        if (kernels != AvailableKernels().back() && chunk != 7) continue;
        Sequence sequence(engine->pages());
        const std::vector<float> logits = FeedLogits(*engine, sequence, ids, chunk);
        if (expected.empty()) expected = logits;
        EXPECT_TRUE(SameBits(logits, expected)) << kernels->isa << ", chunk " << chunk;
      }
      const uint64_t bytes = engine->context().budget.used_bytes(MemoryUse::kKvCache);
      if (type == CacheType::kF32) exact_bytes = bytes;
      const int64_t bits = type == CacheType::kF32 ? 64 : type == CacheType::kF16 ? 32 : 17;
      EXPECT_EQ(bytes * 64, exact_bytes * static_cast<uint64_t>(bits));
    }
  }
}

TEST(Engine, CacheTypesMustSuitTheModel) {
  EngineOptions options;
  options.value_type = CacheType::kQ8_0;
  const Status status = OpenStatus(TinyModel(TinyMixtralConfig()), options);
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_THAT(status.message(), HasSubstr("type q8_0 needs a head_dim divisible by 32"));
  options.value_type = CacheType::kF16;
  EXPECT_NE(OpenOrFail(TinyModel(TinyMixtralConfig()), options), nullptr);
}

Result<std::unique_ptr<Engine>> OpenShape(const nlohmann::json& config, uint64_t seed = 1,
                                          const EngineOptions& options = {}) {
  const ScratchFolder folder;
  return Engine::OpenShape(folder.Write("shape.json", config.dump()), options, seed);
}

TEST(Shape, EveryArchitectureAndTypeComputes) {
  for (nlohmann::json config : {TinyMixtralConfig(), TinyLlamaConfig()}) {
    for (const char* key : {"dtype", "torch_dtype"}) {
      config.erase("dtype");
      config.erase("torch_dtype");
      for (const auto& [name, bytes] : {std::pair("float32", 4), {"float16", 2}, {"bfloat16", 2}}) {
        config[key] = name;
        const auto engine = OpenShape(config);
        ASSERT_TRUE(engine.ok()) << engine.status().message();
        const ModelInfo& info = (*engine)->model().info();
        EXPECT_EQ((*engine)->store().declared_bytes(), info.parameters * bytes);
        EXPECT_EQ((*engine)->context().budget.used_bytes(MemoryUse::kWeights) > 0, true);
        const std::vector<float> logits = AllLogits(**engine, SomeIds(70));
        ASSERT_EQ(logits.size(), 70U * kTinyVocab);
        for (const float logit : logits) ASSERT_TRUE(std::isfinite(logit));
        EXPECT_FALSE((*engine)->tokenizer().ok());
      }
    }
  }
}

TEST(Shape, SeedAloneDecides) {
  nlohmann::json config = TinyMixtralConfig();
  config["dtype"] = "bfloat16";
  EngineOptions one;
  one.num_threads = 1;
  EngineOptions three;
  three.num_threads = 3;
  const std::vector<float> expected = AllLogits(**OpenShape(config, 5, one), SomeIds(9));
  EXPECT_TRUE(SameBits(AllLogits(**OpenShape(config, 5, three), SomeIds(9)), expected));
  EXPECT_NE(AllLogits(**OpenShape(config, 6), SomeIds(9)), expected);
}

TEST(Shape, Errors) {
  nlohmann::json config = TinyMixtralConfig();
  config.erase("dtype");
  config.erase("torch_dtype");
  EXPECT_THAT(OpenShape(config).status().message(), HasSubstr("torch_dtype"));
  config["dtype"] = "float8";
  EXPECT_THAT(OpenShape(config).status().message(),
              AllOf(HasSubstr("dtype"), HasSubstr("bfloat16"), HasSubstr("\"float8\"")));
  config["dtype"] = "bfloat16";
  config["num_local_experts"] = INT32_MAX;
  EXPECT_EQ(OpenShape(config).status().code(), StatusCode::kResourceExhausted);
  config = TinyMixtralConfig();
  config["dtype"] = "bfloat16";
  EngineOptions small;
  small.memory_limit_bytes = 20'000;
  EXPECT_EQ(OpenShape(config, 1, small).status().code(), StatusCode::kResourceExhausted);
  config["model_type"] = "parrot";
  EXPECT_EQ(OpenShape(config).status().code(), StatusCode::kUnsupported);
}

}  // namespace
}  // namespace moiety
