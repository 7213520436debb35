#include "format/hf_to_gguf.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "base/format.h"
#include "format/config_reader.h"
#include "format/gguf_architectures.h"
#include "format/json.h"

namespace moiety {
namespace {

using namespace gguf;  // NOLINT(google-build-using-namespace): the tables
using nlohmann::json;

// Above any model's; GGUF keeps such numbers in 32 bits.
constexpr int64_t kMaxInteger = INT32_MAX;

bool Slides(const Architecture& architecture, std::string_view model_type) {
  const auto& types = architecture.sliding_model_types;
  return std::find(types.begin(), types.end(), model_type) != types.end();
}

Result<const Architecture*> FindArchitecture(ConfigReader& config) {
  const std::string type = config.String("model_type");
  MOIETY_RETURN_IF_ERROR(config.status());
  std::string known;
  for (const Architecture& architecture : kArchitectures) {
    if (!type.empty() && (type == architecture.model_type || type == architecture.moe_model_type ||
                          Slides(architecture, type))) {
      return &architecture;
    }
    for (const std::string_view name : {architecture.model_type, architecture.moe_model_type}) {
      if (!name.empty()) known += (known.empty() ? "" : ", ") + std::string(name);
    }
  }
  return Unsupported(Format("{}: model_type {} has no GGUF architecture here; those that do: {}",
                            config.where(), ShowJson(type), known));
}

// Sets the key behind `prefix` if the field is there.
void WriteKey(ConfigReader& config, const std::string& prefix, const KeyRow& row,
              GgufPairs& metadata) {
  if (!row.required && config.Missing(row.field)) return;
  const std::string key = prefix + std::string(row.key);
  switch (row.kind) {
    case Kind::kInteger:
      metadata.SetNumber(key, static_cast<uint32_t>(config.Int(row.field, 0, kMaxInteger)));
      break;
    case Kind::kNumber:
      metadata.SetNumber(key, static_cast<float>(config.Float(row.field)));
      break;
    case Kind::kBool:
      metadata.SetNumber(key, config.BoolOr(row.field, false));
      break;
  }
}

// rope_theta and the scaling, in the spelling of published checkpoints and of transformers 5.
void WriteRope(ConfigReader& config, const std::string& prefix, GgufPairs& metadata) {
  const KeyRow theta = {"rope.freq_base", "rope_theta", Kind::kNumber};
  std::optional<ConfigReader> rope = config.Object("rope_parameters");
  const char* object = rope.has_value() ? "rope_parameters" : "rope_scaling";
  if (rope.has_value()) {
    // Where layers differ, those that slide have an object of their own.
    if (auto local = rope->Object("sliding_attention")) {
      WriteKey(*local, prefix, {"rope.freq_base_swa", "rope_theta", Kind::kNumber}, metadata);
      if (local->StringOr("rope_type", "default") != "default") {
        config.FailUnsupported(object, "scales the rope of sliding layers: GGUF cannot say that");
      }
    }
    if (auto full = rope->Object("full_attention")) rope = full;
    WriteKey(*rope, prefix, theta, metadata);
  } else {
    rope = config.Object("rope_scaling");
  }
  if (!rope.has_value()) return;
  const std::string type = rope->StringOr("rope_type", rope->StringOr("type", "default"));
  if (type == "default") return;
  // Of llama3 a file has the frequencies themselves, as a tensor, which moiety does not read yet.
  if (type != "linear" && type != "yarn") {
    config.FailUnsupported(
        object,
        Format("has rope_type \"{}\": only default, linear and yarn can be said in GGUF", type));
    return;
  }
  // Each of these changes results and has no key, or one of another meaning (attn_factor comes on
  // top of yarn's own factor).
  for (const char* field : {"attention_factor", "mscale", "mscale_all_dim", "truncate"}) {
    if (rope->Missing(field)) continue;
    config.FailUnsupported(object, Format("has \"{}\", which cannot be said in GGUF", field));
  }
  metadata.SetString(prefix + "rope.scaling.type", type);
  for (const KeyRow& row : kRopeScalingKeys) {
    WriteKey(*rope, prefix + "rope.scaling.", row, metadata);
  }
}

// Which layers slide: each but every n-th, if the architecture's do not all.
void WriteLayers(ConfigReader& config, const Architecture& architecture, const std::string& prefix,
                 GgufPairs& metadata) {
  const std::vector<std::string> types = config.StringsOr("layer_types", {});
  if (types.empty()) return;  // "sliding_window_pattern" is a key of its own
  const auto first = std::find(types.begin(), types.end(), "full_attention") - types.begin();
  const auto pattern = static_cast<size_t>(first) + 1;
  for (size_t i = 0; i < types.size(); ++i) {
    const bool full = architecture.has_sliding_pattern && (i + 1) % pattern == 0;
    if (types[i] == (full ? "full_attention" : "sliding_attention")) continue;
    config.FailUnsupported("layer_types", Format("says {} of layer {}: GGUF can say only that each "
                                                 "n-th layer does not slide",
                                                 ShowJson(types[i]), i));
    return;
  }
  if (architecture.has_sliding_pattern) {
    metadata.SetNumber(prefix + "attention.sliding_window_pattern", static_cast<uint32_t>(pattern));
  }
}

// Fields that change results and have no key.
void CheckUnsaid(ConfigReader& config) {
  if (config.IntOr("decoder_sparse_step", 1, 0, kMaxInteger) != 1) {
    config.FailUnsupported("decoder_sparse_step", "must be 1: in GGUF each layer has experts");
  }
  if (!config.IntsOr("mlp_only_layers", {}, 0, kMaxInteger).empty()) {
    config.FailUnsupported("mlp_only_layers", "must be empty: in GGUF each layer has experts");
  }
}

void WriteConfig(ConfigReader& config, const Architecture& architecture, GgufPairs& metadata) {
  const std::string prefix = std::string(architecture.gguf) + ".";
  const bool slides = Slides(architecture, config.String("model_type"));
  metadata.SetString("general.architecture", architecture.gguf);
  metadata.SetString("general.type", "model");
  metadata.SetNumber("general.quantization_version", uint32_t{2});
  for (const KeyRow& row : kKeys) {
    if (row.field == "sliding_window" && !slides) continue;
    WriteKey(config, prefix, row, metadata);
  }
  if (slides && !config.Missing("sliding_window"))
    WriteLayers(config, architecture, prefix, metadata);
  CheckUnsaid(config);
  // Readers differ in what they assume where a file does not say it.
  if (architecture.norm_topk_prob.has_value()) {
    metadata.SetNumber(prefix + "expert_weights_norm", config.BoolOr("norm_topk_prob", false));
  }
  if (architecture.query_scalar_by_width_blocks != 0) {
    const double scalar = config.Float("query_pre_attn_scalar");
    if (scalar <= 0) config.Fail("query_pre_attn_scalar", Format("is {}, not above 0", scalar));
    metadata.SetNumber(prefix + "attention.scale", static_cast<float>(1 / std::sqrt(scalar)));
  }
  if (!slides && config.BoolOr("use_sliding_window", false)) {
    config.FailUnsupported(
        "use_sliding_window",
        Format("is true: windows of some layers cannot be said in GGUF for {}", architecture.gguf));
  }
  WriteRope(config, prefix, metadata);
  const int64_t heads = config.Int("num_attention_heads", 1, kMaxInteger);
  const int64_t width = config.Dim("hidden_size");
  if (config.Missing("num_key_value_heads")) {
    metadata.SetNumber(prefix + "attention.head_count_kv", static_cast<uint32_t>(heads));
  }
  const int64_t head_dim = config.DimOr("head_dim", std::max<int64_t>(1, width / heads));
  if (!config.Missing("head_dim")) {
    metadata.SetNumber(prefix + "attention.value_length", static_cast<uint32_t>(head_dim));
  }
  metadata.SetNumber(prefix + "rope.dimension_count", static_cast<uint32_t>(head_dim));
  metadata.SetNumber(prefix + "vocab_size", static_cast<uint32_t>(config.Dim("vocab_size")));
}

// "12.rest" → 12 and "rest".
std::optional<std::pair<int64_t, std::string_view>> SplitNumber(std::string_view text) {
  int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [last, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || number < 0) return std::nullopt;
  return std::pair{number, text.substr(static_cast<size_t>(last - text.data()))};
}

// Gathers the tensors of a folder under the names of GGUF.
class Gatherer {
 public:
  Gatherer(const Architecture& architecture, ConfigReader& config, int64_t num_experts)
      : architecture_(architecture),
        where_(config.where()),
        num_experts_(num_experts),
        query_heads_(config.Int("num_attention_heads", 1, kMaxInteger)),
        key_heads_(config.IntOr("num_key_value_heads", query_heads_, 1, kMaxInteger)) {}

