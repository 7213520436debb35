// The rules are llama.cpp's (llama-quant.cpp) with one difference: what it does for models of
// exactly 8 experts is done for all with at least 8.
#include "convert/type_mix.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/format.h"
#include "format/json.h"
#include "quant/row_codec.h"

namespace moiety {
namespace {

using enum TensorRole;
using L = RuleLayers;
using M = RuleModel;

constexpr int64_t kManyExpertsFrom = 8;
constexpr int64_t kWideGroupsFrom = 4;

// ---- the mixes ----

// What most of them share: the head costs little and decides each token; keys and values, and what
// attention gives back, are small where experts are many.
constexpr MixRule kHead = {kOutput, L::kAll, M::kAny, DType::kQ6_K};
constexpr MixRule kHeadQ8 = {kOutput, L::kAll, M::kAny, DType::kQ8_0};
constexpr MixRule kExpertsV = {kAttnV, L::kAll, M::kManyExperts, DType::kQ8_0};
constexpr MixRule kExpertsK = {kAttnK, L::kAll, M::kManyExperts, DType::kQ8_0};
constexpr MixRule kExpertsO = {kAttnOutput, L::kAll, M::kManyExperts, DType::kQ5_K};

constexpr std::array kQ8 = {kHeadQ8, kExpertsV, kExpertsK};
constexpr std::array k4And5Bits = {kHead, kExpertsV, kExpertsK};
// The first layers of ffn_down can go wrong without a minimum, also with an importance matrix.
constexpr std::array kQ4_0 = {kHead, kExpertsV, kExpertsK,
                              MixRule{kFfnDown, L::kFirstEighth, M::kHasImportance, DType::kQ4_1}};
constexpr std::array kQ5_0 = {kHead, kExpertsV, kExpertsK,
                              MixRule{kFfnDown, L::kFirstEighth, M::kHasImportance, DType::kQ5_1}};
constexpr std::array kQ2_K = {kHead,
                              kExpertsV,
                              kExpertsK,
                              kExpertsO,
                              MixRule{kAttnV, L::kAll, M::kWideGroups, DType::kQ4_K},
                              MixRule{kAttnV, L::kAll, M::kAny, DType::kQ3_K},
                              MixRule{kAttnOutput, L::kAll, M::kAny, DType::kQ3_K},
                              MixRule{kFfnDown, L::kAll, M::kAny, DType::kQ3_K}};
constexpr std::array kQ2_K_S = {kHead, kExpertsV, kExpertsK,
                                MixRule{kAttnV, L::kAll, M::kWideGroups, DType::kQ4_K},
                                MixRule{kFfnDown, L::kFirstEighth, M::kAny, DType::kQ4_K}};
constexpr std::array kQ3_K_S = {kHead, kExpertsV, kExpertsK, kExpertsO};
constexpr std::array kQ3_K_M = {kHead,
                                kExpertsV,
                                kExpertsK,
                                kExpertsO,
                                MixRule{kAttnV, L::kFirstTwo, M::kAny, DType::kQ5_K},
                                MixRule{kAttnV, L::kAll, M::kAny, DType::kQ4_K},
                                MixRule{kAttnQkv, L::kAll, M::kAny, DType::kQ4_K},
                                MixRule{kAttnOutput, L::kAll, M::kAny, DType::kQ4_K},
                                MixRule{kFfnDown, L::kFirstSixteenth, M::kAny, DType::kQ5_K},
                                MixRule{kFfnDown, L::kAll, M::kAny, DType::kQ4_K}};
constexpr std::array kQ3_K_L = {kHead,
                                kExpertsV,
                                kExpertsK,
                                MixRule{kAttnV, L::kAll, M::kAny, DType::kQ5_K},
                                MixRule{kAttnQkv, L::kAll, M::kAny, DType::kQ4_K},
                                MixRule{kAttnOutput, L::kAll, M::kAny, DType::kQ5_K},
                                MixRule{kFfnDown, L::kAll, M::kAny, DType::kQ5_K}};
constexpr std::array kQ4_K_S = {kHead,
                                kExpertsV,
                                kExpertsK,
                                kExpertsO,
                                MixRule{kAttnV, L::kFirstFour, M::kAny, DType::kQ5_K},
                                MixRule{kFfnDown, L::kFirstEighth, M::kAny, DType::kQ5_K}};
constexpr std::array kQ4_K_M = {kHead,
                                kExpertsV,
                                kExpertsK,
                                kExpertsO,
                                MixRule{kAttnV, L::kMoreBits, M::kAny, DType::kQ6_K},
                                MixRule{kAttnQkv, L::kAll, M::kAny, DType::kQ5_K},
                                MixRule{kFfnDown, L::kMoreBits, M::kAny, DType::kQ6_K}};
constexpr std::array kQ5_K_M = {kHead,
                                kExpertsV,
                                kExpertsK,
                                MixRule{kAttnV, L::kMoreBits, M::kAny, DType::kQ6_K},
                                MixRule{kAttnQkv, L::kAll, M::kAny, DType::kQ6_K},
                                MixRule{kFfnDown, L::kMoreBits, M::kAny, DType::kQ6_K}};
constexpr std::array kIq4 = {kHead,
                             kExpertsV,
                             kExpertsK,
                             kExpertsO,
                             MixRule{kAttnV, L::kAll, M::kWideGroups, DType::kQ5_K},
                             MixRule{kFfnDown, L::kFirstEighth, M::kNoImportance, DType::kQ5_K}};
// As the models that were trained for it: experts alone.
constexpr std::array kMxfp4 = {MixRule{std::nullopt, L::kAll, M::kNotStack, DType::kQ8_0}};

constexpr TypeMix kMixes[] = {
    {"F32", 0, DType::kF32, {}},           {"F16", 1, DType::kF16, {}},
    {"BF16", 32, DType::kBF16, {}},        {"Q8_0", 7, DType::kQ8_0, kQ8},
    {"Q4_0", 2, DType::kQ4_0, kQ4_0},      {"Q4_1", 3, DType::kQ4_1, k4And5Bits},
    {"Q5_0", 8, DType::kQ5_0, kQ5_0},      {"Q5_1", 9, DType::kQ5_1, k4And5Bits},
    {"Q2_K", 10, DType::kQ2_K, kQ2_K},     {"Q2_K_S", 21, DType::kQ2_K, kQ2_K_S},
    {"Q3_K_S", 11, DType::kQ3_K, kQ3_K_S}, {"Q3_K_M", 12, DType::kQ3_K, kQ3_K_M},
    {"Q3_K_L", 13, DType::kQ3_K, kQ3_K_L}, {"Q4_K_S", 14, DType::kQ4_K, kQ4_K_S},
    {"Q4_K_M", 15, DType::kQ4_K, kQ4_K_M}, {"Q5_K_S", 16, DType::kQ5_K, k4And5Bits},
    {"Q5_K_M", 17, DType::kQ5_K, kQ5_K_M}, {"Q6_K", 18, DType::kQ6_K, k4And5Bits},
    {"IQ4_NL", 25, DType::kIQ4_NL, kIq4},  {"IQ4_XS", 30, DType::kIQ4_XS, kIq4},
    {"MXFP4", 38, DType::kMXFP4, kMxfp4},
};

// What a type becomes where rows are no multiple of 256.
struct NearestType {
  DType dtype, with_short_blocks;
};
constexpr NearestType kNearest[] = {
    {DType::kQ2_K, DType::kIQ4_NL}, {DType::kQ3_K, DType::kIQ4_NL},
    {DType::kQ4_K, DType::kQ5_0},   {DType::kQ5_K, DType::kQ5_1},
    {DType::kQ6_K, DType::kQ8_0},   {DType::kIQ4_XS, DType::kIQ4_NL},
};

// ---- tensors and their model ----

struct RoleRow {
  std::string_view stem;
  TensorRole role;
};
constexpr RoleRow kRoles[] = {
    {"token_embd", kEmbedding},
    {"output", kOutput},
    {"attn_k", kAttnK},
    {"attn_v", kAttnV},
    {"attn_qkv", kAttnQkv},
    {"attn_output", kAttnOutput},
    {"ffn_down", kFfnDown},
    {"ffn_down_exps", kFfnDown},
    {"ffn_down_shexp", kFfnDown},
    {"ffn_gate_inp", kFixed},
    {"ffn_gate_inp_shexp", kFixed},
    {"position_embd", kFixed},
    {"token_types", kFixed},
    {"ssm_conv1d", kFixed},
};

// "blk.12.attn_v.weight" → 12 and "attn_v"; -1 outside of layers. `stem` is empty where the name
// does not end with ".weight".
struct NameParts {
  int64_t layer = -1;
  std::string_view stem;
};
NameParts Split(std::string_view name) {
  constexpr std::string_view kSuffix = ".weight";
  constexpr std::string_view kLayer = "blk.";
  NameParts parts;
  if (name.starts_with(kLayer)) {
    const char* const end = name.data() + name.size();
    const auto [last, error] = std::from_chars(name.data() + kLayer.size(), end, parts.layer);
    if (error == std::errc()) name.remove_prefix(static_cast<size_t>(last - name.data()));
    if (name.starts_with('.')) name.remove_prefix(1);
  }
  if (name.ends_with(kSuffix)) parts.stem = name.substr(0, name.size() - kSuffix.size());
  return parts;
}

TensorRole RoleOf(const GgufSourceTensor& tensor) {
  const std::string_view stem = Split(tensor.name).stem;
  if (stem.empty() || tensor.shape.size() < 2 || stem.ends_with("_norm")) return kFixed;
  for (const RoleRow& row : kRoles) {
    if (row.stem == stem) return row.role;
  }
  return kMatrix;
}

struct ModelFacts {
  int64_t num_layers = 0;
  int64_t num_experts = 0;
  int64_t query_rows = 0, key_rows = 0;
  bool has_head = false;
  bool has_importance = false;
};

ModelFacts FactsOf(std::span<const GgufSourceTensor> tensors, bool has_importance) {
  ModelFacts facts;
  facts.has_importance = has_importance;
  for (const GgufSourceTensor& tensor : tensors) {
    const auto [layer, stem] = Split(tensor.name);
    facts.num_layers = std::max(facts.num_layers, layer + 1);
    if (stem == "output") facts.has_head = true;
    if (tensor.shape.size() == 3 && stem.ends_with("_exps")) facts.num_experts = tensor.shape[0];
    if (tensor.shape.size() == 2 && stem == "attn_q") facts.query_rows = tensor.shape[0];
    if (tensor.shape.size() == 2 && stem == "attn_k") facts.key_rows = tensor.shape[0];
  }
  return facts;
}

bool Holds(RuleLayers layers, int64_t layer, int64_t n) {
  switch (layers) {
    case L::kAll:
      return true;
    case L::kFirstTwo:
      return layer < 2;
    case L::kFirstFour:
      return layer < 4;
    case L::kFirstSixteenth:
      return layer < n / 16;
    case L::kFirstEighth:
      return layer < n / 8;
    case L::kMoreBits:
      return layer < n / 8 || layer >= 7 * n / 8 || (layer - n / 8) % 3 == 2;
  }
  return false;
}

bool Holds(RuleModel model, const ModelFacts& facts, const GgufSourceTensor& tensor) {
  switch (model) {
    case M::kAny:
      return true;
    case M::kManyExperts:
      return facts.num_experts >= kManyExpertsFrom;
    case M::kWideGroups:
      return facts.key_rows > 0 && facts.query_rows / facts.key_rows >= kWideGroupsFrom;
    case M::kNoImportance:
      return !facts.has_importance;
    case M::kHasImportance:
      return facts.has_importance;
    case M::kNotStack:
      return tensor.shape.size() < 3;
  }
  return false;
}

DType TypeInMix(const TypeMix& mix, const ModelFacts& facts, TensorRole role,
                const GgufSourceTensor& tensor) {
  // A tied embedding is the head too, and what serves the head is good for the embedding.
  if (role == kEmbedding && !facts.has_head) role = kOutput;
  const int64_t layer = Split(tensor.name).layer;
  for (const MixRule& rule : mix.rules) {
    if (rule.role.value_or(role) == role && Holds(rule.layers, layer, facts.num_layers) &&
        Holds(rule.model, facts, tensor)) {
      return rule.dtype;
    }
  }
  return mix.base;
}

Result<std::optional<DType>> TypeByPattern(std::span<const TensorTypeRule> rules,
                                           const std::string& name) {
  for (const TensorTypeRule& rule : rules) {
    Regex::Finder finder(rule.pattern);
    finder.Reset(name);
    Regex::Match match;
    const bool found = finder.Next(&match);
    MOIETY_RETURN_IF_ERROR(Status(finder.status()));
    if (found) return std::optional(rule.dtype);
  }
  return std::optional<DType>();
}

std::string Upper(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return upper;
}

}  // namespace

std::span<const TypeMix> TypeMixes() { return kMixes; }

const TypeMix* FindTypeMix(std::string_view name) {
  std::string upper = Upper(name);
  for (const std::string_view base : {"Q3_K", "Q4_K", "Q5_K"}) {
    if (upper == base) upper += "_M";
  }
  const auto* const it = std::find_if(std::begin(kMixes), std::end(kMixes),
                                      [&](const TypeMix& mix) { return mix.name == upper; });
  return it == std::end(kMixes) ? nullptr : it;
}

std::string TypeMixNames() {
  std::string names;
  for (const TypeMix& mix : kMixes) names += (names.empty() ? "" : ", ") + std::string(mix.name);
  return names;
}

Result<TensorTypeRule> ParseTensorTypeRule(std::string_view text) {
  const size_t equals = text.rfind('=');
  const std::string_view name = equals == std::string_view::npos ? "" : text.substr(equals + 1);
  const std::optional<DType> dtype = DTypeFromName(Upper(name));
  if (equals == 0 || !dtype.has_value() || !IsWeightType(*dtype)) {
    return InvalidArgument(Format("{}: expected PATTERN=TYPE, such as ffn_down_exps=Q5_K",
                                  ShowJson(std::string(text))));
  }
  const std::string_view pattern = text.substr(0, equals);
  MOIETY_ASSIGN_OR_RETURN(Regex regex, Regex::Compile(pattern, std::string(pattern)));
  return TensorTypeRule{std::move(regex), *dtype};
}

Result<std::vector<ChosenType>> ChooseTypes(const TypeMix& mix, const TypeOptions& options,
                                            std::span<const GgufSourceTensor> tensors) {
  const ModelFacts facts = FactsOf(tensors, options.has_importance);
  std::vector<ChosenType> types;
  for (const GgufSourceTensor& tensor : tensors) {
    const DType source = tensor.pieces.at(0).dtype;
    const TensorRole role = RoleOf(tensor);
    if (role == kFixed || !IsWeightType(source)) {
      const DType dtype = IsWeightType(source) ? DType::kF32 : source;
      types.push_back({dtype, dtype});
      continue;
    }
    MOIETY_ASSIGN_OR_RETURN(const auto chosen, TypeByPattern(options.tensor_types, tensor.name));
    const DType wanted = chosen.has_value() ? *chosen
                         : options.pure     ? mix.base
                                            : TypeInMix(mix, facts, role, tensor);
    types.push_back({FitRows(wanted, tensor.shape.back()), wanted});
  }
  return types;
}

DType FitRows(DType dtype, int64_t cols) {
  const auto fits = [&](DType type) {
    return cols % static_cast<int64_t>(DTypeBlockValues(type)) == 0;
  };
  if (fits(dtype)) return dtype;
  for (const NearestType& row : kNearest) {
    if (row.dtype == dtype && fits(row.with_short_blocks)) return row.with_short_blocks;
  }
  return DType::kF16;
}

}  // namespace moiety
