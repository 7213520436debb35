#include "ops/training_noise.h"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/random_field.h"
#include "support/bits.h"
#include "support/compute.h"
#include "support/gradient_check.h"
#include "support/taped_compute.h"

namespace moiety {
namespace {

constexpr int64_t kLayer = 3;
constexpr int64_t kCols = 7;
constexpr TrainingNoise kNoise = {
    .seed = 5, .step = 8, .first_sequence = 2, .router_jitter = 0.25F, .expert_dropout = 0.4F};

// The numbers of its uses, which other draws of routers must not have.
constexpr uint32_t kJitterUse = 101;
constexpr uint32_t kDropoutUse = 102;

// Two sequences, of which the second is continued.
const std::vector<int32_t> kIds(9);
Batch TestBatch() {
  Batch batch;
  batch.ids = kIds;
  batch.segments = {{.begin = 0, .count = 4, .position = 0, .sequence = 0, .pages = {}},
                    {.begin = 4, .count = 5, .position = 10, .sequence = 1, .pages = {}}};
  return batch;
}

// Where a row of that batch is: sequence and position.
std::array<int64_t, 2> PlaceOf(size_t row) {
  if (row < 4) return {2, static_cast<int64_t>(row)};
  return {3, static_cast<int64_t>(row) + 6};
}

double JitterOf(size_t row, size_t column) {
  const auto [sequence, position] = PlaceOf(row);
  const double u = RandomField(5, 8, kJitterUse, kLayer)
                       .Uniform(sequence, position, static_cast<int64_t>(column));
  return static_cast<double>(static_cast<float>(0.75 + 0.5 * u));
}

// Rows of tokens as experts have them: some twice, one not at all.
const std::vector<int32_t> kTokens = {1, 4, 8, 0, 1, 2, 3, 6, 7, 1, 4};
const std::vector<int64_t> kCopies = {0, 0, 0, 0, 1, 0, 0, 0, 0, 2, 1};

double DropoutOf(size_t row, size_t column) {
  const auto [sequence, position] = PlaceOf(static_cast<size_t>(kTokens[row]));
  const double u =
      RandomField(5, 8, kDropoutUse, kLayer)
          .Uniform(sequence, position, kCopies[row] * kCols + static_cast<int64_t>(column));
  return u < static_cast<double>(0.4F) ? 0 : 1 / (1 - static_cast<double>(0.4F));
}

std::vector<double> Multiplied(const std::vector<double>& x, double (*factor)(size_t, size_t)) {
  std::vector<double> y;
  for (size_t i = 0; i < x.size(); ++i) y.push_back(x[i] * factor(i / kCols, i % kCols));
  return y;
}

TEST(RouterJitter, MultipliesByItsDraws) {
  const Batch batch = TestBatch();
  ExpectGradients({.inputs = {RandomInput(9, kCols, 1)},
                   .weights = {},
                   .run =
                       [&](Exec& exec, std::span<const Matrix> x) {
                         if (exec.tape() != nullptr) exec.tape()->set_noise(kNoise);
                         return std::vector{RouterJitter(exec, x[0], batch, kLayer)};
                       },
                   .formula = [](const Reals& v) { return Multiplied(v[0], JitterOf); },
                   .terms = 1,
                   .trains_otherwise = true});
}

TEST(ExpertDropout, MultipliesByItsDraws) {
  const Batch batch = TestBatch();
  ExpectGradients({.inputs = {RandomInput(11, kCols, 2)},
                   .weights = {},
                   .run =
                       [&](Exec& exec, std::span<const Matrix> x) {
                         if (exec.tape() != nullptr) exec.tape()->set_noise(kNoise);
                         return std::vector{ExpertDropout(exec, x[0], kTokens, batch, kLayer)};
                       },
                   .formula = [](const Reals& v) { return Multiplied(v[0], DropoutOf); },
                   .terms = 1,
                   .trains_otherwise = true});
}

TEST(ExpertDropout, DropsItsShareAndKeepsTheMean) {
  TapedCompute compute;
  compute.tape.set_noise(kNoise);
  const std::vector<int32_t> ids(200);
  Batch batch;
  batch.ids = ids;
  std::vector<int32_t> tokens(200);
  for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<int32_t>(i);
  const Matrix x = compute.NewMatrix(200, 100, std::vector<float>(20000, 1.0F));
  const Matrix y = ExpertDropout(compute.exec, x, tokens, batch, 0);
  double zeros = 0;
  double sum = 0;
  for (const float value : Values(y)) {
    zeros += value == 0 ? 1 : 0;
    sum += static_cast<double>(value);
  }
  // Five standard deviations.
  EXPECT_NEAR(zeros, 0.4 * 20000, 5 * 70);
  EXPECT_NEAR(sum, 20000, 5 * 70 / 0.6);
}

TEST(TrainingNoise, IsNoneWithoutATapeOrAShare) {
  const Batch batch = TestBatch();
  Compute plain;
  const Matrix x = plain.NewRandomMatrix(9, kCols, 3);
  EXPECT_EQ(RouterJitter(plain.exec, x, batch, 0).data, x.data);
  EXPECT_EQ(ExpertDropout(plain.exec, x, kTokens, batch, 0).data, x.data);
  TapedCompute taped;
  const Matrix y = taped.NewRandomMatrix(9, kCols, 3);
  EXPECT_EQ(RouterJitter(taped.exec, y, batch, 0).data, y.data);
  EXPECT_EQ(ExpertDropout(taped.exec, y, kTokens, batch, 0).data, y.data);
}

TEST(TrainingNoise, OfNoRows) {
  TapedCompute compute;
  compute.tape.set_noise(kNoise);
  EXPECT_EQ(RouterJitter(compute.exec, compute.exec.NewMatrix(0, 4), {}, 0).rows, 0);
  EXPECT_EQ(ExpertDropout(compute.exec, compute.exec.NewMatrix(0, 4), {}, {}, 0).rows, 0);
  EXPECT_TRUE(compute.tape.Backward().ok());
}

// A batch in two micro-batches: the second begins with sequence 1.
TEST(TrainingNoise, IsTheSameForAnyCutOfTheBatch) {
  const std::vector<float> rows = RandomValues(9 * kCols, 4);
  TapedCompute whole;
  whole.tape.set_noise(kNoise);
  const Matrix x = whole.NewMatrix(9, kCols, rows);
  const Matrix jittered = RouterJitter(whole.exec, x, TestBatch(), kLayer);
  const std::vector<int32_t> tokens = {0, 1, 2, 3, 4, 5, 6, 7, 8};
  const Matrix dropped = ExpertDropout(whole.exec, x, tokens, TestBatch(), kLayer);
  EXPECT_FALSE(SameBits(Values(jittered), rows));

  TapedCompute part(3);
  TrainingNoise noise = kNoise;
  noise.first_sequence = 3;
  part.tape.set_noise(noise);
  const std::vector<int32_t> ids(5);
  Batch batch;
  batch.ids = ids;
  batch.segments = {{.begin = 0, .count = 5, .position = 10, .sequence = 0, .pages = {}}};
  const Matrix second = part.NewMatrix(5, kCols, {rows.begin() + 4 * kCols, rows.end()});
  EXPECT_TRUE(SameBits(Values(RouterJitter(part.exec, second, batch, kLayer)),
                       Values({jittered.Row(4), 5, kCols})));
  EXPECT_TRUE(
      SameBits(Values(ExpertDropout(part.exec, second, std::span(tokens).first(5), batch, kLayer)),
               Values({dropped.Row(4), 5, kCols})));
  // Another layer, another step: other numbers.
  EXPECT_FALSE(
      SameBits(Values(RouterJitter(whole.exec, x, TestBatch(), kLayer + 1)), Values(jittered)));
  noise = kNoise;
  noise.step = 9;
  whole.tape.set_noise(noise);
  EXPECT_FALSE(
      SameBits(Values(RouterJitter(whole.exec, x, TestBatch(), kLayer)), Values(jittered)));
}

}  // namespace
}  // namespace moiety
