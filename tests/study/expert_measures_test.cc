#include "study/expert_measures.h"

#include <gmock/gmock.h>

#include <cmath>
#include <random>

#include "routing/load_measures.h"

namespace moiety {
namespace {

using testing::ElementsAre;

CountTable RandomTable(int64_t rows, int64_t cols, uint32_t seed) {
  CountTable table(rows, cols);
  std::mt19937 rng(seed);
  for (int64_t& n : table.counts) n = static_cast<int64_t>(rng() % 7) * (rng() % 3 == 0 ? 0 : 5);
  return table;
}

TEST(ExpertMeasures, Sums) {
  CountTable table(2, 3);
  table.counts = {1, 2, 3, 4, 5, 6};
  EXPECT_EQ(table.at(1, 0), 4);
  EXPECT_THAT(table.RowSums(), ElementsAre(6, 15));
  EXPECT_THAT(table.ColumnSums(), ElementsAre(5, 7, 9));
}

// The definition, one pair after the other.
TEST(ExpertMeasures, MutualInformationIsItsDefinition) {
  for (uint32_t seed = 0; seed < 20; ++seed) {
    const CountTable table = RandomTable(1 + seed % 5, 1 + seed % 7, seed);
    const std::vector<int64_t> rows = table.RowSums();
    const std::vector<int64_t> cols = table.ColumnSums();
    double total = 0;
    for (const int64_t n : table.counts) total += static_cast<double>(n);
    double expected = 0;
    for (int64_t r = 0; r < table.rows; ++r) {
      for (int64_t c = 0; c < table.cols; ++c) {
        const double both = static_cast<double>(table.at(r, c)) / total;
        const double row = static_cast<double>(rows[static_cast<size_t>(r)]) / total;
        const double col = static_cast<double>(cols[static_cast<size_t>(c)]) / total;
        if (both > 0) expected += both * std::log(both / (row * col));
      }
    }
    EXPECT_NEAR(MutualInformation(table), expected, 1e-12) << seed;
    EXPECT_LE(MutualInformation(table), std::min(Entropy(rows), Entropy(cols)) + 1e-12);
  }
}

TEST(ExpertMeasures, MutualInformationAtItsLimits) {
  CountTable same(3, 3);
  for (int64_t i = 0; i < 3; ++i) same.at(i, i) = 4;
  EXPECT_NEAR(MutualInformation(same), std::log(3), 1e-12);
  CountTable apart(2, 2);
  apart.counts = {3, 6, 1, 2};
  EXPECT_NEAR(MutualInformation(apart), 0, 1e-12);
  EXPECT_EQ(MutualInformation(CountTable(3, 0)), 0);
  EXPECT_EQ(MutualInformation(CountTable(3, 2)), 0);
}

// Draws counts that have nothing to do with each other.
TEST(ExpertMeasures, InformationByChanceIsWhatIndependentDrawsGive) {
  std::mt19937 rng(1);
  double found = 0;
  constexpr int kTables = 300;
  for (int t = 0; t < kTables; ++t) {
    CountTable table(8, 5);
    for (int i = 0; i < 2000; ++i) {
      ++table.at(static_cast<int64_t>(rng() % 8), static_cast<int64_t>(rng() % 5));
    }
    found += MutualInformation(table) / kTables;
    EXPECT_DOUBLE_EQ(InformationByChance(table), 7.0 * 4.0 / 4000.0);
  }
  // Twice the information times n is distributed as chi squared of 28 degrees: standard deviation
  // sqrt(56) / 4000 = 0.0019, over sqrt(300) tables 0.0001.
  EXPECT_NEAR(found, 28.0 / 4000.0, 0.0005);
  EXPECT_EQ(InformationByChance(CountTable(3, 2)), 0);
}

TEST(ExpertMeasures, PairLiftIsOneWherePairsAreDrawnByLoad) {
  CountTable pairs(4, 4);
  const std::vector<int64_t> load = {2, 4, 6, 0};
  pairs.at(0, 1) = 8;
  pairs.at(0, 2) = 12;
  pairs.at(1, 2) = 24;
  const std::vector<double> lift = PairLift(pairs, load);
  EXPECT_NEAR(lift[0 * 4 + 1], 1, 1e-12);
  EXPECT_NEAR(lift[2 * 4 + 0], 1, 1e-12);
  EXPECT_NEAR(lift[1 * 4 + 2], 1, 1e-12);
  EXPECT_TRUE(std::isnan(lift[0]));
  EXPECT_TRUE(std::isnan(lift[3]));
  pairs.at(0, 1) = 0;
  EXPECT_EQ(PairLift(pairs, load)[1], 0);
  EXPECT_GT(PairLift(pairs, load)[2], 1);
  EXPECT_TRUE(std::isnan(PairLift(CountTable(4, 4), load)[1]));
}

}  // namespace
}  // namespace moiety
