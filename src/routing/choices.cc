#include "routing/choices.h"

#include <cstddef>
#include <vector>

namespace moiety {
namespace {

// Calls body(first, end) for the choices of each token that has some.
template <class Body>
void ForTokens(std::span<const RoutedToken> routed, const Body& body) {
  for (size_t i = 0; i < routed.size();) {
    const size_t first = i++;
    while (i < routed.size() && routed[i].token == routed[first].token) ++i;
    body(first, i);
  }
}

}  // namespace

Matrix TakeChoices(Exec& exec, const Matrix& scores, std::span<const RoutedToken> routed) {
  const Matrix weights = exec.NewMatrix(static_cast<int64_t>(routed.size()), 1);
  if (!exec.ok()) return {};
  for (size_t i = 0; i < routed.size(); ++i) {
    weights.data[i] = scores.Row(routed[i].token)[routed[i].expert];
  }
  if (exec.tape() == nullptr) return weights;
  exec.Record(scores, weights,
              [choices = std::vector<RoutedToken>(routed.begin(), routed.end())](
                  const Matrix& dweights, const Matrix& dscores) {
                for (size_t i = 0; i < choices.size(); ++i) {
                  dscores.Row(choices[i].token)[choices[i].expert] += dweights.data[i];
                }
              });
  return weights;
}

Matrix NormalizeChoices(Exec& exec, const Matrix& weights, std::span<const RoutedToken> routed,
                        float eps) {
  const Matrix normal = exec.NewMatrix(weights.rows, 1);
  if (!exec.ok()) return {};
  ForTokens(routed, [&](size_t first, size_t end) {
    float sum = 0;
    for (size_t i = first; i < end; ++i) sum += weights.data[i];
    sum += eps;
    for (size_t i = first; i < end; ++i) normal.data[i] = weights.data[i] / sum;
  });
  if (exec.tape() == nullptr) return normal;
  // d weight_i = (d normal_i - Σ d normal · normal) / sum
  exec.Record(
      weights, normal,
      [normal, weights, eps, choices = std::vector<RoutedToken>(routed.begin(), routed.end())](
          const Matrix& dnormal, const Matrix& dweights) {
        ForTokens(choices, [&](size_t first, size_t end) {
          float sum = eps;
          float inner = 0;
          for (size_t i = first; i < end; ++i) {
            sum += weights.data[i];
            inner += dnormal.data[i] * normal.data[i];
          }
          for (size_t i = first; i < end; ++i) {
            dweights.data[i] += (dnormal.data[i] - inner) / sum;
          }
        });
      });
  return normal;
}

void SetWeights(Exec& exec, const Matrix& weights, RouterOutput& out) {
  if (!exec.ok()) return;
  out.weights = weights;
  for (size_t i = 0; i < out.routed.size(); ++i) out.routed[i].weight = weights.data[i];
}

}  // namespace moiety
