#include "routing/strategies/base.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "support/bits.h"
#include "support/compute.h"
#include "support/gradient_check.h"
#include "support/routing.h"
#include "support/taped_compute.h"

namespace moiety {
namespace {

double SumOf(const Matrix& values, std::span<const int32_t> experts) {
  double sum = 0;
  for (int64_t t = 0; t < values.rows; ++t) {
    sum += static_cast<double>(values.Row(t)[experts[static_cast<size_t>(t)]]);
  }
  return sum;
}

std::vector<int64_t> EvenLoads(const Matrix& values, std::span<const int32_t> experts) {
  std::vector<int64_t> loads(static_cast<size_t>(values.cols));
  for (const int32_t e : experts) ++loads[static_cast<size_t>(e)];
  return loads;
}

// The largest sum of all even assignments, one by one.
double BestSum(const Matrix& values, int64_t token, std::vector<int64_t>& loads) {
  const int64_t low = values.rows / values.cols;
  if (token == values.rows) {
    return *std::min_element(loads.begin(), loads.end()) >= low
               ? 0
               : -std::numeric_limits<double>::infinity();
  }
  const int64_t high = (values.rows + values.cols - 1) / values.cols;
  double best = -std::numeric_limits<double>::infinity();
  for (size_t e = 0; e < loads.size(); ++e) {
    if (loads[e] == high) continue;
    ++loads[e];
    best = std::max(best,
                    static_cast<double>(values.Row(token)[e]) + BestSum(values, token + 1, loads));
    --loads[e];
  }
  return best;
}

TEST(AssignEvenly, IsTheBestOfAll) {
  Compute compute;
  for (const auto& [tokens, experts] : std::vector<std::array<int64_t, 2>>{{1, 1},
                                                                           {1, 3},
                                                                           {2, 3},
                                                                           {3, 3},
                                                                           {6, 1},
                                                                           {4, 2},
                                                                           {5, 2},
                                                                           {7, 3},
                                                                           {8, 4},
                                                                           {9, 4},
                                                                           {5, 5}}) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
      const Matrix values = compute.NewRandomMatrix(tokens, experts, seed, 3);
      // A gate that prefers some, one that sees two kinds of tokens, one without a preference.
      for (int64_t t = 0; t < tokens; ++t) {
        for (int64_t e = 0; e < experts; ++e) {
          if (seed % 4 == 1) values.Row(t)[e] = values.Row(t)[e] / 10 - static_cast<float>(e);
          if (seed % 4 == 2 && t >= 2) values.Row(t)[e] = values.Row(t - 2)[e];
          if (seed == 3) values.Row(t)[e] = 0.25F;
        }
      }
      const std::vector<int32_t> assigned = AssignEvenly(values);
      std::vector<int64_t> loads(static_cast<size_t>(experts));
      // Rounding to 2^-24 of a range of at most 14, in each of two sums.
      EXPECT_NEAR(SumOf(values, assigned), BestSum(values, 0, loads), 2 * 14 * 0x1p-24 * 9)
          << tokens << ", " << experts << ", " << seed;
      loads = EvenLoads(values, assigned);
      const auto [low, high] = std::minmax_element(loads.begin(), loads.end());
      EXPECT_LE(*high - *low, 1);
    }
  }
}

// Where trying all takes too long: no two tokens, and no three, would rather change places, and
// none would rather go where there is room.
TEST(AssignEvenly, LeavesNothingToExchange) {
  Compute compute;
  for (const int64_t tokens : {96, 100}) {
    constexpr int64_t kExperts = 16;
    const Matrix values = compute.NewRandomMatrix(tokens, kExperts, 7);
    for (int64_t t = 0; t < tokens; ++t) values.Row(t)[3] += 2;
    const std::vector<int32_t> assigned = AssignEvenly(values);
    EXPECT_EQ(assigned, AssignEvenly(values));
    const std::vector<int64_t> loads = EvenLoads(values, assigned);
    const auto [low, high] = std::minmax_element(loads.begin(), loads.end());
    EXPECT_LE(*high - *low, 1);
    const auto loss = [&](size_t t, size_t to) {
      const float* const row = values.Row(static_cast<int64_t>(t));
      return static_cast<double>(row[assigned[t]]) - static_cast<double>(row[to]);
    };
    const auto expert = [&](size_t t) { return static_cast<size_t>(assigned[t]); };
    for (size_t a = 0; a < assigned.size(); ++a) {
      for (size_t e = 0; e < kExperts; ++e) {
        if (loads[e] >= loads[expert(a)]) continue;
        EXPECT_GT(loss(a, e), -1e-5);
      }
      for (size_t b = 0; b < assigned.size(); ++b) {
        EXPECT_GT(loss(a, expert(b)) + loss(b, expert(a)), -1e-5);
        for (size_t c = 0; c < assigned.size(); c += 5) {
          EXPECT_GT(loss(a, expert(b)) + loss(b, expert(c)) + loss(c, expert(a)), -1e-5);
        }
      }
    }
  }
}

