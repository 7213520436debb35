#include "format/gguf_model.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/format.h"
#include "format/gguf_architectures.h"
#include "format/gguf_metadata.h"
#include "format/json.h"
#include "io/mapped_file.h"

namespace moiety {
namespace {

using namespace gguf;  // NOLINT(google-build-using-namespace): the tables
using nlohmann::json;
using Metadata = GgufMetadata;

Result<const Architecture*> FindArchitecture(Metadata& metadata) {
  const std::optional<std::string_view> name = metadata.String("general.architecture");
  MOIETY_RETURN_IF_ERROR(metadata.status());
  if (!name.has_value()) {
    return InvalidData(Format("{}: general.architecture is missing", metadata.where()));
  }
  std::string known;
  for (const Architecture& architecture : kArchitectures) {
    if (architecture.gguf == *name) return &architecture;
    known += (known.empty() ? "" : ", ") + std::string(architecture.gguf);
  }
  return Unsupported(Format("{}: general.architecture is {}, which is not one of the supported {}",
                            metadata.where(), ShowJson(std::string(*name)), known));
}

// Sets the field of `object` if the key behind `prefix` is there.
void ReadKey(Metadata& metadata, const std::string& prefix, const KeyRow& row, json& object) {
  const std::string key = prefix + std::string(row.key);
  if (row.required && metadata.Find(key) == nullptr) {
    metadata.Fail(InvalidData(Format("{}: {} is missing", metadata.where(), key)));
  }
  const auto add = [&](const auto& value) {
    if (value.has_value()) object[std::string(row.field)] = *value;
  };
  switch (row.kind) {
    case Kind::kInteger:
      add(metadata.Integer(key));
      break;
    case Kind::kNumber:
      add(metadata.Number(key));
      break;
    case Kind::kBool:
      add(metadata.Bool(key));
      break;
  }
}

// rope.scaling.* as the object rope_scaling.
void AddRopeScaling(Metadata& metadata, const std::string& prefix, json& config) {
  const std::string rope = prefix + "rope.scaling.";
  const std::optional<std::string_view> type = metadata.String(rope + "type");
  if (!type.has_value() || *type == "none") return;
  json scaling = {{"rope_type", std::string(*type)}};
  for (const KeyRow& row : kRopeScalingKeys) ReadKey(metadata, rope, row, scaling);
  config["rope_scaling"] = std::move(scaling);
}

int64_t WidthPerHead(const json& config) {
  const auto heads = config["num_attention_heads"].get<int64_t>();
  return heads > 0 ? config["hidden_size"].get<int64_t>() / heads : 0;
}

int64_t HeadDim(const json& config) {
  return config.contains("head_dim") ? config["head_dim"].get<int64_t>() : WidthPerHead(config);
}

// The kind of model and its number of experts; what routing it needs must be softmax and no more.
void AddExperts(Metadata& metadata, const Architecture& architecture, json& config) {
  const std::string prefix = std::string(architecture.gguf) + ".";
  const auto refuse = [&](std::string_view key, auto value, std::string_view problem) {
    metadata.Fail(
        Unsupported(Format("{}: {}{} is {}: {}", metadata.where(), prefix, key, value, problem)));
  };
  const int64_t experts = metadata.Integer(prefix + "expert_count").value_or(0);
  const std::string_view sliding_type = architecture.sliding_model_types[0];
  const bool slides = !config["sliding_window"].is_null() && !sliding_type.empty();
  const std::string_view dense_type = slides ? sliding_type : architecture.model_type;
  const std::string_view model_type = experts == 0 ? dense_type : architecture.moe_model_type;
  if (model_type.empty()) {
    refuse("expert_count", experts,
           Format("{} {} experts is not supported", architecture.gguf,
                  experts == 0 ? "without" : "with"));
  }
  config["model_type"] = std::string(model_type);
  if (experts == 0) return;
  config[std::string(architecture.num_experts)] = experts;
  if (architecture.norm_topk_prob.has_value() && !config.contains("norm_topk_prob")) {
    config["norm_topk_prob"] = *architecture.norm_topk_prob;
  }
  constexpr int64_t kSoftmax = 1;
  if (const auto gating = metadata.Integer(prefix + "expert_gating_func");
      gating.value_or(kSoftmax) != kSoftmax) {
    refuse("expert_gating_func", *gating, "only softmax, 1, is supported");
  }
  // 0 is how some files say that there is none.
  if (const auto scale = metadata.Number(prefix + "expert_weights_scale");
      scale.value_or(1) != 1 && *scale != 0) {
    refuse("expert_weights_scale", *scale, "only 1 is supported");
  }
}

json ReadConfig(Metadata& metadata, const Architecture& architecture, bool tied) {
  const std::string prefix = std::string(architecture.gguf) + ".";
  json config = json::object();
  for (const KeyRow& row : kKeys) ReadKey(metadata, prefix, row, config);
  if (!config.contains("sliding_window")) config["sliding_window"] = nullptr;
  config["tie_word_embeddings"] = tied;
  config["rope_interleave"] = architecture.rope_interleave;
  if (architecture.norm_gains_are_whole) config["norm_gains_are_whole"] = true;
  AddRopeScaling(metadata, prefix, config);

  AddExperts(metadata, architecture, config);
  return config;
}

// The square of what scores are divided by.
void AddQueryScalar(Metadata& metadata, const Architecture& architecture, json& config) {
  if (architecture.query_scalar_by_width_blocks == 0) return;
  json& scalar = config["query_pre_attn_scalar"];
  const std::string key = std::string(architecture.gguf) + ".attention.scale";
  if (const auto scale = metadata.Number(key)) {
    if (*scale > 0) {
      // Configs have an integer, which an f32 of its root hits to some seven digits.
      const double square = 1 / (*scale * *scale);
      const double whole = std::round(square);
      if (whole >= 1 && whole <= INT32_MAX && std::abs(square - whole) <= 1e-6 * whole) {
        scalar = static_cast<int64_t>(whole);
      } else {
        scalar = square;
      }
    } else {
      metadata.Fail(
          InvalidData(Format("{}: {} must be above 0, found {}", metadata.where(), key, *scale)));
    }
    return;
  }
  if (config["num_hidden_layers"] == architecture.query_scalar_by_width_blocks) {
    scalar = WidthPerHead(config);
  } else {
    scalar = HeadDim(config);
  }
}

// Only a part of each head turned would change every result.
void CheckRope(Metadata& metadata, const Architecture& architecture, const json& config) {
  const std::string key = std::string(architecture.gguf) + ".rope.dimension_count";
  const std::optional<int64_t> turned = metadata.Integer(key);
  if (!turned.has_value() || !metadata.status().ok()) return;
  const int64_t head_dim = HeadDim(config);
  if (*turned != head_dim) {
    metadata.Fail(
        Unsupported(Format("{}: {} is {}, but heads have {} dimensions: rope for a part "
                           "of them is not supported",
                           metadata.where(), key, *turned, head_dim)));
  }
}

// The size of the vocabulary is the number of tokens.
void AddVocabulary(Metadata& metadata, const Architecture& architecture, json& config) {
  const GgufValue* tokens = metadata.Find("tokenizer.ggml.tokens");
  const std::optional<int64_t> size =
      metadata.Integer(std::string(architecture.gguf) + ".vocab_size");
  if (tokens == nullptr && !size.has_value()) {
    metadata.Fail(InvalidData(Format("{}: has neither tokenizer.ggml.tokens nor {}.vocab_size",
                                     metadata.where(), architecture.gguf)));
    return;
  }
  const auto count = tokens == nullptr ? *size : static_cast<int64_t>(tokens->count);
  config["vocab_size"] = count;
  if (size.has_value() && *size != count) {
    metadata.Fail(InvalidData(Format("{}: {}.vocab_size is {}, but there are {} tokens",
                                     metadata.where(), architecture.gguf, *size, count)));
  }
}

Result<GenerationConfig> ReadGeneration(Metadata& metadata) {
  GenerationConfig generation;
  const auto id = [&](const char* name) -> std::optional<int32_t> {
    const std::string key = Format("tokenizer.ggml.{}_token_id", name);
    const std::optional<int64_t> value = metadata.Integer(key);
    if (!value.has_value()) return std::nullopt;
    if (*value < 0 || *value > INT32_MAX) {
      metadata.Fail(InvalidData(
          Format("{}: {}: expected a token id, found {}", metadata.where(), key, *value)));
      return std::nullopt;
    }
    return static_cast<int32_t>(*value);
  };
  generation.bos_token_id = id("bos");
  generation.pad_token_id = id("padding");
  for (const char* name : {"eos", "eot", "eom"}) {  // of a text, a turn, a message
    if (const auto token = id(name)) generation.eos_token_ids.push_back(*token);
  }
  MOIETY_RETURN_IF_ERROR(metadata.status());
  return generation;
}

// "blk.12.attn_q" → 12 and "attn_q".
std::optional<std::pair<std::string, std::string_view>> SplitLayer(std::string_view name) {
  if (!name.starts_with(kLayerPrefix)) return std::nullopt;
  name.remove_prefix(kLayerPrefix.size());
  const size_t dot = name.find('.');
  if (dot == std::string_view::npos || dot == 0 || name.find_first_not_of("0123456789") != dot) {
    return std::nullopt;
  }
  return std::pair{std::string(name.substr(0, dot)), name.substr(dot + 1)};
}

template <size_t N>
const NameRow* Lookup(const std::array<NameRow, N>& rows, std::string_view stem) {
  const auto row = std::find_if(rows.begin(), rows.end(),
                                [&](const NameRow& candidate) { return candidate.gguf == stem; });
  return row == rows.end() ? nullptr : &*row;
}

std::string WithExpert(std::string_view pattern, int64_t expert) {
  std::string name(pattern);
  return name.replace(name.find(kExpertField), kExpertField.size(), std::to_string(expert));
}

// The names that tensors get.
class Namer {
 public:
  Namer(const Architecture& architecture, int64_t num_experts)
      : architecture_(architecture), num_experts_(num_experts) {}

