#include "train/architecture.h"

#include <utility>
#include <vector>

#include "base/format.h"
#include "models/router_config.h"
#include "routing/router.h"

namespace moiety {
namespace {

// What all of them share.
nlohmann::json CommonConfig(const TrainConfig& config, int64_t vocab_size, const SpecialIds& ids) {
  const ModelConfig& m = config.model;
  nlohmann::json json = {
      {"vocab_size", vocab_size},
      {"hidden_size", m.d_model},
      {"num_hidden_layers", m.num_layers},
      {"num_attention_heads", m.num_heads},
      {"num_key_value_heads", m.num_kv_heads},
      {"head_dim", m.HeadDim()},
      {"max_position_embeddings", m.context_length},
      {"rms_norm_eps", m.rms_norm_eps},
      {"rope_theta", m.rope_theta},
      {"rope_parameters", {{"rope_type", "default"}, {"rope_theta", m.rope_theta}}},
      {"hidden_act", "silu"},
      {"initializer_range", m.init_std},
      {"tie_word_embeddings", m.tied_head},
      {"attention_dropout", 0.0},
      {"use_cache", true}};
  const auto id = [&](const char* key, std::optional<int64_t> value) {
    json[key] = value.has_value() ? nlohmann::json(*value) : nlohmann::json();
  };
  id("bos_token_id", ids.bos);
  id("eos_token_id", ids.eos);
  id("pad_token_id", ids.pad);
  return json;
}

void Name(nlohmann::json& json, const char* model_type, const char* architecture) {
  json["model_type"] = model_type;
  json["architectures"] = {architecture};
}

// Layers without experts although moe_every would give them some.
std::vector<int64_t> DenseLayers(const ModelConfig& m) {
  std::vector<int64_t> layers;
  for (int64_t layer = 0; layer < m.first_dense_layers; ++layer) {
    if ((layer + 1) % m.moe_every == 0) layers.push_back(layer);
  }
  return layers;
}

// Whether weights of a token sum to one at inference.
bool Renormalizes(const RouterConfig& config, const RouterInfo& router) {
  switch (router.at_inference) {
    case AtInference::kTopKRenormalized:
      return true;
    case AtInference::kTopKAsScored:
      return false;
    default:
      return config.renormalize;
  }
}

// What differs from the top-k of published architectures.
void AddRouter(nlohmann::json& json, const TrainConfig& config, std::vector<int32_t> hash_table) {
  const RouterConfig& r = config.router;
  if (r.name == "topk" && r.capacity_factor == 0) return;
  RouterOptions options;
  options.capacity_factor = r.capacity_factor;
  options.scale = r.scale;
  options.groups = r.groups;
  options.groups_per_token = r.groups_per_token;
  options.noise = r.noise;
  options.seed = static_cast<uint64_t>(config.loop.seed);
  options.branching = r.branching;
  options.d_key = r.d_key;
  if (r.estimator == "reinforce") options.estimator = ChoiceEstimator::kReinforce;
  options.table = std::move(hash_table);
  json[kRouterKey] = RouterObject(r.name, options);
}

void AddExperts(nlohmann::json& json, const TrainConfig& config, bool renormalize) {
  const ModelConfig& m = config.model;
  json["num_experts"] = m.num_experts;
  json["num_experts_per_tok"] = m.top_k;
  json["moe_intermediate_size"] = m.d_expert;
  json["intermediate_size"] = m.d_feed_forward;
  json["norm_topk_prob"] = renormalize;
  json["decoder_sparse_step"] = m.moe_every;
  json["mlp_only_layers"] = DenseLayers(m);
  json["router_aux_loss_coef"] = config.router.losses.balance;
  json["output_router_logits"] = false;
}

}  // namespace

Result<nlohmann::json> HfConfigOf(const TrainConfig& config, int64_t vocab_size,
                                  const SpecialIds& ids, std::vector<int32_t> hash_table) {
  const ModelConfig& m = config.model;
  nlohmann::json json = CommonConfig(config, vocab_size, ids);
  const bool every_layer = m.moe_every == 1 && m.first_dense_layers == 0;
  bool any_moe = false;
  for (int64_t layer = 0; layer < m.num_layers; ++layer) any_moe = any_moe || m.IsMoeLayer(layer);

  if (!any_moe) {
    const int64_t twin = m.top_k * m.d_expert + m.d_shared_expert;
    if (m.dense && !every_layer && twin != m.d_feed_forward) {
      return Unsupported(Format(
          "the dense twin has feed-forward layers of {} beside those of {} that were dense before: "
          "no published architecture has both; set model.d_feed_forward={}",
          twin, m.d_feed_forward, twin));
    }
    json["intermediate_size"] = m.dense ? twin : m.d_feed_forward;
    Name(json, m.qk_norm ? "qwen3" : "llama", m.qk_norm ? "Qwen3ForCausalLM" : "LlamaForCausalLM");
    if (m.qk_norm) json["attention_bias"] = false;
    return json;
  }
  MOIETY_ASSIGN_OR_RETURN(const RouterInfo router, FindRouter(config.router.name));
  const bool renormalize = Renormalizes(config.router, router);
  const bool is_topk = router.at_inference != AtInference::kItself;
  const auto add_experts = [&] {
    AddExperts(json, config, renormalize);
    AddRouter(json, config, std::move(hash_table));
  };
  if (is_topk) {
    if (m.d_shared_expert > 0 && !m.qk_norm) {
      Name(json, "qwen2_moe", "Qwen2MoeForCausalLM");
      add_experts();
      json["shared_expert_intermediate_size"] = m.d_shared_expert;
      json["qkv_bias"] = false;
      return json;
    }
    if (m.d_shared_expert == 0 && m.qk_norm) {
      Name(json, "qwen3_moe", "Qwen3MoeForCausalLM");
      add_experts();
      json["attention_bias"] = false;
      return json;
    }
    if (m.d_shared_expert == 0 && every_layer && renormalize) {
      Name(json, "mixtral", "MixtralForCausalLM");
      json["intermediate_size"] = m.d_expert;
      json["num_local_experts"] = m.num_experts;
      json["num_experts_per_tok"] = m.top_k;
      json["router_aux_loss_coef"] = config.router.losses.balance;
      json["router_jitter_noise"] = 0.0;
      json["output_router_logits"] = false;
      json["sliding_window"] = nullptr;
      AddRouter(json, config, {});
      return json;
    }
  }
  Name(json, "moiety", "MoietyForCausalLM");
  add_experts();
  json["qk_norm"] = m.qk_norm;
  json["shared_expert_intermediate_size"] = m.d_shared_expert;
  return json;
}

}  // namespace moiety
