#include "models/decoder.h"

#include <algorithm>
#include <utility>

#include "base/format.h"
#include "moe/feed_forward.h"
#include "moe/moe_layer.h"
#include "ops/elementwise.h"
#include "ops/linear.h"
#include "ops/self_attention.h"

namespace moiety {
namespace {

// A matrix with its bias, null where there is none.
struct Projection {
  WeightRef weight;
  WeightRef bias;
};

struct DecoderLayer {
  WeightRef attention_norm;
  Projection q, k, v, o;
  WeightRef q_norm, k_norm;       // null without qk_norm
  WeightRef attention_post_norm;  // null without post_norms, as ffn_post_norm
  WeightRef ffn_norm;
  WeightRef ffn_post_norm;
  FeedForward ffn;              // of a dense layer
  std::optional<MoeLayer> moe;  // of a MoE layer
};

// Fills {l} and {e} of a name.
std::string Name(std::string name, int64_t layer, int64_t expert = 0) {
  const auto fill = [&](std::string_view field, int64_t number) {
    if (const size_t at = name.find(field); at != std::string::npos) {
      name.replace(at, field.size(), std::to_string(number));
    }
  };
  fill("{l}", layer);
  fill("{e}", expert);
  return name;
}

class Decoder : public Model {
 public:
  explicit Decoder(DecoderConfig config)
      : config_(std::move(config)), state_(StateSpecs(config_)) {}

  Status Declare(WeightStore& store);

  const ModelInfo& info() const override { return info_; }
  const std::vector<StateSpec>& state() const override { return state_; }

  Matrix Hidden(Exec& exec, const Batch& batch) const override {
    const RopeAngles angles = ComputeRopeAngles(exec, batch, config_.rope);
    const RopeAngles sliding_angles =
        config_.sliding_rope ? ComputeRopeAngles(exec, batch, *config_.sliding_rope) : angles;
    Matrix x = Embed(exec, batch.ids, embedding_);
    if (config_.embedding_scale != 1) x = Scale(exec, x, config_.embedding_scale);
    for (int64_t layer = 0; layer < config_.num_layers && exec.ok(); ++layer) {
      const bool slides = config_.windows[static_cast<size_t>(layer)] != 0;
      x = AttentionBlock(exec, batch, slides ? sliding_angles : angles, layer, x);
      x = FeedForwardBlock(exec, batch, layer, x);
    }
    return Norm(exec, SelectRows(exec, x, batch.logit_rows), final_norm_);
  }

  Matrix Logits(Exec& exec, const Matrix& hidden) const override {
    const Matrix logits = Linear(exec, hidden, head_);
    return config_.logit_soft_cap ? SoftCap(exec, logits, *config_.logit_soft_cap) : logits;
  }

 private:
  static std::vector<StateSpec> StateSpecs(const DecoderConfig& c) {
    std::vector<StateSpec> specs;
    for (const int64_t window : c.windows) {
      specs.push_back({StateSpec::Kind::kPagedKv, c.num_kv_heads, c.head_dim, window});
    }
    return specs;
  }

  Matrix Norm(Exec& exec, const Matrix& x, WeightRef gain) const {
    return RmsNorm(exec, x, gain, config_.rms_norm_eps);
  }

