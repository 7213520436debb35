// RoutingReplay: recorded choices in place of a router's, so that the skew of real texts can be
// timed on weights that have none.
#ifndef MOIETY_STUDY_ROUTING_REPLAY_H_
#define MOIETY_STUDY_ROUTING_REPLAY_H_

#include <cstdint>
#include <filesystem>
#include <istream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "moiety/model_info.h"
#include "moiety/status.h"
#include "routing/route_edit.h"

namespace moiety {

// The tokens of a trace, one recorded sequence after the other and each as it was recorded, make a
// circle that replayed sequences walk on.
class RoutingReplay : public RouteEdit {
 public:
  // Fails for what is no trace (trace.h), has other layers or experts than the model, no token, or
  // a step without the choices of every layer.
  static Result<std::unique_ptr<RoutingReplay>> Read(const std::filesystem::path& path,
                                                     const ModelInfo& info);
  // The same of a stream; `name` stands in messages.
  static Result<std::unique_ptr<RoutingReplay>> Parse(std::istream& lines, const std::string& name,
                                                      const ModelInfo& info);

  const std::string& name() const { return name_; }
  int64_t num_tokens() const { return static_cast<int64_t>(order_.size()); }  // recorded, ≥ 1
  double choices_per_token() const;                                           // of a layer

  // The token at position p of this sequence (Segment::sequence) gets what recorded token
  // first + p got; the first token follows the last. Sequences that were not placed begin at 0.
  void Place(int64_t sequence, int64_t first) { first_[sequence] = first; }

  // Fails for a layer that the trace does not have.
  Status Edit(int64_t layer, const Batch& batch, RouterOutput& routed) override;

 private:
  class Reader;
  // The choices of a layer: those of recorded token t are begin[t] .. begin[t + 1).
  struct Layer {
    std::vector<int64_t> begin = {0};
    std::vector<int32_t> experts;
    std::vector<float> weights;
    int64_t num_tokens() const { return static_cast<int64_t>(begin.size()) - 1; }
  };
  RoutingReplay() = default;

  std::string name_;
  std::map<int64_t, Layer> layers_;
  std::vector<int64_t> order_;  // tokens of the trace in the order in which they are replayed
  std::map<int64_t, int64_t> first_;
};

}  // namespace moiety

#endif  // MOIETY_STUDY_ROUTING_REPLAY_H_
