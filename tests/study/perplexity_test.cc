#include "study/perplexity.h"

#include <gmock/gmock.h>

#include <cmath>
#include <fstream>
#include <iterator>

#include "support/loaded_model.h"
#include "support/paths.h"

namespace moiety {
namespace {

using testing::HasSubstr;

// Negative log-likelihood in double of `id` after the logits of the row before it.
double Nll(const std::vector<float>& row, int32_t id) {
  const double max = *std::max_element(row.begin(), row.end());
  double sum = 0;
  for (const float x : row) sum += std::exp(static_cast<double>(x) - max);
  return max + std::log(sum) - static_cast<double>(row[static_cast<size_t>(id)]);
}

struct Prediction {
  int64_t position;
  double nll;
};

// Each window computed on its own, from the description in perplexity.h.
std::vector<Prediction> Naive(Engine& engine, const std::vector<int32_t>& ids, int64_t window,
                              int64_t stride) {
  const auto num_ids = static_cast<int64_t>(ids.size());
  window = std::min(window, num_ids);
  std::vector<Prediction> predictions;
  std::vector<bool> seen(ids.size(), false);
  for (int64_t begin = 0; begin + window <= num_ids; begin += stride) {
    const std::vector<int32_t> part(ids.begin() + begin, ids.begin() + begin + window);
    const std::vector<float> logits = AllLogits(engine, part);
    for (int64_t i = 1; i < window; ++i) {
      // What a window before has predicted is left out.
      if (seen[static_cast<size_t>(begin + i)]) continue;
      seen[static_cast<size_t>(begin + i)] = true;
      predictions.push_back(
          {begin + i, Nll(LogitsAt(engine, logits, i - 1), part[static_cast<size_t>(i)])});
    }
  }
  return predictions;
}

TEST(Perplexity, AgreesWithNaiveWindows) {
  const auto engine = OpenOrFail(TinyModel(TinyMixtralConfig()));
  ASSERT_NE(engine, nullptr);
  const std::vector<std::tuple<size_t, int64_t, int64_t>> cases = {
      {100, 20, 20}, {100, 30, 30}, {99, 100, 100}, {100, 100, 100}, {101, 100, 100},
      {2, 10, 10},   {2, 2, 2},     {100, 2, 2},    {100, 20, 1},    {100, 20, 5},
      {100, 20, 19}, {107, 20, 7},  {50, 128, 3},
  };
  for (const auto& [count, window, stride] : cases) {
    SCOPED_TRACE(testing::Message() << count << " ids, window " << window << ", stride " << stride);
    const std::vector<int32_t> ids = SomeIds(count);
    const std::vector<Prediction> expected = Naive(*engine, ids, window, stride);
    std::vector<Prediction> found;
    WindowOptions options;
    options.window = window;
    options.stride = stride;
    const auto result = ComputePerplexity(
        *engine, ids, options, nullptr,
        [&](int64_t position, double nll) {
          found.push_back({position, nll});
        },
        nullptr);
    ASSERT_TRUE(result.ok()) << result.status().message();
    ASSERT_EQ(found.size(), expected.size());
    double sum = 0;
    for (size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i].position, expected[i].position);
      EXPECT_NEAR(found[i].nll, expected[i].nll, 1e-5);  // an f32 sum of 262 values
      sum += expected[i].nll;
    }
    const auto n = static_cast<double>(expected.size());
    EXPECT_EQ(result->num_predicted, static_cast<int64_t>(expected.size()));
    EXPECT_NEAR(result->nll_sum, sum, 1e-5 * n);
    EXPECT_NEAR(result->nll(), sum / n, 1e-5);
    EXPECT_NEAR(result->perplexity(), std::exp(sum / n), 1e-5 * std::exp(sum / n));
    const int64_t width = std::min<int64_t>(window, static_cast<int64_t>(count));
    EXPECT_EQ(result->num_windows, static_cast<int64_t>(count) == width
                                       ? 1
                                       : (static_cast<int64_t>(count) - width) / stride + 1);
  }
}

