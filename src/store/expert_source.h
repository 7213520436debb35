// ExpertSource: how the MoE layer gets the experts that a router chose, wherever they live.
#ifndef MOIETY_STORE_EXPERT_SOURCE_H_
#define MOIETY_STORE_EXPERT_SOURCE_H_

#include <cstdint>
#include <span>

#include "moiety/status.h"

namespace moiety {

// One layer at a time, on the thread that drives the step:
//
//   Request(layer, experts);                      as soon as the router chose
//   while (!(arrived = Next()).empty()) compute   other work may come between the two
//   Finish();
//
// Experts come in any order; what is computed from them must not depend on it.
class ExpertSource {
 public:
  virtual ~ExpertSource() = default;
  // False: all experts are always in memory, and nothing below needs to be called.
  virtual bool streams() const = 0;
  // These experts of a layer, each of them once, are needed: those that are not in memory begin to
  // come in. Ends what an earlier Request() left.
  virtual void Request(int64_t layer, std::span<const int32_t> experts) = 0;
  // Waits for at least one of them. Those that are returned may be read until the next call of
  // Next() or Finish(); none: all of them had their turn. After an error the rest does not come.
  virtual Result<std::span<const int32_t>> Next() = 0;
  virtual void Finish() = 0;
};

// Asks a source (null: there is none, or it does not stream) for experts, and ends that.
class ExpertVisit {
 public:
  ExpertVisit(ExpertSource* source, int64_t layer, std::span<const int32_t> experts)
      : source_(source) {
    if (source_ != nullptr) source_->Request(layer, experts);
  }
  ~ExpertVisit() {
    if (source_ != nullptr) source_->Finish();
  }
  ExpertVisit(const ExpertVisit&) = delete;
  ExpertVisit& operator=(const ExpertVisit&) = delete;

 private:
  ExpertSource* source_;
};

}  // namespace moiety

#endif  // MOIETY_STORE_EXPERT_SOURCE_H_
