#include "moe/feed_forward.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "support/bits.h"
#include "support/compute.h"
#include "support/expert.h"
#include "support/gradient_check.h"

namespace moiety {
namespace {

TEST(FeedForward, FollowsTheFormula) {
  Compute compute(2);
  uint64_t seed = 0;
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (const bool bias : {false, true}) {
      for (const int64_t d_expert : {1, 16, 50}) {
        for (const int64_t d_model : {1, 17, 32}) {
          const TestExpert expert(d_model, d_expert, ++seed, dtype, bias);
          const Matrix x = compute.NewRandomMatrix(3, d_model, seed);
          const Matrix y = RunFeedForward(compute.exec, x, expert.ffn());
          ASSERT_EQ(y.rows, 3);
          ASSERT_EQ(y.cols, d_model);
          for (int64_t row = 0; row < 3; ++row) {
            const std::vector<Bounded> expected = expert.Apply(x.Row(row));
            for (size_t i = 0; i < expected.size(); ++i) {
              ASSERT_NEAR(static_cast<double>(y.Row(row)[i]), expected[i].value, expected[i].error);
            }
          }
        }
      }
    }
  }
}

TEST(FeedForward, SameBitsForAnyThreads) {
  const TestExpert expert(40, 100, 1, DType::kBF16, true);
  const auto run = [&](int threads) {
    Compute compute(threads);
    return Copy(RunFeedForward(compute.exec, compute.NewRandomMatrix(9, 40, 2), expert.ffn()));
  };
  for (const int threads : {2, 3, 5}) EXPECT_TRUE(SameBits(run(threads), run(1))) << threads;
}

TEST(FeedForward, GradientsOfInputAndWeights) {
  const TestExpert expert(7, 33, 3, DType::kF32, true);
  for (const Activation activation : {Activation::kSilu, Activation::kGeluTanh}) {
    FeedForward ffn = expert.ffn();
    ffn.activation = activation;
    ExpectGradients(
        {.inputs = {RandomInput(40, 7, 4)},
         .weights = expert.weights(),
         .run =
             [&](Exec& exec, std::span<const Matrix> x) {
               return std::vector{RunFeedForward(exec, x[0], ffn)};
             },
         .formula = [&](const Reals& v) { return FeedForwardOf(v[0], 7, v, 1, true, activation); },
         .terms = 80});
  }
}

TEST(FeedForward, NoRows) {
  Compute compute;
  const TestExpert expert(8, 4, 1);
  EXPECT_EQ(RunFeedForward(compute.exec, compute.exec.NewMatrix(0, 8), expert.ffn()).rows, 0);
  EXPECT_TRUE(compute.exec.ok());
}

TEST(FeedForward, WithoutMemoryFails) {
  Compute compute(1, nullptr, 1 << 19);
  const TestExpert expert(8, 1000, 1);
  const Matrix x = compute.NewRandomMatrix(200, 8, 1);
  EXPECT_EQ(RunFeedForward(compute.exec, x, expert.ffn()).data, nullptr);
  EXPECT_EQ(compute.exec.status().code(), StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace moiety
