#include "support/gradient_check.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/kernels.h"
#include "support/bits.h"
#include "support/taped_compute.h"

namespace moiety {
namespace {

// Elements of a variable whose difference is taken, fewer where the formula has many values; more
// than that are sampled.
constexpr size_t kMaxDifferences = 150;
constexpr size_t kMaxFormulaValues = 200000;
// Of a step of a difference: its error is about f''' h² / 6 ≈ 4e-11 and 2^-53 |f| / h ≈ 1e-11, far
// below what f32 can show.
constexpr double kStep = 0x1p-16;

struct GradientRun {
  std::vector<std::vector<float>> outputs;
  std::vector<std::vector<float>> gradients;  // of each input, then of each weight
};

std::vector<float> LossWeights(size_t output, int64_t size) {
  return RandomValues(size, 7000 + output);
}

// Gradients begin as `start`.
GradientRun RunCase(const GradientCase& c, TapedCompute& compute,
                    std::vector<std::vector<float>> start) {
  GradientRun run;
  run.gradients = std::move(start);
  std::vector<Matrix> inputs;
  for (const GradientInput& input : c.inputs) {
    inputs.push_back(compute.NewMatrix(input.rows, input.cols, input.values));
  }
  const bool record = compute.exec.tape() != nullptr;
  Tape& tape = compute.tape;
  for (size_t i = 0; record && i < inputs.size(); ++i) {
    compute.AddGradient(inputs[i], run.gradients[i]);
  }
  for (size_t i = 0; record && i < c.weights.size(); ++i) {
    tape.Train(c.weights[i]->ref(), run.gradients[inputs.size() + i].data());
  }
  const Tape::Mark mark = tape.mark();
  const std::vector<Matrix> outputs = c.run(compute.exec, inputs);
  EXPECT_TRUE(compute.exec.ok()) << compute.exec.status().message();
  for (const Matrix& y : outputs) run.outputs.push_back(Copy(y));
  if (!record) return run;
  for (size_t i = 0; i < inputs.size(); ++i) {
    EXPECT_TRUE(SameBits(Values(inputs[i]), c.inputs[i].values))
        << "the way back may read input " << i;
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    compute.AddGradient(outputs[i], LossWeights(i, outputs[i].size()));
  }
  tape.BackwardTo(mark);
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].size() > 0) run.gradients[i] = Copy(tape.Gradient(inputs[i]));
  }
  const Status status = tape.Backward();
  EXPECT_TRUE(status.ok()) << status.message();
  return run;
}

void ExpectSameRun(const GradientRun& a, const GradientRun& b) {
  ASSERT_EQ(a.outputs.size(), b.outputs.size());
  for (size_t i = 0; i < a.outputs.size(); ++i) {
    EXPECT_TRUE(SameBits(a.outputs[i], b.outputs[i])) << "output " << i;
  }
  for (size_t i = 0; i < a.gradients.size(); ++i) {
    EXPECT_TRUE(SameBits(a.gradients[i], b.gradients[i])) << "variable " << i;
  }
}

double Max(std::span<const float> values) {
  double max = 0;
  for (const float value : values) max = std::max(max, std::abs(static_cast<double>(value)));
  return max;
}

// An element is a sum of at most `terms` products, to which the functions on the way add some more
// roundings (16 are allowed for): each rounds by 2^-24 of the sum of the terms' magnitudes. That
// sum is at most √terms times the norm of the terms, and with random values of both signs the
// largest element of a variable's gradient is not below that norm.
double Tolerance(const GradientCase& c, std::span<const float> values) {
  return std::pow(static_cast<double>(c.terms) + 16, 1.5) * 0x1p-24 * Max(values);
}

void ExpectDifferences(const GradientCase& c, const GradientRun& run, Reals variables) {
  std::vector<float> weights;
  for (size_t i = 0; i < run.outputs.size(); ++i) {
    const auto more = LossWeights(i, static_cast<int64_t>(run.outputs[i].size()));
    weights.insert(weights.end(), more.begin(), more.end());
  }
  if (run.outputs.empty()) weights = {1};
  const auto loss = [&] {
    const std::vector<double> y = c.formula(variables);
    EXPECT_EQ(y.size(), weights.size());
    double sum = 0;
    for (size_t i = 0; i < y.size(); ++i) sum += static_cast<double>(weights.at(i)) * y[i];
    return sum;
  };
  for (size_t v = 0; v < variables.size(); ++v) {
    std::vector<double>& values = variables[v];
    const double tolerance = Tolerance(c, run.gradients[v]);
    const size_t count =
        std::min({values.size(), kMaxDifferences, 2 + kMaxFormulaValues / (weights.size() + 1)});
    for (size_t i = 0; i < count; ++i) {
      // The first and the last, and between them not always the same column.
      const size_t k = count == 1 ? 0 : i * (values.size() - 1) / (count - 1);
      const double value = values[k];
      values[k] = value + kStep;
      const double above = loss();
      values[k] = value - kStep;
      const double below = loss();
      values[k] = value;
      ASSERT_NEAR(static_cast<double>(run.gradients[v][k]), (above - below) / (2 * kStep),
                  tolerance + 1e-9)
          << "variable " << v << ", element " << k;
    }
  }
}

}  // namespace

