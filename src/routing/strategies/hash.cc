// "hash": a token's id says where it goes; nothing is learned, nothing can collapse.
//
//   experts = table[id], k different ones with weight 1/k each
//   logits = scores = 1/k at these, else 0
//
// Roller et al. 2021, "Hash layers for large sparse models", section 3.1: a random table, or a
// balanced one, made from how often tokens occur.
#include "routing/strategies/hash.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <utility>

#include "base/format.h"
#include "base/rng.h"
#include "routing/choices.h"
#include "routing/strategies/strategies.h"

namespace moiety {
namespace {

class HashRouter : public Router {
 public:
  explicit HashRouter(RouterOptions options) : options_(std::move(options)) {}
  int64_t gate_rows() const override { return 0; }

  void Route(Exec& exec, const RouterInput& input, RouterOutput& out) const override {
    out.Reset(input, options_.num_experts);
    const Matrix weights = exec.NewMatrix(out.num_tokens * options_.top_k, 1);
    out.scores = exec.NewMatrix(out.num_tokens, out.num_experts);
    out.logits = out.scores;
    if (!exec.ok()) return;
    if (static_cast<int64_t>(input.ids.size()) != out.num_tokens) {
      exec.Fail(InvalidArgument(Format("router hash: expected the ids of {} tokens, found {}",
                                       out.num_tokens, input.ids.size())));
      return;
    }
    const float share = 1 / static_cast<float>(options_.top_k);
    std::fill_n(weights.data, weights.size(), share);
    std::fill_n(out.scores.data, out.scores.size(), 0.0F);
    for (int64_t t = 0; t < out.num_tokens; ++t) {
      if (!Choose(exec, input.ids[static_cast<size_t>(t)], static_cast<int32_t>(t), out)) return;
    }
    for (const RoutedToken& choice : out.routed) {
      out.scores.Row(choice.token)[choice.expert] = share;
    }
    out.weight_sum = 1;
    SetWeights(exec, weights, out);
  }

 private:
  bool Choose(Exec& exec, int32_t id, int32_t token, RouterOutput& out) const {
    const auto top_k = static_cast<size_t>(options_.top_k);
    const size_t vocab_size = options_.table.empty()
                                  ? size_t{INT32_MAX} + 1  // as many as there can be
                                  : options_.table.size() / top_k;
    if (id < 0 || static_cast<size_t>(id) >= vocab_size) {
      exec.Fail(InvalidArgument(
          Format("router hash: its table has {} tokens, found id {}", vocab_size, id)));
      return false;
    }
    if (options_.table.empty()) {
      AddRandom(id, token, out);
      return true;
    }
    for (size_t i = 0; i < top_k; ++i) {
      out.routed.push_back({token, options_.table[static_cast<size_t>(id) * top_k + i], 0});
    }
    return true;
  }

  // Draws among the experts that the token does not have yet (Floyd's sampling).
  void AddRandom(int32_t id, int32_t token, RouterOutput& out) const {
    const auto begin = static_cast<ptrdiff_t>(out.routed.size());
    for (int64_t i = 0; i < options_.top_k; ++i) {
      const int64_t last = options_.num_experts - options_.top_k + i;
      const double u =
          UniformDouble(options_.seed, static_cast<uint64_t>(i), static_cast<uint64_t>(id));
      auto expert = static_cast<int32_t>(u * static_cast<double>(last + 1));
      if (std::any_of(out.routed.begin() + begin, out.routed.end(),
                      [&](const RoutedToken& other) { return other.expert == expert; })) {
        expert = static_cast<int32_t>(last);
      }
      out.routed.push_back({token, expert, 0});
    }
  }

  RouterOptions options_;
};

}  // namespace

std::vector<int32_t> BalancedHashTable(std::span<const int64_t> counts, int64_t num_experts,
                                       int64_t top_k) {
  std::vector<size_t> ids(counts.size());
  std::iota(ids.begin(), ids.end(), size_t{0});
  std::stable_sort(ids.begin(), ids.end(),
                   [&](size_t a, size_t b) { return counts[a] > counts[b]; });
  std::vector<int64_t> load(static_cast<size_t>(num_experts));
  std::vector<int32_t> experts(load.size());
  std::iota(experts.begin(), experts.end(), 0);
  std::vector<int32_t> table(counts.size() * static_cast<size_t>(top_k));
  for (const size_t id : ids) {
    const auto load_of = [&](int32_t e) { return load[static_cast<size_t>(e)]; };
    std::partial_sort(experts.begin(), experts.begin() + top_k, experts.end(),
                      [&](int32_t a, int32_t b) {
                        return load_of(a) != load_of(b) ? load_of(a) < load_of(b) : a < b;
                      });
    for (int64_t i = 0; i < top_k; ++i) {
      const int32_t expert = experts[static_cast<size_t>(i)];
      table[id * static_cast<size_t>(top_k) + static_cast<size_t>(i)] = expert;
      // Tokens that never occur are shared out too.
      load[static_cast<size_t>(expert)] += std::max<int64_t>(counts[id], 1);
    }
  }
  return table;
}

Result<std::unique_ptr<const Router>> MakeHashRouter(const RouterOptions& options, int64_t) {
  MOIETY_RETURN_IF_ERROR(CheckTopK("hash", options));
  const std::vector<int32_t>& table = options.table;
  if (table.size() % static_cast<size_t>(options.top_k) != 0) {
    return InvalidArgument(Format("router hash: a table of {} experts has not {} for each token",
                                  table.size(), options.top_k));
  }
  const auto top_k = static_cast<size_t>(options.top_k);
  for (size_t i = 0; i < table.size(); ++i) {
    if (table[i] < 0 || table[i] >= options.num_experts) {
      return InvalidArgument(Format("router hash: the table sends token {} to expert {} of {}",
                                    i / top_k, table[i], options.num_experts));
    }
    const auto first = table.begin() + static_cast<ptrdiff_t>(i / top_k * top_k);
    const auto current = table.begin() + static_cast<ptrdiff_t>(i);
    if (std::find(first, current, table[i]) != current) {
      return InvalidArgument(
          Format("router hash: the table sends token {} to expert {} twice", i / top_k, table[i]));
    }
  }
  return std::unique_ptr<const Router>(std::make_unique<HashRouter>(options));
}

}  // namespace moiety
