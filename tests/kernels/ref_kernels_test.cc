// What the contract computes: "ref" against the mathematics in double, and the order of additions.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <utility>
#include <vector>

#include "kernels/kernels.h"
#include "support/bits.h"
#include "support/owned_weight.h"
#include "support/random_values.h"

namespace moiety {
namespace {

constexpr double kUnit = 0x1p-24;     // relative error of one rounding to f32
constexpr double kExpError = 1.2e-7;  // of Exp, its header says
constexpr std::array<int64_t, 9> kRefSizes = {1, 2, 15, 16, 17, 64, 100, 257, 4096};

const KernelTable& Ref() { return *AvailableKernels().front(); }

// Roundings that one product meets on its way through a lane sum: its fma and those after it in the
// lane, then the tree.
double LaneSumError(int64_t n) { return static_cast<double>((n + 15) / 16 + 4) * kUnit; }

float RefDot(const std::vector<float>& x, const std::vector<float>& w) {
  const auto n = static_cast<int64_t>(x.size());
  float y = 0;
  Ref().matmul[0]({x.data(), n, w.data(), nullptr, &y, 1, 1, 1, n});
  return y;
}

TEST(RefKernels, Matmul) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    const auto type = static_cast<size_t>(dtype == DType::kF32   ? WeightType::kF32
                                          : dtype == DType::kF16 ? WeightType::kF16
                                                                 : WeightType::kBF16);
    for (const int64_t n : kRefSizes) {
      const OwnedWeight w = OwnedWeight::Random({5, n}, 1, dtype);
      const auto x = RandomValues(3 * n, 2);
      const auto bias = RandomValues(5, 3);
      std::vector<float> y(3 * 5);
      Ref().matmul[type]({x.data(), n, w.ref()->data, bias.data(), y.data(), 5, 3, 5, n});
      for (int64_t i = 0; i < 3; ++i) {
        for (int64_t j = 0; j < 5; ++j) {
          const auto b = static_cast<double>(bias[static_cast<size_t>(j)]);
          double sum = b;
          double magnitude = std::abs(b);
          for (int64_t k = 0; k < n; ++k) {
            const double product =
                static_cast<double>(x[static_cast<size_t>(i * n + k)]) * w.at(j, k);
            sum += product;
            magnitude += std::abs(product);
          }
          ASSERT_NEAR(static_cast<double>(y[static_cast<size_t>(i * 5 + j)]), sum,
                      (LaneSumError(n) + kUnit) * magnitude);
        }
      }
    }
  }
}

TEST(RefKernels, RmsNorm) {
  constexpr float kEps = 1e-5F;
  for (const int64_t n : kRefSizes) {
    const auto x = RandomValues(n, 4);
    const auto gain = RandomValues(n, 5);
    std::vector<float> y(x.size());
    Ref().rms_norm(x.data(), gain.data(), kEps, n, y.data());
    double squares = 0;
    for (const float v : x) squares += static_cast<double>(v) * static_cast<double>(v);
    const double scale =
        1 / std::sqrt(squares / static_cast<double>(n) + static_cast<double>(kEps));
    for (size_t k = 0; k < x.size(); ++k) {
      const double expected = static_cast<double>(x[k]) * scale * static_cast<double>(gain[k]);
      // The square root halves the error of the sum; ÷ n, + eps, √, 1 ÷, × and × round once each.
      ASSERT_NEAR(static_cast<double>(y[k]), expected,
                  (LaneSumError(n) / 2 + 6 * kUnit) * std::abs(expected));
    }
  }
}

TEST(RefKernels, SiluMul) {
  const auto gate = RandomValues(5000, 6, 30);
  const auto up = RandomValues(5000, 7);
  std::vector<float> y(gate.size());
  Ref().silu_mul(gate.data(), up.data(), 5000, y.data());
  for (size_t k = 0; k < y.size(); ++k) {
    const auto g = static_cast<double>(gate[k]);
    const double expected = g / (1 + std::exp(-g)) * static_cast<double>(up[k]);
    ASSERT_NEAR(static_cast<double>(y[k]), expected, (kExpError + 4 * kUnit) * std::abs(expected));
  }
}

TEST(RefKernels, GeluTanhMul) {
  for (const double scale : {0.01, 1.0, 6.0, 300.0}) {
    const auto gate = RandomValues(5000, 26, scale);
    const auto up = RandomValues(5000, 27);
    std::vector<float> y(gate.size());
    Ref().gelu_tanh_mul(gate.data(), up.data(), 5000, y.data());
    for (size_t k = 0; k < y.size(); ++k) {
      const auto g = static_cast<double>(gate[k]);
      const double u = std::sqrt(2 / M_PI) * (g + 0.044715 * g * g * g);
      // ½(1 + tanh(u)) without the cancellation where u is below 0.
      const double expected = g / (1 + std::exp(-2 * u)) * static_cast<double>(up[k]);
      // The exponent, 2u, is rounded five times; beyond the range of exp the result is 0.
      const double error = kExpError + (4 + 5 * std::abs(2 * u)) * kUnit;
      ASSERT_NEAR(static_cast<double>(y[k]), expected, error * std::abs(expected) + 1e-35);
    }
  }
}

