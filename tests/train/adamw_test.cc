#include "train/adamw.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "support/random_values.h"

namespace moiety {
namespace {

using testing::ElementsAre;

constexpr double kRate = 3e-3;

struct Tensors {
  Tensors() {
    const std::vector<int64_t> sizes = {40000, 5, 16384, 1};
    for (size_t i = 0; i < sizes.size(); ++i) {
      values.push_back(RandomValues(sizes[i], 10 + i));
      gradients.emplace_back(values[i].size());
      starts.push_back(values[i]);
    }
    NewGradients(1);
    for (size_t i = 0; i < sizes.size(); ++i) {
      tensors.push_back({"t" + std::to_string(i), values[i], gradients[i], i % 2 == 0});
    }
  }
  void NewGradients(uint64_t step) {
    for (size_t i = 0; i < gradients.size(); ++i) {
      const auto size = static_cast<int64_t>(gradients[i].size());
      const auto fresh = RandomValues(size, 100 * step + i, i == 2 ? 1e-6 : 0.1);
      std::copy(fresh.begin(), fresh.end(), gradients[i].begin());  // where the optimizer reads
    }
  }
  std::vector<std::vector<float>> values, gradients, starts;
  std::vector<OptimizedTensor> tensors;
};

std::unique_ptr<Optimizer> Make(const Tensors& tensors, const AdamWOptions& options,
                                MemoryBudget& budget) {
  auto optimizer = MakeAdamW(tensors.tensors, options, budget);
  EXPECT_TRUE(optimizer.ok());
  return *std::move(optimizer);
}

// torch.optim.AdamW in double, one value after the other.
TEST(AdamW, AgreesWithTheEquations) {
  for (const double beta1 : {0.9, 0.0}) {
    Tensors tensors;
    MemoryBudget budget;
    AdamWOptions options;
    options.beta1 = beta1;
    const auto optimizer = Make(tensors, options, budget);
    ThreadPool pool(2);
    std::vector<std::vector<double>> p, m, v;
    for (const auto& start : tensors.starts) {
      p.emplace_back(start.begin(), start.end());
      m.emplace_back(start.size());
      v.emplace_back(start.size());
    }
    constexpr double kScale = 0.25;
    for (int64_t step = 1; step <= 20; ++step) {
      tensors.NewGradients(static_cast<uint64_t>(step));
      optimizer->Step(pool, step, kRate, static_cast<float>(kScale));
      const auto t = static_cast<double>(step);
      for (size_t i = 0; i < p.size(); ++i) {
        for (size_t k = 0; k < p[i].size(); ++k) {
          const double g = kScale * static_cast<double>(tensors.gradients[i][k]);
          if (tensors.tensors[i].decays) p[i][k] *= 1 - kRate * options.weight_decay;
          m[i][k] = options.beta1 * m[i][k] + (1 - options.beta1) * g;
          v[i][k] = options.beta2 * v[i][k] + (1 - options.beta2) * g * g;
          const double m_hat = m[i][k] / (1 - std::pow(options.beta1, t));
          const double v_hat = v[i][k] / (1 - std::pow(options.beta2, t));
          p[i][k] -= kRate * m_hat / (std::sqrt(v_hat) + options.eps);
        }
      }
    }
    double worst = 0;
    for (size_t i = 0; i < p.size(); ++i) {
      for (size_t k = 0; k < p[i].size(); ++k) {
        worst = std::max(worst, std::abs(p[i][k] - static_cast<double>(tensors.values[i][k])));
      }
    }
    // A rounding of p per step: 20 · 2^-25 for values below 1.
    EXPECT_LT(worst, 1.5e-6);
    EXPECT_NE(tensors.values, tensors.starts);
  }
}

TEST(AdamW, DecaysWhatIsSaidTo) {
  Tensors tensors;
  for (auto& gradient : tensors.gradients) std::fill(gradient.begin(), gradient.end(), 0.0F);
  MemoryBudget budget;
  const auto optimizer = Make(tensors, {}, budget);
  ThreadPool pool(1);
  optimizer->Step(pool, 1, 0.5, 1);
  EXPECT_FLOAT_EQ(tensors.values[0][0], 0.95F * tensors.starts[0][0]);
  EXPECT_EQ(tensors.values[1], tensors.starts[1]);
}

TEST(AdamW, HasTheSameBitsForAnyNumberOfThreads) {
  std::vector<std::vector<float>> expected;
  for (const int threads : {1, 2, 3}) {
    Tensors tensors;
    MemoryBudget budget;
    const auto optimizer = Make(tensors, {}, budget);
    ThreadPool pool(threads);
    for (int64_t step = 1; step <= 5; ++step) {
      tensors.NewGradients(static_cast<uint64_t>(step));
      optimizer->Step(pool, step, kRate, 1);
    }
    if (threads == 1) {
      expected = tensors.values;
    } else {
      EXPECT_EQ(tensors.values, expected);
    }
  }
}

// What a checkpoint holds is all there is: another optimizer goes on from it with the same bits.
TEST(AdamW, GoesOnFromItsState) {
  Tensors tensors;
  MemoryBudget budget;
  const auto whole = Make(tensors, {}, budget);
  ThreadPool pool(2);
  for (int64_t step = 1; step <= 3; ++step) {
    tensors.NewGradients(static_cast<uint64_t>(step));
    whole->Step(pool, step, kRate, 1);
  }
  Tensors copies;
  copies.values = tensors.values;
  for (size_t i = 0; i < copies.values.size(); ++i) copies.tensors[i].values = copies.values[i];
  const auto resumed = Make(copies, {}, budget);
  const auto from = whole->State();
  const auto to = resumed->State();
  ASSERT_EQ(from.size(), to.size());
  for (size_t i = 0; i < from.size(); ++i) {
    EXPECT_EQ(from[i].name, to[i].name);
    std::copy(from[i].values.begin(), from[i].values.end(), to[i].values.begin());
  }
  tensors.NewGradients(4);
  copies.NewGradients(4);
  whole->Step(pool, 4, kRate, 1);
  resumed->Step(pool, 4, kRate, 1);
  EXPECT_EQ(copies.values, tensors.values);
}

TEST(AdamW, NamesItsState) {
  Tensors tensors;
  MemoryBudget budget;
  const auto optimizer = Make(tensors, {}, budget);
  std::vector<std::string> names;
  size_t bytes = 0;
  for (const OptimizerState& state : optimizer->State()) {
    names.push_back(state.name);
    bytes += state.values.size_bytes();
    for (const float value : state.values) ASSERT_EQ(value, 0);
  }
  EXPECT_THAT(names, ElementsAre("exp_avg.t0", "exp_avg_sq.t0", "exp_avg.t1", "exp_avg_sq.t1",
                                 "exp_avg.t2", "exp_avg_sq.t2", "exp_avg.t3", "exp_avg_sq.t3"));
  EXPECT_EQ(bytes, optimizer->state_bytes());
  EXPECT_EQ(bytes, budget.used_bytes());
}

TEST(AdamW, AsksTheBudget) {
  const Tensors tensors;
  MemoryBudget budget(1000);
  EXPECT_EQ(MakeAdamW(tensors.tensors, {}, budget).status().code(), StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace moiety