TEST(Perplexity, OverlappingWindowsPredictEachIdOnceWithEnoughBeforeIt) {
  const auto engine = OpenOrFail(TinyModel(TinyMixtralConfig()));
  ASSERT_NE(engine, nullptr);
  std::vector<int64_t> positions;
  WindowOptions options;
  options.window = 32;
  options.stride = 8;
  ASSERT_TRUE(ComputePerplexity(
                  *engine, SomeIds(120), options, nullptr,
                  [&](int64_t position, double) { positions.push_back(position); }, nullptr)
                  .ok());
  ASSERT_EQ(positions.size(), 119U);
  for (size_t i = 0; i < positions.size(); ++i)
    EXPECT_EQ(positions[i], static_cast<int64_t>(i + 1));
}

TEST(Perplexity, TellsProgressAndObservers) {
  const auto engine = OpenOrFail(TinyModel(TinyMixtralConfig()));
  ASSERT_NE(engine, nullptr);
  class Counter : public Observer {
   public:
    void OnStep(const Batch& batch) override { rows += batch.num_rows(); }
    int64_t rows = 0;
  } counter;
  std::vector<int64_t> done;
  WindowOptions options;
  options.window = options.stride = 30;
  const auto result =
      ComputePerplexity(*engine, SomeIds(100), options, &counter, nullptr,
                        [&](int64_t ids, const PerplexityResult& so_far) {
                          done.push_back(ids);
                          EXPECT_EQ(so_far.num_windows, static_cast<int64_t>(done.size()));
                          EXPECT_EQ(so_far.num_predicted, 29 * so_far.num_windows);
                        });
  ASSERT_TRUE(result.ok());
  EXPECT_THAT(done, testing::ElementsAre(30, 60, 90));
  EXPECT_EQ(counter.rows, 90);
}

TEST(Perplexity, Errors) {
  const auto engine = OpenOrFail(TinyModel(TinyMixtralConfig()));
  ASSERT_NE(engine, nullptr);
  const auto message = [&](size_t count, int64_t window, int64_t stride) {
    WindowOptions options;
    options.window = window;
    options.stride = stride;
    const auto result =
        ComputePerplexity(*engine, SomeIds(count), options, nullptr, nullptr, nullptr);
    EXPECT_EQ(result.status().code(), StatusCode::kInvalidArgument);
    return result.status().message();
  };
  EXPECT_THAT(message(100, 1, 1),
              HasSubstr("window must be from 2 to the model's context of 128, found 1"));
  EXPECT_THAT(message(100, 129, 1), HasSubstr("found 129"));
  EXPECT_THAT(message(100, 20, 0), HasSubstr("stride must be from 1 to the window of 20, found 0"));
  EXPECT_THAT(message(100, 20, 21), HasSubstr("found 21"));
  EXPECT_THAT(message(1, 20, 20), HasSubstr("too short"));
  EXPECT_THAT(message(0, 20, 20), HasSubstr("too short"));
}

TEST(Perplexity, OfNothingIsOne) {
  EXPECT_EQ(PerplexityResult().nll(), 0);
  EXPECT_EQ(PerplexityResult().perplexity(), 1);
}

// Rounded keys and values cost little: 3e-5 nats with f16 and 0.002 with q8_0 are measured on this
// text, a tenth of what differs between two texts of this size by chance.
TEST(Perplexity, RoundedCachesAreNear) {
  std::ifstream file(SourcePath("tests/data/eval/text.txt"));
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  double exact = 0;
  for (const auto& [type, bound] : std::vector<std::pair<CacheType, double>>{
           {CacheType::kF32, 0}, {CacheType::kF16, 2e-4}, {CacheType::kQ8_0, 0.01}}) {
    EngineOptions options;
    options.key_type = options.value_type = type;
    const auto engine = OpenOrFail(Starter(), options);
    ASSERT_NE(engine, nullptr);
    const auto ids = (*engine->tokenizer())->Encode(text);
    ASSERT_TRUE(ids.ok());
    const auto result = ComputePerplexity(*engine, *ids, {}, nullptr, nullptr, nullptr);
    ASSERT_TRUE(result.ok()) << result.status().message();
    if (type == CacheType::kF32) exact = result->nll();
    EXPECT_NEAR(result->nll(), exact, bound);
    if (type != CacheType::kF32) {
      EXPECT_NE(result->nll(), exact);
    }
  }
}

}  // namespace
}  // namespace moiety
