// "base": while training, tokens are assigned to experts so that loads are equal and tokens and
// experts fit as well as they can together; afterwards each takes its best expert.
//
//   maximise Σ_t (x_t · gate_e(t)ᵀ) with equal loads; weight = σ(x · gate_eᵀ)
//
// Lewis et al. 2021, "BASE layers", sections 3.1 and 3.2, within each sequence. A token's expert
// depends on later tokens while training.
#include "routing/strategies/base.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <queue>
#include <utility>

#include "base/format.h"
#include "ops/softmax.h"
#include "routing/choices.h"
#include "routing/strategies/strategies.h"

namespace moiety {
namespace {

// A place at an expert: what was bid for it, and by whom. The cheapest place is on top.
using Bid = std::pair<double, int32_t>;
using Places = std::priority_queue<Bid, std::vector<Bid>, std::greater<>>;

// How many tokens each expert takes.
std::vector<size_t> Rooms(const Matrix& values) {
  const auto num_experts = static_cast<size_t>(values.cols);
  std::vector<double> sums(num_experts);
  for (int64_t t = 0; t < values.rows; ++t) {
    for (size_t e = 0; e < num_experts; ++e) sums[e] += static_cast<double>(values.Row(t)[e]);
  }
  std::vector<size_t> order(num_experts);
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return sums[a] > sums[b]; });
  std::vector<size_t> rooms(num_experts, static_cast<size_t>(values.rows / values.cols));
  for (int64_t i = 0; i < values.rows % values.cols; ++i) ++rooms[order[static_cast<size_t>(i)]];
  return rooms;
}

class BaseRouter : public Router {
 public:
  explicit BaseRouter(const RouterOptions& options) : options_(options) {}
  int64_t gate_rows() const override { return options_.num_experts; }

  void Route(Exec& exec, const RouterInput& input, RouterOutput& out) const override {
    out.Reset(input, options_.num_experts);
    out.logits = input.logits;
    out.scores = Sigmoid(exec, input.logits);
    if (!exec.ok()) return;
    const bool finite = std::all_of(input.logits.data, input.logits.data + input.logits.size(),
                                    [](float logit) { return std::isfinite(logit); });
    if (exec.tape() == nullptr || !finite) {  // of what is not finite, the step says so later
      ChooseTop(input.logits, 1, out);
    } else {
      for (const Segment& s : Sequences(input, out.num_tokens)) {
        const auto experts = AssignEvenly({input.logits.Row(s.begin), s.count, input.logits.cols});
        for (int64_t i = 0; i < s.count; ++i) {
          out.routed.push_back(
              {static_cast<int32_t>(s.begin + i), experts[static_cast<size_t>(i)], 0});
        }
      }
    }
    SetWeights(exec, TakeChoices(exec, out.scores, out.routed), out);
  }

 private:
  RouterOptions options_;
};

}  // namespace

std::vector<int32_t> AssignEvenly(const Matrix& values, double tolerance) {
  std::vector<int32_t> assigned(static_cast<size_t>(values.rows), 0);
  if (values.size() == 0 || values.cols == 1) return assigned;
  const std::vector<size_t> rooms = Rooms(values);
  const auto [least, most] = std::minmax_element(values.data, values.data + values.size());
  // Not so small that it is lost when added to a value.
  const double largest =
      std::max(std::abs(static_cast<double>(*least)), std::abs(static_cast<double>(*most)));
  const double raise =
      tolerance *
      std::max({static_cast<double>(*most) - static_cast<double>(*least), 1e-6 * largest, 1e-30});
  std::vector<Places> places(rooms.size());
  // What a place at an expert costs; without places it cannot be had.
  const auto price = [&](size_t e) {
    if (rooms[e] == 0) return std::numeric_limits<double>::infinity();
    return places[e].size() < rooms[e] ? 0 : places[e].top().first;
  };
  std::vector<int32_t> waiting(static_cast<size_t>(values.rows));
  std::iota(waiting.rbegin(), waiting.rend(), 0);
  while (!waiting.empty()) {
    const int32_t token = waiting.back();
    waiting.pop_back();
    double best = -std::numeric_limits<double>::infinity();
    double second = best;
    size_t expert = 0;
    for (size_t e = 0; e < rooms.size(); ++e) {
      const double gain = static_cast<double>(values.Row(token)[e]) - price(e);
      if (gain > best) {
        second = std::exchange(best, gain);
        expert = e;
      } else {
        second = std::max(second, gain);
      }
    }
    // With one expert left to bid for, any price will do.
    const double step = std::isfinite(second) ? best - second : 0;
    const double bid = price(expert) + step + raise;
    if (places[expert].size() == rooms[expert]) {
      waiting.push_back(places[expert].top().second);
      places[expert].pop();
    }
    places[expert].emplace(bid, token);
  }
  for (size_t e = 0; e < places.size(); ++e) {
    for (; !places[e].empty(); places[e].pop()) {
      assigned[static_cast<size_t>(places[e].top().second)] = static_cast<int32_t>(e);
    }
  }
  return assigned;
}

Result<std::unique_ptr<const Router>> MakeBaseRouter(const RouterOptions& options, int64_t) {
  MOIETY_RETURN_IF_ERROR(CheckTopK("base", options));
  if (options.top_k != 1) {
    return InvalidArgument(Format(
        "router base: top_k must be 1, found {}: a token goes to one expert", options.top_k));
  }
  return std::unique_ptr<const Router>(std::make_unique<BaseRouter>(options));
}

}  // namespace moiety
