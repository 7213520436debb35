#include "study/expert_profile.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "base/format.h"
#include "ops/batch.h"
#include "routing/load_measures.h"
#include "routing/router.h"
#include "study/windows.h"

namespace moiety {
CountTable ExpertProfile::Layer::TextTable() const {
  CountTable table(num_experts, static_cast<int64_t>(text_load.size()));
  for (int64_t t = 0; t < table.cols; ++t) {
    const std::vector<int64_t>& of_text = text_load[static_cast<size_t>(t)];
    for (size_t e = 0; e < of_text.size(); ++e) table.at(static_cast<int64_t>(e), t) = of_text[e];
  }
  return table;
}

double ExpertProfile::Layer::gate_entropy() const {
  return num_scored == 0 ? std::numeric_limits<double>::quiet_NaN()
                         : gate_entropy_sum / static_cast<double>(num_scored);
}

ExpertProfile::Layer& ExpertProfile::LayerAt(int64_t layer, int64_t num_experts) {
  auto at = std::ranges::lower_bound(layers_, layer, {}, &Layer::layer);
  if (at == layers_.end() || at->layer != layer) {
    const int64_t paired = num_experts <= kMaxPairedExperts ? num_experts : 0;
    at = layers_.insert(at, Layer{.layer = layer,
                                  .num_experts = num_experts,
                                  .load = std::vector<int64_t>(static_cast<size_t>(num_experts)),
                                  .text_load = {},
                                  .class_load = CountTable(num_experts, kNumTokenClasses),
                                  .pairs = CountTable(paired, paired),
                                  .passages = {}});
  }
  at->text_load.resize(texts_.size(), std::vector<int64_t>(static_cast<size_t>(num_experts)));
  at->passages.resize(texts_.size());
  return *at;
}

void ExpertProfile::OnStep(const Batch& batch) {
  step_begin_ = window_begin_ + batch.segments.front().position;
}

void ExpertProfile::OnRoute(int64_t layer, const RouterOutput& routed) {
  Layer& of = LayerAt(layer, routed.num_experts);
  std::vector<int64_t>& text_load = of.text_load.back();
  size_t next = 0;
  for (int64_t row = 0; row < routed.num_tokens; ++row) {
    const size_t first = next;
    while (next < routed.routed.size() && routed.routed[next].token == row) ++next;
    const std::span<const RoutedToken> choices(&routed.routed[first], next - first);
    const int64_t position = step_begin_ + row;
    const TokenClass token_class = tokens_[static_cast<size_t>(position)].token_class;
    ++of.num_tokens;
    if (choices.empty()) ++of.num_dropped;
    for (size_t i = 0; i < choices.size(); ++i) {
      const int32_t expert = choices[i].expert;
      ++of.load[static_cast<size_t>(expert)];
      ++text_load[static_cast<size_t>(expert)];
      ++of.class_load.at(expert, static_cast<int64_t>(token_class));
      for (size_t j = 0; j < i && of.pairs.rows > 0; ++j) {
        const auto [low, high] = std::minmax(choices[j].expert, expert);
        if (low != high) ++of.pairs.at(low, high);
      }
    }
    if (position < passage_tokens_) {
      std::vector<Choice>& kept = of.passages.back().emplace_back();
      for (const RoutedToken& choice : choices) kept.push_back({choice.expert, choice.weight});
    }
    if (routed.scores.data == nullptr) continue;
    const std::optional<double> entropy =
        EntropyOfScores({routed.scores.Row(row), static_cast<size_t>(routed.num_experts)});
    if (!entropy.has_value()) continue;
    of.gate_entropy_sum += *entropy;
    ++of.num_scored;
  }
}

Status ExpertProfile::Read(Engine& engine, std::string name, std::span<const int32_t> ids,
                           const ProfileOptions& options,
                           const std::function<void(int64_t done)>& progress) {
  const ModelInfo& info = engine.model().info();
  if (info.num_experts == 0) {
    return InvalidArgument(Format("{} is a dense {} model: there are no experts to look at",
                                  engine.path().string(), info.architecture));
  }
  MOIETY_ASSIGN_OR_RETURN(const Tokenizer* const tokenizer, engine.tokenizer());
  const auto num_ids = static_cast<int64_t>(ids.size());
  const int64_t read = std::min(num_ids, options.max_tokens);
  MOIETY_ASSIGN_OR_RETURN(const std::vector<Window> windows,
                          CutWindows(read, info.context_length, {options.window, options.window}));
  ids = ids.first(static_cast<size_t>(windows.back().begin + windows.back().size));

  tokens_ = TextTokens(*tokenizer, ids);
  Text& text = texts_.emplace_back();
  text.name = std::move(name);
  text.num_tokens = num_ids;
  text.num_read = static_cast<int64_t>(ids.size());
  text.class_counts.resize(kNumTokenClasses);
  for (const TextToken& token : tokens_)
    ++text.class_counts[static_cast<size_t>(token.token_class)];
  passage_tokens_ = std::min(options.passage_tokens, text.num_read);
  text.passage.assign(tokens_.begin(), tokens_.begin() + passage_tokens_);
  for (const Window& window : windows) {
    window_begin_ = window.begin;
    Sequence sequence(engine.pages());
    MOIETY_RETURN_IF_ERROR(engine.Feed(
        sequence, ids.subspan(static_cast<size_t>(window.begin), static_cast<size_t>(window.size)),
        LogitRows::kNone, nullptr, this));
    if (progress != nullptr) progress(window.begin + window.size);
  }
  return OkStatus();
}

}  // namespace moiety
