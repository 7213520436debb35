#include "train/gradient_tree.h"

#include <gtest/gtest.h>

#include <vector>

#include "support/bits.h"
#include "support/random_values.h"

namespace moiety {
namespace {

constexpr int64_t kSize = 70000;  // more than one task

std::vector<float> Leaf(size_t i) { return RandomValues(kSize, i + 1); }

std::vector<float> Sum(size_t first, size_t count, int threads = 2) {
  ThreadPool pool(threads);
  MemoryBudget budget;
  GradientTree tree(pool, budget);
  for (size_t i = first; i < first + count; ++i) {
    std::vector<float> leaf = Leaf(i);
    EXPECT_TRUE(tree.Add(leaf).ok());
    EXPECT_EQ(leaf, std::vector<float>(kSize)) << "ready for the next one";
  }
  std::vector<float> sum(kSize, 5);
  tree.Finish(sum);
  return sum;
}

std::vector<float> Add(std::vector<float> a, const std::vector<float>& b) {
  for (size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}

TEST(GradientTree, SumsNeighboursFirst) {
  EXPECT_TRUE(SameBits(Sum(0, 1), Leaf(0)));
  const auto first = Add(Leaf(0), Leaf(1));
  const auto second = Add(Leaf(2), Leaf(3));
  EXPECT_TRUE(SameBits(Sum(0, 4), Add(first, second)));
  EXPECT_TRUE(SameBits(Sum(0, 3), Add(Leaf(2), first)));
}

TEST(GradientTree, PartsAreSumsOfTheirOwn) {
  EXPECT_TRUE(SameBits(Sum(0, 16), Add(Sum(0, 8), Sum(8, 8))));
  EXPECT_TRUE(SameBits(Sum(0, 13, 1), Sum(0, 13, 3)));
}

TEST(GradientTree, NothingSumsToZeros) { EXPECT_EQ(Sum(0, 0), std::vector<float>(kSize)); }

TEST(GradientTree, AsksTheBudget) {
  ThreadPool pool(1);
  MemoryBudget budget(kSize * sizeof(float) - 1);
  GradientTree tree(pool, budget);
  std::vector<float> leaf = Leaf(0);
  EXPECT_EQ(tree.Add(leaf).code(), StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace moiety