TEST(RefKernels, SoftmaxAndSumExp) {
  for (const int64_t n : kRefSizes) {
    const auto x = RandomValues(n, 8, 10);
    auto p = x;
    Ref().softmax(p.data(), n);
    const auto max = static_cast<double>(*std::max_element(x.begin(), x.end()));
    double sum = 0;
    for (const float v : x) sum += std::exp(static_cast<double>(v) - max);
    // x - max is below 20, and its rounding becomes a relative error of the exponential.
    const double error = 20 * kUnit + kExpError + LaneSumError(n);
    EXPECT_NEAR(static_cast<double>(Ref().sum_exp(x.data(), n, static_cast<float>(max))), sum,
                error * sum);
    double total = 0;
    for (size_t k = 0; k < x.size(); ++k) {
      const double expected = std::exp(static_cast<double>(x[k]) - max) / sum;
      ASSERT_NEAR(static_cast<double>(p[k]), expected, (2 * error + kUnit) * expected);
      total += static_cast<double>(p[k]);
    }
    EXPECT_NEAR(total, 1, LaneSumError(n) + kUnit);
  }
}

TEST(RefKernels, SoftmaxOfOneElementIsOne) {
  for (const float value : {0.0F, -1e30F, 1e30F, 5.0F}) {
    float x = value;
    Ref().softmax(&x, 1);
    EXPECT_EQ(x, 1.0F);
  }
}

TEST(RefKernels, SoftmaxOfLargeValuesDoesNotOverflow) {
  std::vector<float> x = {3e38F, 3e38F, -3e38F, -std::numeric_limits<float>::infinity()};
  Ref().softmax(x.data(), 4);
  EXPECT_EQ(x, (std::vector<float>{0.5F, 0.5F, 0, 0}));
}

TEST(RefKernels, RopeIsARotation) {
  constexpr int64_t kHalf = 50;
  const auto x = RandomValues(2 * kHalf, 9);
  std::vector<float> cos;
  std::vector<float> sin;
  for (const float angle : RandomValues(kHalf, 10, 3)) {
    cos.push_back(std::cos(angle));
    sin.push_back(std::sin(angle));
  }
  auto y = x;
  Ref().rope(y.data(), cos.data(), sin.data(), kHalf);
  for (size_t i = 0; i < kHalf; ++i) {
    const auto a = static_cast<double>(x[i]);
    const auto b = static_cast<double>(x[i + kHalf]);
    const auto c = static_cast<double>(cos[i]);
    const auto s = static_cast<double>(sin[i]);
    // One rounded product, then one fma; all values are at most 1.
    ASSERT_NEAR(static_cast<double>(y[i]), a * c - b * s, 3 * kUnit);
    ASSERT_NEAR(static_cast<double>(y[i + kHalf]), b * c + a * s, 3 * kUnit);
  }
}

TEST(RefKernels, AttendTilesAreASoftmaxOverTheirKeys) {
  constexpr float kScale = 0.5F;
  for (const int64_t head_dim : {2, 16, 80}) {
    constexpr int64_t kKeys = 2 * kTileKeys;
    const auto query = RandomValues(head_dim, 11, 2);
    const auto keys = RandomValues(kKeys * head_dim, 12);
    const auto values = RandomValues(kKeys * head_dim, 13);
    constexpr int64_t kBegin = 3;
    constexpr int64_t kEnd = kTileKeys + 41;
    // The second tile once behind the first, and once apart from it and then joined.
    std::vector<std::vector<float>> accs(3, std::vector<float>(static_cast<size_t>(head_dim)));
    const auto start = [&](size_t i) {
      return AttentionState{query.data(), accs[i].data(), -std::numeric_limits<float>::infinity(),
                            0};
    };
    const AttentionTile first = {keys.data(), values.data(), kBegin, kTileKeys, head_dim, kScale};
    const int64_t offset = kTileKeys * head_dim;
    const AttentionTile second = {
        keys.data() + offset, values.data() + offset, 0, kEnd - kTileKeys, head_dim, kScale};
    AttentionState state = start(0);
    Ref().attend_tile(first, &state, 1);
    Ref().attend_tile(second, &state, 1);
    AttentionState joined = start(1);
    Ref().attend_tile(first, &joined, 1);
    AttentionState later = start(2);
    Ref().attend_tile(second, &later, 1);
    Ref().attend_merge(later, head_dim, joined);

    std::vector<double> expected(static_cast<size_t>(head_dim), 0.0);
    double sum = 0;
    for (int64_t j = kBegin; j < kEnd; ++j) {
      double score = 0;
      for (int64_t d = 0; d < head_dim; ++d) {
        score += static_cast<double>(query[static_cast<size_t>(d)]) *
                 static_cast<double>(keys[static_cast<size_t>(j * head_dim + d)]);
      }
      const double p = std::exp(score * static_cast<double>(kScale));
      sum += p;
      for (int64_t d = 0; d < head_dim; ++d) {
        expected[static_cast<size_t>(d)] +=
            p * static_cast<double>(values[static_cast<size_t>(j * head_dim + d)]);
      }
    }
    // A score's terms are below 1 in sum of magnitudes head_dim; twice (numerator, denominator) its
    // error, the exponential's, the correction's, and the roundings of up to 64 + 2 additions.
    const double score_error = (LaneSumError(head_dim) + 2 * kUnit) * static_cast<double>(head_dim);
    const double error = 2 * (score_error + 2 * kExpError + 66 * kUnit);
    for (size_t d = 0; d < accs[0].size(); ++d) {
      ASSERT_NEAR(static_cast<double>(accs[0][d] / state.sum), expected[d] / sum, error);
      ASSERT_NEAR(static_cast<double>(accs[1][d] / joined.sum), expected[d] / sum, error);
    }
  }
}