  // x + post_norm(o(attention(norm(x))))
  Matrix AttentionBlock(Exec& exec, const Batch& batch, const RopeAngles& angles, int64_t layer,
                        const Matrix& x) const {
    const Exec::ValueScope scope(exec);
    const DecoderLayer& w = layers_[static_cast<size_t>(layer)];
    const Matrix h = Norm(exec, x, w.attention_norm);
    Matrix q = exec.NewMatrix(x.rows, w.q.weight.rows());
    Matrix k = exec.NewMatrix(x.rows, w.k.weight.rows());
    Matrix v = exec.NewMatrix(x.rows, w.v.weight.rows());
    const LinearJob jobs[] = {
        {h, w.q.weight, w.q.bias, q}, {h, w.k.weight, w.k.bias, k}, {h, w.v.weight, w.v.bias, v}};
    LinearMany(exec, jobs);
    if (config_.qk_norm != QkNorm::kNone) {
      q = RmsNormHeads(exec, q, w.q_norm, config_.rms_norm_eps);
      k = RmsNormHeads(exec, k, w.k_norm, config_.rms_norm_eps);
    }
    if (config_.clip_qkv) {
      for (Matrix* clipped : {&q, &k, &v}) *clipped = Clamp(exec, *clipped, *config_.clip_qkv);
    }
    q = ApplyRope(exec, q, angles);
    k = ApplyRope(exec, k, angles);
    const Matrix attended = SelfAttention(exec, batch, layer, q, k, v, config_.attention_scale);
    const Matrix y = Linear(exec, attended, w.o.weight, w.o.bias);
    return Add(exec, x, w.attention_post_norm ? Norm(exec, y, w.attention_post_norm) : y);
  }

  // x + post_norm(ffn(norm(x))), ffn being dense or a mixture of experts
  Matrix FeedForwardBlock(Exec& exec, const Batch& batch, int64_t layer, const Matrix& x) const {
    const Exec::ValueScope scope(exec);
    const DecoderLayer& w = layers_[static_cast<size_t>(layer)];
    const Matrix h = Norm(exec, x, w.ffn_norm);
    const Matrix y = w.moe.has_value() ? RunMoeLayer(exec, h, batch, *w.moe, layer)
                                       : RunFeedForward(exec, h, w.ffn);
    return Add(exec, x, w.ffn_post_norm ? Norm(exec, y, w.ffn_post_norm) : y);
  }

  Result<DecoderLayer> DeclareLayer(WeightStore& store, int64_t layer,
                                    const std::shared_ptr<const Router>& router) const;
  bool IsMoe(int64_t layer) const {
    return config_.moe.has_value() &&
           (config_.moe_layers.empty() || config_.moe_layers[static_cast<size_t>(layer)]);
  }
  int64_t NumMoeLayers() const {
    int64_t count = 0;
    for (int64_t layer = 0; layer < config_.num_layers; ++layer) count += IsMoe(layer) ? 1 : 0;
    return count;
  }
  void FillInfo(const WeightStore& store);

  DecoderConfig config_;
  std::vector<StateSpec> state_;
  ModelInfo info_;
  WeightRef embedding_, final_norm_, head_;
  std::vector<DecoderLayer> layers_;
};

// Declares the tensors of one layer, keeping the first error.
class LayerDeclarer {
 public:
  LayerDeclarer(WeightStore& store, int64_t layer) : store_(store), layer_(layer) {}

  // The gain of a norm; see DecoderConfig::gain_offset.
  WeightRef Gain(WeightKind kind, const std::string& name, int64_t n, float offset) {
    return Declare(kind, 0, Name(name, layer_) + ".weight", {n}, offset);
  }
  Projection Matrix(WeightKind kind, const std::string& name, int64_t d_out, int64_t d_in,
                    bool bias, int64_t expert = 0) {
    const std::string base = Name(name, layer_, expert);
    Projection p;
    p.weight = Declare(kind, expert, base + ".weight", {d_out, d_in});
    if (bias) p.bias = Declare(kind, expert, base + ".bias", {d_out});
    return p;
  }
  WeightRef RouterPart(const std::string& name, const RouterWeight& weight) {
    return Declare(WeightKind::kRouter, 0, Name(name, layer_) + "." + std::string(weight.name),
                   weight.shape);
  }
  const Status& status() const { return status_; }

 private:
  WeightRef Declare(WeightKind kind, int64_t index, const std::string& name, const Shape& shape,
                    float offset = 0) {
    if (!status_.ok()) return {};
    Result<WeightRef> ref = store_.Declare(
        {kind, static_cast<int32_t>(layer_), static_cast<int32_t>(index)}, name, shape, offset);
    if (ref.ok()) return *ref;
    status_ = std::move(ref).status();
    return {};
  }

