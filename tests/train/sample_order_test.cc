#include "train/sample_order.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <string>
#include <vector>

namespace moiety {
namespace {

using testing::HasSubstr;

SampleOrder Order(const std::vector<SampleDomain>& domains, int64_t length, uint64_t seed) {
  auto order = SampleOrder::Create(domains, length, seed);
  EXPECT_TRUE(order.ok()) << order.status().message();
  return *std::move(order);
}

TEST(PermutedIndex, IsAPermutationForAnyCount) {
  for (uint64_t count = 1; count <= 130; ++count) {
    std::vector<bool> seen(count);
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t image = PermutedIndex(i, count, 7, count);
      ASSERT_LT(image, count);
      ASSERT_FALSE(seen[image]);
      seen[image] = true;
    }
  }
}

TEST(PermutedIndex, LooksRandomAndDependsOnSeedAndKey) {
  constexpr uint64_t kCount = 5000;
  const auto images = [](uint64_t seed, uint64_t key) {
    std::vector<uint64_t> result;
    for (uint64_t i = 0; i < kCount; ++i) result.push_back(PermutedIndex(i, kCount, seed, key));
    return result;
  };
  const auto a = images(1, 0);
  // Neighbours are as far apart as random ones (a third of the range), the rank correlation with
  // the order is that of chance, and few indices stay where they were or agree with another key.
  double distance = 0;
  double correlation = 0;
  constexpr double kMean = (kCount - 1) / 2.0;
  for (uint64_t i = 0; i + 1 < kCount; ++i) {
    distance += std::abs(static_cast<double>(a[i]) - static_cast<double>(a[i + 1]));
    correlation += (static_cast<double>(i) - kMean) * (static_cast<double>(a[i]) - kMean);
  }
  EXPECT_NEAR(distance / kCount, kCount / 3.0, kCount * 0.02);
  EXPECT_NEAR(correlation / (std::pow(kCount, 3) / 12), 0, 0.06);
  for (const auto& b : {images(2, 0), images(1, 1)}) {
    uint64_t equal = 0;
    for (uint64_t i = 0; i < kCount; ++i) equal += a[i] == b[i] ? 1 : 0;
    EXPECT_LT(equal, 10U);
  }
  // Any pair of first two images is as likely: small domains are shuffled too.
  std::vector<int> orders(6);
  for (uint64_t key = 0; key < 6000; ++key) {
    ++orders[PermutedIndex(0, 3, 1, key) * 2 +
             (PermutedIndex(1, 3, 1, key) > PermutedIndex(2, 3, 1, key) ? 1 : 0)];
  }
  for (const int count : orders) EXPECT_NEAR(count, 1000, 150);
}

TEST(SampleOrder, SeesEachWindowOncePerEpoch) {
  const SampleOrder order = Order({{"a", 1007, 1}}, 10, 3);
  ASSERT_EQ(order.num_windows(0), 100);
  std::set<std::vector<int64_t>> orders;
  for (int64_t epoch = 0; epoch < 5; ++epoch) {
    std::vector<int64_t> begins;
    for (int64_t i = 0; i < 100; ++i) {
      const Sample sample = order.At(epoch * 100 + i);
      EXPECT_EQ(sample.epoch, epoch);
      EXPECT_GE(sample.begin, 0);
      EXPECT_LE(sample.begin + 10, 1006);  // the index of the last target
      begins.push_back(sample.begin);
    }
    orders.insert(begins);
    std::sort(begins.begin(), begins.end());
    // Side by side, a window's last target being the next one's first token.
    for (size_t i = 1; i < begins.size(); ++i) EXPECT_EQ(begins[i], begins[i - 1] + 10);
  }
  EXPECT_EQ(orders.size(), 5U);
}

TEST(SampleOrder, MovesWhatDoesNotFillAWindow) {
  const SampleOrder order = Order({{"a", 38, 1}}, 10, 3);  // 3 windows, 7 tokens are left
  std::set<int64_t> firsts;
  for (int64_t epoch = 0; epoch < 200; ++epoch) {
    int64_t first = INT64_MAX;
    for (int64_t i = 0; i < 3; ++i) first = std::min(first, order.At(epoch * 3 + i).begin);
    firsts.insert(first);
  }
  EXPECT_THAT(firsts, testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
}

// After any number of samples each domain has had its share, to within less than two samples.
TEST(SampleOrder, MeetsWeightsAfterAnyNumberOfSamples) {
  const std::vector<std::vector<double>> weights = {
      {1}, {1, 1}, {0.1, 0.9}, {5, 1, 0, 3}, {1, 1, 1, 1, 1, 0.25}, {0, 0, 2}, {1e-6, 1}};
  for (const std::vector<double>& weight : weights) {
    std::vector<SampleDomain> domains;
    for (const double w : weight) domains.push_back({"d", 500, w});
    const double total = std::accumulate(weight.begin(), weight.end(), 0.0);
    for (const uint64_t seed : {1, 2, 3}) {
      const SampleOrder order = Order(domains, 10, seed);
      std::vector<int64_t> counts(weight.size());
      for (int64_t i = 0; i < 3000; ++i) {
        ++counts[order.At(i).domain];
        for (size_t d = 0; d < weight.size(); ++d) {
          const double expected = static_cast<double>(i + 1) * weight[d] / total;
          ASSERT_LT(std::abs(static_cast<double>(counts[d]) - expected), 2);
          ASSERT_EQ(order.NumSamples(d, i + 1), counts[d]);
        }
      }
    }
  }
  // Far into a run shares are as exact.
  const SampleOrder order = Order({{"a", 500, 0.3}, {"b", 500, 0.7}}, 10, 1);
  constexpr int64_t kFar = int64_t{1} << 50;
  EXPECT_NEAR(static_cast<double>(order.NumSamples(0, kFar)) / static_cast<double>(kFar), 0.3,
              1e-9);
  EXPECT_GE(order.At(kFar).begin, 0);
}

TEST(SampleOrder, IsAFunctionOfSeedAndIndex) {
  const std::vector<SampleDomain> domains = {{"a", 5000, 2}, {"b", 3000, 1}};
  const SampleOrder order = Order(domains, 16, 9);
  const SampleOrder again = Order(domains, 16, 9);
  const SampleOrder other = Order(domains, 16, 10);
  int differ = 0;
  for (int64_t i = 999; i >= 0; --i) {
    const Sample sample = order.At(i);
    const Sample same = again.At(i);
    EXPECT_EQ(sample.domain, same.domain);
    EXPECT_EQ(sample.begin, same.begin);
    differ += sample.begin == other.At(i).begin ? 0 : 1;
  }
  EXPECT_GT(differ, 900);
}

TEST(SampleOrder, RefusesWhatCannotBeSampled) {
  const auto error = [](const std::vector<SampleDomain>& domains, int64_t length) {
    return SampleOrder::Create(domains, length, 1).status().message();
  };
  EXPECT_THAT(error({{"en", 16, 1}}, 16),
              HasSubstr("\"en\" has 16 tokens, but one sample takes sequence_length + 1 = 17"));
  EXPECT_EQ(error({{"en", 17, 1}, {"fr", 0, 0}}, 16), "");
  EXPECT_THAT(error({{"en", 17, -1}}, 16), HasSubstr("at least 0, found -1"));
  EXPECT_THAT(error({{"en", 17, NAN}}, 16), HasSubstr("finite"));
  EXPECT_THAT(error({{"en", 17, 0}}, 16), HasSubstr("no domain has a weight"));
  EXPECT_THAT(error({}, 16), HasSubstr("no domain has a weight"));
  EXPECT_THAT(error({{"en", 17, 1}}, 0), HasSubstr("at least 1 token"));
}

TEST(MixingWeights, AreConfiguredOrSizes) {
  std::vector<SampleDomain> domains = {{"en", 70, 0}, {"fr", 30, 0}};
  ASSERT_TRUE(SetMixingWeights({}, domains).ok());
  EXPECT_EQ(domains[0].weight, 70);
  ASSERT_TRUE(SetMixingWeights({{"en", 1}, {"fr", 0}}, domains).ok());
  EXPECT_EQ(domains[0].weight, 1);
  EXPECT_EQ(domains[1].weight, 0);
  EXPECT_THAT(SetMixingWeights({{"en", 1}, {"de", 2}}, domains).message(),
              HasSubstr("no domain \"de\"; the data has en, fr"));
  EXPECT_THAT(SetMixingWeights({{"en", 1}}, domains).message(), HasSubstr("\"fr\" has no weight"));
}

}  // namespace
}  // namespace moiety
