#include "routing/score_shares.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "support/compute.h"
#include "support/gradient_check.h"

namespace moiety {
namespace {

RouterOutput CallWithScores(const Matrix& scores) {
  RouterOutput call;
  call.num_tokens = scores.rows;
  call.num_experts = scores.cols;
  call.scores = scores;
  return call;
}

TEST(ScoreShares, SumToOneWhereTheyAreShares) {
  Compute compute;
  const Matrix scores = compute.NewMatrix(4, 2, {3, 1, 1, -1, 0, 0, 0, 0.5F});
  const ScoreShares of = SharesOf(compute.exec, CallWithScores(scores));
  EXPECT_EQ(of.num_scored, 2);
  EXPECT_EQ(std::vector<double>(of.shares, of.shares + 8),
            (std::vector<double>{0.75, 0.25, 0, 0, 0, 0, 0, 1}));
  EXPECT_EQ(std::vector<double>(of.sums, of.sums + 4), (std::vector<double>{4, 0, 0, 0.5}));
  EXPECT_EQ(SharesOf(compute.exec, CallWithScores({})).num_scored, 0);
}

// Of Σ slope · share for slopes that are given.
TEST(ScoreShares, GradientsGoBackThroughTheSum) {
  GradientInput scores = RandomInput(6, 5, 1);
  for (float& s : scores.values) s = std::abs(s) + 0.1F;
  const std::vector<float> slopes = RandomValues(30, 2);
  ExpectGradients({.inputs = {scores},
                   .weights = {},
                   .run =
                       [&](Exec& exec, std::span<const Matrix> x) {
                         const RouterOutput call = CallWithScores(x[0]);
                         AddShareGradients(exec, call, SharesOf(exec, call), 0.375,
                                           [&](int64_t t, double* of_token) {
                                             for (size_t e = 0; e < 5; ++e) {
                                               of_token[e] = static_cast<double>(
                                                   slopes[static_cast<size_t>(t) * 5 + e]);
                                             }
                                           });
                         return std::vector<Matrix>();
                       },
                   .formula =
                       [&](const Reals& v) {
                         double loss = 0;
                         for (size_t first = 0; first < 30; first += 5) {
                           double sum = 0;
                           for (size_t e = 0; e < 5; ++e) sum += v[0][first + e];
                           for (size_t e = 0; e < 5; ++e) {
                             loss += static_cast<double>(slopes[first + e]) * v[0][first + e] / sum;
                           }
                         }
                         return std::vector{0.375 * loss};
                       },
                   .terms = 5});
}

}  // namespace
}  // namespace moiety
