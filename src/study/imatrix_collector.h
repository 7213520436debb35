// Collects an importance matrix: watches what each weight matrix of a model is multiplied with.
#ifndef MOIETY_STUDY_IMATRIX_COLLECTOR_H_
#define MOIETY_STUDY_IMATRIX_COLLECTOR_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "convert/gguf_input.h"
#include "convert/imatrix.h"
#include "moiety/status.h"
#include "ops/observer.h"
#include "store/weight_store.h"

namespace moiety {

class ImatrixCollector : public Observer {
 public:
  // `store` holds the weights of the model that will run, `input` is the same model in the words of
  // GGUF. Fails with kInvalidArgument if their files differ.
  static Result<std::unique_ptr<ImatrixCollector>> Create(const WeightStore& store,
                                                          const GgufInput& input);

  void OnLinear(const Matrix& x, WeightRef w) override;

  // What was collected until now; the datasets and chunks are for the caller to add.
  Imatrix Collected() const;

 private:
  struct Sums {
    int64_t cols = 0;
    std::vector<double> counts;  // [num_matrices]
    std::vector<double> sums;    // [num_matrices, cols]
  };
  struct Slot {
    Sums* sums;
    int64_t matrix;
  };

  std::map<std::string, Sums, std::less<>> of_;  // by the names of GGUF
  std::unordered_map<const Weight*, Slot> slots_;
};

}  // namespace moiety

#endif  // MOIETY_STUDY_IMATRIX_COLLECTOR_H_
