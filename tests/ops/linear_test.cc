#include "ops/linear.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "quant/row_codec.h"
#include "support/bits.h"
#include "support/compute.h"
#include "support/gradient_check.h"
#include "support/owned_weight.h"
#include "support/taped_compute.h"

namespace moiety {
namespace {

constexpr std::array kWeightDTypes = {DType::kF32, DType::kF16, DType::kBF16};

// |y - exact| is at most (roundings of a lane sum + the bias) × the sum of magnitudes; see
// kernels.h.
void ExpectProduct(const Matrix& x, const OwnedWeight& w, const OwnedWeight* bias,
                   const Matrix& y) {
  ASSERT_EQ(y.rows, x.rows);
  ASSERT_EQ(y.cols, w.ref().rows());
  for (int64_t i = 0; i < y.rows; ++i) {
    for (int64_t j = 0; j < y.cols; ++j) {
      double sum = bias == nullptr ? 0 : bias->at(j);
      double magnitude = std::abs(sum);
      for (int64_t k = 0; k < x.cols; ++k) {
        const double product = static_cast<double>(x.Row(i)[k]) * w.at(j, k);
        sum += product;
        magnitude += std::abs(product);
      }
      const double roundings = static_cast<double>(x.cols / 16) + 6;
      ASSERT_NEAR(static_cast<double>(y.Row(i)[j]), sum, roundings * 0x1p-24 * magnitude)
          << i << ", " << j;
    }
  }
}

TEST(MatrixTypes, AreWhatTheKernelsRead) {
  for (const DType dtype : kWeightDTypes) {
    EXPECT_TRUE(IsWeightType(dtype));
    EXPECT_TRUE(IsVectorType(dtype));
  }
  EXPECT_TRUE(IsWeightType(DType::kQ4_K));
  EXPECT_FALSE(IsVectorType(DType::kQ4_K));
  EXPECT_FALSE(IsWeightType(DType::kF64));
  EXPECT_FALSE(IsWeightType(DType::kU8));
}

TEST(Linear, IsXTimesWTransposedPlusBias) {
  Compute compute(3);
  for (const DType dtype : kWeightDTypes) {
    // Outputs around the block of a task (32), rows and depth around vectors and tiles.
    for (const int64_t outputs : {1, 31, 32, 33, 100}) {
      for (const int64_t rows : {1, 2, 5}) {
        for (const int64_t depth : {1, 16, 45}) {
          const Matrix x = compute.NewRandomMatrix(rows, depth, 1);
          const OwnedWeight w = OwnedWeight::Random({outputs, depth}, 2, dtype);
          const OwnedWeight bias = OwnedWeight::Random({outputs}, 3);
          ExpectProduct(x, w, nullptr, Linear(compute.exec, x, w.ref()));
          ExpectProduct(x, w, &bias, Linear(compute.exec, x, w.ref(), bias.ref()));
        }
      }
    }
  }
}

TEST(Linear, NoRowsGiveNoRows) {
  Compute compute;
  const OwnedWeight w = OwnedWeight::Random({5, 3}, 1);
  const Matrix y = Linear(compute.exec, compute.exec.NewMatrix(0, 3), w.ref());
  EXPECT_TRUE(compute.exec.ok());
  EXPECT_EQ(y.rows, 0);
  EXPECT_EQ(y.cols, 5);
}

TEST(Linear, SameBitsForAnyThreadsAndRows) {
  const OwnedWeight w = OwnedWeight::Random({77, 130}, 4, DType::kBF16);
  Compute one(1);
  const Matrix x = one.NewRandomMatrix(11, 130, 5);
  const Matrix y = Linear(one.exec, x, w.ref());
  for (const int threads : {2, 3, 5}) {
    Compute many(threads);
    EXPECT_TRUE(SameBits(Values(Linear(many.exec, x, w.ref())), Values(y))) << threads;
  }
  for (int64_t i = 0; i < x.rows; ++i) {
    const Matrix row = Linear(one.exec, {x.Row(i), 1, x.cols}, w.ref());
    EXPECT_TRUE(SameBits(Values(row), {y.Row(i), 77})) << i;
  }
}

TEST(LinearMany, RunsProductsOfDifferentShapesTogether) {
  Compute compute(4);
  std::vector<OwnedWeight> weights;
  std::vector<LinearJob> jobs;
  const OwnedWeight bias = OwnedWeight::Random({40}, 9);
  for (int64_t i = 0; i < 12; ++i) {
    // Jobs without rows lie first, last and between.
    const int64_t rows = i % 4 == 0 || i == 11 ? 0 : i;
    const int64_t outputs = i == 5 ? 40 : 1 + i * 13 % 70;
    const int64_t depth = 3 + i;
    weights.push_back(OwnedWeight::Random({outputs, depth}, static_cast<uint64_t>(i),
                                          kWeightDTypes[static_cast<size_t>(i % 3)]));
    jobs.push_back({compute.NewRandomMatrix(rows, depth, static_cast<uint64_t>(100 + i)),
                    weights.back().ref(), i == 5 ? bias.ref() : WeightRef(),
                    compute.exec.NewMatrix(rows, outputs)});
  }
  LinearMany(compute.exec, jobs);
  for (size_t i = 0; i < jobs.size(); ++i) {
    ExpectProduct(jobs[i].x, weights[i], i == 5 ? &bias : nullptr, jobs[i].y);
  }
  LinearMany(compute.exec, {});
  EXPECT_TRUE(compute.exec.ok());
}

// The same bits as the two products and the gate one after the other, however many rows there are.
TEST(GatedLinearMany, IsTwoProductsAndAGate) {
  Compute compute(3);
  const OwnedWeight gate_bias = OwnedWeight::Random({70}, 20);
  std::vector<OwnedWeight> weights;
  std::vector<GatedLinearJob> jobs;
  for (const int64_t rows : {0, 1, 7, 128, 129, 300}) {
    const auto seed = static_cast<uint64_t>(rows);
    const DType dtype = kWeightDTypes[jobs.size() % 3];
    weights.push_back(OwnedWeight::Random({70, 33}, seed + 21, dtype));
    weights.push_back(OwnedWeight::Random({70, 33}, seed + 22, dtype));
    jobs.push_back({compute.NewRandomMatrix(rows, 33, seed + 23, 3),
                    weights[weights.size() - 2].ref(),
                    rows % 2 == 1 ? gate_bias.ref() : WeightRef(), weights.back().ref(),
                    WeightRef(), compute.exec.NewMatrix(rows, 70),
                    rows == 129 ? Activation::kGeluTanh : Activation::kSilu});
  }
  GatedLinearMany(compute.exec, jobs);
  ASSERT_TRUE(compute.exec.ok());
  for (const GatedLinearJob& job : jobs) {
    const Matrix expected = Linear(compute.exec, job.x, job.gate, job.gate_bias);
    const Matrix up = Linear(compute.exec, job.x, job.up, job.up_bias);
    const KernelTable& kernels = compute.exec.kernels();
    const auto gate =
        job.activation == Activation::kSilu ? kernels.silu_mul : kernels.gelu_tanh_mul;
    gate(expected.data, up.data, expected.size(), expected.data);
    EXPECT_TRUE(SameBits(Values(job.y), Values(expected))) << job.x.rows;
  }
  GatedLinearMany(compute.exec, {});
  EXPECT_TRUE(compute.exec.ok());
}

// Only bf16 weights meet rounded activations; the result is near, and rows are independent of each
// other.
TEST(Linear, ComputesInBf16) {
  Compute exact;
  if (exact.context.kernels.matmul_bf16 == nullptr) {
    GTEST_SKIP() << "this processor has no bf16 products";
  }
  Compute rounded(3, nullptr, MemoryBudget::kUnlimited, ComputeType::kBF16);
  constexpr int64_t kDepth = 130;
  const Matrix x = exact.NewRandomMatrix(21, kDepth, 30);
  for (const DType dtype : kWeightDTypes) {
    const OwnedWeight w = OwnedWeight::Random({77, kDepth}, 31, dtype);
    const OwnedWeight up = OwnedWeight::Random({77, kDepth}, 32, dtype);
    const Matrix expected = Linear(exact.exec, x, w.ref());
    const Matrix y = Linear(rounded.exec, x, w.ref());
    const auto gated = [&](Compute& compute) {
      const GatedLinearJob job = {x, w.ref(), {}, up.ref(), {}, compute.exec.NewMatrix(21, 77)};
      GatedLinearMany(compute.exec, {&job, 1});
      return job.y;
    };
    const Matrix gated_expected = gated(exact);
    const Matrix gated_y = gated(rounded);
    if (dtype != DType::kBF16) {
      EXPECT_TRUE(SameBits(Values(y), Values(expected)));
      EXPECT_TRUE(SameBits(Values(gated_y), Values(gated_expected)));
      continue;
    }
    EXPECT_FALSE(SameBits(Values(y), Values(expected)));
    // Each of the products of values below 1 has one factor rounded to 8 bits.
    constexpr double kError = kDepth * 0x1p-8;
    for (int64_t i = 0; i < y.size(); ++i) {
      ASSERT_NEAR(static_cast<double>(y.data[i]), static_cast<double>(expected.data[i]), kError);
      ASSERT_NEAR(static_cast<double>(gated_y.data[i]), static_cast<double>(gated_expected.data[i]),
                  20 * kError);
    }
    for (int64_t i = 0; i < x.rows; ++i) {
      const Matrix row = Linear(rounded.exec, {x.Row(i), 1, x.cols}, w.ref());
      EXPECT_TRUE(SameBits(Values(row), {y.Row(i), 77})) << i;
    }
  }
}

TEST(Embed, ReadsRowsExactly) {
  Compute compute;
  for (const DType dtype : kWeightDTypes) {
    const OwnedWeight w = OwnedWeight::Random({10, 7}, 6, dtype);
    const std::vector<int32_t> ids = {3, 0, 9, 3};
    const Matrix out = Embed(compute.exec, ids, w.ref());
    ASSERT_EQ(out.rows, 4);
    ASSERT_EQ(out.cols, 7);
    for (int64_t i = 0; i < 4; ++i) {
      for (int64_t d = 0; d < 7; ++d) {
        EXPECT_EQ(static_cast<double>(out.Row(i)[d]), w.at(ids[static_cast<size_t>(i)], d));
      }
    }
  }
  EXPECT_EQ(Embed(compute.exec, {}, OwnedWeight::Random({10, 7}, 6).ref()).rows, 0);
}

TEST(Embed, RefusesIdsOutsideTheTable) {
  const OwnedWeight w = OwnedWeight::Random({10, 7}, 6);
  for (const int32_t id : {-1, 10, INT32_MAX, INT32_MIN}) {
    Compute compute;
    const std::vector<int32_t> ids = {1, id};
    const Matrix out = Embed(compute.exec, ids, w.ref());
    EXPECT_EQ(out.data, nullptr);
    EXPECT_EQ(compute.exec.status().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(compute.exec.status().message(), testing::HasSubstr(std::to_string(id)));
    // Sticky: what follows does nothing.
    EXPECT_EQ(Linear(compute.exec, out, w.ref()).data, nullptr);
  }
}

TEST(SelectRows, CopiesInAnyOrder) {
  Compute compute(3);
  const Matrix x = compute.NewRandomMatrix(6, 5, 7);
  std::vector<int32_t> rows;
  for (int32_t i = 0; i < 100; ++i) rows.push_back(i * 5 % 6);
  const Matrix out = SelectRows(compute.exec, x, rows);
  ASSERT_EQ(out.rows, 100);
  for (int64_t i = 0; i < 100; ++i) {
    EXPECT_TRUE(SameBits({out.Row(i), 5}, {x.Row(rows[static_cast<size_t>(i)]), 5})) << i;
  }
  EXPECT_EQ(SelectRows(compute.exec, x, {}).rows, 0);
}

Matrix RowsOf(const Matrix& m, int64_t begin, int64_t end) {
  return {m.Row(begin), end - begin, m.cols};
}

struct LinearShape {
  int64_t rows;
  int64_t outputs;
  int64_t depth;
};
// Around the tasks of the way back: 64 rows, 32 outputs, 256 rows at a time; no rows at all.
constexpr std::array<LinearShape, 6> kLinearShapes = {
    {{0, 3, 5}, {1, 1, 1}, {5, 33, 17}, {64, 3, 16}, {65, 32, 3}, {300, 3, 5}}};

TEST(LinearGradients, OfInputWeightAndBias) {
  for (const auto& [rows, outputs, depth] : kLinearShapes) {
    SCOPED_TRACE(rows);
    const OwnedWeight w = OwnedWeight::Random({outputs, depth}, 40);
    const OwnedWeight bias = OwnedWeight::Random({outputs}, 41);
    ExpectGradients({.inputs = {RandomInput(rows, depth, 42)},
                     .weights = {&w, &bias},
                     .run =
                         [&](Exec& exec, std::span<const Matrix> x) {
                           return std::vector{Linear(exec, x[0], w.ref(), bias.ref())};
                         },
                     .formula =
                         [depth = depth](const Reals& v) {
                           return ProductOf(v[0], v[1], static_cast<size_t>(depth), v[2]);
                         },
                     .terms = std::max({rows, outputs, depth})});
  }
}

// What has no gradient still passes it on.
TEST(LinearGradients, PassThroughConstantsOfAnyType) {
  for (const DType dtype : kWeightDTypes) {
    const OwnedWeight w = OwnedWeight::Random({21, 13}, 43, dtype);
    const std::vector<double> constant = ToReals(w.values());
    ExpectGradients(
        {.inputs = {RandomInput(70, 13, 44)},
         .weights = {},
         .run = [&](Exec& exec,
                    std::span<const Matrix> x) { return std::vector{Linear(exec, x[0], w.ref())}; },
         .formula = [&](const Reals& v) { return ProductOf(v[0], constant, 13); },
         .terms = 21});
  }
}

// Products of one input, some beside each other and one apart, as of queries, keys and values; one
// weight for two inputs.
TEST(LinearGradients, ManyShareInputsAndWeights) {
  const std::array weights = {OwnedWeight::Random({40, 6}, 45), OwnedWeight::Random({3, 6}, 46),
                              OwnedWeight::Random({7, 6}, 47)};
  const OwnedWeight bias = OwnedWeight::Random({3}, 48);
  // Which input meets which weight.
  const std::vector<std::pair<size_t, size_t>> products = {{0, 0}, {0, 1}, {1, 2}, {0, 2}, {1, 1}};
  ExpectGradients({.inputs = {RandomInput(130, 6, 49), RandomInput(66, 6, 50)},
                   .weights = {&weights[0], &weights[1], &weights[2], &bias},
                   .run =
                       [&](Exec& exec, std::span<const Matrix> x) {
                         std::vector<LinearJob> jobs;
                         std::vector<Matrix> outputs;
                         for (const auto& [input, weight] : products) {
                           const WeightRef w = weights[weight].ref();
                           outputs.push_back(exec.NewMatrix(x[input].rows, w.rows()));
                           jobs.push_back({x[input], w, weight == 1 ? bias.ref() : WeightRef(),
                                           outputs.back()});
                         }
                         LinearMany(exec, jobs);
                         return outputs;
                       },
                   .formula =
                       [&](const Reals& v) {
                         std::vector<double> all;
                         for (const auto& [input, weight] : products) {
                           const std::vector<double> y = ProductOf(v[input], v[2 + weight], 6,
                                                                   weight == 1 ? v[5] : RealSpan());
                           all.insert(all.end(), y.begin(), y.end());
                         }
                         return all;
                       },
                   .terms = 200});
}

// Sums that tasks are adding to, slowly; how often two did so at once.
struct SlowSums {
  std::mutex mutex;
  std::vector<const float*> active;
  int calls = 0;
  int meetings = 0;
};
SlowSums& Sums() {
  static SlowSums sums;
  return sums;
}
void AddSlowly(const OuterMatmulArgs& args) {
  {
    const std::lock_guard lock(Sums().mutex);
    ++Sums().calls;
    for (const float* const y : Sums().active) Sums().meetings += y == args.y;
    Sums().active.push_back(args.y);
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const std::lock_guard lock(Sums().mutex);
  Sums().active.erase(std::find(Sums().active.begin(), Sums().active.end(), args.y));
}

// Products that share an input or a weight without standing side by side are no concern of threads.
TEST(LinearGradients, NoTwoThreadsAddToOneSum) {
  KernelTable slow = *AvailableKernels().back();
  for (auto& function : slow.outer_matmul) function = AddSlowly;
  const std::array weights = {OwnedWeight::Random({3, 6}, 72), OwnedWeight::Random({4, 6}, 73)};
  TapedCompute compute(4, slow);
  std::vector<float> sum(18);
  compute.tape.Train(weights[0].ref(), sum.data());
  const std::array x = {compute.NewRandomMatrix(2, 6, 74), compute.NewRandomMatrix(2, 6, 75)};
  std::vector<LinearJob> jobs;
  for (const auto& [input, weight] :
       std::vector<std::pair<size_t, size_t>>{{0, 0}, {1, 1}, {0, 1}, {1, 0}}) {
    const WeightRef w = weights[weight].ref();
    jobs.push_back({x[input], w, {}, compute.exec.NewMatrix(2, w.rows())});
  }
  LinearMany(compute.exec, jobs);
  for (const LinearJob& job : jobs) compute.AddGradient(job.y, RandomValues(job.y.size(), 76));
  ASSERT_TRUE(compute.tape.Backward().ok());
  EXPECT_EQ(Sums().calls, 6) << "four products with inputs, two with the weight that is trained";
  EXPECT_EQ(Sums().meetings, 0);
}

// Rows of one matrix through different weights into rows of another, by one call or by two.
TEST(LinearGradients, ManyOfSlices) {
  const std::array weights = {OwnedWeight::Random({4, 9}, 51), OwnedWeight::Random({4, 9}, 52),
                              OwnedWeight::Random({4, 9}, 53)};
  const std::array<int64_t, 4> begin = {0, 70, 71, 80};
  for (const size_t first_call : {3, 1, 2}) {
    ExpectGradients({.inputs = {RandomInput(80, 9, 54)},
                     .weights = {&weights[0], &weights[1], &weights[2]},
                     .run =
                         [&](Exec& exec, std::span<const Matrix> x) {
                           const Matrix y = exec.NewMatrix(80, 4);
                           std::vector<LinearJob> jobs;
                           for (size_t i = 0; i < 3; ++i) {
                             jobs.push_back({RowsOf(x[0], begin[i], begin[i + 1]),
                                             weights[i].ref(),
                                             {},
                                             RowsOf(y, begin[i], begin[i + 1])});
                           }
                           LinearMany(exec, std::span(jobs).first(first_call));
                           LinearMany(exec, std::span(jobs).subspan(first_call));
                           return std::vector{y};
                         },
                     .formula =
                         [&](const Reals& v) {
                           std::vector<double> y;
                           for (size_t i = 0; i < 3; ++i) {
                             const auto rows = RealSpan(v[0]).subspan(
                                 static_cast<size_t>(begin[i]) * 9,
                                 static_cast<size_t>(begin[i + 1] - begin[i]) * 9);
                             for (const double value : ProductOf(rows, v[1 + i], 9)) {
                               y.push_back(value);
                             }
                           }
                           return y;
                         },
                     .terms = 70});
  }
}

// Of several products only one is used.
TEST(LinearGradients, WhatIsNotUsedGivesNone) {
  const std::array weights = {OwnedWeight::Random({4, 9}, 55), OwnedWeight::Random({5, 9}, 56)};
  for (const size_t used : {0, 1}) {
    ExpectGradients({.inputs = {RandomInput(3, 9, 57), RandomInput(3, 9, 58)},
                     .weights = {&weights[0], &weights[1]},
                     .run =
                         [&](Exec& exec, std::span<const Matrix> x) {
                           const std::array jobs = {
                               LinearJob{x[0], weights[0].ref(), {}, exec.NewMatrix(3, 4)},
                               LinearJob{x[1], weights[1].ref(), {}, exec.NewMatrix(3, 5)}};
                           LinearMany(exec, jobs);
                           return std::vector{jobs[used].y};
                         },
                     .formula = [&](const Reals& v) { return ProductOf(v[used], v[2 + used], 9); },
                     .terms = 9});
  }
}

std::vector<double> GatedOf(const std::vector<double>& gate, const std::vector<double>& up,
                            Activation activation) {
  std::vector<double> y;
  for (size_t i = 0; i < gate.size(); ++i) {
    y.push_back((activation == Activation::kSilu ? SiluOf(gate[i]) : GeluTanhOf(gate[i])) * up[i]);
  }
  return y;
}

TEST(GatedLinearGradients, OfInputsWeightsAndBiases) {
  for (const Activation activation : {Activation::kSilu, Activation::kGeluTanh}) {
    for (const int64_t rows : {1, 7, 100}) {
      const std::array weights = {OwnedWeight::Random({33, 5}, 60),
                                  OwnedWeight::Random({33, 5}, 61), OwnedWeight::Random({33}, 62),
                                  OwnedWeight::Random({33}, 63)};
      ExpectGradients({.inputs = {RandomInput(rows, 5, 64, 2)},
                       .weights = {&weights[0], &weights[1], &weights[2], &weights[3]},
                       .run =
                           [&](Exec& exec, std::span<const Matrix> x) {
                             const GatedLinearJob job = {x[0],
                                                         weights[0].ref(),
                                                         weights[2].ref(),
                                                         weights[1].ref(),
                                                         weights[3].ref(),
                                                         exec.NewMatrix(rows, 33),
                                                         activation};
                             GatedLinearMany(exec, {&job, 1});
                             return std::vector{job.y};
                           },
                       .formula =
                           [&](const Reals& v) {
                             return GatedOf(ProductOf(v[0], v[1], 5, v[3]),
                                            ProductOf(v[0], v[2], 5, v[4]), activation);
                           },
                       .terms = std::max<int64_t>(rows, 66)});
    }
  }
}

// Several at once, of which not all are used.
TEST(GatedLinearGradients, OfThoseThatAreUsed) {
  const std::array weights = {OwnedWeight::Random({4, 5}, 65), OwnedWeight::Random({4, 5}, 66)};
  for (const bool both : {true, false}) {
    ExpectGradients({.inputs = {RandomInput(3, 5, 67), RandomInput(20, 5, 68)},
                     .weights = {&weights[0], &weights[1]},
                     .run =
                         [&](Exec& exec, std::span<const Matrix> x) {
                           std::vector<GatedLinearJob> jobs;
                           for (const Matrix& m : x) {
                             jobs.push_back({m,
                                             weights[0].ref(),
                                             {},
                                             weights[1].ref(),
                                             {},
                                             exec.NewMatrix(m.rows, 4),
                                             Activation::kSilu});
                           }
                           GatedLinearMany(exec, jobs);
                           return both ? std::vector{jobs[0].y, jobs[1].y} : std::vector{jobs[1].y};
                         },
                     .formula =
                         [&](const Reals& v) {
                           std::vector<double> all;
                           for (size_t i = both ? 0 : 1; i < 2; ++i) {
                             for (const double y :
                                  GatedOf(ProductOf(v[i], v[2], 5), ProductOf(v[i], v[3], 5),
                                          Activation::kSilu)) {
                               all.push_back(y);
                             }
                           }
                           return all;
                         },
                     .terms = 32});
  }
}

TEST(EmbedGradients, AddUpForRepeatedIds) {
  const OwnedWeight w = OwnedWeight::Random({6, 70}, 69);
  const std::vector<int32_t> ids = {4, 0, 4, 4, 5, 0};
  ExpectGradients(
      {.inputs = {},
       .weights = {&w},
       .run = [&](Exec& exec,
                  std::span<const Matrix>) { return std::vector{Embed(exec, ids, w.ref())}; },
       .formula =
           [&](const Reals& v) {
             std::vector<double> y;
             for (const int32_t id : ids) {
               const auto row = v[0].begin() + id * 70;
               y.insert(y.end(), row, row + 70);
             }
             return y;
           },
       .terms = 3});
}

TEST(SelectRowsGradients, AddUpForRepeatedRows) {
  for (const auto& rows : std::vector<std::vector<int32_t>>{{2, 2, 0, 3, 2}, {1}, {}}) {
    ExpectGradients({.inputs = {RandomInput(4, 70, 70)},
                     .weights = {},
                     .run =
                         [&](Exec& exec, std::span<const Matrix> x) {
                           return std::vector{SelectRows(exec, x[0], rows)};
                         },
                     .formula =
                         [&](const Reals& v) {
                           std::vector<double> y;
                           for (const int32_t row : rows) {
                             const auto from = v[0].begin() + row * 70;
                             y.insert(y.end(), from, from + 70);
                           }
                           return y;
                         },
                     .terms = 3});
  }
}

// Blocks have no product for the way back: an error that names the weight.
TEST(Linear, RefusesToRecordBlocks) {
  std::vector<std::byte> bytes(34 * 2);
  Weight weight;
  weight.name = "blk.0.ffn.weight";
  weight.dtype = DType::kQ8_0;
  weight.shape = {2, 32};
  weight.data = bytes.data();
  TapedCompute compute;
  Linear(compute.exec, compute.NewRandomMatrix(3, 32, 71), WeightRef(&weight));
  EXPECT_EQ(compute.exec.status().code(), StatusCode::kUnsupported);
  EXPECT_THAT(compute.exec.status().message(),
              testing::AllOf(testing::HasSubstr("blk.0.ffn.weight"), testing::HasSubstr("Q8_0")));
}

TEST(Exec, ReportsTheFirstFailureAndStops) {
  Compute compute(1, nullptr, 2'000'000);
  const OwnedWeight w = OwnedWeight::Random({4, 4}, 8);
  const Matrix x = compute.NewRandomMatrix(2, 4, 9);
  EXPECT_EQ(compute.exec.NewMatrix(1000, 1000).data, nullptr);
  EXPECT_EQ(compute.exec.status().code(), StatusCode::kResourceExhausted);
  const Matrix y = Linear(compute.exec, x, w.ref());
  EXPECT_EQ(y.data, nullptr);
  EXPECT_EQ(SelectRows(compute.exec, y, {}).data, nullptr);
  compute.exec.Fail(InvalidArgument("later"));
  EXPECT_EQ(compute.exec.status().code(), StatusCode::kResourceExhausted);
}

TEST(ExecScope, ItsMemoryIsUsedAgain) {
  Compute compute;
  const float* first = nullptr;
  {
    const Exec::Scope scope(compute.exec);
    first = compute.exec.NewMatrix(10, 10).data;
  }
  EXPECT_EQ(compute.exec.NewMatrix(10, 10).data, first);
}

}  // namespace
}  // namespace moiety
