#include <gmock/gmock.h>

#include <cmath>
#include <vector>

#include "support/bits.h"
#include "support/compute.h"
#include "support/gradient_check.h"
#include "support/routing.h"
#include "support/taped_compute.h"

namespace moiety {
namespace {

// Σ log softmax among siblings on the way to each leaf, going down.
std::vector<double> LeafLogs(RealSpan nodes, size_t branching, size_t num_experts) {
  std::vector<double> logs = {0};
  size_t begin = 0;
  while (logs.size() < num_experts) {
    std::vector<double> below;
    for (size_t parent = 0; parent < logs.size(); ++parent) {
      for (const double p : SoftmaxOf(nodes.subspan(begin + parent * branching, branching))) {
        below.push_back(logs[parent] + std::log(p));
      }
    }
    begin += below.size();
    logs = below;
  }
  EXPECT_EQ(begin, nodes.size());
  return logs;
}

TEST(HierarchicalRouter, FollowsItsEquation) {
  struct Tree {
    int64_t branching, num_experts, nodes;
  };
  for (const auto& [branching, num_experts, nodes] :
       {Tree{2, 2, 2}, Tree{2, 8, 14}, Tree{3, 9, 12}, Tree{5, 5, 5}, Tree{4, 64, 84}}) {
    for (const bool renormalize : {false, true}) {
      const RouterOptions options = {.num_experts = num_experts,
                                     .top_k = 2,
                                     .renormalize = renormalize,
                                     .branching = branching};
      EXPECT_EQ((*MakeRouter("hierarchical", options))->gate_rows(), nodes);
      const auto n = static_cast<size_t>(num_experts);
      ExpectGradients({.inputs = {RandomInput(9, nodes, 1, 2)},
                       .weights = {},
                       .run =
                           [&](Exec& exec, std::span<const Matrix> x) {
                             const RouterOutput out =
                                 RouteWith(exec, "hierarchical", options, {.logits = x[0]});
                             std::vector<Matrix> outputs = ChoiceOutputs(exec, out);
                             outputs.push_back(out.logits);
                             outputs.push_back(out.scores);
                             return outputs;
                           },
                       .formula =
                           [&](const Reals& v) {
                             std::vector<double> logs;
                             std::vector<double> p;
                             for (size_t t = 0; t < 9; ++t) {
                               for (const double leaf :
                                    LeafLogs(RealRow(v[0], t, static_cast<size_t>(nodes)),
                                             static_cast<size_t>(branching), n)) {
                                 logs.push_back(leaf);
                                 p.push_back(std::exp(leaf));
                               }
                             }
                             std::vector<RealChoice> choices = RealTop(logs, p, n, 2);
                             if (renormalize) RealNormalize(choices);
                             std::vector<double> values = RealOutputs(choices);
                             values.insert(values.end(), logs.begin(), logs.end());
                             values.insert(values.end(), p.begin(), p.end());
                             return values;
                           },
                       .terms = num_experts});
    }
  }
}

// A tree of one level is topk.
TEST(HierarchicalRouter, OfOneLevelIsTopK) {
  Compute compute;
  const Matrix logits = compute.NewRandomMatrix(20, 6, 2, 3);
  const RouterOutput tree =
      RouteWith(compute.exec, "hierarchical", {.num_experts = 6, .top_k = 2, .branching = 6},
                {.logits = logits});
  const RouterOutput flat =
      RouteWith(compute.exec, "topk", {.num_experts = 6, .top_k = 2}, {.logits = logits});
  for (size_t i = 0; i < 40; ++i) {
    EXPECT_EQ(tree.routed[i].expert, flat.routed[i].expert);
    EXPECT_NEAR(tree.routed[i].weight, flat.routed[i].weight, 1e-6);
  }
}

// Top-k is moved by whatever one expert's logit is; here siblings share what their parent has.
TEST(HierarchicalRouter, SiblingsShareTheirParentsProbability) {
  Compute compute;
  // Root: left and right alike. Left's children differ, both logits of right's are large.
  const Matrix nodes = compute.NewMatrix(1, 6, {0, 0, /**/ 1, 0, 50, 50});
  const RouterOutput out =
      RouteWith(compute.exec, "hierarchical", {.num_experts = 4, .top_k = 4, .renormalize = false},
                {.logits = nodes});
  EXPECT_NEAR(out.scores.data[0] + out.scores.data[1], 0.5, 1e-6);
  EXPECT_NEAR(out.scores.data[2], 0.25, 1e-6);
  EXPECT_NEAR(out.scores.data[3], 0.25, 1e-6);
  EXPECT_EQ(out.routed[0].expert, 0);
  EXPECT_EQ(out.routed[3].expert, 1);
}

TEST(HierarchicalRouter, RefusesWhatIsNoTree) {
  for (const auto& [experts, branching] : std::vector<std::pair<int64_t, int64_t>>{
           {6, 2}, {8, 3}, {8, 1}, {8, 0}, {8, -2}, {1, 1}, {1, 0}, {2, 4}}) {
    const auto router =
        MakeRouter("hierarchical", {.num_experts = experts, .top_k = 1, .branching = branching});
    EXPECT_FALSE(router.ok()) << experts << ", " << branching;
  }
}

}  // namespace
}  // namespace moiety
