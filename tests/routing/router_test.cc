// What holds for every strategy of the registry.
#include "routing/router.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "support/bits.h"
#include "support/owned_weight.h"
#include "support/routing.h"
#include "support/taped_compute.h"

namespace moiety {
namespace {

constexpr int64_t kModelWidth = 6;
constexpr std::array<int64_t, 3> kSequenceLengths = {9, 16, 7};
constexpr int64_t kAllRows = 32;

bool Reads(const RouterInfo& info, std::string_view option) {
  const std::vector<std::string_view> names = info.OptionNames();
  return std::find(names.begin(), names.end(), option) != names.end();
}

// A strategy with what it needs, and the rows of a batch.
struct Subject {
  explicit Subject(const RouterInfo& router_info) : info(router_info) {
    options = {.num_experts = 8, .top_k = 2, .d_key = 5};
    for (const int64_t top_k : {2, 1, 8}) {
      options.top_k = top_k;
      if (MakeRouter(info.name, options).ok()) break;
    }
    if (Reads(info, "capacity_factor")) options.capacity_factor = 1;
    if (Reads(info, "groups")) {
      options.groups = 4;
      options.groups_per_token = 2;
    }
    router = *MakeRouter(info.name, options, kModelWidth);
    uint64_t seed = 100;
    for (const RouterWeight& weight : router->weights()) {
      owned.push_back(OwnedWeight::Random(weight.shape, ++seed));
    }
    for (const OwnedWeight& weight : owned) refs.push_back(weight.ref());
    logits = RandomValues(kAllRows * router->gate_rows(), 1, 2);
    x = RandomValues(kAllRows * kModelWidth, 2, 2);
    for (int32_t i = 0; i < kAllRows; ++i) ids.push_back(i * 7 % 23);
    segments = SegmentsOf(kSequenceLengths);
  }

  // Rows [begin, begin + count), which are these segments.
  RouterOutput Route(TapedCompute& compute, int64_t begin, int64_t count,
                     const std::vector<Segment>& of, const Router* other = nullptr) const {
    const auto rows = [&](const std::vector<float>& values, int64_t cols) {
      return compute.NewMatrix(
          count, cols, {values.begin() + begin * cols, values.begin() + (begin + count) * cols});
    };
    RouterInput input;
    if (router->gate_rows() > 0) input.logits = rows(logits, router->gate_rows());
    input.x = rows(x, kModelWidth);
    input.segments = of;
    input.ids = std::span(ids).subspan(static_cast<size_t>(begin), static_cast<size_t>(count));
    input.weights = refs;
    RouterOutput out;
    (other == nullptr ? *router : *other).Route(compute.exec, input, out);
    EXPECT_TRUE(compute.exec.ok()) << compute.exec.status().message();
    return out;
  }
  RouterOutput RouteAll(TapedCompute& compute, const Router* other = nullptr) const {
    return Route(compute, 0, kAllRows, segments, other);
  }

