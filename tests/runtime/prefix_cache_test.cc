#include "runtime/prefix_cache.h"

#include <gtest/gtest.h>

#include <numeric>
#include <set>
#include <vector>

namespace moiety {
namespace {

std::vector<int32_t> PageOf(int32_t first) {
  std::vector<int32_t> ids(kPageTokens);
  std::iota(ids.begin(), ids.end(), first);
  return ids;
}

TEST(PrefixCache, FindsPathsNotPages) {
  PrefixCache cache(1);
  const int64_t a = cache.Insert(PrefixCache::kRoot, PageOf(0), 10);
  const int64_t ab = cache.Insert(a, PageOf(64), 11);
  EXPECT_EQ(cache.Find(PrefixCache::kRoot, PageOf(0)), a);
  EXPECT_EQ(cache.Find(a, PageOf(64)), ab);
  EXPECT_EQ(cache.page(ab), 11);
  EXPECT_EQ(cache.Find(PrefixCache::kRoot, PageOf(64)), PrefixCache::kNone);
  EXPECT_EQ(cache.Find(ab, PageOf(64)), PrefixCache::kNone);
  EXPECT_EQ(cache.Find(99, PageOf(64)), PrefixCache::kNone);
  EXPECT_EQ(cache.size(), 2);
}

// The hash says that everything is the same.
TEST(PrefixCache, EqualHashesOfDifferentTextsDoNoHarm) {
  PrefixCache cache(1, [](uint64_t, std::span<const int32_t>) { return uint64_t{42}; });
  std::vector<int64_t> nodes = {PrefixCache::kRoot};
  for (int32_t i = 0; i < 5; ++i) nodes.push_back(cache.Insert(nodes.back(), PageOf(i), i));
  for (size_t i = 0; i < 5; ++i) {
    for (int32_t k = 0; k < 5; ++k) {
      const int64_t expected = static_cast<int32_t>(i) == k ? nodes[i + 1] : PrefixCache::kNone;
      EXPECT_EQ(cache.Find(nodes[i], PageOf(k)), expected);
    }
  }
  cache.Erase(nodes[3]);
  EXPECT_EQ(cache.Find(nodes[2], PageOf(2)), PrefixCache::kNone);
  EXPECT_EQ(cache.Find(nodes[1], PageOf(1)), nodes[2]) << "the others are still there";
  EXPECT_EQ(cache.Find(nodes[4], PageOf(4)), nodes[5]);
}

// A node that comes again has another number: what followed the old one is not taken for its own.
TEST(PrefixCache, NodesAfterOneThatIsGoneAreNotFound) {
  PrefixCache cache(1);
  const int64_t a = cache.Insert(PrefixCache::kRoot, PageOf(0), 0);
  const int64_t b = cache.Insert(a, PageOf(1), 1);
  cache.Erase(a);
  const int64_t again = cache.Insert(PrefixCache::kRoot, PageOf(0), 2);
  EXPECT_NE(again, a);
  EXPECT_EQ(cache.Find(again, PageOf(1)), PrefixCache::kNone);
  cache.Erase(b);
  EXPECT_EQ(cache.size(), 1);
}

TEST(PrefixCache, HashesDependOnAllIdsAndOnWhatGoesBefore) {
  std::set<uint64_t> hashes;
  for (uint64_t before = 0; before < 3; ++before) {
    std::vector<int32_t> ids = PageOf(0);
    hashes.insert(HashPage(before, ids));
    for (int32_t& id : ids) {
      ++id;
      hashes.insert(HashPage(before, ids));
      --id;
    }
    std::swap(ids[3], ids[4]);
    hashes.insert(HashPage(before, ids));
  }
  EXPECT_EQ(hashes.size(), 3U * (1 + 64 + 1));
}

}  // namespace
}  // namespace moiety