  Status Add(const std::string& name, const TensorInfo& info) {
    if (info.dtype != DType::kF32 && info.dtype != DType::kF16 && info.dtype != DType::kBF16) {
      return Unsupported(Format("{}: tensor {}: weights of {}; expected F32, F16 or BF16", where_,
                                ShowJson(name), DTypeName(info.dtype)));
    }
    const size_t dot = name.rfind('.');
    const std::string suffix = dot == std::string::npos ? "" : name.substr(dot);
    const std::string_view stem = std::string_view(name).substr(0, dot);
    const std::optional<Place> place = Find(stem);
    if (!place.has_value()) {
      return Unsupported(
          Format("{}: tensor {}: no GGUF name is known for it", where_, ShowJson(name)));
    }
    std::string gguf = place->layer < 0 ? "" : Format("{}{}.", kLayerPrefix, place->layer);
    gguf.append(place->stem).append(suffix);
    Entry& entry = entries_[{place->layer, place->order, gguf}];
    entry.heads = place->heads;
    entry.is_row = place->is_row;
    entry.offset =
        architecture_.norm_gains_are_whole && place->stem.ends_with("_norm") ? 1.0F : 0.0F;
    entry.is_stack = place->expert >= 0;
    entry.pieces.emplace(place->expert, info);
    return OkStatus();
  }

