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
  GaussianLogits(const Matrix& x, const Matrix& products, const RouterInput& input)
      : x_(x),
        products_(products),
        means_(input.weights[0]),
        log_variance_(input.weights[1]),
        log_prior_(input.weights[2]) {
    std::vector<float> mean(static_cast<size_t>(x.cols));
    for (int64_t e = 0; e < products.cols; ++e) {
      DecodeRowOf(*means_.operator->(), e, mean.data());
      mean_norms_.push_back(SquaredNorm(mean.data(), x.cols));
    }
  }

  Matrix Compute(Exec& exec) const {
    const Matrix y = exec.NewMatrix(products_.rows, products_.cols);
    if (!exec.ok()) return {};
    for (int64_t t = 0; t < y.rows; ++t) {
      const double norm = SquaredNorm(x_.Row(t), x_.cols);
      for (int64_t e = 0; e < y.cols; ++e) {
        const auto log_variance = static_cast<double>(log_variance_.f32()[e]);
        y.Row(t)[e] = static_cast<float>(static_cast<double>(log_prior_.f32()[e]) -
                                         log_variance / 2 - Exponent(norm, t, e));
      }
    }
    exec.Record(products_, y,
                [self = *this, tape = exec.tape()](const Matrix& dy, const Matrix& dproducts) {
                  self.Back(*tape, dy, dproducts);
                });
    return y;
  }

 private:
  double Scale(int64_t e) const {  // 1 / (d v_e)
    return ExactExp(-static_cast<double>(log_variance_.f32()[e])) / static_cast<double>(x_.cols);
  }
  // |x - μ_e|² / (2 d v_e)
  double Exponent(double norm, int64_t t, int64_t e) const {
    const double squares =
        norm + mean_norms_[static_cast<size_t>(e)] - 2 * static_cast<double>(products_.Row(t)[e]);
    return squares * Scale(e) / 2;
  }

  void Back(Tape& tape, const Matrix& dy, const Matrix& dproducts) const {
    const Matrix dx = tape.Gradient(x_);
    if (dx.data == nullptr) return;
    float* const dmeans = tape.Gradient(means_);
    std::vector<float> mean(static_cast<size_t>(x_.cols));
    float* const dlog_variance = tape.Gradient(log_variance_);
    float* const dlog_prior = tape.Gradient(log_prior_);
    for (int64_t e = 0; e < dy.cols; ++e) {
      const double scale = Scale(e);
      double sum = 0;
      double variance = 0;
      for (int64_t t = 0; t < dy.rows; ++t) {
        const auto d = static_cast<double>(dy.Row(t)[e]);
        sum += d;
        variance += d * (Exponent(SquaredNorm(x_.Row(t), x_.cols), t, e) - 0.5);
        dproducts.Row(t)[e] += static_cast<float>(d * scale);
      }
      if (dlog_prior != nullptr) dlog_prior[e] += static_cast<float>(sum);
      if (dlog_variance != nullptr) dlog_variance[e] += static_cast<float>(variance);
      if (dmeans == nullptr) continue;
      DecodeRowOf(*means_.operator->(), e, mean.data());
      for (int64_t k = 0; k < x_.cols; ++k) {
        dmeans[e * x_.cols + k] -=
            static_cast<float>(sum * scale * static_cast<double>(mean[static_cast<size_t>(k)]));
      }
    }
    for (int64_t t = 0; t < dy.rows; ++t) {
      double sum = 0;
      for (int64_t e = 0; e < dy.cols; ++e) sum += static_cast<double>(dy.Row(t)[e]) * Scale(e);
      for (int64_t k = 0; k < x_.cols; ++k) dx.Row(t)[k] -= static_cast<float>(sum) * x_.Row(t)[k];
    }
  }

  Matrix x_;
  Matrix products_;
  WeightRef means_, log_variance_, log_prior_;
  std::vector<double> mean_norms_;
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
    out.logits = GaussianLogits(input.x, products, input).Compute(exec);
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