// These inputs give another number in any other order, so swapping two additions of the contract
// turns the tests red.
TEST(ArithmeticContract, OrderOfALaneSum) {
  constexpr float kBig = 16777216.0F;  // 2^24: adding 1 changes nothing
  const std::vector<float> ones(32, 1.0F);
  const auto sum_of = [&](std::initializer_list<std::pair<size_t, float>> elements) {
    std::vector<float> x(32, 0.0F);
    for (const auto& [k, value] : elements) x[k] = value;
    return RefDot(x, ones);
  };
  // Elements 0 and 16 meet in a lane first: 1 is lost. One after the other it would not be.
  EXPECT_EQ(sum_of({{0, kBig}, {1, -kBig}, {16, 1.0F}}), 0.0F);
  // Inside a lane in ascending order.
  EXPECT_EQ(sum_of({{0, kBig}, {16, -kBig}, {8, 1.0F}}), 1.0F);
  // The tree: 8 apart first, then 4, 2, 1.
  for (const size_t distance : {8U, 4U, 2U, 1U}) {
    EXPECT_EQ(sum_of({{0, kBig}, {distance, 1.0F}}), kBig);
    if (distance == 1) continue;
    EXPECT_EQ(sum_of({{0, kBig}, {distance, 1.0F}, {distance / 2, -kBig}}), 0.0F) << distance;
    EXPECT_EQ(sum_of({{0, kBig}, {distance, -kBig}, {distance / 2, 1.0F}}), 1.0F) << distance;
  }
}

TEST(ArithmeticContract, ProductsAreNotRounded) {
  constexpr float kX = 1 + 0x1p-12F;  // its square needs one bit more than f32 has
  std::vector<float> x(17, 0.0F);
  std::vector<float> w(17, 0.0F);
  x[0] = -(1 + 0x1p-11F);
  w[0] = 1;
  x[16] = w[16] = kX;
  EXPECT_EQ(RefDot(x, w), 0x1p-24F);
}

// The bits themselves. A change here changes what every model says: it must be meant.
TEST(ArithmeticContract, KeepsItsBits) {
  constexpr int64_t kN = 1000;
  const auto hash_of = [](const std::vector<float>& values) {
    uint64_t hash = 14695981039346656037U;  // FNV-1a
    for (const float value : values) hash = (hash ^ Bits(value)) * 1099511628211U;
    return hash;
  };
  const auto x = RandomValues(kN, 1, 4);
  const auto w = RandomValues(kN, 2);
  auto y = x;
  Ref().rms_norm(x.data(), w.data(), 1e-6F, kN, y.data());
  EXPECT_EQ(hash_of(y), 6540427284790357963U);
  Ref().silu_mul(x.data(), w.data(), kN, y.data());
  EXPECT_EQ(hash_of(y), 9208979965314770312U);
  Ref().gelu_tanh_mul(x.data(), w.data(), kN, y.data());
  EXPECT_EQ(hash_of(y), 17598192119779615632U);
  y = w;
  Ref().axpy(0.3F, x.data(), kN, y.data());
  EXPECT_EQ(hash_of(y), 12883187047705174744U);
  y = x;
  Ref().softmax(y.data(), kN);
  EXPECT_EQ(hash_of(y), 5329289705630908276U);
  EXPECT_EQ(hash_of({Ref().sum_exp(x.data(), kN, 4)}), 7281073467278877979U);
  y = x;
  Ref().rope(y.data(), w.data(), w.data() + kN / 2, kN / 2);
  EXPECT_EQ(hash_of(y), 17630380119780708338U);
  std::vector<float> acc(15, 0.0F);
  AttentionState state = {x.data(), acc.data(), -1, 0.5F};
  Ref().attend_tile({x.data(), w.data(), 5, 62, 15, 0.3F}, &state, 1);
  acc.insert(acc.end(), {state.max, state.sum});
  EXPECT_EQ(hash_of(acc), 5265740865065451420U);
  std::vector<float> products(100);
  Ref().matmul[0]({x.data(), 100, w.data(), w.data(), products.data(), 10, 10, 10, 99});
  EXPECT_EQ(hash_of(products), 18081412801968950092U);
}

}  // namespace
}  // namespace moiety
