// ExpectGradients: the way back of an operation against differences of its formula.
#ifndef MOIETY_TESTS_SUPPORT_GRADIENT_CHECK_H_
#define MOIETY_TESTS_SUPPORT_GRADIENT_CHECK_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "ops/exec.h"
#include "ops/linear.h"
#include "support/owned_weight.h"
#include "support/random_values.h"
#include "tensor/matrix.h"

namespace moiety {

struct GradientInput {
  int64_t rows;
  int64_t cols;
  std::vector<float> values;
};
inline GradientInput RandomInput(int64_t rows, int64_t cols, uint64_t seed, double scale = 1) {
  return {rows, cols, RandomValues(rows * cols, seed, scale)};
}

// The elements of each input, then of each weight.
using Reals = std::vector<std::vector<double>>;

struct GradientCase {
  std::vector<GradientInput> inputs;
  std::vector<const OwnedWeight*> weights;  // those whose gradient is asked for
  // Runs the operation. Returns its outputs, or nothing if it is a loss: then it has added its
  // gradient itself.
  std::function<std::vector<Matrix>(Exec& exec, std::span<const Matrix> inputs)> run;
  // The same in double: the elements of all outputs, or the loss.
  std::function<std::vector<double>(const Reals& variables)> formula;
  // Terms of the longest sum that a value or an element of a gradient is.
  int64_t terms = 1;
  // Whether the operation does something else without a tape.
  bool trains_otherwise = false;
};

// With the loss Σ c · y for random c (or that of the operation itself), in each variable:
//   - gradients are the central differences of the formula, and are added to what is there;
//   - outputs have the bits that they have without a tape (unless trains_otherwise), and are those
//   of
//     the formula;
//   - outputs and gradients have the same bits for any number of threads and with any kernels.
void ExpectGradients(const GradientCase& c);

// What formulas are made of.
using RealSpan = std::span<const double>;

// x · wᵀ + bias.  x [rows, depth], w [outputs, depth], bias [outputs] or empty → [rows, outputs]
std::vector<double> ProductOf(RealSpan x, RealSpan w, size_t depth, RealSpan bias = {});
double SigmoidOf(double x);
double SiluOf(double x);
double GeluTanhOf(double x);
std::vector<double> SoftmaxOf(RealSpan row);
// What a feed-forward network makes of rows x [rows, d_model]; its weights are v[first] and those
// behind it in the order of TestExpert::weights().
std::vector<double> FeedForwardOf(RealSpan x, size_t d_model, const Reals& v, size_t first,
                                  bool bias, Activation activation = Activation::kSilu);
inline std::vector<double> ToReals(const std::vector<float>& values) {
  return {values.begin(), values.end()};
}

}  // namespace moiety

#endif  // MOIETY_TESTS_SUPPORT_GRADIENT_CHECK_H_