  // Adds a tensor of the file under its names here.
  void Add(const std::string& gguf, TensorInfo info, TensorTable& table) const {
    const size_t dot = gguf.rfind('.');
    const std::string_view stem = std::string_view(gguf).substr(0, dot);
    const std::string suffix = dot == std::string::npos ? "" : gguf.substr(dot);
    const auto layer = SplitLayer(stem);
    if (!layer.has_value()) {
      const NameRow* const row = Lookup(kNames, stem);
      table.tensors.emplace(row == nullptr ? gguf : std::string(row->name) + suffix, info);
      return;
    }
    const std::string prefix = std::string(kHfLayerPrefix) + layer->first + ".";
    if (const std::string_view pattern = Experts(layer->second); !pattern.empty()) {
      AddExperts(prefix, pattern, suffix, info, table);
      return;
    }
    std::string_view name;
    for (const OwnNameRow& row : kOwnNames) {
      if (row.gguf == layer->second) name = architecture_.*row.name;
    }
    if (const NameRow* const row = Lookup(kLayerNames, layer->second)) {
      name = row->name;
      if (row->is_row && info.shape.size() == 1) info.shape.insert(info.shape.begin(), 1);
    }
    table.tensors.emplace(name.empty() ? gguf : prefix + std::string(name) + suffix, info);
  }

