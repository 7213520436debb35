#include "runtime/sampler.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include "support/random_values.h"

namespace moiety {
namespace {

using testing::HasSubstr;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

// The model's own distribution, nothing left out.
SamplingOptions Everything(uint64_t seed = 1) {
  SamplingOptions o;
  o.temperature = 1;
  o.top_k = 0;
  o.top_p = 1;
  o.min_p = 0;
  o.penalty_last_n = -1;
  o.seed = seed;
  return o;
}
SamplingOptions GreedySampling() {
  SamplingOptions o = Everything();
  o.temperature = 0;
  return o;
}

// The definition of each option, in double and one after the other: probability of each token.
std::vector<double> Oracle(const std::vector<float>& logits, const SamplingOptions& o,
                           const std::vector<int32_t>& history) {
  const size_t n = logits.size();
  std::vector<double> x(logits.begin(), logits.end());
  const size_t last_n =
      o.penalty_last_n < 0
          ? history.size()
          : std::min<size_t>(history.size(), static_cast<size_t>(o.penalty_last_n));
  for (size_t id = 0; id < n; ++id) {
    const auto count = std::count(history.end() - static_cast<ptrdiff_t>(last_n), history.end(),
                                  static_cast<int32_t>(id));
    if (count == 0) continue;
    x[id] = x[id] > 0 ? x[id] / o.repetition_penalty : x[id] * o.repetition_penalty;
    x[id] -= o.presence_penalty + static_cast<double>(count) * o.frequency_penalty;
  }
  for (const auto& [id, bias] : o.logit_bias) x[static_cast<size_t>(id)] += bias;
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return x[a] > x[b]; });
  if (o.top_k > 0) order.resize(std::min(n, static_cast<size_t>(o.top_k)));
  const auto normalized = [&] {
    std::vector<double> p;
    for (const size_t id : order) p.push_back(std::exp((x[id] - x[order[0]]) / o.temperature));
    const double sum = std::accumulate(p.begin(), p.end(), 0.0);
    for (double& v : p) v /= sum;
    return p;
  };
  std::vector<double> p = normalized();
  double mass = 0;
  size_t keep = 0;
  while (keep < p.size() && (keep == 0 || mass < o.top_p)) mass += p[keep++];
  order.resize(keep);
  p = normalized();
  size_t enough = 1;
  while (enough < p.size() && p[enough] >= o.min_p * p[0]) ++enough;
  order.resize(enough);
  p = normalized();
  std::vector<double> result(n, 0);
  for (size_t i = 0; i < order.size(); ++i) result[order[i]] = p[i];
  return result;
}

// Draws many times with seeds 0, 1, … and compares with the oracle: never a token of probability 0,
// and the others as often as they should (chi-square).
void ExpectDistribution(const std::vector<float>& logits, SamplingOptions options,
                        const std::vector<int32_t>& history = {}) {
  ASSERT_TRUE(CheckSamplingOptions(options, static_cast<int64_t>(logits.size())).ok());
  const std::vector<double> expected = Oracle(logits, options, history);
  constexpr int kDraws = 20000;
  std::vector<double> count(logits.size(), 0);
  for (int i = 0; i < kDraws; ++i) {
    options.seed = static_cast<uint64_t>(i);
    Sampler sampler(options);
    sampler.Accept(history);
    const Result<int32_t> id = sampler.Sample(logits);
    ASSERT_TRUE(id.ok()) << id.status().message();
    ++count[static_cast<size_t>(*id)];
  }
  double chi_square = 0;
  double freedom = -1;
  for (size_t id = 0; id < logits.size(); ++id) {
    const double mean = kDraws * expected[id];
    if (expected[id] == 0) {
      EXPECT_EQ(count[id], 0) << "token " << id;
    } else if (mean >= 5) {
      chi_square += (count[id] - mean) * (count[id] - mean) / mean;
      ++freedom;
    }
  }
  // Seeds are fixed, so this cannot fail by chance; six standard deviations is still far from any
  // real difference.
  EXPECT_LT(chi_square, freedom + 6 * std::sqrt(2 * std::max(1.0, freedom)));
}

std::vector<float> SomeLogits(int64_t count = 12) { return RandomValues(count, 3, 3); }

TEST(Sampler, FollowsTheModelsDistribution) { ExpectDistribution(SomeLogits(), Everything()); }

TEST(Sampler, Temperature) {
  for (const double temperature : {0.3, 2.0, 100.0}) {
    SamplingOptions o = Everything();
    o.temperature = temperature;
    ExpectDistribution(SomeLogits(), o);
  }
}

TEST(Sampler, TinyTemperaturesAreGreedy) {
  for (const double temperature : {1e-3, 1e-30, 1e-300, 5e-324}) {
    SamplingOptions o = Everything();
    o.temperature = temperature;
    const std::vector<float> logits = {1, -3, 7, 6.9F, 0};
    for (uint64_t seed = 0; seed < 20; ++seed) {
      o.seed = seed;
      EXPECT_EQ(*Sampler(o).Sample(logits), 2) << temperature;
    }
  }
}

