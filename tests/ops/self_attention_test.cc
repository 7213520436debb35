#include "ops/self_attention.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "ops/attention.h"
#include "ops/state.h"
#include "support/bits.h"
#include "support/gradient_check.h"
#include "support/taped_compute.h"

namespace moiety {
namespace {

constexpr float kScoreScale = 0.6F;

struct SelfAttentionShape {
  int64_t num_heads;
  int64_t num_kv_heads;
  int64_t head_dim;
  int64_t window;
  std::vector<int64_t> lengths;  // of the sequences
};

// Sequences side by side, with pages of their own.
struct SelfAttentionBatch {
  explicit SelfAttentionBatch(const SelfAttentionShape& s, int64_t position = 0)
      : layout({StateSpec{
            .num_kv_heads = s.num_kv_heads, .head_dim = s.head_dim, .window = s.window}}) {
    for (const int64_t length : s.lengths) rows += length;
    ids.resize(static_cast<size_t>(rows));
    memory.resize(s.lengths.size());
    pages.resize(s.lengths.size());
    batch.ids = ids;
    batch.layout = &layout;
    int64_t begin = 0;
    for (size_t i = 0; i < s.lengths.size(); ++i) {
      const int64_t count = s.lengths[i];
      const auto num_pages =
          static_cast<size_t>((position + count + kPageTokens - 1) / kPageTokens);
      memory[i].resize(num_pages * layout.page_bytes / sizeof(float));
      for (size_t page = 0; page < num_pages; ++page) {
        pages[i].push_back(reinterpret_cast<std::byte*>(memory[i].data()) +
                           page * layout.page_bytes);
      }
      batch.segments.push_back({begin, count, position, static_cast<int64_t>(i), pages[i]});
      begin += count;
    }
  }

