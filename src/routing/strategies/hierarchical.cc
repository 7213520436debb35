// "hierarchical": a tree of gates. Each node chooses among its `branching` children; the experts
// are the leaves, and a leaf is as probable as the path to it.
//
//   p_e = Π over the path to e of softmax over siblings of (x · gate_nodeᵀ), S = the k largest,
//   weight_e = p_e / Σ_{S} p   or   p_e
//
// Jordan, Jacobs 1994, "Hierarchical mixtures of experts and the EM algorithm", section 3; sparse:
// Shazeer et al. 2017, appendix B. The rows of the gate are the nodes but the root, level by level.
#include <algorithm>
#include <vector>

#include "base/exact_math.h"
#include "base/format.h"
#include "routing/choices.h"
#include "routing/strategies/strategies.h"

namespace moiety {
namespace {

// log p of the leaves, and p.
struct Leaves {
  Matrix logits;
  Matrix scores;
};

class HierarchicalRouter : public Router {
 public:
  explicit HierarchicalRouter(const RouterOptions& options) : options_(options) {
    for (int64_t width = options.branching; width < options.num_experts;
         width *= options.branching) {
      gate_rows_ += width;
    }
    gate_rows_ += options.num_experts;
  }
  int64_t gate_rows() const override { return gate_rows_; }

  void Route(Exec& exec, const RouterInput& input, RouterOutput& out) const override {
    out.Reset(input, options_.num_experts);
    const Leaves leaves = ComputeLeaves(exec, input.logits);
    if (!exec.ok()) return;
    out.logits = leaves.logits;
    out.scores = leaves.scores;
    ChooseTop(out.logits, options_.top_k, out);
    WeighChoices(exec, input, options_, out);
  }

 private:
  // Calls body(first node of a group of siblings, first leaf under them, leaves under each), from
  // the leaves' level up.
  template <class Body>
  void ForSiblings(const Body& body) const {
    int64_t end = gate_rows_;
    int64_t leaves = 1;  // under a node of the level
    for (int64_t width = options_.num_experts; width >= options_.branching;
         width /= options_.branching) {
      for (int64_t node = 0; node < width; node += options_.branching) {
        body(end - width + node, node * leaves, leaves);
      }
      end -= width;
      leaves *= options_.branching;
    }
  }

  // log Σ exp over some nodes.
  double LogSum(const float* nodes) const {
    const double max = static_cast<double>(*std::max_element(nodes, nodes + options_.branching));
    double sum = 0;
    for (int64_t i = 0; i < options_.branching; ++i) {
      sum += ExactExp(static_cast<double>(nodes[i]) - max);
    }
    return max + ExactLog(sum);
  }

  Leaves ComputeLeaves(Exec& exec, const Matrix& nodes) const {
    const Leaves leaves = {exec.NewMatrix(nodes.rows, options_.num_experts),
                           exec.NewMatrix(nodes.rows, options_.num_experts)};
    if (!exec.ok()) return {};
    std::vector<double> logs(static_cast<size_t>(options_.num_experts));
    for (int64_t t = 0; t < nodes.rows; ++t) {
      std::fill(logs.begin(), logs.end(), 0.0);
      ForSiblings([&](int64_t first, int64_t leaf, int64_t under) {
        const double sum = LogSum(nodes.Row(t) + first);
        for (int64_t i = 0; i < options_.branching * under; ++i) {
          logs[static_cast<size_t>(leaf + i)] +=
              static_cast<double>(nodes.Row(t)[first + i / under]) - sum;
        }
      });
      for (size_t e = 0; e < logs.size(); ++e) {
        leaves.logits.Row(t)[e] = static_cast<float>(logs[e]);
        leaves.scores.Row(t)[e] = static_cast<float>(ExactExp(logs[e]));
      }
    }
    // What reaches a sibling: its leaves' gradients less its share of all its siblings' leaves'.
    exec.Record(
        nodes, leaves.logits, [self = *this, nodes](const Matrix& dlogits, const Matrix& dnodes) {
          for (int64_t t = 0; t < nodes.rows; ++t) {
            self.ForSiblings([&](int64_t first, int64_t leaf, int64_t under) {
              const double sum = self.LogSum(nodes.Row(t) + first);
              double all = 0;
              for (int64_t i = 0; i < self.options_.branching * under; ++i) {
                all += static_cast<double>(dlogits.Row(t)[leaf + i]);
              }
              for (int64_t child = 0; child < self.options_.branching; ++child) {
                double own = 0;
                for (int64_t i = 0; i < under; ++i) {
                  own += static_cast<double>(dlogits.Row(t)[leaf + child * under + i]);
                }
                const double p = ExactExp(static_cast<double>(nodes.Row(t)[first + child]) - sum);
                dnodes.Row(t)[first + child] += static_cast<float>(own - p * all);
              }
            });
          }
        });
    exec.Record(leaves.logits, leaves.scores,
                [scores = leaves.scores](const Matrix& dscores, const Matrix& dlogits) {
                  for (int64_t i = 0; i < scores.size(); ++i) {
                    dlogits.data[i] += dscores.data[i] * scores.data[i];
                  }
                });
    return leaves;
  }

  RouterOptions options_;
  int64_t gate_rows_ = 0;
};

}  // namespace

Result<std::unique_ptr<const Router>> MakeHierarchicalRouter(const RouterOptions& options,
                                                             int64_t) {
  MOIETY_RETURN_IF_ERROR(CheckTopK("hierarchical", options));
  int64_t left = options.num_experts;
  while (options.branching >= 2 && left % options.branching == 0) left /= options.branching;
  if (options.branching < 2 || left != 1) {
    return InvalidArgument(Format(
        "router hierarchical: {} experts are not the leaves of a tree with {} branches at a node: "
        "their number must be a power of branching",
        options.num_experts, options.branching));
  }
  return std::unique_ptr<const Router>(std::make_unique<HierarchicalRouter>(options));
}

}  // namespace moiety