  RouterInfo info;
  RouterOptions options;
  std::unique_ptr<const Router> router;
  std::vector<OwnedWeight> owned;
  std::vector<WeightRef> refs;
  std::vector<float> logits, x;
  std::vector<int32_t> ids;
  std::vector<Segment> segments;
};

// With a tape or without.
TapedCompute NewCompute(bool train, int threads = 1) {
  return TapedCompute(threads, *AvailableKernels().back(), train);
}

struct PlainChoice {
  int32_t token, expert;
  uint32_t weight;
  bool operator==(const PlainChoice&) const = default;
};
// Choices of tokens [begin, end), counted from `begin`.
std::vector<PlainChoice> ChoicesOf(const RouterOutput& out, int64_t begin = 0,
                                   int64_t end = kAllRows) {
  std::vector<PlainChoice> choices;
  for (const RoutedToken& c : out.routed) {
    if (c.token < begin || c.token >= end) continue;
    choices.push_back({c.token - static_cast<int32_t>(begin), c.expert, Bits(c.weight)});
  }
  return choices;
}

class EveryRouter : public testing::TestWithParam<bool> {};

TEST_P(EveryRouter, SaysWhatItsOutputPromises) {
  for (const RouterInfo& info : Routers()) {
    SCOPED_TRACE(info.name);
    const Subject subject(info);
    TapedCompute compute = NewCompute(GetParam());
    const RouterOutput out = subject.RouteAll(compute);
    EXPECT_EQ(out.num_tokens, kAllRows);
    EXPECT_EQ(out.num_experts, 8);
    EXPECT_EQ(out.logits.rows, kAllRows);
    EXPECT_EQ(out.logits.cols, 8);
    EXPECT_EQ(out.scores.rows, kAllRows);
    EXPECT_EQ(out.scores.cols, 8);
    EXPECT_EQ(Copy(out.x), subject.x);
    ASSERT_EQ(out.weights.size(), static_cast<int64_t>(out.routed.size()));
    std::set<std::pair<int32_t, int32_t>> seen;
    for (size_t i = 0; i < out.routed.size(); ++i) {
      const RoutedToken& c = out.routed[i];
      EXPECT_TRUE(c.token >= 0 && c.token < kAllRows && c.expert >= 0 && c.expert < 8);
      EXPECT_TRUE(seen.emplace(c.token, c.expert).second) << "an expert twice";
      EXPECT_LE(out.routed[i - (i > 0 ? 1 : 0)].token, c.token);
      EXPECT_EQ(c.weight, out.weights.data[i]);
    }
    if (!GetParam() && !info.needs_whole_sequences) {
      EXPECT_EQ(out.routed.size(), static_cast<size_t>(kAllRows * subject.options.top_k));
    }
  }
}

TEST_P(EveryRouter, HasTheSameBitsForAnyThreads) {
  for (const RouterInfo& info : Routers()) {
    SCOPED_TRACE(info.name);
    const Subject subject(info);
    TapedCompute one = NewCompute(GetParam());
    const RouterOutput expected = subject.RouteAll(one);
    for (const int threads : {2, 3, 5}) {
      TapedCompute other = NewCompute(GetParam(), threads);
      const RouterOutput out = subject.RouteAll(other);
      EXPECT_EQ(ChoicesOf(out), ChoicesOf(expected));
      EXPECT_TRUE(SameBits(Values(out.logits), Values(expected.logits)));
      EXPECT_TRUE(SameBits(Values(out.scores), Values(expected.scores)));
      EXPECT_EQ(out.demand, expected.demand);
    }
  }
}

// Micro-batches: each sequence alone, with its number in the batch.
TEST_P(EveryRouter, RoutesASequenceAlikeInAnyBatch) {
  for (const RouterInfo& info : Routers()) {
    SCOPED_TRACE(info.name);
    const Subject subject(info);
    TapedCompute whole = NewCompute(GetParam());
    whole.tape.set_noise({.seed = 9, .step = 4});
    const RouterOutput together = subject.RouteAll(whole);
    for (const Segment& s : subject.segments) {
      TapedCompute part = NewCompute(GetParam());
      part.tape.set_noise({.seed = 9, .step = 4, .first_sequence = s.sequence});
      Segment alone = s;
      alone.begin = alone.sequence = 0;
      const RouterOutput out = subject.Route(part, s.begin, s.count, {alone});
      EXPECT_EQ(ChoicesOf(out), ChoicesOf(together, s.begin, s.begin + s.count));
    }
  }
}

// Other later tokens change no earlier choice, if the registry says so; else they do.
TEST(Router, IsCausalWhereItSaysSo) {
  for (const RouterInfo& info : Routers()) {
    SCOPED_TRACE(info.name);
    Subject subject(info);
    TapedCompute compute = NewCompute(true);
    const RouterOutput before = subject.RouteAll(compute);
    const Segment& s = subject.segments[1];
    bool changed = false;
    for (int64_t first = 1; first < s.count; ++first) {
      Subject other(info);
      const int64_t begin = s.begin + first;
      const int64_t end = s.begin + s.count;
      for (int64_t t = begin; t < end; ++t) {
        for (int64_t k = 0; k < other.router->gate_rows(); ++k) {
          float& logit = other.logits[static_cast<size_t>(t * other.router->gate_rows() + k)];
          logit = -3 * logit + (k == 0 ? 5.0F : 0.0F);
        }
        for (int64_t k = 0; k < kModelWidth; ++k) {
          other.x[static_cast<size_t>(t * kModelWidth + k)] *= -2;
        }
        other.ids[static_cast<size_t>(t)] += 50;
      }
      TapedCompute again = NewCompute(true);
      const RouterOutput after = other.RouteAll(again);
      changed = changed || ChoicesOf(after, 0, begin) != ChoicesOf(before, 0, begin);
      EXPECT_EQ(ChoicesOf(after, end, kAllRows), ChoicesOf(before, end, kAllRows))
          << "another sequence";
    }
    EXPECT_EQ(changed, !info.causal);
  }
}

// Text that is continued: a sequence in two calls, at inference.
TEST(Router, GoesOnWithASequenceWhereItSaysSo) {
  for (const RouterInfo& info : Routers()) {
    SCOPED_TRACE(info.name);
    const Subject subject(info);
    TapedCompute compute = NewCompute(false);
    const RouterOutput whole = subject.RouteAll(compute);
    const Segment& s = subject.segments[1];
    bool same = true;
    for (int64_t first = 1; first < s.count; ++first) {
      Segment head = s;
      head.begin = 0;
      head.count = first;
      Segment tail = s;
      tail.begin = 0;
      tail.position = first;
      tail.count = s.count - first;
      const RouterOutput a = subject.Route(compute, s.begin, first, {head});
      const RouterOutput b = subject.Route(compute, s.begin + first, tail.count, {tail});
      same = same && ChoicesOf(a) == ChoicesOf(whole, s.begin, s.begin + first) &&
             ChoicesOf(b) == ChoicesOf(whole, s.begin + first, s.begin + s.count);
    }
    EXPECT_EQ(same, !info.needs_whole_sequences);
  }
}

// Options that the registry does not list change nothing.
TEST_P(EveryRouter, ReadsTheOptionsItLists) {
  const std::vector<std::pair<std::string, std::function<void(RouterOptions&)>>> changes = {
      {"renormalize", [](RouterOptions& o) { o.renormalize = false; }},
      {"capacity_factor", [](RouterOptions& o) { o.capacity_factor = 0.5; }},
      {"scale", [](RouterOptions& o) { o.scale = 3; }},
      {"groups", [](RouterOptions& o) { o.groups = 2; }},
      {"groups_per_token", [](RouterOptions& o) { o.groups_per_token = 3; }},
      {"noise", [](RouterOptions& o) { o.noise = 7; }},
      {"branching", [](RouterOptions& o) { o.branching = 8; }},
      {"d_key", [](RouterOptions& o) { o.d_key = 3; }},
      {"estimator", [](RouterOptions& o) { o.estimator = ChoiceEstimator::kReinforce; }},
      {"table", [](RouterOptions& o) {
         o.table = {1, 2, 3};
       }}};
  for (const RouterInfo& info : Routers()) {
    const Subject subject(info);
    TapedCompute compute = NewCompute(GetParam());
    const RouterOutput before = subject.RouteAll(compute);
    for (const auto& [option, change] : changes) {
      if (Reads(info, option)) continue;
      SCOPED_TRACE(std::string(info.name) + ", " + option);
      RouterOptions options = subject.options;
      change(options);
      const auto other = MakeRouter(info.name, options, kModelWidth);
      ASSERT_TRUE(other.ok()) << other.status().message();
      EXPECT_EQ((*other)->gate_rows(), subject.router->gate_rows());
      EXPECT_EQ(ChoicesOf(subject.RouteAll(compute, other->get())), ChoicesOf(before));
    }
  }
}

// AtInference: architectures with plain top-k hold what it learnt.
TEST(Router, IsTopKAtInferenceWhereItSaysSo) {
  for (const RouterInfo& info : Routers()) {
    if (info.at_inference == AtInference::kItself) continue;
    SCOPED_TRACE(info.name);
    const Subject subject(info);
    RouterOptions options = {.num_experts = 8, .top_k = subject.options.top_k};
    options.renormalize = info.at_inference != AtInference::kTopKAsScored;
    const auto topk = MakeRouter("topk", options);
    TapedCompute compute = NewCompute(false);
    EXPECT_EQ(ChoicesOf(subject.RouteAll(compute)),
              ChoicesOf(subject.RouteAll(compute, topk->get())));
  }
}

TEST_P(EveryRouter, TakesNoRows) {
  for (const RouterInfo& info : Routers()) {
    SCOPED_TRACE(info.name);
    const Subject subject(info);
    TapedCompute compute = NewCompute(GetParam());
    const RouterOutput out = subject.Route(compute, 0, 0, {});
    EXPECT_TRUE(out.routed.empty());
    EXPECT_EQ(out.num_experts, 8);
    EXPECT_TRUE(compute.tape.Backward().ok());
  }
}

// A model that broke must not break the engine.
TEST_P(EveryRouter, SurvivesNumbersThatAreNone) {
  for (const RouterInfo& info : Routers()) {
    SCOPED_TRACE(info.name);
    for (const float value :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
          -std::numeric_limits<float>::infinity(), std::numeric_limits<float>::max()}) {
      Subject subject(info);
      for (size_t i = 0; i < subject.logits.size(); i += 3) subject.logits[i] = value;
      for (size_t i = 0; i < subject.x.size(); i += 5) subject.x[i] = value;
      TapedCompute compute = NewCompute(GetParam());
      for (const RoutedToken& c : subject.RouteAll(compute).routed) {
        EXPECT_TRUE(c.token >= 0 && c.token < kAllRows && c.expert >= 0 && c.expert < 8);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Training, EveryRouter, testing::Bool(),
                         [](const auto& which) { return which.param ? "Taped" : "Plain"; });

}  // namespace
}  // namespace moiety