void ExpectGradients(const GradientCase& c) {
  Reals variables;
  std::vector<std::vector<float>> zeros;
  for (const GradientInput& input : c.inputs) variables.push_back(ToReals(input.values));
  for (const OwnedWeight* weight : c.weights) variables.push_back(ToReals(weight->values()));
  for (const auto& values : variables) zeros.emplace_back(values.size(), 0.0F);

  TapedCompute compute;
  const GradientRun run = RunCase(c, compute, zeros);
  ExpectDifferences(c, run, variables);

  const std::vector<double> y = c.formula(variables);
  size_t at = 0;
  for (const auto& output : run.outputs) {
    for (const float value : output) {
      ASSERT_NEAR(static_cast<double>(value), y[at++], Tolerance(c, output));
    }
  }
  // The same pass again, on the same tape: twice the gradients.
  const GradientRun twice = RunCase(c, compute, run.gradients);
  for (size_t v = 0; v < variables.size(); ++v) {
    for (size_t k = 0; k < variables[v].size(); ++k) {
      ASSERT_NEAR(static_cast<double>(twice.gradients[v][k]),
                  2 * static_cast<double>(run.gradients[v][k]), 2 * Tolerance(c, run.gradients[v]))
          << "variable " << v << ", element " << k;
    }
  }
  if (!c.trains_otherwise) {
    TapedCompute plain(1, *AvailableKernels().back(), false);
    const GradientRun forward = RunCase(c, plain, {});
    ExpectSameRun(forward, {run.outputs, {}});
  }
  for (const int threads : {2, 3, 5}) {
    TapedCompute other(threads);
    SCOPED_TRACE(threads);
    ExpectSameRun(run, RunCase(c, other, zeros));
  }
  for (const KernelTable* kernels : AvailableKernels()) {
    TapedCompute other(1, *kernels);
    SCOPED_TRACE(kernels->isa);
    ExpectSameRun(run, RunCase(c, other, zeros));
  }
}

std::vector<double> ProductOf(RealSpan x, RealSpan w, size_t depth, RealSpan bias) {
  std::vector<double> y;
  for (size_t row = 0; row < x.size(); row += depth) {
    for (size_t output = 0; output * depth < w.size(); ++output) {
      double sum = bias.empty() ? 0 : bias[output];
      for (size_t k = 0; k < depth; ++k) sum += x[row + k] * w[output * depth + k];
      y.push_back(sum);
    }
  }
  return y;
}

double SigmoidOf(double x) { return 1 / (1 + std::exp(-x)); }
double SiluOf(double x) { return x * SigmoidOf(x); }
double GeluTanhOf(double x) {
  return x / 2 * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
}

std::vector<double> SoftmaxOf(RealSpan row) {
  std::vector<double> p;
  double sum = 0;
  for (const double x : row) sum += p.emplace_back(std::exp(x));
  for (double& value : p) value /= sum;
  return p;
}

std::vector<double> FeedForwardOf(RealSpan x, size_t d_model, const Reals& v, size_t first,
                                  bool bias, Activation activation) {
  const auto bias_at = [&](size_t i) { return bias ? RealSpan(v[first + i]) : RealSpan(); };
  std::vector<double> hidden = ProductOf(x, v[first], d_model, bias_at(3));
  const std::vector<double> up = ProductOf(x, v[first + 1], d_model, bias_at(4));
  for (size_t i = 0; i < hidden.size(); ++i) {
    const double g = hidden[i];
    hidden[i] = (activation == Activation::kSilu ? SiluOf(g) : GeluTanhOf(g)) * up[i];
  }
  return ProductOf(hidden, v[first + 2], v[first].size() / d_model, bias_at(5));
}

}  // namespace moiety
