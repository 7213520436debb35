// ExpertProfile: which experts handle what, counted while a model reads texts.
#ifndef MOIETY_STUDY_EXPERT_PROFILE_H_
#define MOIETY_STUDY_EXPERT_PROFILE_H_

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "moiety/status.h"
#include "ops/observer.h"
#include "runtime/engine.h"
#include "study/expert_measures.h"
#include "tokenize/token_class.h"

namespace moiety {

struct ProfileOptions {
  int64_t window = 512;          // tokens the model sees at once; 2 … its context
  int64_t max_tokens = 16384;    // of each text, from its beginning; at least 2
  int64_t passage_tokens = 320;  // whose choices are kept one by one, from the beginning
};

// More experts have no table of pairs: it would be larger than all other counts together.
inline constexpr int64_t kMaxPairedExperts = 512;

class ExpertProfile : public Observer {
 public:
  struct Choice {
    int32_t expert;
    float weight;
  };
  struct Text {
    std::string name;
    int64_t num_tokens = 0;             // of the text
    int64_t num_read = 0;               // of them, those the model read
    std::vector<int64_t> class_counts;  // [kNumTokenClasses] of what was read
    std::vector<TextToken> passage;     // its first tokens
  };
  struct Layer {
    int64_t layer = 0;
    int64_t num_experts = 0;
    int64_t num_tokens = 0;
    int64_t num_dropped = 0;      // tokens without an expert
    int64_t num_scored = 0;       // tokens whose scores are shares: none is negative
    double gate_entropy_sum = 0;  // over those: entropy of a token's scores, nats
    std::vector<int64_t> load;    // [num_experts] choices
    std::vector<std::vector<int64_t>> text_load;  // [texts][num_experts]
    CountTable class_load;                        // [num_experts, kNumTokenClasses]
    CountTable pairs;  // [num_experts, num_experts], counts where row < column
    // [texts][passage token] in selection order
    std::vector<std::vector<std::vector<Choice>>> passages;

    // Choices by expert and text: [num_experts, texts].
    CountTable TextTable() const;
    // Mean over tokens; NaN where no token has scores that are shares.
    double gate_entropy() const;
  };

  // The model reads `ids` (its tokenizer's, of the text `name`) in windows that do not overlap;
  // what does not fill a last window is left out, as in CutWindows(). `progress` (may be null) gets
  // the ids done. Fails as CutWindows() and Engine::Feed() do, and for a model that routes nothing;
  // what was counted before stays.
  Status Read(Engine& engine, std::string name, std::span<const int32_t> ids,
              const ProfileOptions& options, const std::function<void(int64_t done)>& progress);

  // In the order of Read().
  const std::vector<Text>& texts() const { return texts_; }
  // MoE layers in ascending order.
  const std::vector<Layer>& layers() const { return layers_; }

  void OnStep(const Batch& batch) override;
  void OnRoute(int64_t layer, const RouterOutput& routed) override;

 private:
  Layer& LayerAt(int64_t layer, int64_t num_experts);

  std::vector<Text> texts_;
  std::vector<Layer> layers_;
  // Of the text being read.
  std::vector<TextToken> tokens_;
  int64_t passage_tokens_ = 0;
  int64_t window_begin_ = 0;
  int64_t step_begin_ = 0;  // where the rows of the step begin
};

}  // namespace moiety

#endif  // MOIETY_STUDY_EXPERT_PROFILE_H_