TEST(Sampler, TopK) {
  for (const int64_t top_k : {1, 2, 5, 11, 12, 13, 1000}) {
    SamplingOptions o = Everything();
    o.top_k = top_k;
    ExpectDistribution(SomeLogits(), o);
  }
}

TEST(Sampler, TopP) {
  for (const double top_p : {0.0, 0.2, 0.5, 0.9, 0.999}) {
    SamplingOptions o = Everything();
    o.top_p = top_p;
    ExpectDistribution(SomeLogits(), o);
  }
}

TEST(Sampler, MinP) {
  for (const double min_p : {0.01, 0.2, 0.7, 1.0}) {
    SamplingOptions o = Everything();
    o.min_p = min_p;
    ExpectDistribution(SomeLogits(), o);
  }
}

TEST(Sampler, Penalties) {
  const std::vector<int32_t> history = {3, 3, 3,  5,
                                        0, 0, 11, 700};  // one is no token of this model
  for (const int64_t last_n : {-1, 0, 1, 4, 100}) {
    SamplingOptions o = Everything();
    o.penalty_last_n = last_n;
    o.repetition_penalty = 1.5;
    ExpectDistribution(SomeLogits(), o, history);
    o.presence_penalty = 0.7;
    o.frequency_penalty = 0.4;
    ExpectDistribution(SomeLogits(), o, history);
    o.repetition_penalty = 0.5;
    o.presence_penalty = -1;
    ExpectDistribution(SomeLogits(), o, history);
  }
}

TEST(Sampler, LogitBias) {
  SamplingOptions o = Everything();
  o.logit_bias = {{0, 2.5}, {4, -1}, {7, -std::numeric_limits<double>::infinity()}};
  ExpectDistribution(SomeLogits(), o);
}

TEST(Sampler, AllOptionsInTheirOrder) {
  SamplingOptions o;  // the defaults
  o.temperature = 1.3;
  o.top_k = 9;
  o.top_p = 0.93;
  o.min_p = 0.06;
  o.repetition_penalty = 1.2;
  o.logit_bias = {{2, 1.0}, {9, -2.0}};
  ExpectDistribution(SomeLogits(40), o, {1, 2, 3, 2});
  ExpectDistribution(SomeLogits(40), SamplingOptions());
}

TEST(Sampler, InfiniteLogitsAreNeverChosen) {
  ExpectDistribution({1, -kInf, 0, -kInf, 2}, Everything());
}

TEST(Sampler, GreedyTakesTheBestAndOfEqualOnesTheFirst) {
  EXPECT_EQ(*Sampler(GreedySampling()).Sample(std::vector<float>{1, 5, 3}), 1);
  EXPECT_EQ(*Sampler(GreedySampling()).Sample(std::vector<float>{1, 5, 5, 5}), 1);
  EXPECT_EQ(*Sampler(GreedySampling()).Sample(std::vector<float>{-kInf, -2}), 1);
  EXPECT_EQ(*Sampler(GreedySampling()).Sample(std::vector<float>{0.5F}), 0);
  SamplingOptions top_one = Everything();
  top_one.top_k = 1;
  EXPECT_EQ(*Sampler(top_one).Sample(std::vector<float>{1, 5, 5, 5}), 1);
}

TEST(Sampler, GreedyHeedsPenaltiesAndBias) {
  SamplingOptions o = GreedySampling();
  o.repetition_penalty = 2;
  Sampler sampler(o);
  const std::vector<float> logits = {4, 3, 1.9F};
  EXPECT_EQ(*sampler.Sample(logits), 0);
  EXPECT_EQ(*sampler.Sample(logits), 1);  // 4 / 2 < 3
  EXPECT_EQ(*sampler.Sample(logits), 0);  // 3 / 2 < 2 = 4 / 2
  o.logit_bias = {{2, 10.0}};
  EXPECT_EQ(*Sampler(o).Sample(logits), 2);
}

TEST(Sampler, SameSeedSameTokens) {
  const std::vector<float> logits = SomeLogits(200);
  const auto draw = [&](uint64_t seed) {
    Sampler sampler(Everything(seed));
    std::vector<int32_t> ids;
    for (int i = 0; i < 50; ++i) ids.push_back(*sampler.Sample(logits));
    return ids;
  };
  EXPECT_EQ(draw(1), draw(1));
  EXPECT_NE(draw(1), draw(2));
  EXPECT_NE(draw(1), draw(uint64_t{1} << 40));
  const std::vector<int32_t> ids = draw(1);
  EXPECT_GT(std::set<int32_t>(ids.begin(), ids.end()).size(), 10U) << "each choice is another draw";
}

TEST(Sampler, BrokenLogitsAreErrors) {
  for (const bool greedy : {false, true}) {
    Sampler sampler(greedy ? GreedySampling() : Everything());
    const auto status = [&](std::vector<float> logits) { return sampler.Sample(logits).status(); };
    EXPECT_EQ(status({1, kNaN, 2}).code(), StatusCode::kInvalidData);
    EXPECT_THAT(status({1, kNaN, 2}).message(), HasSubstr("not a number"));
    EXPECT_EQ(status({-kInf, -kInf}).code(), StatusCode::kInvalidData);
    EXPECT_THAT(status({-kInf, -kInf}).message(), HasSubstr("no finite logit"));
    EXPECT_EQ(status({0, kInf}).code(), StatusCode::kInvalidData);
    EXPECT_TRUE(status({0, 1}).ok()) << "an error leaves the sampler usable";
  }
}

