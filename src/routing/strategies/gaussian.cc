// "gaussian": local experts, each responsible for where its Gaussian is: a token goes to those that
// most likely made it.
//
//   log p(e | x) ∝ log α_e + (log N(x; μ_e, v_e I)) / d
//              =   log α_e - ½ log v_e - |x - μ_e|² / (2 d v_e) + constant
//   p = softmax over e, S = the k largest, weight_e = p_e / Σ_{S} p   or   p_e
//
// Xu, Jordan, Hinton 1995, "An alternative model for mixtures of experts", equations 7 and 8, with
// spherical covariances; the log density is divided by the width d, so that a gate of any width
// begins as undecided as others.
#include <vector>

#include "base/exact_math.h"
#include "ops/linear.h"
#include "ops/softmax.h"
#include "quant/row_codec.h"
#include "routing/choices.h"
#include "routing/strategies/strategies.h"

namespace moiety {
namespace {

double SquaredNorm(const float* values, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    sum += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  }
  return sum;
}

// The exponents above, from the products x · μᵀ [num_tokens, num_experts].
class GaussianLogits {
 public:
  GaussianLogits(Exec& exec, const Matrix& products, const RouterInput& input)
      : x_(input.x),
        products_(products),
        means_(input.weights[0]),
        log_variance_(input.weights[1]),
        log_prior_(input.weights[2]),
        norms_(static_cast<size_t>(products.rows)),
        mean_norms_(static_cast<size_t>(products.cols)) {
    for (int64_t e = 0; e < products.cols; ++e) {
      scales_.push_back(ExactExp(-static_cast<double>(log_variance_.f32()[e])) /
                        static_cast<double>(x_.cols));
    }
    exec.pool().ParallelFor(products.rows, [&](int64_t t) {
      norms_[static_cast<size_t>(t)] = SquaredNorm(x_.Row(t), x_.cols);
    });
    exec.pool().ParallelFor(products.cols, [&](int64_t e) {
      mean_norms_[static_cast<size_t>(e)] = SquaredNorm(Mean(e).data(), x_.cols);
    });
  }

  Matrix Compute(Exec& exec) const {
    const Matrix y = exec.NewMatrix(products_.rows, products_.cols);
    if (!exec.ok()) return {};
    exec.pool().ParallelFor(y.rows, [&](int64_t t) {
      for (int64_t e = 0; e < y.cols; ++e) {
        const auto log_variance = static_cast<double>(log_variance_.f32()[e]);
        y.Row(t)[e] = static_cast<float>(static_cast<double>(log_prior_.f32()[e]) -
                                         log_variance / 2 - Exponent(t, e));
      }
    });
    exec.Record(products_, y, [self = *this, &exec](const Matrix& dy, const Matrix& dproducts) {
      self.Back(exec, dy, dproducts);
    });
    return y;
  }

 private:
  // μ_e, in whatever type the weight is.
  std::vector<float> Mean(int64_t e) const {
    std::vector<float> mean(static_cast<size_t>(x_.cols));
    DecodeRowOf(*means_.operator->(), e, mean.data());
    return mean;
  }

  // |x - μ_e|² / (2 d v_e)
  double Exponent(int64_t t, int64_t e) const {
    const double squares = norms_[static_cast<size_t>(t)] + mean_norms_[static_cast<size_t>(e)] -
                           2 * static_cast<double>(products_.Row(t)[e]);
    return squares * scales_[static_cast<size_t>(e)] / 2;
  }

  void Back(Exec& exec, const Matrix& dy, const Matrix& dproducts) const {
    Tape& tape = *exec.tape();
    const Matrix dx = tape.Gradient(x_);
    if (dx.data == nullptr) return;
    float* const dmeans = tape.Gradient(means_);
    float* const dlog_variance = tape.Gradient(log_variance_);
    float* const dlog_prior = tape.Gradient(log_prior_);
    exec.pool().ParallelFor(dy.rows, [&](int64_t t) {
      double sum = 0;
      for (int64_t e = 0; e < dy.cols; ++e) {
        const double d = static_cast<double>(dy.Row(t)[e]) * scales_[static_cast<size_t>(e)];
        dproducts.Row(t)[e] += static_cast<float>(d);
        sum += d;
      }
      for (int64_t k = 0; k < x_.cols; ++k) dx.Row(t)[k] -= static_cast<float>(sum) * x_.Row(t)[k];
    });
    exec.pool().ParallelFor(dy.cols, [&](int64_t e) {
      double sum = 0;
      double variance = 0;
      for (int64_t t = 0; t < dy.rows; ++t) {
        const auto d = static_cast<double>(dy.Row(t)[e]);
        sum += d;
        variance += d * (Exponent(t, e) - 0.5);
      }
      if (dlog_prior != nullptr) dlog_prior[e] += static_cast<float>(sum);
      if (dlog_variance != nullptr) dlog_variance[e] += static_cast<float>(variance);
      if (dmeans == nullptr) return;
      const auto factor = static_cast<float>(sum * scales_[static_cast<size_t>(e)]);
      const std::vector<float> mean = Mean(e);
      for (size_t k = 0; k < mean.size(); ++k) {
        dmeans[e * x_.cols + static_cast<int64_t>(k)] -= factor * mean[k];
      }
    });
  }

  Matrix x_;
  Matrix products_;
  WeightRef means_, log_variance_, log_prior_;
  std::vector<double> scales_;      // [num_experts] 1 / (d v_e)
  std::vector<double> norms_;       // [num_tokens] |x|²
  std::vector<double> mean_norms_;  // [num_experts] |μ_e|²
};

class GaussianRouter : public Router {
 public:
  GaussianRouter(const RouterOptions& options, int64_t d_model)
      : options_(options), d_model_(d_model) {}
  int64_t gate_rows() const override { return 0; }
  std::vector<RouterWeight> weights() const override {
    return {{"means.weight", {options_.num_experts, d_model_}},
            {"log_variance", {options_.num_experts}},
            {"log_prior", {options_.num_experts}}};
  }

  void Route(Exec& exec, const RouterInput& input, RouterOutput& out) const override {
    out.Reset(input, options_.num_experts);
    const Matrix products = Linear(exec, input.x, input.weights[0]);
    if (!exec.ok()) return;
    out.logits = GaussianLogits(exec, products, input).Compute(exec);
    out.scores = Softmax(exec, out.logits);
    if (!exec.ok()) return;
    ChooseTop(out.logits, options_.top_k, out);
    WeighChoices(exec, input, options_, out);
  }

 private:
  RouterOptions options_;
  int64_t d_model_;
};

}  // namespace

Result<std::unique_ptr<const Router>> MakeGaussianRouter(const RouterOptions& options,
                                                         int64_t d_model) {
  MOIETY_RETURN_IF_ERROR(CheckTopK("gaussian", options));
  return std::unique_ptr<const Router>(std::make_unique<GaussianRouter>(options, d_model));
}

}  // namespace moiety