  StateLayout layout;
  int64_t rows = 0;
  std::vector<int32_t> ids;
  std::vector<std::vector<float>> memory;
  std::vector<std::vector<std::byte*>> pages;
  Batch batch;
};

// The formula of ops/attention.h for each sequence.
std::vector<double> AttentionOf(const SelfAttentionShape& s, const Reals& v) {
  const auto q_cols = static_cast<size_t>(s.num_heads * s.head_dim);
  const auto kv_cols = static_cast<size_t>(s.num_kv_heads * s.head_dim);
  const auto head_dim = static_cast<size_t>(s.head_dim);
  std::vector<double> out(v[0].size());
  size_t begin = 0;
  for (const int64_t length : s.lengths) {
    for (int64_t t = 0; t < length; ++t) {
      const int64_t first = s.window == 0 ? 0 : std::max<int64_t>(0, t + 1 - s.window);
      for (int64_t h = 0; h < s.num_heads; ++h) {
        const auto kv = static_cast<size_t>(h / (s.num_heads / s.num_kv_heads)) * head_dim;
        const size_t q =
            (begin + static_cast<size_t>(t)) * q_cols + static_cast<size_t>(h) * head_dim;
        std::vector<double> scores;
        for (int64_t j = first; j <= t; ++j) {
          const size_t k = (begin + static_cast<size_t>(j)) * kv_cols + kv;
          double score = 0;
          for (size_t d = 0; d < head_dim; ++d) score += v[0][q + d] * v[1][k + d];
          scores.push_back(score * static_cast<double>(kScoreScale));
        }
        const std::vector<double> p = SoftmaxOf(scores);
        for (size_t j = 0; j < p.size(); ++j) {
          const size_t value = (begin + static_cast<size_t>(first) + j) * kv_cols + kv;
          for (size_t d = 0; d < head_dim; ++d) out[q + d] += p[j] * v[2][value + d];
        }
      }
    }
    begin += static_cast<size_t>(length);
  }
  return out;
}

class SelfAttentionGradients : public testing::TestWithParam<SelfAttentionShape> {};

// Lengths around the tile of 64; windows inside a tile, of one, of more than one, of one token.
INSTANTIATE_TEST_SUITE_P(
    Shapes, SelfAttentionGradients,
    testing::Values(SelfAttentionShape{1, 1, 4, 0, {1}}, SelfAttentionShape{2, 2, 3, 0, {5, 1, 2}},
                    SelfAttentionShape{4, 2, 2, 0, {63}}, SelfAttentionShape{2, 1, 4, 0, {64}},
                    SelfAttentionShape{3, 1, 2, 0, {65, 3}}, SelfAttentionShape{2, 1, 2, 0, {130}},
                    SelfAttentionShape{2, 1, 2, 1, {3, 66}},
                    SelfAttentionShape{2, 1, 2, 5, {65, 63}},
                    SelfAttentionShape{2, 2, 2, 64, {130}}, SelfAttentionShape{2, 1, 2, 70, {130}},
                    SelfAttentionShape{2, 1, 2, 1000, {65}}),
    [](const auto& test) {
      std::string name = "h" + std::to_string(test.param.num_heads) + "kv" +
                         std::to_string(test.param.num_kv_heads) + "w" +
                         std::to_string(test.param.window);
      for (const int64_t length : test.param.lengths) name += "_" + std::to_string(length);
      return name;
    });

TEST_P(SelfAttentionGradients, OfQueriesKeysAndValues) {
  const SelfAttentionShape& s = GetParam();
  SelfAttentionBatch b(s);
  const int64_t longest = *std::max_element(s.lengths.begin(), s.lengths.end());
  ExpectGradients({.inputs = {RandomInput(b.rows, s.num_heads * s.head_dim, 1, 2),
                              RandomInput(b.rows, s.num_kv_heads * s.head_dim, 2, 2),
                              RandomInput(b.rows, s.num_kv_heads * s.head_dim, 3)},
                   .weights = {},
                   .run =
                       [&](Exec& exec, std::span<const Matrix> x) {
                         return std::vector{
                             SelfAttention(exec, b.batch, 0, x[0], x[1], x[2], kScoreScale)};
                       },
                   .formula = [&](const Reals& v) { return AttentionOf(s, v); },
                   .terms = longest * s.num_heads / s.num_kv_heads});
}

TEST(SelfAttention, StoresAndAttends) {
  const SelfAttentionShape s = {4, 2, 8, 0, {70, 3}};
  TapedCompute compute;
  const Matrix q = compute.NewRandomMatrix(73, 32, 1);
  const Matrix k = compute.NewRandomMatrix(73, 16, 2);
  const Matrix v = compute.NewRandomMatrix(73, 16, 3);
  SelfAttentionBatch together(s);
  SelfAttentionBatch apart(s);
  Exec exec(compute.context, compute.arena, nullptr);
  const Matrix out = SelfAttention(exec, together.batch, 0, q, k, v, kScoreScale);
  StoreKeysAndValues(exec, apart.batch, apart.layout, 0, k, v);
  const Matrix expected = Attend(exec, apart.batch, apart.layout, 0, q, kScoreScale);
  EXPECT_TRUE(SameBits(Values(out), Values(expected)));
  for (size_t i = 0; i < 2; ++i) EXPECT_TRUE(SameBits(together.memory[i], apart.memory[i]));
}

// Earlier tokens would have no way back; without a tape they need none.
TEST(SelfAttention, RecordsWholeSequencesOnly) {
  for (const bool record : {true, false}) {
    TapedCompute compute(1, *AvailableKernels().back(), record);
    SelfAttentionBatch b({1, 1, 2, 0, {3}}, 2);
    SelfAttention(compute.exec, b.batch, 0, compute.NewRandomMatrix(3, 2, 1),
                  compute.NewRandomMatrix(3, 2, 2), compute.NewRandomMatrix(3, 2, 3), kScoreScale);
    EXPECT_EQ(compute.exec.ok(), !record);
    if (!record) continue;
    EXPECT_EQ(compute.exec.status().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(compute.exec.status().message(), testing::HasSubstr("from their first token"));
  }
}

}  // namespace
}  // namespace moiety
