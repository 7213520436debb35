#include "routing/specialisation_losses.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <vector>

#include "support/bits.h"
#include "support/compute.h"
#include "support/gradient_check.h"
#include "support/taped_compute.h"

namespace moiety {
namespace {

constexpr size_t kSharedExperts = 4;

RouterOutput ScoredCall(const Matrix& scores, const Matrix& x = {}) {
  RouterOutput call;
  call.num_tokens = scores.rows;
  call.num_experts = scores.cols;
  call.scores = scores;
  call.x = x;
  return call;
}

GradientInput PositiveScores(int64_t tokens, uint64_t seed) {
  GradientInput scores = RandomInput(tokens, kSharedExperts, seed);
  for (float& s : scores.values) s = std::abs(s) + 0.05F;
  return scores;
}

// Rows that sum to 1.
std::vector<double> SharesOfRows(RealSpan scores, size_t experts = kSharedExperts) {
  std::vector<double> shares(scores.begin(), scores.end());
  for (size_t first = 0; first < shares.size(); first += experts) {
    double sum = 0;
    for (size_t e = 0; e < experts; ++e) sum += scores[first + e];
    for (size_t e = 0; e < experts; ++e) shares[first + e] /= sum;
  }
  return shares;
}

double EntropyOf(RealSpan shares) {
  double entropy = 0;
  for (const double p : shares) entropy -= p > 0 ? p * std::log(p) : 0;
  return entropy;
}

double MeanEntropyOf(RealSpan scores) {
  return EntropyOf(SharesOfRows(scores)) / static_cast<double>(scores.size() / kSharedExperts);
}

double MutualInformationOf(RealSpan scores) {
  const std::vector<double> shares = SharesOfRows(scores);
  const auto tokens = static_cast<double>(shares.size() / kSharedExperts);
  std::vector<double> mean(kSharedExperts);
  for (size_t i = 0; i < shares.size(); ++i) mean[i % kSharedExperts] += shares[i] / tokens;
  // Σ p(t, e) ln (p(t, e) / (p(t) p(e)))
  double information = 0;
  for (size_t i = 0; i < shares.size(); ++i) {
    if (shares[i] > 0) {
      information += shares[i] / tokens * std::log(shares[i] / mean[i % kSharedExperts]);
    }
  }
  return information;
}

// The definition, pair after pair.
double SimilarityOf(RealSpan scores, RealSpan x, size_t d_model,
                    const std::vector<Segment>& sequences) {
  const std::vector<double> p = SharesOfRows(scores);
  const size_t experts = kSharedExperts;
  const auto count = static_cast<double>(experts);
  double loss = 0;
  for (const Segment& s : sequences) {
    double sum = 0;
    for (int64_t i = 0; i < s.count * s.count; ++i) {
      const auto t = static_cast<size_t>(s.begin + i / s.count);
      const auto u = static_cast<size_t>(s.begin + i % s.count);
      double xx = 0;
      double yy = 0;
      double xy = 0;
      for (size_t k = 0; k < d_model; ++k) {
        xx += x[t * d_model + k] * x[t * d_model + k];
        yy += x[u * d_model + k] * x[u * d_model + k];
        xy += x[t * d_model + k] * x[u * d_model + k];
      }
      const double distance = (1 - (xx * yy == 0 ? 0 : xy / std::sqrt(xx * yy))) / 2;
      double same = 0;
      double other = 0;
      for (size_t e = 0; e < experts; ++e) {
        for (size_t f = 0; f < experts; ++f) {
          (e == f ? same : other) += p[t * experts + e] * p[u * experts + f];
        }
      }
      sum += distance * (same / count - other / (count * count - count));
    }
    if (s.count > 0) loss += sum / static_cast<double>(s.count);
  }
  return loss / static_cast<double>(p.size() / experts);
}

std::vector<Segment> SequencesOf(const std::vector<int64_t>& lengths) {
  std::vector<Segment> sequences;
  int64_t begin = 0;
  for (const int64_t length : lengths) {
    sequences.push_back(
        {.begin = begin, .count = length, .position = 0, .sequence = 0, .pages = {}});
    begin += length;
  }
  return sequences;
}

TEST(EntropyLoss, GradientsOfScores) {
  ExpectGradients(
      {.inputs = {PositiveScores(9, 1)},
       .weights = {},
       .run =
           [](Exec& exec, std::span<const Matrix> x) {
             EntropyLoss(exec, ScoredCall(x[0]), 0.375F);
             return std::vector<Matrix>();
           },
       .formula = [](const Reals& v) { return std::vector{0.375 * MeanEntropyOf(v[0])}; },
       .terms = kSharedExperts});
}

TEST(EntropyLoss, AtItsLimits) {
  Compute compute;
  const auto loss = [&](const std::vector<float>& scores) {
    const auto rows = static_cast<int64_t>(scores.size() / kSharedExperts);
    return EntropyLoss(compute.exec, ScoredCall(compute.NewMatrix(rows, 4, scores)), 1);
  };
  EXPECT_EQ(loss({0, 3, 0, 0, 0.5F, 0, 0, 0}), 0) << "sure";
  EXPECT_NEAR(loss({0.25F, 0.25F, 0.25F, 0.25F, 7, 7, 7, 7}), std::log(4), 1e-12);
  EXPECT_NEAR(loss({1, 1, 0, 0, 1, -1, 0, 0, 0, 0, 0, 0}), std::log(2), 1e-12)
      << "of scores that are shares";
  EXPECT_EQ(loss({}), 0);
  EXPECT_EQ(loss({0, 0, 0, 0}), 0);
  RouterOutput unscored;
  unscored.num_tokens = 2;
  unscored.num_experts = 4;
  EXPECT_EQ(EntropyLoss(compute.exec, unscored, 1), 0);
}

TEST(MutualInformationLoss, GradientsOfScores) {
  ExpectGradients(
      {.inputs = {PositiveScores(9, 2)},
       .weights = {},
       .run =
           [](Exec& exec, std::span<const Matrix> x) {
             MutualInformationLoss(exec, ScoredCall(x[0]), 0.375F);
             return std::vector<Matrix>();
           },
       .formula = [](const Reals& v) { return std::vector{-0.375 * MutualInformationOf(v[0])}; },
       .terms = 9});
}

TEST(MutualInformationLoss, AtItsLimits) {
  Compute compute;
  const auto loss = [&](const std::vector<float>& scores) {
    const auto rows = static_cast<int64_t>(scores.size() / kSharedExperts);
    return MutualInformationLoss(compute.exec, ScoredCall(compute.NewMatrix(rows, 4, scores)), 1);
  };
  EXPECT_NEAR(loss({1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 3, 0, 0, 0, 0, 4}), -std::log(4), 1e-12)
      << "sure and even";
  EXPECT_NEAR(loss({1, 0, 0, 0, 1, 0, 0, 0}), 0, 1e-12) << "sure, but all the same";
  EXPECT_NEAR(loss({3, 1, 2, 1, 6, 2, 4, 2}), 0, 1e-12);
  EXPECT_NEAR(loss({1, 0, 0, 0, 0, 1, 0, 0, 1, -1, 5, 1}), -std::log(2), 1e-12)
      << "of scores that are shares";
  EXPECT_EQ(loss({}), 0);
}

// Where a share is 0 its slope would be infinite, but nothing can come of it through a softmax.
TEST(SpecialisationLosses, AShareOfNothingHasAFiniteSlope) {
  TapedCompute compute;
  const Matrix scores = compute.NewMatrix(2, 4, {1, 0, 0, 0, 0, 0.5F, 0.5F, 0});
  EntropyLoss(compute.exec, ScoredCall(scores), 1);
  MutualInformationLoss(compute.exec, ScoredCall(scores), 1);
  for (const float g : Copy(compute.tape.Gradient(scores))) EXPECT_TRUE(std::isfinite(g)) << g;
}

TEST(SimilarityLoss, GradientsOfScores) {
  constexpr size_t kWidth = 70;
  std::vector<float> x = RandomValues(11 * kWidth, 3);
  std::fill_n(x.begin() + 4 * kWidth, kWidth, 0.0F);  // without a direction
  const std::vector<Segment> sequences = SequencesOf({6, 1, 4});
  ExpectGradients(
      {.inputs = {PositiveScores(11, 4)},
       .weights = {},
       .run =
           [&](Exec& exec, std::span<const Matrix> scores) {
             SimilarityLoss(exec, ScoredCall(scores[0], {x.data(), 11, kWidth}), sequences, 0.375F);
             return std::vector<Matrix>();
           },
       .formula =
           [&](const Reals& v) {
             return std::vector{0.375 * SimilarityOf(v[0], ToReals(x), kWidth, sequences)};
           },
       .terms = 11});
}

TEST(SimilarityLoss, IsTheFormulaForAnyThreads) {
  const std::vector<float> x = RandomValues(40 * 130, 5);
  const GradientInput scores = PositiveScores(40, 6);
  const std::vector<Segment> sequences = SequencesOf({17, 0, 23});
  const double expected = SimilarityOf(ToReals(scores.values), ToReals(x), 130, sequences);
  std::vector<double> found;
  for (const int threads : {1, 2, 5}) {
    Compute compute(threads);
    const RouterOutput call =
        ScoredCall(compute.NewMatrix(40, 4, scores.values), compute.NewMatrix(40, 130, x));
    found.push_back(SimilarityLoss(compute.exec, call, sequences, 1));
    EXPECT_NEAR(found.back(), expected, 1e-12);
    EXPECT_EQ(found.back(), found.front());
  }
}

TEST(SimilarityLoss, AtItsLimits) {
  Compute compute;
  const std::vector<Segment> one = SequencesOf({4});
  // Two kinds of tokens, opposite to each other.
  const Matrix x = compute.NewMatrix(4, 2, {1, 1, 3, 3, -1, -1, -2, -2});
  const auto loss = [&](const std::vector<float>& scores, const std::vector<Segment>& sequences) {
    return SimilarityLoss(compute.exec, ScoredCall(compute.NewMatrix(4, 2, scores), x), sequences,
                          1);
  };
  const std::vector<float> by_kind = {1, 0, 1, 0, 0, 1, 0, 1};
  EXPECT_NEAR(loss({1, 1, 1, 1, 1, 1, 1, 1}, one), 0, 1e-12) << "gates say nothing";
  // Half of the pairs are 1 apart.
  EXPECT_NEAR(loss(by_kind, one), -0.25, 1e-12) << "each kind to its expert";
  EXPECT_NEAR(loss({1, 0, 1, 0, 1, 0, 1, 0}, one), 0.25, 1e-12) << "all to one";
  EXPECT_NEAR(loss({1, 0, 0, 1, 1, 0, 0, 1}, one), 0, 1e-12) << "both kinds to both";
  EXPECT_NEAR(loss(by_kind, SequencesOf({2, 2})), 0, 1e-12) << "alike within a sequence";
  const Matrix single = compute.NewMatrix(4, 1, {1, 1, 1, 1});
  EXPECT_EQ(SimilarityLoss(compute.exec, ScoredCall(single, x), one, 1), 0);
  const RouterOutput none = ScoredCall(compute.exec.NewMatrix(0, 2), compute.exec.NewMatrix(0, 2));
  EXPECT_EQ(SimilarityLoss(compute.exec, none, {}, 1), 0);
}

// The memory of sums is given back; without enough it is an error.
TEST(SimilarityLoss, FailsWithoutMemory) {
  Compute compute(1, nullptr, size_t{1} << 20);
  const RouterOutput call =
      ScoredCall(compute.NewRandomMatrix(8, 200, 7), compute.NewRandomMatrix(8, 2000, 8));
  std::fill_n(call.scores.data, call.scores.size(), 1.0F);
  EXPECT_EQ(SimilarityLoss(compute.exec, call, SequencesOf({8}), 1), 0);
  EXPECT_EQ(compute.exec.status().code(), StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace moiety