TEST(AssignEvenly, OfExtremeValues) {
  Compute compute;
  EXPECT_TRUE(AssignEvenly(compute.exec.NewMatrix(0, 4)).empty());
  const float most = std::numeric_limits<float>::max();
  const Matrix values = compute.NewMatrix(4, 2, {most, -most, 0, 1, most, 0, 0, 1e-30F});
  EXPECT_THAT(AssignEvenly(values), testing::ElementsAre(0, 1, 0, 1));
}

constexpr std::array<int64_t, 2> kBaseLengths = {8, 6};

TEST(BaseRouter, BalancesWhileTraining) {
  const std::vector<Segment> segments = SegmentsOf(kBaseLengths);
  const RouterOptions options = {.num_experts = 4, .top_k = 1};
  ExpectGradients(
      {.inputs = {RandomInput(14, 4, 1, 2)},
       .weights = {},
       .run =
           [&](Exec& exec, std::span<const Matrix> x) {
             const RouterOutput out =
                 RouteWith(exec, "base", options, {.logits = x[0], .segments = segments});
             return ChoiceOutputs(exec, out);
           },
       .formula =
           [](const Reals& v) {
             std::vector<RealChoice> choices;
             Compute compute;
             size_t begin = 0;
             for (const int64_t length : kBaseLengths) {
               const Matrix values = compute.exec.NewMatrix(length, 4);
               for (int64_t i = 0; i < values.size(); ++i) {
                 values.data[i] = static_cast<float>(v[0][begin * 4 + static_cast<size_t>(i)]);
               }
               std::vector<int64_t> loads(4);
               const double best = BestSum(values, 0, loads);
               const std::vector<int32_t> experts = AssignEvenly(values);
               EXPECT_NEAR(SumOf(values, experts), best, 1e-5);
               for (size_t i = 0; i < experts.size(); ++i) {
                 const auto e = static_cast<size_t>(experts[i]);
                 choices.push_back({begin + i, e, SigmoidOf(v[0][(begin + i) * 4 + e])});
               }
               begin += static_cast<size_t>(length);
             }
             return RealOutputs(choices);
           },
       .terms = 1,
       .trains_otherwise = true});
}

// Top-k would send all tokens to the expert that all like best.
TEST(BaseRouter, LoadsAreEqualWhateverTheGateSays) {
  TapedCompute taped;
  Compute plain;
  const RouterOptions options = {.num_experts = 4, .top_k = 1};
  std::vector<float> values = RandomValues(22 * 4, 2);
  for (size_t i = 2; i < values.size(); i += 4) values[i] += 10;
  const RouterOutput out =
      RouteWith(taped.exec, "base", options, {.logits = taped.NewMatrix(22, 4, values)});
  EXPECT_THAT(LoadsOf(out), testing::UnorderedElementsAre(5, 5, 6, 6));
  const RouterOutput later =
      RouteWith(plain.exec, "base", options, {.logits = plain.NewMatrix(22, 4, values)});
  EXPECT_THAT(LoadsOf(later), testing::ElementsAre(0, 0, 22, 0));
}

TEST(BaseRouter, RefusesSeveralExperts) {
  EXPECT_FALSE(MakeRouter("base", {.num_experts = 4, .top_k = 2}).ok());
}

}  // namespace
}  // namespace moiety
