#include "ops/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "support/bits.h"
#include "support/compute.h"

namespace moiety {
namespace {

constexpr int64_t kAll = 1 << 20;  // a chunk that takes whole prompts
constexpr float kScale = 0.3F;

struct Heads {
  int64_t num_heads;
  int64_t num_kv_heads;
  int64_t head_dim;
  int64_t window;  // 0: none
  CacheType key_type = CacheType::kF32;
  CacheType value_type = CacheType::kF32;
};

// A sequence as attention sees it: queries, keys and values of all its tokens, and pages.
struct TestSequence {
  TestSequence(int64_t length_, uint64_t seed, const Heads& s, const StateLayout& layout)
      : length(length_),
        queries(RandomValues(length * s.num_heads * s.head_dim, seed, 3)),
        keys(RandomValues(length * s.num_kv_heads * s.head_dim, seed + 1)),
        values(RandomValues(length * s.num_kv_heads * s.head_dim, seed + 2)) {
    for (int64_t t = 0; t < length; t += kPageTokens) {
      // What was never written is NaN: reading it would show.
      memory.emplace_back(layout.page_bytes / sizeof(float),
                          std::numeric_limits<float>::quiet_NaN());
      pages.push_back(reinterpret_cast<std::byte*>(memory.back().data()));
    }
  }
  int64_t length;
  std::vector<float> queries;
  std::vector<float> keys;
  std::vector<float> values;
  std::vector<std::vector<float>> memory;
  std::vector<std::byte*> pages;
};

// Layer 1 of a model whose layers differ, so that offsets inside pages matter.
StateLayout LayoutOf(const Heads& s) {
  StateSpec spec;
  spec.num_kv_heads = s.num_kv_heads;
  spec.head_dim = s.head_dim;
  spec.window = s.window;
  spec.key_type = s.key_type;
  spec.value_type = s.value_type;
  StateSpec other = spec;
  other.num_kv_heads = s.num_kv_heads + 1;
  return StateLayout({other, spec, other});
}

// Feeds all sequences side by side, `chunk` tokens of each per step, and returns each one's
// outputs.
std::vector<std::vector<float>> RunAttention(const Heads& s, const std::vector<int64_t>& lengths,
                                             int64_t chunk, int threads) {
  const StateLayout layout = LayoutOf(s);
  const int64_t q_cols = s.num_heads * s.head_dim;
  const int64_t kv_cols = s.num_kv_heads * s.head_dim;
  Compute compute(threads);
  std::vector<TestSequence> sequences;
  for (size_t i = 0; i < lengths.size(); ++i) sequences.emplace_back(lengths[i], 10 * i, s, layout);
  std::vector<std::vector<float>> outputs(lengths.size());
  const int64_t longest = *std::max_element(lengths.begin(), lengths.end());
  for (int64_t position = 0; position < longest; position += chunk) {
    Batch batch;
    std::vector<float> q;
    std::vector<float> k;
    std::vector<float> v;
    int64_t rows = 0;
    const auto append = [&](std::vector<float>& to, const std::vector<float>& from, int64_t cols,
                            int64_t count) {
      to.insert(to.end(), from.begin() + position * cols, from.begin() + (position + count) * cols);
    };
    for (size_t i = 0; i < sequences.size(); ++i) {
      const TestSequence& sequence = sequences[i];
      const int64_t count = std::min(chunk, sequence.length - position);
      if (count <= 0) continue;
      batch.segments.push_back({rows, count, position, static_cast<int64_t>(i), sequence.pages});
      append(q, sequence.queries, q_cols, count);
      append(k, sequence.keys, kv_cols, count);
      append(v, sequence.values, kv_cols, count);
      rows += count;
    }
    const Exec::Scope scope(compute.exec);
    StoreKeysAndValues(compute.exec, batch, layout, 1, compute.NewMatrix(rows, kv_cols, k),
                       compute.NewMatrix(rows, kv_cols, v));
    const Matrix out =
        Attend(compute.exec, batch, layout, 1, compute.NewMatrix(rows, q_cols, q), kScale);
    EXPECT_TRUE(compute.exec.ok());
    EXPECT_EQ(out.rows, rows);
    EXPECT_EQ(out.cols, q_cols);
    for (const Segment& segment : batch.segments) {
      auto& to = outputs[static_cast<size_t>(segment.sequence)];
      to.insert(to.end(), out.Row(segment.begin), out.Row(segment.begin + segment.count));
    }
  }
  return outputs;
}

// The formula of the header over flat keys and values, in double.
std::vector<double> Naive(const Heads& s, int64_t length, uint64_t seed) {
  const TestSequence x(length, seed, s, LayoutOf(s));
  const auto dot = [&](int64_t t, int64_t h, int64_t j, int64_t kv) {
    double sum = 0;
    for (int64_t d = 0; d < s.head_dim; ++d) {
      sum += static_cast<double>(
                 x.queries[static_cast<size_t>((t * s.num_heads + h) * s.head_dim + d)]) *
             static_cast<double>(
                 x.keys[static_cast<size_t>((j * s.num_kv_heads + kv) * s.head_dim + d)]);
    }
    return sum;
  };
  std::vector<double> out;
  for (int64_t t = 0; t < length; ++t) {
    for (int64_t h = 0; h < s.num_heads; ++h) {
      const int64_t kv = h / (s.num_heads / s.num_kv_heads);
      std::vector<double> acc(static_cast<size_t>(s.head_dim), 0.0);
      double sum = 0;
      for (int64_t j = 0; j <= t; ++j) {
        if (s.window > 0 && j <= t - s.window) continue;  // sees itself and window - 1 before it
        const double p = std::exp(dot(t, h, j, kv) * static_cast<double>(kScale));
        sum += p;
        for (int64_t d = 0; d < s.head_dim; ++d) {
          acc[static_cast<size_t>(d)] +=
              p * static_cast<double>(
                      x.values[static_cast<size_t>((j * s.num_kv_heads + kv) * s.head_dim + d)]);
        }
      }
      for (const double a : acc) out.push_back(a / sum);
    }
  }
  return out;
}

class Attention : public testing::TestWithParam<Heads> {};

INSTANTIATE_TEST_SUITE_P(Shapes, Attention,
                         testing::Values(Heads{1, 1, 8, 0}, Heads{4, 2, 16, 0}, Heads{6, 1, 10, 0},
                                         Heads{4, 4, 20, 0}, Heads{4, 2, 16, 1}, Heads{2, 1, 12, 5},
                                         Heads{2, 2, 8, 64}, Heads{4, 2, 6, 70},
                                         Heads{2, 1, 4, 1000}),
                         [](const auto& shape) {
                           return "h" + std::to_string(shape.param.num_heads) + "kv" +
                                  std::to_string(shape.param.num_kv_heads) + "d" +
                                  std::to_string(shape.param.head_dim) + "w" +
                                  std::to_string(shape.param.window);
                         });

// Several sequences together: shorter than a tile, exactly one, just over, three tiles.
const std::vector<int64_t> kLengths = {5, 64, 65, 1, 150};

TEST_P(Attention, IsASoftmaxOverEarlierTokens) {
  const Heads s = GetParam();
  const auto outputs = RunAttention(s, kLengths, kAll, 2);
  // A score is a sum of head_dim products below 3, each rounded on the way; its error becomes a
  // relative one of numerator and denominator. Exp, tile corrections and up to 150 additions
  // follow.
  const double score_error =
      static_cast<double>(s.head_dim) * 3 * static_cast<double>(kScale) * 7 * 0x1p-24;
  const double error = 2 * (score_error + 3 * 1.2e-7 + 156 * 0x1p-24);
  for (size_t i = 0; i < kLengths.size(); ++i) {
    const std::vector<double> expected = Naive(s, kLengths[i], 10 * i);
    ASSERT_EQ(outputs[i].size(), expected.size());
    for (size_t k = 0; k < expected.size(); ++k) {
      ASSERT_NEAR(static_cast<double>(outputs[i][k]), expected[k], error)
          << "sequence " << i << ", value " << k;
    }
  }
}

TEST_P(Attention, SameBitsForAnyChunksAndNeighbours) {
  const Heads s = GetParam();
  const auto whole = RunAttention(s, kLengths, kAll, 1);
  for (const int64_t chunk : {1, 7, 64, 100}) {
    const auto chunked = RunAttention(s, kLengths, chunk, 1);
    for (size_t i = 0; i < kLengths.size(); ++i) {
      EXPECT_TRUE(SameBits(chunked[i], whole[i])) << "chunk " << chunk << ", sequence " << i;
    }
  }
  // The first sequence without the others.
  EXPECT_TRUE(SameBits(RunAttention(s, {kLengths[0]}, kAll, 1)[0], whole[0]));
}

TEST_P(Attention, SameBitsForAnyThreads) {
  const Heads s = GetParam();
  const auto expected = RunAttention(s, kLengths, 33, 1);
  for (const int threads : {2, 3, 5}) {
    const auto outputs = RunAttention(s, kLengths, 33, threads);
    for (size_t i = 0; i < kLengths.size(); ++i)
      EXPECT_TRUE(SameBits(outputs[i], expected[i])) << threads;
  }
}

// Keys and values as another type rounds them give the bits of exact ones of those values.
TEST(Attend, CacheTypesRoundOnce) {
  for (const auto& [key, value] :
       std::vector<std::pair<CacheType, CacheType>>{{CacheType::kF16, CacheType::kF16},
                                                    {CacheType::kQ8_0, CacheType::kQ8_0},
                                                    {CacheType::kF32, CacheType::kQ8_0},
                                                    {CacheType::kQ8_0, CacheType::kF16}}) {
    const Heads s = {4, 2, 32, 100, key, value};
    const auto whole = RunAttention(s, kLengths, kAll, 1);
    for (const int64_t chunk : {1, 7, 64}) {
      const auto chunked = RunAttention(s, kLengths, chunk, 3);
      for (size_t i = 0; i < kLengths.size(); ++i) EXPECT_TRUE(SameBits(chunked[i], whole[i]));
    }
    EXPECT_TRUE(SameBits(RunAttention(s, {kLengths[0]}, kAll, 1)[0], whole[0]));
    // The first token sees only itself: its value, rounded.
    const TestSequence x(1, 0, s, LayoutOf(s));
    std::vector<std::byte> bytes(CacheBytes(value, 32));
    std::vector<float> rounded(32);
    StoreCacheRow(value, x.values.data(), 32, bytes.data());
    LoadCacheRow(value, bytes.data(), 32, rounded.data());
    EXPECT_TRUE(SameBits(std::span(RunAttention(s, {1}, kAll, 1)[0]).first(32), rounded));
  }
}

// The first token of a sequence sees only itself.
TEST(Attend, FirstTokenReturnsItsValue) {
  const Heads s = {2, 1, 8, 0};
  const auto out = RunAttention(s, {1}, kAll, 1)[0];
  const TestSequence x(1, 0, s, LayoutOf(s));
  for (size_t d = 0; d < 8; ++d) {
    EXPECT_EQ(out[d], x.values[d]);
    EXPECT_EQ(out[8 + d], x.values[d]);
  }
}

TEST(StoreKeysAndValues, WritesItsLayerAndPositionOnly) {
  const Heads s = {2, 2, 3, 0};
  const StateLayout layout = LayoutOf(s);
  TestSequence x(70, 1, s, layout);
  Compute compute;
  Batch batch;
  batch.segments.push_back({0, 1, 69, 0, x.pages});  // slot 5 of the second page
  const Matrix key = compute.NewRandomMatrix(1, 6, 2);
  const Matrix value = compute.NewRandomMatrix(1, 6, 3);
  StoreKeysAndValues(compute.exec, batch, layout, 1, key, value);
  int64_t written = 0;
  for (const auto& page : x.memory) {
    written += std::count_if(page.begin(), page.end(), [](float f) { return !std::isnan(f); });
  }
  EXPECT_EQ(written, 12);
  for (int64_t head = 0; head < 2; ++head) {
    const float* slot = reinterpret_cast<const float*>(x.pages[1] + layout.offsets[1]) +
                        (head * kPageTokens + 5) * 3;
    EXPECT_TRUE(SameBits({slot, 3}, {key.Row(0) + head * 3, 3}));
    EXPECT_TRUE(SameBits({slot + 2 * kPageTokens * 3, 3}, {value.Row(0) + head * 3, 3}));
  }
}

TEST(StateLayout, LayersLieOneBehindTheOther) {
  const StateLayout layout = LayoutOf({4, 2, 16, 0});
  EXPECT_EQ(layout.layers[1].page_bytes(), 2 * 2 * 64 * 16 * sizeof(float));
  EXPECT_EQ(layout.offsets, (std::vector<size_t>{0, 4 * 2 * 3 * 64 * 16, 4 * 2 * 5 * 64 * 16}));
  EXPECT_EQ(layout.page_bytes, 4 * 2 * 8 * 64 * 16U);
}

}  // namespace
}  // namespace moiety
