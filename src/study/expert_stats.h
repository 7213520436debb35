// ExpertStats: how often each expert of each layer was chosen.
#ifndef MOIETY_STUDY_EXPERT_STATS_H_
#define MOIETY_STUDY_EXPERT_STATS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ops/observer.h"

namespace moiety {

class ExpertStats : public Observer {
 public:
  void OnRoute(int64_t layer, const RouterOutput& routed) override;

  struct Layer {
    int64_t layer = 0;
    std::vector<int64_t> load;  // choices per expert
    int64_t total = 0;
    double share(int64_t expert) const {
      return total == 0 ? 0
                        : static_cast<double>(load[static_cast<size_t>(expert)]) /
                              static_cast<double>(total);
    }
    // Coefficient of variation of the load: 0 when all experts have the same (Shazeer et al. 2017).
    double load_cv() const;
    // Entropy of the shares over its maximum: 1 when balanced, 0 when one expert has everything.
    double balance() const;
  };
  // MoE layers in ascending order.
  const std::vector<Layer>& layers() const { return layers_; }

 private:
  std::vector<Layer> layers_;
};

}  // namespace moiety

#endif  // MOIETY_STUDY_EXPERT_STATS_H_
