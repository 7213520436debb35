// Reading what the architectures' configs have in common.
#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "base/format.h"
#include "models/decoder.h"
#include "models/rope_config.h"
#include "models/router_config.h"

namespace moiety {
namespace {

// Far above any model: they bound what a config can make us allocate and compute before a tensor
// has borne it out.
constexpr int64_t kMaxLayers = 4096;
constexpr int64_t kMaxHeads = 65536;
constexpr int64_t kMaxHeadDim = 8192;

struct ActivationName {
  std::string_view name;
  Activation activation;
};
// As transformers names them.
constexpr std::array kActivations = {
    ActivationName{"silu", Activation::kSilu},
    ActivationName{"swish", Activation::kSilu},
    ActivationName{"gelu_pytorch_tanh", Activation::kGeluTanh},
    ActivationName{"gelu_new", Activation::kGeluTanh},
};

Activation ReadActivation(ConfigReader& config, std::string_view key) {
  const std::string wanted = config.StringOr(key, "silu");
  std::string names;
  for (const auto& [name, activation] : kActivations) {
    if (name == wanted) return activation;
    names += (names.empty() ? "" : ", ") + std::string(name);
  }
  config.FailUnsupported(key, Format("is \"{}\": supported are {}", wanted, names));
  return Activation::kSilu;
}

}  // namespace

DecoderConfig ReadDecoderConfig(ConfigReader& config, double default_theta,
                                std::string_view activation_key) {
  DecoderConfig d;
  d.model_type = config.String("model_type");
  d.vocab_size = config.Dim("vocab_size");
  d.d_model = config.Dim("hidden_size");
  d.num_layers = config.Int("num_hidden_layers", 1, kMaxLayers);
  d.num_heads = config.Int("num_attention_heads", 1, kMaxHeads);
  d.num_kv_heads = config.IntOr("num_key_value_heads", d.num_heads, 1, kMaxHeads);
  d.d_feed_forward = config.Dim("intermediate_size");
  d.context_length = config.Dim("max_position_embeddings");
  if (!config.status().ok()) return d;

  if (config.Missing("head_dim") && d.d_model % d.num_heads != 0) {
    config.Fail("num_attention_heads",
                Format("must divide hidden_size {} when there is no head_dim, found {}", d.d_model,
                       d.num_heads));
  }
  d.head_dim = config.IntOr("head_dim", d.d_model / d.num_heads, 1, kMaxHeadDim);
  if (d.head_dim > kMaxHeadDim) {
    config.Fail("hidden_size", Format("gives heads of {}, more than {}", d.head_dim, kMaxHeadDim));
  }
  if (d.head_dim % 2 != 0)
    config.Fail("head_dim", Format("must be even for rope, found {}", d.head_dim));
  if (d.num_heads % d.num_kv_heads != 0) {
    config.Fail("num_key_value_heads", Format("must divide num_attention_heads {}, found {}",
                                              d.num_heads, d.num_kv_heads));
  }
  const double eps = config.Float("rms_norm_eps");
  if (eps < 0 || eps > 1) config.Fail("rms_norm_eps", Format("must be from 0 to 1, found {}", eps));
  d.rms_norm_eps = static_cast<float>(eps);
  d.attention_scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(d.head_dim)));
  d.activation = ReadActivation(config, activation_key);
  d.tied_head = config.BoolOr("tie_word_embeddings", false);
  d.windows.assign(static_cast<size_t>(d.num_layers), 0);
  d.rope = ReadRopeTable(config, d.head_dim, d.context_length, default_theta);
  return d;
}

void ReadSlidingWindow(ConfigReader& config, int64_t first_layer, DecoderConfig& d) {
  ReadSlidingWindow(
      config, [=](int64_t layer) { return layer >= first_layer; }, d);
}

void ReadSlidingWindow(ConfigReader& config, const std::function<bool(int64_t layer)>& slides,
                       DecoderConfig& d) {
  if (!config.status().ok()) return;
  // Libraries disagree on what a missing key means (none, or 4096).
  if (!config.Has("sliding_window")) config.Fail("sliding_window", "is missing: null means none");
  const int64_t window = config.IntOr("sliding_window", 0, 1, INT32_MAX);
  const std::vector<std::string> types = config.StringsOr("layer_types", {});
  if (!types.empty() && static_cast<int64_t>(types.size()) != d.num_layers) {
    config.Fail("layer_types", Format("must have an entry for each of {} layers, found {}",
                                      d.num_layers, types.size()));
    return;
  }
  for (int64_t layer = 0; layer < d.num_layers; ++layer) {
    const auto l = static_cast<size_t>(layer);
    bool sliding = slides(layer);
    if (!types.empty()) {
      sliding = types[l] == "sliding_attention";
      if (!sliding && types[l] != "full_attention") {
        config.FailUnsupported("layer_types", Format("has \"{}\": only full_attention and "
                                                     "sliding_attention are supported",
                                                     types[l]));
      }
      if (sliding && window == 0)
        config.Fail("sliding_window", "is missing, but layer_types names sliding layers");
    }
    d.windows[l] = sliding ? window : 0;
  }
}

void ReadExperts(ConfigReader& config, DecoderConfig& d) {
  RouterOptions moe;
  // transformers 5 writes the second name for some.
  const bool local = config.Missing("num_experts") && !config.Missing("num_local_experts");
  moe.num_experts = config.Dim(local ? "num_local_experts" : "num_experts");
  moe.top_k = config.Int("num_experts_per_tok", 1, moe.num_experts);
  moe.renormalize = config.BoolOr("norm_topk_prob", false);
  ReadRouter(config, d.router, moe);
  d.moe = moe;
}

void ReadSparseLayers(ConfigReader& config, DecoderConfig& d) {
  const int64_t step = config.IntOr("decoder_sparse_step", 1, 1, INT32_MAX);
  const std::vector<int64_t> dense = config.IntsOr("mlp_only_layers", {}, 0, INT32_MAX);
  if (!config.status().ok()) return;
  d.moe_layers.resize(static_cast<size_t>(d.num_layers));
  for (int64_t layer = 0; layer < d.num_layers; ++layer) {
    d.moe_layers[static_cast<size_t>(layer)] =
        (layer + 1) % step == 0 && std::find(dense.begin(), dense.end(), layer) == dense.end();
  }
}

}  // namespace moiety
