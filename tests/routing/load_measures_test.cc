#include "routing/load_measures.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace moiety {
namespace {

TEST(LoadMeasures, ByHand) {
  EXPECT_EQ(LoadCv(std::vector<int64_t>{5, 5, 5}), 0);
  EXPECT_NEAR(LoadCv(std::vector<int64_t>{0, 0, 4, 0}), std::sqrt(3), 1e-12);
  EXPECT_EQ(MaxViolation(std::vector<int64_t>{5, 5, 5}), 0);
  EXPECT_NEAR(MaxViolation(std::vector<int64_t>{1, 3, 2}), 0.5, 1e-12);
  EXPECT_NEAR(Entropy(std::vector<int64_t>{2, 2, 0, 2, 2}), std::log(4), 1e-12);
  EXPECT_EQ(Entropy(std::vector<int64_t>{0, 9}), 0);
  for (const std::vector<int64_t>& none : {std::vector<int64_t>{}, std::vector<int64_t>{0, 0}}) {
    EXPECT_EQ(LoadCv(none), 0);
    EXPECT_EQ(MaxViolation(none), 0);
    EXPECT_EQ(Entropy(none), 0);
  }
}

TEST(LoadMeasures, OfScores) {
  EXPECT_NEAR(EntropyOfScores(std::vector<float>{3, 0, 1, 0}).value(),
              std::log(4) - 0.75 * std::log(3), 1e-12);
  EXPECT_EQ(EntropyOfScores(std::vector<float>{0, 2}), 0);
  EXPECT_EQ(SumOfShares(std::vector<float>{0.5F, 0, 2}), 2.5);
  // One that is negative, none above 0, and what is no number.
  for (const std::vector<float>& scores :
       {std::vector<float>{2, -1}, std::vector<float>{0, 0}, std::vector<float>{1, NAN},
        std::vector<float>{1, INFINITY}, std::vector<float>{}}) {
    EXPECT_EQ(SumOfShares(scores), 0);
    EXPECT_FALSE(EntropyOfScores(scores).has_value());
  }
}

}  // namespace
}  // namespace moiety
