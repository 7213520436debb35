// What tests of routing strategies share: running one, and expectations in double.
#ifndef MOIETY_TESTS_SUPPORT_ROUTING_H_
#define MOIETY_TESTS_SUPPORT_ROUTING_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <span>
#include <string_view>
#include <vector>

#include "ops/exec.h"
#include "routing/router.h"
#include "support/gradient_check.h"

namespace moiety {

inline RouterOutput RouteWith(Exec& exec, std::string_view strategy, const RouterOptions& options,
                              const RouterInput& input, int64_t d_model = 0) {
  RouterOutput out;
  const auto router = MakeRouter(strategy, options, d_model);
  EXPECT_TRUE(router.ok()) << router.status().message();
  if (router.ok()) (*router)->Route(exec, input, out);
  return out;
}

// Sequences of these lengths from their first token on, one behind the other.
inline std::vector<Segment> SegmentsOf(std::span<const int64_t> lengths) {
  std::vector<Segment> segments;
  int64_t begin = 0;
  for (const int64_t length : lengths) {
    segments.push_back({.begin = begin,
                        .count = length,
                        .position = 0,
                        .sequence = static_cast<int64_t>(segments.size()),
                        .pages = {}});
    begin += length;
  }
  return segments;
}

// A choice in double.
struct RealChoice {
  size_t token;
  size_t expert;
  double weight;
};

// Row t of rows of n values.
inline RealSpan RealRow(const std::vector<double>& values, size_t t, size_t n) {
  return RealSpan(values).subspan(t * n, n);
}

// Indices by falling keys; ties go to the lower one.
inline std::vector<size_t> Descending(RealSpan keys) {
  std::vector<size_t> order(keys.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return keys[a] > keys[b]; });
  return order;
}

// The k experts with the largest keys of each token, with these weights.  keys, weights [·, n]
inline std::vector<RealChoice> RealTop(const std::vector<double>& keys,
                                       const std::vector<double>& weights, size_t n, size_t k) {
  std::vector<RealChoice> choices;
  for (size_t t = 0; t * n < keys.size(); ++t) {
    const std::vector<size_t> order = Descending(RealRow(keys, t, n));
    for (size_t i = 0; i < k; ++i) choices.push_back({t, order[i], weights[t * n + order[i]]});
  }
  return choices;
}

// Softmax of each row of n values.
inline std::vector<double> SoftmaxRowsOf(const std::vector<double>& x, size_t n) {
  std::vector<double> p;
  for (size_t t = 0; t * n < x.size(); ++t) {
    for (const double value : SoftmaxOf(RealRow(x, t, n))) p.push_back(value);
  }
  return p;
}

// Weights of a token sum to `sum`.
inline void RealNormalize(std::vector<RealChoice>& choices, double sum = 1) {
  const std::vector<RealChoice> before = choices;
  for (RealChoice& choice : choices) {
    double all = 0;
    for (const RealChoice& other : before) all += other.token == choice.token ? other.weight : 0;
    choice.weight *= sum / all;
  }
}

// Those that find room, where an expert takes `room` choices of a sequence.
inline std::vector<RealChoice> RealRoom(const std::vector<RealChoice>& choices,
                                        std::span<const int64_t> lengths, double factor,
                                        size_t top_k, size_t n) {
  std::vector<RealChoice> kept;
  size_t begin = 0;
  for (const int64_t length : lengths) {
    const size_t end = begin + static_cast<size_t>(length);
    const double room = std::ceil(factor * static_cast<double>(top_k) *
                                  static_cast<double>(length) / static_cast<double>(n));
    for (const RealChoice& choice : choices) {
      if (choice.token < begin || choice.token >= end) continue;
      const auto taken = std::count_if(kept.begin(), kept.end(), [&](const RealChoice& other) {
        return other.token >= begin && other.expert == choice.expert;
      });
      if (static_cast<double>(taken) < room) kept.push_back(choice);
    }
    begin = end;
  }
  return kept;
}

// Tokens and experts as outputs of a GradientCase, small beside weights: so they stay exact and
// cost differences no digits.
constexpr double kChoiceUnit = 0x1p-10;

// Outputs of a GradientCase: the weights of the choices, and token and expert of each.
inline std::vector<Matrix> ChoiceOutputs(Exec& exec, const RouterOutput& out) {
  EXPECT_TRUE(exec.ok()) << exec.status().message();
  const auto choices = static_cast<int64_t>(out.routed.size());
  const Matrix who = exec.NewMatrix(choices, 2);
  EXPECT_EQ(out.weights.rows, choices);
  for (int64_t i = 0; i < choices; ++i) {
    const RoutedToken& choice = out.routed[static_cast<size_t>(i)];
    who.Row(i)[0] = static_cast<float>(kChoiceUnit * choice.token);
    who.Row(i)[1] = static_cast<float>(kChoiceUnit * choice.expert);
    EXPECT_EQ(choice.weight, out.weights.data[i]);
  }
  return {out.weights, who};
}

// The same of expectations.
inline std::vector<double> RealOutputs(const std::vector<RealChoice>& choices) {
  std::vector<double> values;
  for (const RealChoice& choice : choices) values.push_back(choice.weight);
  for (const RealChoice& choice : choices) {
    values.push_back(kChoiceUnit * static_cast<double>(choice.token));
    values.push_back(kChoiceUnit * static_cast<double>(choice.expert));
  }
  return values;
}

inline std::vector<int64_t> LoadsOf(const RouterOutput& out) {
  std::vector<int64_t> loads(static_cast<size_t>(out.num_experts));
  for (const RoutedToken& choice : out.routed) ++loads[static_cast<size_t>(choice.expert)];
  return loads;
}

}  // namespace moiety

#endif  // MOIETY_TESTS_SUPPORT_ROUTING_H_
