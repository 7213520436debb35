#include "base/random_field.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <set>

namespace moiety {
namespace {

TEST(RandomField, IsAFunctionOfItsPlace) {
  const RandomField field(7, 3, 1, 2);
  EXPECT_EQ(field.Uniform(1, 2, 3), RandomField(7, 3, 1, 2).Uniform(1, 2, 3));
  // Each coordinate matters, and none can stand for another.
  std::set<double> draws;
  for (const auto& [seed, step, use, layer] : {std::array<int64_t, 4>{7, 3, 1, 2},
                                               {8, 3, 1, 2},
                                               {7, 4, 1, 2},
                                               {7, 3, 2, 1},
                                               {7, 3, 1, 3},
                                               {7, int64_t{3} << 32, 1, 2}}) {
    const RandomField other(static_cast<uint64_t>(seed), step, static_cast<uint32_t>(use), layer);
    for (const auto& [sequence, position, index] :
         {std::array<int64_t, 3>{0, 0, 0}, {1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {1, 2, 3}, {3, 2, 1}}) {
      draws.insert(other.Uniform(sequence, position, index));
    }
  }
  EXPECT_EQ(draws.size(), 36U);
}

TEST(RandomField, HasTheMomentsOfItsDistributions) {
  const RandomField field(1, 1, 1, 0);
  constexpr int64_t kDraws = 100000;
  double uniform = 0, normal = 0, squares = 0, fourth = 0;
  for (int64_t i = 0; i < kDraws; ++i) {
    const double u = field.Uniform(0, i, 0);
    EXPECT_GE(u, 0);
    EXPECT_LT(u, 1);
    uniform += u;
    const double z = field.Normal(i, 0, 1);
    normal += z;
    squares += z * z;
    fourth += z * z * z * z;
  }
  // Five standard errors.
  const double root = std::sqrt(static_cast<double>(kDraws));
  EXPECT_NEAR(uniform / kDraws, 0.5, 5 * std::sqrt(1.0 / 12) / root);
  EXPECT_NEAR(normal / kDraws, 0, 5 / root);
  EXPECT_NEAR(squares / kDraws, 1, 5 * std::sqrt(2.0) / root);
  EXPECT_NEAR(fourth / kDraws, 3, 5 * std::sqrt(96.0) / root);
}

}  // namespace
}  // namespace moiety