 private:
  std::string_view Experts(std::string_view stem) const {
    for (const OwnNameRow& row : kStacks) {
      if (row.gguf == stem) return architecture_.*row.name;
    }
    return {};
  }

  void AddExperts(const std::string& prefix, std::string_view pattern, const std::string& suffix,
                  const TensorInfo& stack, TensorTable& table) const {
    // A stack of another number is left whole: the model then misses its experts by name.
    const bool is_stack = stack.shape.size() == 3 && stack.shape[0] == num_experts_;
    const int64_t count = is_stack ? num_experts_ : 0;
    for (int64_t e = 0; e < count; ++e) {
      TensorInfo info = stack;
      info.shape.erase(info.shape.begin());
      info.size_bytes = stack.size_bytes / static_cast<uint64_t>(count);
      info.offset += static_cast<uint64_t>(e) * info.size_bytes;
      std::string name = prefix;
      name.append(WithExpert(pattern, e)).append(suffix);
      table.tensors.emplace(std::move(name), std::move(info));
    }
  }

  const Architecture& architecture_;
  int64_t num_experts_;
};

// "a/b-00001-of-00003.gguf" → the names of all parts; only the path itself if it is no such name.
Result<std::vector<std::filesystem::path>> Parts(const std::filesystem::path& path, int64_t count) {
  constexpr size_t kDigits = 5;
  const std::string name = path.filename().string();
  const std::string ending = Format("-00001-of-{:05}.gguf", count);
  if (name.size() <= ending.size() ||
      name.compare(name.size() - ending.size(), ending.size(), ending) != 0) {
    return InvalidArgument(
        Format("{}: is a part of a file that was split in {}: expected the "
               "first, whose name ends with {}",
               path.string(), count, ending));
  }
  std::vector<std::filesystem::path> parts;
  for (int64_t i = 1; i <= count; ++i) {
    std::string part = name;
    part.replace(name.size() - ending.size() + 1, kDigits, Format("{:05}", i));
    parts.push_back(path.parent_path() / part);
  }
  return parts;
}

// Maps a file and adds its tensors.
Result<GgufHeader> AddGgufFile(const std::filesystem::path& path, TensorTable& table) {
  MOIETY_ASSIGN_OR_RETURN(auto file, MappedFile::Open(path));
  MOIETY_ASSIGN_OR_RETURN(GgufHeader header, ParseGgufHeader(file->bytes(), path.string()));
  for (auto& [name, info] : header.tensors) {
    info.file = static_cast<int32_t>(table.files.size());
    if (!table.tensors.emplace(name, info).second) {
      return InvalidData(
          Format("{}: tensor {} is in an earlier part as well", path.string(), ShowJson(name)));
    }
  }
  table.files.push_back(std::move(file));
  return header;
}

}  // namespace

Result<GgufModel> ReadGgufModel(GgufHeader header, TensorTable tensors, const std::string& where) {
  Metadata metadata(header, where);
  MOIETY_ASSIGN_OR_RETURN(const Architecture* const architecture, FindArchitecture(metadata));
  if (tensors.tensors.contains("rope_freqs.weight")) {
    return Unsupported(Format("{}: rope frequencies in a tensor are not supported", where));
  }
  GgufModel model;
  const bool tied = !tensors.tensors.contains("output.weight");
  json config = ReadConfig(metadata, *architecture, tied);
  MOIETY_RETURN_IF_ERROR(metadata.status());
  CheckRope(metadata, *architecture, config);
  AddQueryScalar(metadata, *architecture, config);
  AddVocabulary(metadata, *architecture, config);
  MOIETY_RETURN_IF_ERROR(metadata.status());
  for (const BiasRow& row : kBiases) {
    if (tensors.tensors.contains(row.tensor)) config[std::string(row.field)] = true;
  }
  MOIETY_ASSIGN_OR_RETURN(model.generation, ReadGeneration(metadata));
  const std::string num_experts(architecture->num_experts);
  const Namer namer(*architecture,
                    config.contains(num_experts) ? config[num_experts].get<int64_t>() : 0);
  for (const auto& [name, info] : tensors.tensors) namer.Add(name, info, model.tensors);
  model.tensors.files = std::move(tensors.files);
  model.config = std::make_shared<const json>(std::move(config));
  model.header = std::move(header);
  return model;
}

bool IsGgufPath(const std::filesystem::path& path) {
  std::error_code error;
  return path.extension() == ".gguf" && !std::filesystem::is_directory(path, error);
}

Result<GgufFiles> OpenGgufFiles(const std::filesystem::path& path) {
  GgufFiles files;
  MOIETY_ASSIGN_OR_RETURN(files.header, AddGgufFile(path, files.tensors));
  const std::string where = path.string();
  Metadata metadata(files.header, where);
  const int64_t count = metadata.Integer("split.count").value_or(0);
  MOIETY_RETURN_IF_ERROR(metadata.status());
  if (count > 1) {
    constexpr int64_t kMaxParts = 99999;
    if (count > kMaxParts) {
      return InvalidData(
          Format("{}: split.count: expected up to {}, found {}", where, kMaxParts, count));
    }
    MOIETY_ASSIGN_OR_RETURN(const auto parts, Parts(path, count));
    for (size_t i = 1; i < parts.size(); ++i) {
      MOIETY_RETURN_IF_ERROR(AddGgufFile(parts[i], files.tensors).status());
    }
  }
  return files;
}

Result<GgufModel> OpenGgufModel(const std::filesystem::path& path) {
  MOIETY_ASSIGN_OR_RETURN(GgufFiles files, OpenGgufFiles(path));
  return ReadGgufModel(std::move(files.header), std::move(files.tensors), path.string());
}

int64_t InterleavedHeads(const json& config, std::string_view tensor) {
  if (!config.value("rope_interleave", false) || !tensor.starts_with(kHfLayerPrefix)) return 0;
  const size_t stem = tensor.find('.', kHfLayerPrefix.size());
  if (stem == std::string_view::npos) return 0;
  const std::string_view name = tensor.substr(stem + 1, tensor.rfind('.') - stem - 1);
  for (const NameRow& row : kLayerNames) {
    if (row.name != name || row.rope == RopeHeads::kNone) continue;
    const auto heads = config.value("num_attention_heads", int64_t{0});
    return row.rope == RopeHeads::kQuery ? heads : config.value("num_key_value_heads", heads);
  }
  return 0;
}

}  // namespace moiety
