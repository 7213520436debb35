// TypeMix: which element type each tensor of a GGUF file gets. A mix has a name that people know
// from llama.cpp, a base type, and rules for tensors that deserve more bits, as values.
#ifndef MOIETY_CONVERT_TYPE_MIX_H_
#define MOIETY_CONVERT_TYPE_MIX_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "format/hf_to_gguf.h"
#include "moiety/status.h"
#include "tensor/dtype.h"
#include "tokenize/regex.h"

namespace moiety {

// What a tensor is for, by its name in GGUF.
enum class TensorRole : uint8_t {
  kFixed,  // norms, biases, routers, …: small and sensitive, never in blocks
  kMatrix,
  kEmbedding,
  kOutput,  // the head; the embedding where there is no other
  kAttnK,
  kAttnV,
  kAttnQkv,
  kAttnOutput,
  kFfnDown,
};

enum class RuleLayers : uint8_t {
  kAll,
  kFirstTwo,
  kFirstFour,
  kFirstSixteenth,
  kFirstEighth,
  kMoreBits,  // the first and last eighth, and every third between
};

// What must be so of the model, or of what is known about it, for a rule to hold.
enum class RuleModel : uint8_t {
  kAny,
  kManyExperts,   // 8 or more: attention is a small share of the weights then
  kWideGroups,    // 4 or more query heads share a key and a value head
  kNoImportance,  // no importance matrix
  kHasImportance,
  kNotStack,  // a tensor that is no stack of experts
};

struct MixRule {
  std::optional<TensorRole> role;  // null: any
  RuleLayers layers;
  RuleModel model;
  DType dtype;
};

struct TypeMix {
  std::string_view name;
  uint32_t file_type;  // general.file_type, llama.cpp's number
  DType base;
  std::span<const MixRule> rules;  // the first that holds decides; none: the base type
};

std::span<const TypeMix> TypeMixes();
// Any case; Q3_K, Q4_K and Q5_K are their M mixes, as in llama.cpp. Null if there is none.
const TypeMix* FindTypeMix(std::string_view name);
// "F32, F16, …" for messages.
std::string TypeMixNames();

// "PATTERN=TYPE": tensors whose name has a match of a regular expression get a type.
struct TensorTypeRule {
  Regex pattern;
  DType dtype;
};
Result<TensorTypeRule> ParseTensorTypeRule(std::string_view text);

struct TypeOptions {
  bool pure = false;  // without the rules of the mix
  bool has_importance = false;
  std::vector<TensorTypeRule> tensor_types;  // before the mix; the first that matches
};

struct ChosenType {
  DType dtype;
  DType wanted;  // another one where rows are no whole number of its blocks
};

// A type for each tensor. Those that are kFixed are F32, whatever the options say; tensors of types
// that are no weights keep theirs. Fails with kInvalidData if a search of a pattern does.
Result<std::vector<ChosenType>> ChooseTypes(const TypeMix& mix, const TypeOptions& options,
                                            std::span<const GgufSourceTensor> tensors);

// The type for rows of `cols` values: `dtype`, or the nearest with blocks of 32, or F16.
DType FitRows(DType dtype, int64_t cols);

}  // namespace moiety

#endif  // MOIETY_CONVERT_TYPE_MIX_H_
