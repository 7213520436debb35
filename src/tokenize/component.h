// Components: the typed objects ({"type": "Prepend", …}) that a tokenizer.json is made of.
//
// Every stage of the pipeline (normalizer, pre-tokenizer, post-processor, decoder) is null, one
// component, or a "Sequence" of them. A stage keeps a table from type name to factory; here is what
// reading by such a table needs. A type or field that is not known is an error that names it: it
// could change the ids.
#ifndef MOIETY_TOKENIZE_COMPONENT_H_
#define MOIETY_TOKENIZE_COMPONENT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "moiety/status.h"

namespace moiety {

// A JSON value and where it stands: "dir/tokenizer.json: normalizer.normalizers[0]".
struct Component {
  const nlohmann::json& json;
  std::string where;
};

// Fails where the component is no object, lacks a required field, or has one that is in neither
// list. "type" is always allowed; a required field may be null.
Status CheckFields(const Component& component, std::initializer_list<std::string_view> required,
                   std::initializer_list<std::string_view> optional = {});

Result<std::string> TypeOf(const Component& component);

// The error for a type that no table row has.
Status UnsupportedType(const Component& component, std::string_view type,
                       const std::vector<std::string_view>& supported);

// The component's field "pattern" as {"String": "…"}.
Result<std::string> StringPattern(const Component& component);

// The value, if it is an integer in [min, max].
std::optional<int64_t> IntegerIn(const nlohmann::json& value, int64_t min, int64_t max);

// Calls `load` for the component, or where it is a Sequence for those in its `list_field` in order
// (a Sequence inside a Sequence included); never for null. More than 64 calls are an error.
using LoadComponent = std::function<Status(const std::string& type, const Component& component)>;
Status ForEachComponent(const Component& component, std::string_view list_field,
                        const LoadComponent& load);

// A row of a stage's table.
template <class Stage>
struct StageType {
  std::string_view type;
  Result<std::unique_ptr<const Stage>> (*make)(const Component&);
};

// The stages that `component` describes, in order; none for null.
template <class Stage, size_t kNumTypes>
Result<std::vector<std::unique_ptr<const Stage>>> LoadStages(
    const Component& component, std::string_view list_field,
    const StageType<Stage> (&types)[kNumTypes]) {
  std::vector<std::unique_ptr<const Stage>> stages;
  const auto load = [&](const std::string& type, const Component& one) -> Status {
    std::vector<std::string_view> supported;
    for (const StageType<Stage>& row : types) {
      if (row.type == type) {
        MOIETY_ASSIGN_OR_RETURN(std::unique_ptr<const Stage> stage, row.make(one));
        stages.push_back(std::move(stage));
        return OkStatus();
      }
      supported.push_back(row.type);
    }
    return UnsupportedType(one, type, supported);
  };
  MOIETY_RETURN_IF_ERROR(ForEachComponent(component, list_field, load));
  return stages;
}

// Stages that replace text must not turn a page into terabytes: the product of the factors by which
// each can lengthen a text is limited.
inline constexpr double kMaxGrowth = 64;
Status CheckGrowth(const Component& component, double growth);

}  // namespace moiety

#endif  // MOIETY_TOKENIZE_COMPONENT_H_