TEST(Sampler, BiasThatLeavesNothingIsAnError) {
  SamplingOptions o = Everything();
  constexpr double kNever = -std::numeric_limits<double>::infinity();
  o.logit_bias = {{0, kNever}, {1, kNever}};
  EXPECT_EQ(*Sampler(o).Sample(std::vector<float>{5, 5, -100}), 2);
  EXPECT_EQ(Sampler(o).Sample(std::vector<float>{5, 5}).status().code(),
            StatusCode::kInvalidArgument);
  o.temperature = 0;
  EXPECT_EQ(Sampler(o).Sample(std::vector<float>{5, 5}).status().code(),
            StatusCode::kInvalidArgument);
}

TEST(SamplingOptions, AreChecked) {
  constexpr double kDoubleNan = std::numeric_limits<double>::quiet_NaN();
  constexpr double kDoubleInfinity = std::numeric_limits<double>::infinity();
  const auto message = [](const auto& change) {
    SamplingOptions o;
    change(o);
    const Status status = CheckSamplingOptions(o, 100);
    EXPECT_TRUE(status.ok() || status.code() == StatusCode::kInvalidArgument);
    return status.message();
  };
  using O = SamplingOptions;
  EXPECT_EQ(message([](O&) {}), "");
  EXPECT_EQ(message([](O& o) { o.temperature = -0.1; }),
            "temperature must be from 0 to 1000000, found -0.1");
  EXPECT_THAT(message([&](O& o) { o.temperature = kDoubleNan; }), HasSubstr("temperature must be"));
  EXPECT_EQ(message([](O& o) { o.top_k = -1; }),
            "top_k must be from 0 to 9.223372036854776e+18, found -1");
  EXPECT_EQ(message([](O& o) { o.top_p = 1.01; }), "top_p must be from 0 to 1, found 1.01");
  EXPECT_EQ(message([](O& o) { o.min_p = -1; }), "min_p must be from 0 to 1, found -1");
  EXPECT_THAT(message([](O& o) { o.penalty_last_n = -2; }),
              HasSubstr("penalty_last_n must be from -1"));
  EXPECT_THAT(message([](O& o) { o.repetition_penalty = 0; }),
              HasSubstr("repetition_penalty must be from 1e-06"));
  EXPECT_THAT(message([&](O& o) { o.presence_penalty = kDoubleInfinity; }),
              HasSubstr("presence_penalty must be"));
  EXPECT_THAT(message([&](O& o) { o.frequency_penalty = kDoubleNan; }),
              HasSubstr("frequency_penalty must be"));
  EXPECT_THAT(message([](O& o) { o.logit_bias[100] = 1; }),
              HasSubstr("token 100, outside the vocabulary of 100"));
  EXPECT_THAT(message([](O& o) { o.logit_bias[-1] = 1; }), HasSubstr("token -1"));
  EXPECT_THAT(message([&](O& o) { o.logit_bias[5] = kDoubleNan; }),
              HasSubstr("token 5 must be a number or -inf"));
  EXPECT_THAT(message([&](O& o) { o.logit_bias[5] = kDoubleInfinity; }),
              HasSubstr("token 5 must be a number or -inf"));
  EXPECT_EQ(message([&](O& o) { o.logit_bias[99] = -kDoubleInfinity; }), "");
}

// Counts that follow the text one token at a time are those of the last penalty_last_n tokens.
TEST(Sampler, PenaltiesForgetWhatIsFarBack) {
  for (const int64_t last_n : {0, 1, 3, 10, -1}) {
    SamplingOptions options;
    options.temperature = 0;
    options.penalty_last_n = last_n;
    options.frequency_penalty = 1;
    Sampler sampler(options);
    std::vector<int32_t> history = {2, 2, 0, 1, 1, 2, 0, 0};
    sampler.Accept(std::span(history).first(3));
    sampler.Accept(std::span(history).subspan(3));
    for (int i = 0; i < 20; ++i) {
      const std::vector<float> logits = {1.25F, 1.5F, 1.75F, 0};
      std::vector<float> expected = logits;
      const size_t count =
          last_n < 0 ? history.size() : std::min(history.size(), static_cast<size_t>(last_n));
      for (size_t k = history.size() - count; k < history.size(); ++k) {
        expected[static_cast<size_t>(history[k])] -= 1;
      }
      const auto best = std::max_element(expected.begin(), expected.end()) - expected.begin();
      const auto found = sampler.Sample(logits);
      ASSERT_TRUE(found.ok());
      EXPECT_EQ(*found, best) << "token " << i << ", last " << last_n;
      history.push_back(*found);
    }
  }
}

}  // namespace
}  // namespace moiety
