// The trace format: router outputs as JSON Lines, for reports, cache studies and importance
// matrices.
//
//   {"format":"moiety-trace","version":1,"model":"mixtral","num_layers":4,"num_experts":8,"top_k":2}
//   {"step":0,"rows":[[SEQUENCE,POSITION,TOKEN_ID],…]}
//   {"step":0,"layer":0,"experts":[[…],…],"weights":[[…],…]}
//
// One "rows" line per forward step, then one line per MoE layer; experts and weights have an entry
// per row, in selection order (none for a dropped token). Weights are written so that they read
// back to the same f32.
#ifndef MOIETY_STUDY_TRACE_H_
#define MOIETY_STUDY_TRACE_H_

#include <cstdio>
#include <filesystem>
#include <memory>

#include "models/model.h"
#include "moiety/status.h"
#include "ops/observer.h"

namespace moiety {

class TraceWriter : public Observer {
 public:
  static Result<std::unique_ptr<TraceWriter>> Create(const std::filesystem::path& path,
                                                     const ModelInfo& info);
  ~TraceWriter() override;

  void OnStep(const Batch& batch) override;
  void OnRoute(int64_t layer, const RouterOutput& routed) override;

  // Ends the file; reports the first error of any write (a full disk shows here).
  Status Close();

 private:
  TraceWriter(std::filesystem::path path, std::FILE* file) : path_(std::move(path)), file_(file) {}
  void Write(const std::string& line);

  std::filesystem::path path_;
  std::FILE* file_;
  int error_ = 0;  // errno of the first write that failed
  int64_t step_ = -1;
};

}  // namespace moiety

#endif  // MOIETY_STUDY_TRACE_H_
