#include "ops/softmax.h"

#include <gtest/gtest.h>

#include <cmath>
#include <span>
#include <vector>

#include "support/bits.h"
#include "support/compute.h"
#include "support/gradient_check.h"

namespace moiety {
namespace {

TEST(Softmax, OfEachRow) {
  Compute compute(3);
  for (const int64_t rows : {0, 1, 130}) {  // a task has 64
    for (const int64_t cols : {1, 7, 60}) {
      const Matrix x = compute.NewRandomMatrix(rows, cols, 1, 5);
      const std::vector<float> before = Copy(x);
      const Matrix y = Softmax(compute.exec, x);
      ASSERT_EQ(y.rows, rows);
      ASSERT_EQ(y.cols, cols);
      EXPECT_TRUE(SameBits(Values(x), before)) << "logits are still needed";
      for (int64_t i = 0; i < rows; ++i) {
        const std::vector<double> expected = SoftmaxOf(ToReals({x.Row(i), x.Row(i) + cols}));
        for (size_t k = 0; k < expected.size(); ++k) {
          // exp's 1.2e-7 above and below, that of x - max (below 10), and the lane sum.
          ASSERT_NEAR(static_cast<double>(y.Row(i)[k]), expected[k], 1.5e-6 * expected[k]);
        }
      }
    }
  }
}

TEST(Softmax, GradientsOfScores) {
  for (const int64_t cols : {1, 9, 40}) {
    ExpectGradients(
        {.inputs = {RandomInput(70, cols, 2, 2)},
         .weights = {},
         .run = [](Exec& exec,
                   std::span<const Matrix> x) { return std::vector{Softmax(exec, x[0])}; },
         .formula =
             [cols](const Reals& v) {
               std::vector<double> y;
               for (size_t i = 0; i < v[0].size(); i += static_cast<size_t>(cols)) {
                 for (const double p :
                      SoftmaxOf(RealSpan(v[0]).subspan(i, static_cast<size_t>(cols)))) {
                   y.push_back(p);
                 }
               }
               return y;
             },
         .terms = 2 * cols});
  }
}

TEST(Sigmoid, OfEachElement) {
  Compute compute(2);
  const Matrix x = compute.NewRandomMatrix(130, 3, 3, 20);
  const std::vector<float> before = Copy(x);
  const Matrix y = Sigmoid(compute.exec, x);
  EXPECT_TRUE(SameBits(Values(x), before)) << "logits are still needed";
  for (int64_t i = 0; i < x.size(); ++i) {
    const double expected = SigmoidOf(static_cast<double>(x.data[i]));
    ASSERT_NEAR(static_cast<double>(y.data[i]), expected, 3e-7 * expected);
  }
}

TEST(Sigmoid, GradientsOfScores) {
  ExpectGradients(
      {.inputs = {RandomInput(70, 5, 4, 3)},
       .weights = {},
       .run = [](Exec& exec,
                 std::span<const Matrix> x) { return std::vector{Sigmoid(exec, x[0])}; },
       .formula =
           [](const Reals& v) {
             std::vector<double> y;
             for (const double x : v[0]) y.push_back(SigmoidOf(x));
             return y;
           },
       .terms = 1});
}

TEST(Softmax, DoesNothingAfterAFailure) {
  Compute compute;
  const Matrix x = compute.NewRandomMatrix(2, 4, 5);
  compute.exec.Fail(Cancelled("stop"));
  EXPECT_EQ(Softmax(compute.exec, x).data, nullptr);
  EXPECT_EQ(Sigmoid(compute.exec, x).data, nullptr);
}

}  // namespace
}  // namespace moiety
