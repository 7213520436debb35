// Whether the values of a TrainConfig fit together.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/format.h"
#include "base/utf8.h"
#include "routing/router.h"
#include "train/config.h"

namespace moiety {
namespace {

std::string Join(const std::vector<std::string_view>& words) {
  std::string text;
  for (const std::string_view word : words) text += (text.empty() ? "" : ", ") + std::string(word);
  return text;
}

Status CheckModelConfig(const ModelConfig& m) {
  if (m.head_dim == 0 && m.d_model % m.num_heads != 0) {
    return InvalidArgument(Format(
        "model.d_model = {} cannot be shared by model.num_heads = {}: set model.head_dim, or "
        "a multiple",
        m.d_model, m.num_heads));
  }
  if (m.HeadDim() % 2 != 0) {
    return InvalidArgument(Format(
        "heads are {} wide, expected an even number: positions turn pairs of values", m.HeadDim()));
  }
  if (m.num_heads % m.num_kv_heads != 0) {
    return InvalidArgument(
        Format("model.num_heads = {} must be a multiple of model.num_kv_heads = {}", m.num_heads,
               m.num_kv_heads));
  }
  if (m.top_k > m.num_experts) {
    return InvalidArgument(
        Format("model.top_k = {} must be at most model.num_experts = {}", m.top_k, m.num_experts));
  }
  if (m.first_dense_layers > m.num_layers) {
    return InvalidArgument(
        Format("model.first_dense_layers = {} must be at most model.num_layers = {}",
               m.first_dense_layers, m.num_layers));
  }
  bool has_experts = m.dense;  // then they were not asked for
  for (int64_t layer = 0; layer < m.num_layers; ++layer) has_experts |= m.IsMoeLayer(layer);
  if (!has_experts) {
    return InvalidArgument(
        Format("none of the {} layers has experts with model.moe_every = {} and "
               "model.first_dense_layers = {}: set model.dense for a model without",
               m.num_layers, m.moe_every, m.first_dense_layers));
  }
  return OkStatus();
}

// Options that the router does not have are refused, not passed over.
Status CheckRouterOptions(const RouterConfig& r) {
  MOIETY_ASSIGN_OR_RETURN(const RouterInfo router, FindRouter(r.name));
  const RouterConfig none;
  const std::pair<std::string_view, bool> keys[] = {
      {"renormalize", r.renormalize != none.renormalize},
      {"capacity_factor", r.capacity_factor != none.capacity_factor},
      {"scale", r.scale != none.scale},
      {"groups", r.groups != none.groups},
      {"groups_per_token", r.groups_per_token != none.groups_per_token},
      {"bias_update_rate", r.bias_update_rate != none.bias_update_rate},
      {"noise", r.noise != none.noise},
      {"table", r.table != none.table},
      {"estimator", r.estimator != none.estimator},
      {"branching", r.branching != none.branching},
      {"d_key", r.d_key != none.d_key}};
  const std::vector<std::string_view> options = router.OptionNames();
  for (const auto& [key, changed] : keys) {
    if (!changed || std::find(options.begin(), options.end(), key) != options.end()) continue;
    return InvalidArgument(Format("router.{} is no option of the router {}: it has {}", key, r.name,
                                  options.empty() ? "none" : Join(options)));
  }
  const bool noisy = std::find(options.begin(), options.end(), "noise") != options.end();
  if (r.losses.load != 0 && !noisy) {
    return InvalidArgument(Format(
        "router.load_loss needs a router with noise, as noisy_topk is: {} has none", r.name));
  }
  if (r.losses.load != 0 && r.noise == 0) {
    return InvalidArgument("router.load_loss needs noise: router.noise is 0");
  }
  if (!router.causal && !r.allow_noncausal) {
    return InvalidArgument(
        Format("the router {} looks at later tokens, which a model that continues texts cannot do: "
               "set router.allow_noncausal to study it all the same",
               r.name));
  }
  return OkStatus();
}

Status CheckRouterConfig(const RouterConfig& r, const ModelConfig& m) {
  if (m.dense) return OkStatus();
  MOIETY_RETURN_IF_ERROR(CheckRouterOptions(r));
  if (m.num_experts % r.groups != 0) {
    return InvalidArgument(Format("model.num_experts = {} must be a multiple of router.groups = {}",
                                  m.num_experts, r.groups));
  }
  if (r.groups_per_token > r.groups) {
    return InvalidArgument(Format("router.groups_per_token = {} must be at most router.groups = {}",
                                  r.groups_per_token, r.groups));
  }
  if (const int64_t open = m.num_experts / r.groups * r.groups_per_token;
      r.groups > 1 && m.top_k > open) {
    return InvalidArgument(
        Format("model.top_k = {} must be at most the {} experts of router.groups_per_token = {}",
               m.top_k, open, r.groups_per_token));
  }
  return OkStatus();
}

Status CheckTexts(const TrainConfig& config) {
  const auto is_text = [](const std::string& text) { return IsUtf8(text); };
  bool fits = is_text(config.data.tokenizer);
  for (const std::string& path : config.data.paths) fits = fits && is_text(path);
  for (const std::string& field : config.data.text_fields) fits = fits && is_text(field);
  for (const auto& [name, weight] : config.data.weights) fits = fits && is_text(name);
  // The run keeps its config as TOML, which holds nothing else.
  return fits ? OkStatus() : InvalidArgument("paths and names of the data must be UTF-8");
}

Status CheckDataConfig(const DataConfig& d, const ModelConfig& m) {
  if (d.sequence_length > m.context_length) {
    return InvalidArgument(
        Format("data.sequence_length = {} must be at most model.context_length = {}",
               d.sequence_length, m.context_length));
  }
  if (d.text_fields.empty()) {
    return InvalidArgument("data.text_fields must name a field of the rows, found none");
  }
  if (d.tokenizer.empty() && m.vocab_size == 0) {
    return InvalidArgument(
        "model.vocab_size must say how large a tokenizer to make, or data.tokenizer name one");
  }
  bool has_weight = d.weights.empty();
  for (const auto& [name, weight] : d.weights) has_weight |= weight > 0;
  if (!has_weight) return InvalidArgument("data.weights: all are 0, expected one above");
  return OkStatus();
}

}  // namespace

Status CheckTrainConfig(const TrainConfig& config) {
  MOIETY_RETURN_IF_ERROR(CheckModelConfig(config.model));
  MOIETY_RETURN_IF_ERROR(CheckRouterConfig(config.router, config.model));
  MOIETY_RETURN_IF_ERROR(CheckTexts(config));
  MOIETY_RETURN_IF_ERROR(CheckDataConfig(config.data, config.model));
  const ScheduleOptions& schedule = config.schedule;
  const LoopConfig& loop = config.loop;
  if (schedule.name == "wsd" && schedule.decay_steps > loop.steps - schedule.warmup_steps) {
    return InvalidArgument(
        Format("schedule.warmup_steps = {} and schedule.decay_steps = {} must fit in loop.steps = "
               "{}",
               schedule.warmup_steps, schedule.decay_steps, loop.steps));
  }
  if (loop.micro_batch_sequences > loop.batch_sequences) {
    return InvalidArgument(
        Format("loop.micro_batch_sequences = {} must be at most loop.batch_sequences = {}",
               loop.micro_batch_sequences, loop.batch_sequences));
  }
  return OkStatus();
}

}  // namespace moiety