  Result<std::vector<GgufSourceTensor>> Finish() && {
    std::vector<GgufSourceTensor> tensors;
    for (auto& [key, entry] : entries_) {
      GgufSourceTensor tensor;
      tensor.name = std::get<2>(key);
      tensor.shape = entry.pieces.begin()->second.shape;
      for (auto& [expert, info] : entry.pieces) {
        const auto expected = static_cast<int64_t>(tensor.pieces.size());
        if ((entry.is_stack && expert != expected) || info.shape != tensor.shape) {
          return InvalidData(Format("{}: {}: expected expert {} of shape {}, found expert {} of {}",
                                    where_, tensor.name, expected, ShapeString(tensor.shape),
                                    expert, ShapeString(info.shape)));
        }
        tensor.pieces.push_back(std::move(info));
      }
      if (entry.is_row && tensor.shape.size() == 2 && tensor.shape[0] == 1) {
        tensor.shape.erase(tensor.shape.begin());
      }
      tensor.offset = entry.offset;
      if (entry.is_stack) {
        const auto count = static_cast<int64_t>(tensor.pieces.size());
        if (count != num_experts_) {
          return InvalidData(Format("{}: {}: expected {} experts, found {}", where_, tensor.name,
                                    num_experts_, count));
        }
        tensor.shape.insert(tensor.shape.begin(), count);
      }
      if (entry.heads > 0) {
        const int64_t rows = tensor.shape.empty() ? 0 : tensor.shape[0];
        if (rows % (2 * entry.heads) != 0) {
          return InvalidData(
              Format("{}: {}: expected an even number of rows for each of {} heads, "
                     "found shape {}",
                     where_, tensor.name, entry.heads, ShapeString(tensor.shape)));
        }
        tensor.interleaved_heads = entry.heads;
      }
      tensors.push_back(std::move(tensor));
    }
    return tensors;
  }

 private:
  struct Place {
    int64_t layer = -1;
    size_t order = 0;  // in its layer
    std::string_view stem = {};
    int64_t expert = -1;
    int64_t heads = 0;
    bool is_row = false;
  };
  struct Entry {
    std::map<int64_t, TensorInfo> pieces;  // by expert
    bool is_stack = false;
    bool is_row = false;
    int64_t heads = 0;
    float offset = 0;
  };

