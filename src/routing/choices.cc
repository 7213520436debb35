#include "routing/choices.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

#include "ops/elementwise.h"
#include "ops/linear.h"

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

void RouterOutput::Reset(const RouterInput& input, int64_t experts) {
  *this = {};
  num_tokens = std::max(input.logits.rows, input.x.rows);
  num_experts = experts;
  x = input.x;
}

void ChooseTop(const Matrix& keys, int64_t k, RouterOutput& out) {
  std::vector<int32_t> order(static_cast<size_t>(keys.cols));
  out.routed.reserve(out.routed.size() + static_cast<size_t>(keys.rows * k));
  for (int64_t t = 0; t < keys.rows; ++t) {
    for (size_t e = 0; e < order.size(); ++e) order[e] = static_cast<int32_t>(e);
    const float* const key = keys.Row(t);
    const auto less = [&](int32_t a, int32_t b) {
      const bool a_is_number = !std::isnan(key[a]);
      const bool b_is_number = !std::isnan(key[b]);
      if (a_is_number && b_is_number && key[a] != key[b]) return key[a] > key[b];
      return a_is_number != b_is_number ? a_is_number : a < b;
    };
    const auto top = order.begin() + k;
    std::partial_sort(order.begin(), top, order.end(), less);
    for (auto e = order.begin(); e != top; ++e) {
      out.routed.push_back({static_cast<int32_t>(t), *e, 0});
    }
  }
}

void CloseGroups(const Matrix& keys, const RouterOptions& options, int64_t best) {
  const int64_t size = keys.cols / options.groups;
  if (options.groups_per_token == options.groups) return;
  std::vector<float> sorted(static_cast<size_t>(size));
  std::vector<float> group_keys(static_cast<size_t>(options.groups));
  for (int64_t t = 0; t < keys.rows; ++t) {
    float* const row = keys.Row(t);
    for (int64_t g = 0; g < options.groups; ++g) {
      std::copy_n(row + g * size, size, sorted.begin());
      const auto end = sorted.begin() + std::min(best, size);
      std::partial_sort(sorted.begin(), end, sorted.end(), [](float a, float b) {
        return a > b || (std::isnan(b) && !std::isnan(a));
      });
      float sum = 0;
      for (auto key = sorted.begin(); key != end; ++key) sum += *key;
      group_keys[static_cast<size_t>(g)] = sum;
    }
    RouterOutput open;
    ChooseTop({group_keys.data(), 1, options.groups}, options.groups_per_token, open);
    std::vector<bool> is_open(static_cast<size_t>(options.groups));
    for (const RoutedToken& choice : open.routed)
      is_open[static_cast<size_t>(choice.expert)] = true;
    for (int64_t e = 0; e < keys.cols; ++e) {
      if (!is_open[static_cast<size_t>(e / size)]) row[e] = -std::numeric_limits<float>::infinity();
    }
  }
}

std::vector<Segment> Sequences(const RouterInput& input, int64_t num_tokens) {
  if (!input.segments.empty()) return {input.segments.begin(), input.segments.end()};
  return {Segment{.begin = 0, .count = num_tokens, .position = 0, .sequence = 0, .pages = {}}};
}

std::vector<int32_t> ChoicesWithRoom(const RouterInput& input, double factor, int64_t top_k,
                                     RouterOutput& out) {
  std::vector<int32_t> kept;
  kept.reserve(out.routed.size());
  out.demand.assign(static_cast<size_t>(out.num_experts), 0);
  std::vector<int64_t> load;
  size_t i = 0;
  for (const Segment& sequence : Sequences(input, out.num_tokens)) {
    load.assign(static_cast<size_t>(out.num_experts), 0);
    const double room = std::ceil(factor * static_cast<double>(top_k * sequence.count) /
                                  static_cast<double>(out.num_experts));
    for (; i < out.routed.size() && out.routed[i].token < sequence.begin + sequence.count; ++i) {
      const auto e = static_cast<size_t>(out.routed[i].expert);
      ++out.demand[e];
      if (factor > 0 && static_cast<double>(load[e]) >= room) continue;
      ++load[e];
      kept.push_back(static_cast<int32_t>(i));
    }
  }
  return kept;
}

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

void KeepChoices(Exec& exec, const std::vector<int32_t>& kept, Matrix& weights, RouterOutput& out) {
  if (!exec.ok() || kept.size() == out.routed.size()) return;
  weights = SelectRows(exec, weights, kept);
  std::vector<RoutedToken> routed;
  routed.reserve(kept.size());
  for (const int32_t i : kept) routed.push_back(out.routed[static_cast<size_t>(i)]);
  out.routed = std::move(routed);
}

void WeighChoices(Exec& exec, const RouterInput& input, const RouterOptions& options,
                  RouterOutput& out, float scale, float eps) {
  Matrix weights = TakeChoices(exec, out.scores, out.routed);
  if (options.renormalize) {
    weights = NormalizeChoices(exec, weights, out.routed, eps);
    out.weight_sum = scale;
  }
  if (scale != 1) weights = Scale(exec, weights, scale);
  if (exec.tape() != nullptr && options.capacity_factor > 0) {
    const auto kept = ChoicesWithRoom(input, options.capacity_factor, options.top_k, out);
    KeepChoices(exec, kept, weights, out);
  }
  SetWeights(exec, weights, out);
}

}  // namespace moiety
