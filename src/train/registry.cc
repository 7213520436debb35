// The optimizers by name. A new one: its file, and a line here.
#include <string>

#include "base/format.h"
#include "train/adamw.h"
#include "train/optimizer.h"

namespace moiety {
namespace {

using MakeFunction = Result<std::unique_ptr<Optimizer>> (*)(const OptimizerConfig& config,
                                                            std::vector<OptimizedTensor> tensors,
                                                            MemoryBudget& budget);

Result<std::unique_ptr<Optimizer>> AdamWOf(const OptimizerConfig& config,
                                           std::vector<OptimizedTensor> tensors,
                                           MemoryBudget& budget) {
  AdamWOptions options;
  options.beta1 = config.beta1;
  options.beta2 = config.beta2;
  options.eps = config.eps;
  options.weight_decay = config.weight_decay;
  return MakeAdamW(std::move(tensors), options, budget);
}

struct OptimizerRow {
  std::string_view name;
  MakeFunction make;
};

constexpr OptimizerRow kOptimizers[] = {
    {"adamw", AdamWOf},
};

}  // namespace

Result<std::unique_ptr<Optimizer>> MakeOptimizer(const OptimizerConfig& config,
                                                 std::vector<OptimizedTensor> tensors,
                                                 MemoryBudget& budget) {
  std::string names;
  for (const OptimizerRow& row : kOptimizers) {
    if (row.name == config.name) return row.make(config, std::move(tensors), budget);
    names += (names.empty() ? "" : ", ") + std::string(row.name);
  }
  return InvalidArgument(
      Format("unknown optimizer \"{}\": expected one of {}", config.name, names));
}

}  // namespace moiety
