#include "train/parameters.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/parallel.h"
#include "ops/linear.h"
#include "support/taped_compute.h"

namespace moiety {
namespace {

using testing::ElementsAre;
using testing::FieldsAre;

// A store of random weights: an embedding that is the head too, a gain, a matrix.
class ParametersTest : public testing::Test {
 protected:
  explicit ParametersTest() {
    const auto declare = [&](WeightKind kind, const std::string& name, const Shape& shape) {
      weights_.push_back(*store_.Declare({kind, -1, 0}, name, shape));
    };
    declare(WeightKind::kEmbedding, "tied", {5, 3});
    declare(WeightKind::kNorm, "a.gain", {3});
    declare(WeightKind::kHead, "tied", {5, 3});
    declare(WeightKind::kFeedForward, "matrix", {2, 3});
    EXPECT_TRUE(store_.Load().ok());
  }
  ThreadPool pool_{1};
  MemoryBudget budget_;
  WeightStore store_{RandomWeights{DType::kF32, 1}, "random", budget_, pool_};
  std::vector<WeightRef> weights_;
};

TEST_F(ParametersTest, EachTensorOnceAsDeclared) {
  Parameters parameters = *Parameters::Of(store_, budget_);
  std::vector<std::pair<std::string, WeightKind>> found;
  for (const Parameter& p : parameters.all()) found.emplace_back(p.name, p.kind);
  EXPECT_THAT(found, ElementsAre(FieldsAre("tied", WeightKind::kEmbedding),
                                 FieldsAre("a.gain", WeightKind::kNorm),
                                 FieldsAre("matrix", WeightKind::kFeedForward)));
  EXPECT_EQ(parameters.num_values(), 15U + 3 + 6);
  EXPECT_EQ(parameters.all()[2].shape, (Shape{2, 3}));
  // Values are those of the store, gradients zeros side by side.
  EXPECT_EQ(parameters.all()[0].values.data(), store_.Values(weights_[2]).data());
  const std::span<float> gradients = parameters.gradients();
  ASSERT_EQ(gradients.size(), 24U);
  EXPECT_EQ(std::count(gradients.begin(), gradients.end(), 0.0F), 24);
  const float* next = gradients.data();
  for (const Parameter& p : parameters.all()) {
    EXPECT_EQ(p.gradient.data(), next) << p.name;
    EXPECT_EQ(p.gradient.size(), p.values.size()) << p.name;
    next += p.gradient.size();
  }
}

TEST_F(ParametersTest, TapesAddToThem) {
  Parameters made = *Parameters::Of(store_, budget_);
  const Parameters parameters = std::move(made);  // spans stay
  TapedCompute compute;
  parameters.Train(compute.tape);
  for (size_t i = 0; i < weights_.size(); ++i) {
    const size_t parameter = i == 3 ? 2 : i == 1 ? 1 : 0;
    EXPECT_EQ(compute.tape.Gradient(weights_[i]), parameters.all()[parameter].gradient.data());
  }
  // Both uses of a tied weight: a row for its id, all rows for the product.
  const Matrix x = Embed(compute.exec, std::vector<int32_t>{4}, weights_[0]);
  const Matrix y = Linear(compute.exec, x, weights_[2]);
  compute.AddGradient(y, {1, 0, 0, 0, 0});
  ASSERT_TRUE(compute.tape.Backward().ok());
  const Parameter& tied = parameters.all()[0];
  for (size_t k = 0; k < 3; ++k) {
    EXPECT_EQ(tied.gradient[k], tied.values[12 + k]);  // d y[0] / d row 0 = x
    EXPECT_EQ(tied.gradient[12 + k], tied.values[k]);  // d y[0] / d x = row 0
    EXPECT_EQ(tied.gradient[3 + k], 0);
  }
}

TEST_F(ParametersTest, CountInTheBudget) {
  const uint64_t before = budget_.used_bytes();
  {
    const Parameters parameters = *Parameters::Of(store_, budget_);
    EXPECT_EQ(budget_.used_bytes() - before, 24 * sizeof(float));
  }
  EXPECT_EQ(budget_.used_bytes(), before);
  MemoryBudget small(95);
  EXPECT_EQ(Parameters::Of(store_, small).status().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(small.used_bytes(), 0U);
}

}  // namespace
}  // namespace moiety
