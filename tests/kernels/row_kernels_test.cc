// Every table gives the bits of "ref": the functions that work on one row.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "kernels/kernels.h"
#include "support/bits.h"
#include "support/random_values.h"

namespace moiety {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr std::array<int64_t, 13> kRowSizes = {1, 2, 7, 15, 16, 17, 31, 33, 48, 64, 65, 100, 257};
// Behind the last element of each output: a kernel that writes too much changes it.
constexpr float kRowGuard = 12345.0F;

class RowKernels : public testing::TestWithParam<const KernelTable*> {
 protected:
  const KernelTable& ref_ = *AvailableKernels().front();
  const KernelTable& table_ = *GetParam();
};

INSTANTIATE_TEST_SUITE_P(Tables, RowKernels, testing::ValuesIn(AvailableKernels()),
                         [](const auto& table) { return std::string(table.param->isa); });

// `values` after one element and before a guard, so that vectors are not aligned.
std::vector<float> Padded(const std::vector<float>& values) {
  std::vector<float> padded = {kRowGuard};
  padded.insert(padded.end(), values.begin(), values.end());
  padded.push_back(kRowGuard);
  return padded;
}

// Inputs of a size: ordinary, awkward, with a NaN, with infinities.
std::vector<std::vector<float>> Inputs(int64_t n, uint64_t seed) {
  std::vector<std::vector<float>> inputs = {RandomValues(n, seed), RandomValues(n, seed + 1, 60),
                                            AwkwardValues(n, seed + 2)};
  const size_t middle = static_cast<size_t>(n) / 2;
  for (const float special : {kNaN, kInf, -kInf}) {
    inputs.push_back(RandomValues(n, seed + 3));
    inputs.back()[middle] = special;
    inputs.push_back(RandomValues(n, seed + 4));
    inputs.back().back() = special;
  }
  return inputs;
}

// Runs `call(table, y)` with y a padded copy of `start` on both tables and compares everything.
template <class Call>
void ExpectSame(const KernelTable& a, const KernelTable& b, const std::vector<float>& start,
                const Call& call) {
  std::vector<float> ya = Padded(start);
  std::vector<float> yb = ya;
  call(a, ya.data() + 1);
  call(b, yb.data() + 1);
  EXPECT_TRUE(SameBits(ya, yb)) << "size " << start.size();
  EXPECT_EQ(yb.front(), kRowGuard);
  EXPECT_EQ(yb.back(), kRowGuard);
}

TEST_P(RowKernels, RmsNorm) {
  for (const int64_t n : kRowSizes) {
    const auto gain = Padded(AwkwardValues(n, 1));
    for (const auto& input : Inputs(n, 10)) {
      for (const float eps : {0.0F, 1e-6F, 1.0F}) {
        const auto x = Padded(input);
        ExpectSame(table_, ref_, RandomValues(n, 2), [&](const KernelTable& t, float* y) {
          t.rms_norm(x.data() + 1, gain.data() + 1, eps, n, y);
        });
        ExpectSame(table_, ref_, input, [&](const KernelTable& t, float* y) {
          t.rms_norm(y, gain.data() + 1, eps, n, y);  // in place
        });
      }
    }
  }
}

// The kernels of gated layers.
constexpr std::array kActivations = {&KernelTable::silu_mul, &KernelTable::gelu_tanh_mul};

TEST_P(RowKernels, GatedActivations) {
  for (const auto activation : kActivations) {
    for (const int64_t n : kRowSizes) {
      for (const auto& input : Inputs(n, 20)) {
        const auto gate = Padded(input);
        const auto up = Padded(AwkwardValues(n, 3));
        ExpectSame(table_, ref_, RandomValues(n, 2), [&](const KernelTable& t, float* y) {
          (t.*activation)(gate.data() + 1, up.data() + 1, n, y);
        });
        ExpectSame(table_, ref_, input, [&](const KernelTable& t, float* y) {
          (t.*activation)(y, up.data() + 1, n, y);  // y is gate
        });
        ExpectSame(table_, ref_, AwkwardValues(n, 3), [&](const KernelTable& t, float* y) {
          (t.*activation)(gate.data() + 1, y, n, y);  // y is up
        });
      }
    }
  }
}

TEST_P(RowKernels, GatedActivationsBackward) {
  for (const auto backward :
       {&KernelTable::silu_mul_backward, &KernelTable::gelu_tanh_mul_backward}) {
    for (const int64_t n : kRowSizes) {
      for (const auto& input : Inputs(n, 25)) {
        const auto gate = Padded(input);
        const auto up = Padded(AwkwardValues(n, 3));
        std::vector<std::vector<float>> dgates;
        ExpectSame(table_, ref_, RandomValues(n, 2), [&](const KernelTable& t, float* dy) {
          std::vector<float>& dgate = dgates.emplace_back(static_cast<size_t>(n));
          (t.*backward)(gate.data() + 1, up.data() + 1, dy, n, dgate.data(), dy);  // dup is dy
        });
        EXPECT_TRUE(SameBits(dgates[0], dgates[1]));
      }
    }
  }
}

TEST_P(RowKernels, AddAndAxpy) {
  for (const int64_t n : kRowSizes) {
    for (const auto& input : Inputs(n, 30)) {
      const auto x = Padded(input);
      ExpectSame(table_, ref_, AwkwardValues(n, 4),
                 [&](const KernelTable& t, float* y) { t.add(x.data() + 1, n, y); });
      for (const float a : {0.0F, 1.0F, -0.3F, 1e-30F, kNaN}) {
        ExpectSame(table_, ref_, AwkwardValues(n, 5),
                   [&](const KernelTable& t, float* y) { t.axpy(a, x.data() + 1, n, y); });
      }
    }
  }
}

TEST_P(RowKernels, Softmax) {
  for (const int64_t n : kRowSizes) {
    for (const auto& input : Inputs(n, 40)) {
      ExpectSame(table_, ref_, input, [&](const KernelTable& t, float* y) { t.softmax(y, n); });
    }
  }
}

TEST_P(RowKernels, SumExp) {
  for (const int64_t n : kRowSizes) {
    for (const auto& input : Inputs(n, 50)) {
      const auto x = Padded(input);
      // The lanes behind the last element count nothing, whatever the maximum.
      for (const float max : {*std::max_element(input.begin(), input.end()), -3.0F, 0.0F, 100.0F}) {
        const float found = table_.sum_exp(x.data() + 1, n, max);
        const float expected = ref_.sum_exp(x.data() + 1, n, max);
        EXPECT_TRUE(SameBits({&found, 1}, {&expected, 1})) << n << ", " << max;
      }
    }
  }
}

// moiety::Exp and its vector form are two texts: all exponents, both bounds and what lies beyond.
TEST_P(RowKernels, ExponentialOfEveryKind) {
  std::vector<float> gate;
  for (uint32_t bits = 0; bits < 0xFFFF0000U; bits += 0x7FFD)
    gate.push_back(std::bit_cast<float>(bits));
  for (float g = 86; g < 90; g += 1.0F / 1024) gate.insert(gate.end(), {g, -g});
  for (float g = -20; g < 20; g += 1.0F / 512) gate.push_back(g);
  const std::vector<float> up(gate.size(), 1.0F);
  for (const auto activation : kActivations) {
    ExpectSame(table_, ref_, up, [&](const KernelTable& t, float* y) {
      (t.*activation)(gate.data(), up.data(), static_cast<int64_t>(gate.size()), y);
    });
  }
}

struct TileResult {
  std::vector<float> acc;
  float max;
  float sum;
};

TileResult Attend(const KernelTable& table, const float* query, const AttentionTile& tile,
                  const TileResult& before) {
  TileResult result = {Padded(before.acc), before.max, before.sum};
  AttentionState state = {query, result.acc.data() + 1, before.max, before.sum};
  table.attend_tile(tile, &state, 1);
  result.max = state.max;
  result.sum = state.sum;
  return result;
}

TEST_P(RowKernels, AttendTile) {
  for (const int64_t head_dim : {2, 6, 15, 16, 17, 32, 48, 64, 80, 128}) {
    const auto query = Padded(RandomValues(head_dim, 1));
    const auto keys = Padded(AwkwardValues(kTileKeys * head_dim, 2));
    const auto tame_keys = Padded(RandomValues(kTileKeys * head_dim, 2));
    const auto values = Padded(RandomValues(kTileKeys * head_dim, 3));
    for (const auto& [begin, end] : std::vector<std::pair<int64_t, int64_t>>{{0, 64},
                                                                             {0, 1},
                                                                             {63, 64},
                                                                             {5, 6},
                                                                             {0, 16},
                                                                             {16, 32},
                                                                             {3, 15},
                                                                             {15, 17},
                                                                             {17, 63},
                                                                             {1, 50}}) {
      for (const auto& k : {keys, tame_keys}) {
        const AttentionTile tile = {k.data() + 1, values.data() + 1, begin, end, head_dim, 0.25F};
        const std::vector<float> zeros(static_cast<size_t>(head_dim), 0.0F);
        // The first tile of a query, and one that meets what earlier tiles left.
        for (const TileResult& before :
             {TileResult{zeros, -kInf, 0}, TileResult{RandomValues(head_dim, 4), 0.1F, 3},
              TileResult{RandomValues(head_dim, 5), 1e5F, 1}}) {
          const TileResult expected = Attend(ref_, query.data() + 1, tile, before);
          const TileResult found = Attend(table_, query.data() + 1, tile, before);
          ASSERT_TRUE(SameBits(found.acc, expected.acc))
              << head_dim << ", " << begin << " … " << end;
          ASSERT_TRUE(
              SameBits(std::array{found.max, found.sum}, std::array{expected.max, expected.sum}));
          ASSERT_EQ(expected.acc.back(), kRowGuard);
        }
      }
    }
  }
}

// Keys and values outside [begin, end) are not read: they may be anything, NaN too.
// Queries that share a tile do not see each other, however many they are.
TEST_P(RowKernels, AttendTileOfManyQueries) {
  for (const int64_t head_dim : {6, 16, 80, 128}) {
    const auto keys = AwkwardValues(kTileKeys * head_dim, 2);
    const auto values = RandomValues(kTileKeys * head_dim, 3);
    for (const int64_t begin : {0, 7}) {
      const AttentionTile tile = {keys.data(), values.data(), begin, 61, head_dim, 0.25F};
      for (int64_t count = 0; count <= 9; ++count) {
        const auto queries = RandomValues(count * head_dim, 6);
        const auto start = RandomValues(count * head_dim, 7);
        auto acc = start;
        std::vector<AttentionState> states;
        for (int64_t i = 0; i < count; ++i) {
          states.push_back({queries.data() + i * head_dim, acc.data() + i * head_dim,
                            static_cast<float>(i), static_cast<float>(i + 1)});
        }
        table_.attend_tile(tile, states.data(), count);
        for (int64_t i = 0; i < count; ++i) {
          const TileResult before = {
              {start.begin() + i * head_dim, start.begin() + (i + 1) * head_dim},
              static_cast<float>(i),
              static_cast<float>(i + 1)};
          const TileResult alone = Attend(ref_, queries.data() + i * head_dim, tile, before);
          const AttentionState& state = states[static_cast<size_t>(i)];
          EXPECT_EQ(std::memcmp(state.acc, alone.acc.data() + 1,
                                static_cast<size_t>(head_dim) * sizeof(float)),
                    0)
              << head_dim << ", query " << i << " of " << count;
          EXPECT_EQ(Bits(state.max), Bits(alone.max));
          EXPECT_EQ(Bits(state.sum), Bits(alone.sum));
        }
      }
    }
  }
}

TEST_P(RowKernels, AttendMerge) {
  for (const int64_t head_dim : {1, 15, 16, 80, 128}) {
    for (const auto& maxima : std::vector<std::pair<float, float>>{
             {0.5F, 0.25F}, {-3.0F, 90.0F}, {2.0F, 2.0F}, {-kInf, 1.0F}}) {
      const auto start = RandomValues(head_dim, 1);
      auto later_acc = AwkwardValues(head_dim, 2);
      const AttentionState later = {nullptr, later_acc.data(), maxima.second, 7};
      const auto merge = [&](const KernelTable& table) {
        auto acc = Padded(start);
        AttentionState state = {nullptr, acc.data() + 1, maxima.first, 3};
        table.attend_merge(later, head_dim, state);
        acc.push_back(state.max);
        acc.push_back(state.sum);
        return acc;
      };
      EXPECT_TRUE(SameBits(merge(table_), merge(ref_))) << head_dim << ", " << maxima.first;
    }
  }
}

TEST_P(RowKernels, AttendTileIgnoresUnseenKeys) {
  constexpr int64_t kHeadDim = 20;
  const auto query = RandomValues(kHeadDim, 1);
  auto keys = RandomValues(kTileKeys * kHeadDim, 2);
  auto values = RandomValues(kTileKeys * kHeadDim, 3);
  const TileResult start = {std::vector<float>(kHeadDim, 0.0F), -kInf, 0};
  const auto attend = [&](const std::vector<float>& k, const std::vector<float>& v) {
    return Attend(table_, query.data(), {k.data(), v.data(), 5, 41, kHeadDim, 0.2F}, start);
  };
  const TileResult clean = attend(keys, values);
  for (int64_t i = 0; i < kTileKeys * kHeadDim; ++i) {
    if (i / kHeadDim >= 5 && i / kHeadDim < 41) continue;
    keys[static_cast<size_t>(i)] = kNaN;
    values[static_cast<size_t>(i)] = kInf;
  }
  const TileResult dirty = attend(keys, values);
  EXPECT_TRUE(SameBits(clean.acc, dirty.acc));
  EXPECT_EQ(Bits(clean.sum), Bits(dirty.sum));
}

TEST_P(RowKernels, AttendTileKeepsNan) {
  constexpr int64_t kHeadDim = 18;
  auto query = RandomValues(kHeadDim, 1);
  query.back() = kNaN;
  const auto keys = RandomValues(kTileKeys * kHeadDim, 2);
  const TileResult start = {std::vector<float>(kHeadDim, 0.0F), -kInf, 0};
  const AttentionTile tile = {keys.data(), keys.data(), 0, 33, kHeadDim, 0.2F};
  const TileResult found = Attend(table_, query.data(), tile, start);
  EXPECT_TRUE(SameBits(found.acc, Attend(ref_, query.data(), tile, start).acc));
  EXPECT_TRUE(std::isnan(found.sum));
  for (size_t d = 1; d <= kHeadDim; ++d) EXPECT_TRUE(std::isnan(found.acc[d]));
}

}  // namespace
}  // namespace moiety