  std::optional<Place> Find(std::string_view stem) const {
    for (size_t i = 0; i < kNames.size(); ++i) {
      if (kNames[i].name == stem) return Place{.order = i, .stem = kNames[i].gguf};
    }
    if (!stem.starts_with(kHfLayerPrefix)) return std::nullopt;
    const auto layer = SplitNumber(stem.substr(kHfLayerPrefix.size()));
    if (!layer.has_value() || !layer->second.starts_with(".")) return std::nullopt;
    Place place{.layer = layer->first};
    return FindInLayer(layer->second.substr(1), place) ? std::optional(place) : std::nullopt;
  }

  bool FindInLayer(std::string_view stem, Place& place) const {
    // First the architecture's own names: what they are for others is another tensor.
    for (const OwnNameRow& row : kOwnNames) {
      ++place.order;
      if (architecture_.*row.name != stem) continue;
      place.stem = row.gguf;
      return true;
    }
    for (const NameRow& row : kLayerNames) {
      ++place.order;
      if (row.name != stem) continue;
      place.stem = row.gguf;
      place.is_row = row.is_row;
      if (architecture_.rope_interleave && row.rope != RopeHeads::kNone) {
        place.heads = row.rope == RopeHeads::kQuery ? query_heads_ : key_heads_;
      }
      return true;
    }
    if (num_experts_ == 0) return false;
    for (const OwnNameRow& row : kStacks) {
      ++place.order;
      const std::string_view pattern = architecture_.*row.name;
      const size_t field = pattern.find(kExpertField);
      if (!stem.starts_with(pattern.substr(0, field))) continue;
      const auto expert = SplitNumber(stem.substr(field));
      if (!expert.has_value() || expert->second != pattern.substr(field + kExpertField.size())) {
        continue;
      }
      place.stem = row.gguf;
      place.expert = expert->first;
      return true;
    }
    return false;
  }

  const Architecture& architecture_;
  const std::string& where_;
  int64_t num_experts_;
  int64_t query_heads_;
  int64_t key_heads_;
  std::map<std::tuple<int64_t, size_t, std::string>, Entry> entries_;
};

// Tensors of a folder that say nothing a file needs: older checkpoints keep rope's frequencies,
// and some keep the tied head a second time.
bool IsRedundant(std::string_view name, bool tied) {
  return name.ends_with(".rotary_emb.inv_freq") || (tied && name == "lm_head.weight");
}

// Readers take the size of the vocabulary from the number of tokens, which are made to fit it.
Status CheckEmbedding(const GgufSource& source, const std::string& where) {
  for (const GgufSourceTensor& tensor : source.tensors) {
    if (tensor.name != "token_embd.weight") continue;
    if (tensor.shape.size() == 2 && tensor.shape[0] == source.vocab_size) return OkStatus();
    return InvalidData(Format("{}: vocab_size is {}, but the embedding has shape {}", where,
                              source.vocab_size, ShapeString(tensor.shape)));
  }
  return InvalidData(Format("{}: the weights have no model.embed_tokens.weight", where));
}

}  // namespace

Result<GgufSource> HfToGguf(const json& config_json, const TensorTable& tensors,
                            const std::string& where) {
  ConfigReader config(config_json, where);
  MOIETY_RETURN_IF_ERROR(config.status());
  MOIETY_ASSIGN_OR_RETURN(const Architecture* const architecture, FindArchitecture(config));
  GgufSource source;
  WriteConfig(config, *architecture, source.metadata);
  int64_t num_experts = 0;
  if (config.String("model_type") == architecture->moe_model_type) {
    num_experts = config.Int(architecture->num_experts, 1, kMaxInteger);
    source.metadata.SetNumber(std::string(architecture->gguf) + ".expert_count",
                              static_cast<uint32_t>(num_experts));
  }
  const bool tied = config.BoolOr("tie_word_embeddings", false);
  Gatherer gatherer(*architecture, config, num_experts);
  source.vocab_size = config.Dim("vocab_size");
  MOIETY_RETURN_IF_ERROR(config.status());
  for (const auto& [name, info] : tensors.tensors) {
    if (IsRedundant(name, tied)) continue;
    MOIETY_RETURN_IF_ERROR(gatherer.Add(name, info));
  }
  MOIETY_ASSIGN_OR_RETURN(source.tensors, std::move(gatherer).Finish());
  MOIETY_RETURN_IF_ERROR(CheckEmbedding(source, where));
  return source;
}

}  // namespace moiety