  WeightStore& store_;
  int64_t layer_;
  Status status_;
};

struct FeedForwardNames {
  const std::string& gate;
  const std::string& up;
  const std::string& down;
};

FeedForward DeclareFeedForward(LayerDeclarer& d, const DecoderConfig& c, WeightKind kind,
                               const FeedForwardNames& n, int64_t d_hidden, int64_t expert = 0) {
  const Projection g = d.Matrix(kind, n.gate, d_hidden, c.d_model, c.ffn_bias, expert);
  const Projection u = d.Matrix(kind, n.up, d_hidden, c.d_model, c.ffn_bias, expert);
  const Projection w = d.Matrix(kind, n.down, c.d_model, d_hidden, c.ffn_bias, expert);
  return {g.weight, u.weight, w.weight, g.bias, u.bias, w.bias, c.activation};
}

MoeLayer DeclareMoeLayer(LayerDeclarer& d, const DecoderConfig& c,
                         const std::shared_ptr<const Router>& router) {
  const DecoderTensorNames& n = c.names;
  MoeLayer moe;
  moe.router = router;
  if (router->gate_rows() > 0) {
    moe.gate =
        d.Matrix(WeightKind::kRouter, n.router, router->gate_rows(), c.d_model, false).weight;
  }
  for (const RouterWeight& weight : router->weights()) {
    moe.router_weights.push_back(d.RouterPart(n.router, weight));
  }
  // An expert count that the files do not bear out ends at the first missing tensor.
  for (int64_t e = 0; e < c.moe->num_experts && d.status().ok(); ++e) {
    moe.experts.push_back(DeclareFeedForward(
        d, c, WeightKind::kExpert, {n.expert_gate, n.expert_up, n.expert_down}, c.d_expert, e));
  }
  if (c.d_shared_expert > 0) {
    SharedExpert shared;
    shared.gate = d.Matrix(WeightKind::kRouter, n.shared_expert_router, 1, c.d_model, false).weight;
    // Needed for every token, so not one of the experts that may be left where they are.
    shared.ffn = DeclareFeedForward(
        d, c, WeightKind::kFeedForward,
        {n.shared_expert_gate, n.shared_expert_up, n.shared_expert_down}, c.d_shared_expert);
    moe.shared = shared;
  }
  return moe;
}

Result<DecoderLayer> Decoder::DeclareLayer(WeightStore& store, int64_t layer,
                                           const std::shared_ptr<const Router>& router) const {
  const DecoderConfig& c = config_;
  const DecoderTensorNames& n = c.names;
  const int64_t d_q = c.num_heads * c.head_dim;
  const int64_t d_kv = c.num_kv_heads * c.head_dim;
  LayerDeclarer d(store, layer);
  DecoderLayer w;
  const auto norm = [&](const std::string& name) {
    return d.Gain(WeightKind::kNorm, name, c.d_model, c.gain_offset);
  };
  w.attention_norm = norm(n.attention_norm);
  w.q = d.Matrix(WeightKind::kAttention, n.q, d_q, c.d_model, c.qkv_bias);
  w.k = d.Matrix(WeightKind::kAttention, n.k, d_kv, c.d_model, c.qkv_bias);
  w.v = d.Matrix(WeightKind::kAttention, n.v, d_kv, c.d_model, c.qkv_bias);
  w.o = d.Matrix(WeightKind::kAttention, n.o, c.d_model, d_q, c.o_bias);
  if (c.qk_norm != QkNorm::kNone) {
    const bool whole = c.qk_norm == QkNorm::kWhole;
    const auto kind = WeightKind::kAttention;
    w.q_norm = d.Gain(kind, n.q_norm, whole ? d_q : c.head_dim, c.gain_offset);
    w.k_norm = d.Gain(kind, n.k_norm, whole ? d_kv : c.head_dim, c.gain_offset);
  }
  if (c.post_norms) w.attention_post_norm = norm(n.attention_post_norm);
  w.ffn_norm = norm(n.ffn_norm);
  if (c.post_norms) w.ffn_post_norm = norm(n.ffn_post_norm);
  if (IsMoe(layer)) {
    w.moe = DeclareMoeLayer(d, c, router);
  } else {
    w.ffn = DeclareFeedForward(d, c, WeightKind::kFeedForward, {n.gate, n.up, n.down},
                               c.d_feed_forward);
  }
  MOIETY_RETURN_IF_ERROR(Status(d.status()));
  return w;
}

Status Decoder::Declare(WeightStore& store) {
  const DecoderConfig& c = config_;
  MOIETY_ASSIGN_OR_RETURN(embedding_, store.Declare({WeightKind::kEmbedding, -1, 0},
                                                    c.names.embedding, {c.vocab_size, c.d_model}));
  std::shared_ptr<const Router> router;
  if (c.moe.has_value()) {
    MOIETY_ASSIGN_OR_RETURN(router, MakeRouter(c.router, *c.moe, c.d_model));
  }
  for (int64_t layer = 0; layer < c.num_layers; ++layer) {
    MOIETY_ASSIGN_OR_RETURN(DecoderLayer declared, DeclareLayer(store, layer, router));
    if (declared.moe.has_value()) declared.moe->source = &store.experts();
    layers_.push_back(std::move(declared));
  }
  MOIETY_ASSIGN_OR_RETURN(final_norm_, store.Declare({WeightKind::kNorm, -1, 0}, c.names.final_norm,
                                                     {c.d_model}, c.gain_offset));
  MOIETY_ASSIGN_OR_RETURN(head_, store.Declare({WeightKind::kHead, -1, 0},
                                               c.tied_head ? c.names.embedding : c.names.head,
                                               {c.vocab_size, c.d_model}));
  FillInfo(store);
  return OkStatus();
}

void Decoder::FillInfo(const WeightStore& store) {
  const DecoderConfig& c = config_;
  info_.architecture = c.model_type;
  info_.vocab_size = c.vocab_size;
  info_.d_model = c.d_model;
  info_.num_layers = c.num_layers;
  info_.num_heads = c.num_heads;
  info_.num_kv_heads = c.num_kv_heads;
  info_.head_dim = c.head_dim;
  info_.context_length = c.context_length;
  info_.sliding_window = *std::max_element(c.windows.begin(), c.windows.end());
  info_.num_moe_layers = NumMoeLayers();
  const bool has_experts = info_.num_moe_layers > 0;
  info_.d_feed_forward = has_experts ? c.d_expert : c.d_feed_forward;
  if (has_experts) {
    info_.num_experts = c.moe->num_experts;
    info_.top_k = c.moe->top_k;
    info_.router = c.router;
  }
  uint64_t in_experts = 0;
  for (const Weight& weight : store.weights()) {
    if (weight.group.kind == WeightKind::kHead && c.tied_head) continue;
    const auto count = static_cast<uint64_t>(*NumElements(weight.shape));
    info_.parameters += count;
    if (weight.group.kind == WeightKind::kExpert) in_experts += count;
  }
  info_.active_parameters = info_.parameters;
  if (has_experts) {
    const auto num_experts = static_cast<uint64_t>(c.moe->num_experts);
    info_.active_parameters -=
        in_experts / num_experts * (num_experts - static_cast<uint64_t>(c.moe->top_k));
  }
}

}  // namespace

Result<std::unique_ptr<const Model>> BuildDecoder(const ConfigReader& config, DecoderConfig decoder,
                                                  WeightStore& store) {
  MOIETY_RETURN_IF_ERROR(Status(config.status()));
  auto model = std::make_unique<Decoder>(std::move(decoder));
  MOIETY_RETURN_IF_ERROR(model->Declare(store));
  return std::unique_ptr<const Model>(std::move(model));
}

}  // namespace moiety
