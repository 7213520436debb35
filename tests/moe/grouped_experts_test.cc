#include "moe/grouped_experts.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "support/bits.h"
#include "support/compute.h"
#include "support/expert.h"
#include "support/gradient_check.h"

namespace moiety {
namespace {

constexpr int64_t kModel = 20;
constexpr int64_t kExpert = 12;

struct Experts {
  explicit Experts(int64_t count, DType dtype = DType::kF32) {
    for (int64_t e = 0; e < count; ++e)
      tests.emplace_back(kModel, kExpert, static_cast<uint64_t>(e), dtype, e % 2 == 0);
    for (const TestExpert& test : tests) ffns.push_back(test.ffn());
  }
  std::vector<TestExpert> tests;
  std::vector<FeedForward> ffns;
};

// A plan in which expert e has loads[e] rows.
DispatchPlan PlanOf(const std::vector<int64_t>& loads) {
  std::vector<RoutedToken> routed;
  for (size_t e = 0; e < loads.size(); ++e) {
    for (int64_t i = 0; i < loads[e]; ++i) {
      routed.push_back({static_cast<int32_t>(routed.size()), static_cast<int32_t>(e), 1});
    }
  }
  DispatchPlan plan;
  EXPECT_TRUE(BuildDispatchPlan(routed, static_cast<int64_t>(routed.size()),
                                static_cast<int64_t>(loads.size()), plan)
                  .ok());
  return plan;
}

void ExpectGrouped(Compute& compute, const Experts& experts, const std::vector<int64_t>& loads) {
  const DispatchPlan plan = PlanOf(loads);
  const Matrix packed = compute.NewRandomMatrix(plan.num_routed(), kModel, 5);
  const Matrix out = RunGroupedExperts(compute.exec, packed, plan, experts.ffns);
  ASSERT_TRUE(compute.exec.ok());
  ASSERT_EQ(out.rows, packed.rows);
  ASSERT_EQ(out.cols, kModel);
  for (size_t e = 0; e < loads.size(); ++e) {
    for (int64_t row = plan.begin[e]; row < plan.begin[e + 1]; ++row) {
      const std::vector<Bounded> expected = experts.tests[e].Apply(packed.Row(row));
      for (size_t i = 0; i < expected.size(); ++i) {
        ASSERT_NEAR(static_cast<double>(out.Row(row)[i]), expected[i].value, expected[i].error)
            << "expert " << e << ", row " << row;
      }
    }
  }
}

TEST(RunGroupedExperts, EveryRowGoesThroughItsExpert) {
  Compute compute(3);
  const Experts experts(5);
  ExpectGrouped(compute, experts, {3, 1, 4, 1, 5});
  ExpectGrouped(compute, experts, {0, 0, 7, 0, 0});   // all to one
  ExpectGrouped(compute, experts, {2, 0, 0, 0, 33});  // the first and the last
  ExpectGrouped(compute, experts, {0, 0, 0, 0, 0});   // nobody
  ExpectGrouped(compute, Experts(1), {6});
  ExpectGrouped(compute, Experts(2, DType::kBF16), {2, 3});
}

TEST(RunGroupedExperts, TwoHundredExperts) {
  Compute compute(2);
  std::vector<int64_t> loads(200);
  for (size_t e = 0; e < loads.size(); ++e) loads[e] = static_cast<int64_t>(e * 7 % 5);
  ExpectGrouped(compute, Experts(200), loads);
}

// What keeps batching invisible: a row gives the same bits whatever else its expert has to do.
TEST(RunGroupedExperts, SameBitsAloneAndForAnyThreads) {
  const Experts experts(3, DType::kF16);
  const std::vector<float> rows = RandomValues(10 * kModel, 6);
  const auto run = [&](int threads) {
    Compute compute(threads);
    return Copy(RunGroupedExperts(compute.exec, compute.NewMatrix(10, kModel, rows),
                                  PlanOf({4, 0, 6}), experts.ffns));
  };
  const std::vector<float> expected = run(1);
  for (const int threads : {2, 3, 5}) EXPECT_TRUE(SameBits(run(threads), expected)) << threads;
  for (int64_t row = 0; row < 10; ++row) {
    Compute compute;
    const Matrix one = compute.NewMatrix(1, kModel, {rows.begin() + row * kModel, rows.end()});
    const Matrix alone = RunGroupedExperts(
        compute.exec, one,
        PlanOf(row < 4 ? std::vector<int64_t>{1, 0, 0} : std::vector<int64_t>{0, 0, 1}),
        experts.ffns);
    EXPECT_TRUE(SameBits(Values(alone), {expected.data() + row * kModel, kModel})) << row;
  }
}

TEST(RunGroupedExperts, GivesItsOwnBuffersBack) {
  Compute compute;
  const Experts experts(2);
  const Matrix packed = compute.NewRandomMatrix(5, kModel, 7);
  const Matrix out = RunGroupedExperts(compute.exec, packed, PlanOf({2, 3}), experts.ffns);
  // The next matrix lies right behind the result, rounded up to whole cache lines.
  const Matrix next = compute.exec.NewMatrix(1, 1);
  EXPECT_EQ(
      next.data - out.data,
      static_cast<int64_t>(RoundUp(5 * kModel * sizeof(float), kCacheLineBytes) / sizeof(float)));
}

// Experts without rows, all rows to one expert, more rows than a task of the way back takes.
TEST(RunGroupedExperts, GradientsOfRowsAndWeights) {
  const Experts experts(4);
  for (const auto& loads :
       std::vector<std::vector<int64_t>>{{3, 0, 70, 1}, {0, 9, 0, 0}, {1, 1, 1, 1}, {0, 0, 0, 0}}) {
    const DispatchPlan plan = PlanOf(loads);
    std::vector<const OwnedWeight*> weights;
    std::vector<size_t> first;  // of each expert's weights among the variables
    for (const TestExpert& expert : experts.tests) {
      first.push_back(1 + weights.size());
      for (const OwnedWeight* weight : expert.weights()) weights.push_back(weight);
    }
    ExpectGradients({.inputs = {RandomInput(plan.num_routed(), kModel, 8)},
                     .weights = weights,
                     .run =
                         [&](Exec& exec, std::span<const Matrix> x) {
                           return std::vector{RunGroupedExperts(exec, x[0], plan, experts.ffns)};
                         },
                     .formula =
                         [&](const Reals& v) {
                           std::vector<double> y;
                           for (size_t e = 0; e < loads.size(); ++e) {
                             const auto rows = RealSpan(v[0]).subspan(
                                 static_cast<size_t>(plan.begin[e] * kModel),
                                 static_cast<size_t>(plan.load(static_cast<int64_t>(e)) * kModel));
                             const auto out = FeedForwardOf(rows, kModel, v, first[e], e % 2 == 0);
                             y.insert(y.end(), out.begin(), out.end());
                           }
                           return y;
                         },
                     .terms = 140});
  }
}

// Experts that are one and the same network add to the same gradients.
TEST(RunGroupedExperts, GradientsOfTiedExperts) {
  const Experts experts(1);
  const std::vector<FeedForward> tied(3, experts.ffns[0]);
  ExpectGradients(
      {.inputs = {RandomInput(90, kModel, 9)},
       .weights = experts.tests[0].weights(),
       .run =
           [&](Exec& exec, std::span<const Matrix> x) {
             return std::vector{RunGroupedExperts(exec, x[0], PlanOf({20, 69, 1}), tied)};
           },
       .formula = [](const Reals& v) { return FeedForwardOf(v[0], kModel, v, 1, true); },
       .terms = 90});
}

RouterOutput Routed(int64_t num_tokens, std::vector<RoutedToken> choices) {
  RouterOutput out;
  out.num_tokens = num_tokens;
  out.num_experts = 4;
  out.routed = std::move(choices);
  return out;
}

Matrix RunCombine(Compute& compute, const Matrix& expert_rows, const RouterOutput& routed) {
  DispatchPlan plan;
  EXPECT_TRUE(BuildDispatchPlan(routed.routed, routed.num_tokens, routed.num_experts, plan).ok());
  return Combine(compute.exec, expert_rows, routed, plan);
}

TEST(Combine, IsTheWeightedSumInSelectionOrder) {
  Compute compute;
  // Packed rows: expert 0 has token 1, expert 2 tokens 0 and 1, expert 3 token 0.
  const RouterOutput routed = Routed(2, {{0, 3, 0.5F}, {0, 2, 0.25F}, {1, 2, 2.0F}, {1, 0, -1.0F}});
  const Matrix rows = compute.NewMatrix(4, 2, {1, 10, 2, 20, 3, 30, 4, 40});
  const Matrix y = RunCombine(compute, rows, routed);
  EXPECT_EQ(Copy(y), (std::vector<float>{4 * 0.5F + 2 * 0.25F, 40 * 0.5F + 20 * 0.25F, 3 * 2 - 1,
                                         30 * 2 - 10}));
}

// The order of additions is that of the choices, not of the experts: another order gives 0 here.
TEST(Combine, KeepsTheOrderOfAdditions) {
  Compute compute;
  const RouterOutput routed = Routed(1, {{0, 2, 1}, {0, 0, 1}, {0, 1, 1}});
  const Matrix rows = compute.NewMatrix(3, 1, {-16777216, 1, 16777216});  // of experts 0, 1, 2
  EXPECT_EQ(RunCombine(compute, rows, routed).data[0], 1.0F);
  const RouterOutput other = Routed(1, {{0, 2, 1}, {0, 1, 1}, {0, 0, 1}});
  EXPECT_EQ(RunCombine(compute, rows, other).data[0], 0.0F);
}

TEST(Combine, DroppedTokensGetZeros) {
  Compute compute(2);
  // Memory of the arena is not zero by itself.
  {
    const Exec::Scope scope(compute.exec);
    compute.NewMatrix(100, 100, std::vector<float>(10000, 7.0F));
  }
  std::vector<RoutedToken> choices;
  for (int32_t t = 0; t < 50; ++t) {
    if (t % 3 == 1) choices.push_back({t, 1, 1});
  }
  const Matrix rows = compute.NewMatrix(static_cast<int64_t>(choices.size()), 3,
                                        std::vector<float>(3 * choices.size(), 2.0F));
  const Matrix y = RunCombine(compute, rows, Routed(50, choices));
  for (int64_t t = 0; t < 50; ++t) {
    for (int64_t d = 0; d < 3; ++d) EXPECT_EQ(y.Row(t)[d], t % 3 == 1 ? 2.0F : 0.0F) << t;
  }
  // No token has a choice.
  const Matrix none = RunCombine(compute, compute.exec.NewMatrix(0, 3), Routed(4, {}));
  EXPECT_EQ(Copy(none), std::vector<float>(12, 0.0F));
}

// Of rows and of weights; tokens with many choices, with the same one twice, with none.
TEST(Combine, GradientsOfRowsAndWeights) {
  std::vector<RoutedToken> choices;
  for (int32_t t = 0; t < 40; ++t) {
    for (int32_t i = 0; i < t % 4; ++i) choices.push_back({t, (t * 7 + i * 2) % 4, 0});
  }
  const auto num_choices = static_cast<int64_t>(choices.size());
  DispatchPlan plan;
  ASSERT_TRUE(BuildDispatchPlan(choices, 40, 4, plan).ok());
  constexpr size_t kCols = 19;
  for (const bool weighted : {true, false}) {
    RouterOutput routed = Routed(40, choices);
    const std::vector<float> constants = RandomValues(num_choices, 11);
    ExpectGradients(
        {.inputs = {RandomInput(num_choices, kCols, 10),
                    {weighted ? num_choices : 0, 1, weighted ? constants : std::vector<float>()}},
         .weights = {},
         .run =
             [&](Exec& exec, std::span<const Matrix> x) {
               for (size_t i = 0; i < choices.size(); ++i) {
                 routed.routed[i].weight = constants[i];
               }
               routed.weights = weighted ? x[1] : Matrix{};
               return std::vector{Combine(exec, x[0], routed, plan)};
             },
         .formula =
             [&](const Reals& v) {
               std::vector<double> y(40 * kCols);
               for (size_t i = 0; i < choices.size(); ++i) {
                 const double weight = weighted ? v[1][i] : static_cast<double>(constants[i]);
                 for (size_t k = 0; k < kCols; ++k) {
                   y[static_cast<size_t>(choices[i].token) * kCols + k] +=
                       weight * v[0][static_cast<size_t>(plan.packed[i]) * kCols + k];
                 }
               }
               return y;
             },
         .terms = kCols});
  }
}

}  // namespace
}  // namespace moiety
