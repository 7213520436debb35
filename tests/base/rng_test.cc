#include "base/rng.h"

#include <gmock/gmock.h>

#include <cmath>
#include <set>
#include <vector>

namespace moiety {
namespace {

using testing::ElementsAre;

// Known answers of the authors' library Random123 (kat_vectors, "philox4x32 10").
TEST(Philox, GivesThePublishedAnswers) {
  EXPECT_THAT(Philox(0, {0, 0, 0, 0}), ElementsAre(0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8));
  EXPECT_THAT(Philox(0xFFFFFFFFFFFFFFFF, {0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF}),
              ElementsAre(0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD));
  EXPECT_THAT(Philox(0x299F31D0A4093822, {0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344}),
              ElementsAre(0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1));
}

TEST(UniformDouble, DependsOnEveryArgument) {
  constexpr uint64_t kHigh = uint64_t{1} << 32;  // both halves of each count
  const std::set<double> values = {UniformDouble(0, 0, 0),     UniformDouble(1, 0, 0),
                                   UniformDouble(0, 1, 0),     UniformDouble(0, 0, 1),
                                   UniformDouble(kHigh, 0, 0), UniformDouble(0, kHigh, 0),
                                   UniformDouble(0, 0, kHigh)};
  EXPECT_EQ(values.size(), 7U);
  EXPECT_EQ(UniformDouble(3, 4, 5), UniformDouble(3, 4, 5));
}

TEST(UniformDouble, IsUniformIn0To1) {
  constexpr int kDraws = 100000;
  constexpr int kBins = 16;
  std::vector<int> counts(kBins, 0);
  double sum = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double u = UniformDouble(42, 7, static_cast<uint64_t>(i));
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    sum += u;
    ++counts[static_cast<size_t>(u * kBins)];
  }
  // Six standard deviations: of a mean of uniforms √(1/12n), of a bin √(n/16 · 15/16).
  EXPECT_NEAR(sum / kDraws, 0.5, 6 * std::sqrt(1.0 / 12 / kDraws));
  for (const int count : counts) {
    EXPECT_NEAR(count, kDraws / kBins, 6 * std::sqrt(kDraws / 16.0 * 15 / 16));
  }
}

}  // namespace
}  // namespace moiety
