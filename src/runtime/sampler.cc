#include "runtime/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/exact_math.h"
#include "base/format.h"
#include "base/rng.h"
#include "format/generation_config.h"

namespace moiety {
namespace {

Status CheckRange(const char* name, double value, double min, double max) {
  if (value >= min && value <= max) return OkStatus();
  return InvalidArgument(Format("{} must be from {} to {}, found {}", name, min, max, value));
}

Status CheckFinite(std::span<const float> logits) {
  float max = -std::numeric_limits<float>::infinity();
  for (const float logit : logits) {
    if (std::isnan(logit)) return InvalidData("the model computed a logit that is not a number");
    max = std::max(max, logit);
  }
  if (std::isfinite(max)) return OkStatus();
  return InvalidData("the model computed no finite logit");
}

// Best first; equal ones by id, so that the order is the same everywhere.
constexpr auto kBetter = [](const auto& a, const auto& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
};

}  // namespace

Status CheckSamplingOptions(const SamplingOptions& o, int64_t vocab_size) {
  constexpr double kMax = 1e6;
  MOIETY_RETURN_IF_ERROR(CheckRange("temperature", o.temperature, 0, kMaxTemperature));
  MOIETY_RETURN_IF_ERROR(CheckRange("top_k", static_cast<double>(o.top_k), 0, 0x1p63));
  MOIETY_RETURN_IF_ERROR(CheckRange("top_p", o.top_p, 0, 1));
  MOIETY_RETURN_IF_ERROR(CheckRange("min_p", o.min_p, 0, 1));
  MOIETY_RETURN_IF_ERROR(
      CheckRange("penalty_last_n", static_cast<double>(o.penalty_last_n), -1, INT32_MAX));
  MOIETY_RETURN_IF_ERROR(CheckRange("repetition_penalty", o.repetition_penalty,
                                    kMinRepetitionPenalty, kMaxRepetitionPenalty));
  MOIETY_RETURN_IF_ERROR(CheckRange("presence_penalty", o.presence_penalty, -kMax, kMax));
  MOIETY_RETURN_IF_ERROR(CheckRange("frequency_penalty", o.frequency_penalty, -kMax, kMax));
  for (const auto& [id, bias] : o.logit_bias) {
    if (id < 0 || id >= vocab_size) {
      return InvalidArgument(
          Format("logit_bias names token {}, outside the vocabulary of {}", id, vocab_size));
    }
    if (!(bias < std::numeric_limits<double>::infinity())) {
      return InvalidArgument(
          Format("logit_bias of token {} must be a number or -inf, found {}", id, bias));
    }
  }
  return OkStatus();
}

Result<Logprobs> ComputeLogprobs(const KernelTable& kernels, std::span<const float> logits,
                                 int64_t count) {
  MOIETY_RETURN_IF_ERROR(CheckFinite(logits));
  const float max = *std::max_element(logits.begin(), logits.end());
  const float sum = kernels.sum_exp(logits.data(), static_cast<int64_t>(logits.size()), max);
  Logprobs result;
  result.log_sum = max + ExactLog(sum);
  if (count > 0) {
    struct Entry {
      int32_t id;
      float logit;
    };
    std::vector<Entry> entries;
    for (size_t i = 0; i < logits.size(); ++i)
      entries.push_back({static_cast<int32_t>(i), logits[i]});
    const auto end = entries.begin() + std::min(count, static_cast<int64_t>(entries.size()));
    std::partial_sort(entries.begin(), end, entries.end(), kBetter);
    for (auto e = entries.begin(); e != end; ++e) {
      result.top.push_back({e->id, static_cast<float>(e->logit - result.log_sum)});
    }
  }
  return result;
}

// Counts as they come: a token's cost does not grow with the text.
void Sampler::Accept(std::span<const int32_t> ids) {
  const int64_t last_n = options_.penalty_last_n;
  if (last_n == 0) return;
  for (const int32_t id : ids) {
    history_.push_back(id);
    ++counts_[id];
    if (last_n < 0 || static_cast<int64_t>(history_.size()) <= last_n) continue;
    const auto leaving = counts_.find(history_[history_.size() - 1 - static_cast<size_t>(last_n)]);
    if (--leaving->second == 0) counts_.erase(leaving);
  }
}

void Sampler::Penalize(std::vector<Candidate>& candidates) const {
  for (const auto& [id, count] : counts_) {
    if (static_cast<size_t>(id) >= candidates.size()) continue;
    double& logit = candidates[static_cast<size_t>(id)].logit;
    logit = logit > 0 ? logit / options_.repetition_penalty : logit * options_.repetition_penalty;
    logit -= options_.presence_penalty + static_cast<double>(count) * options_.frequency_penalty;
  }
  for (const auto& [id, bias] : options_.logit_bias)
    candidates[static_cast<size_t>(id)].logit += bias;
}

void Sampler::Truncate(std::vector<Candidate>& candidates) const {
  const auto keep = [&](size_t count) { candidates.resize(std::max<size_t>(count, 1)); };
  if (options_.top_k > 0 && static_cast<size_t>(options_.top_k) < candidates.size()) {
    const auto end = candidates.begin() + options_.top_k;
    std::partial_sort(candidates.begin(), end, candidates.end(), kBetter);
    keep(static_cast<size_t>(options_.top_k));
  } else {
    std::sort(candidates.begin(), candidates.end(), kBetter);
  }
  double sum = 0;
  for (Candidate& c : candidates) sum += c.p = ExactExp(c.logit - candidates.front().logit);
  if (options_.top_p < 1) {
    double mass = 0;
    size_t count = 0;
    while (count < candidates.size() && mass < options_.top_p * sum) mass += candidates[count++].p;
    keep(count);
  }
  if (options_.min_p > 0) {
    const auto below = std::find_if(candidates.begin(), candidates.end(),
                                    [&](const Candidate& c) { return c.p < options_.min_p; });
    keep(static_cast<size_t>(below - candidates.begin()));
  }
}

Result<int32_t> Sampler::Sample(std::span<const float> logits, Candidates& scratch) {
  MOIETY_RETURN_IF_ERROR(CheckFinite(logits));
  scratch.clear();
  for (size_t i = 0; i < logits.size(); ++i) {
    scratch.push_back({static_cast<int32_t>(i), static_cast<double>(logits[i]), 0});
  }
  Penalize(scratch);

  const Candidate best = *std::min_element(scratch.begin(), scratch.end(), kBetter);
  if (!std::isfinite(best.logit)) return InvalidArgument("logit_bias rules out every token");
  int32_t chosen = best.id;
  if (options_.temperature > 0) {
    // Differences to the best do not overflow, however small the temperature.
    for (Candidate& c : scratch) c.logit = (c.logit - best.logit) / options_.temperature;
    Truncate(scratch);
    double sum = 0;
    for (const Candidate& c : scratch) sum += c.p;
    const double target = UniformDouble(options_.seed, 0, num_sampled_) * sum;
    double mass = 0;
    chosen = scratch.back().id;
    for (const Candidate& c : scratch) {
      mass += c.p;
      if (target < mass) {
        chosen = c.id;
        break;
      }
    }
  }
  ++num_sampled_;
  Accept({&chosen, 1});
  return chosen;
}

}  // namespace moiety
