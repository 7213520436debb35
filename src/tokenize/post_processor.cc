#include "tokenize/post_processor.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "base/format.h"
#include "format/json.h"
#include "tokenize/byte_level.h"

namespace moiety {
namespace {

using nlohmann::json;

// Far above any template; a small file could otherwise name a long list of ids many times.
constexpr size_t kMaxAddedIds = 1024;

// The ids that TemplateProcessing's special_tokens gives to `name`:
//   {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}
Status AppendSpecialToken(const Component& component, const json& name,
                          const std::function<bool(int64_t)>& is_token, std::vector<int32_t>& ids) {
  const json& special = component.json["special_tokens"];
  if (!name.is_string() || !special.is_object() || !special.contains(name.get<std::string>())) {
    return InvalidData(Format("{}: \"special_tokens\" must have the token {} of the template",
                              component.where, ShowJson(name)));
  }
  const json& token = special[name.get<std::string>()];
  if (!token.is_object() || !token.contains("ids") || !token["ids"].is_array()) {
    return InvalidData(Format("{}: special token {} must have a list \"ids\", found {}",
                              component.where, ShowJson(name), ShowJson(token)));
  }
  for (const json& value : token["ids"]) {
    const std::optional<int64_t> id = IntegerIn(value, 0, INT32_MAX);
    if (!id.has_value() || !is_token(*id)) {
      return InvalidData(Format("{}: special token {} must have ids of the vocabulary, found {}",
                                component.where, ShowJson(name), ShowJson(value)));
    }
    if (ids.size() == kMaxAddedIds) {
      return Unsupported(
          Format("{}: more than {} special tokens beside the text", component.where, kMaxAddedIds));
    }
    ids.push_back(static_cast<int32_t>(*id));
  }
  return OkStatus();
}

// "single": a list of {"SpecialToken": {"id": "<s>", "type_id": 0}} and, for the text,
// {"Sequence": {"id": "A", "type_id": 0}}. Type ids are for models that see pairs of texts.
Result<PostProcessor> LoadTemplate(const Component& component,
                                   const std::function<bool(int64_t)>& is_token) {
  MOIETY_RETURN_IF_ERROR(CheckFields(component, {"single", "special_tokens"}, {"pair"}));
  const json& pieces = component.json["single"];
  if (!pieces.is_array()) {
    return InvalidData(
        Format("{}: \"single\" must be a list, found {}", component.where, ShowJson(pieces)));
  }
  PostProcessor processor;
  bool has_text = false;
  for (const json& piece : pieces) {
    const bool one_object = piece.is_object() && piece.size() == 1 && piece.begin()->is_object();
    const std::string kind = one_object ? piece.begin().key() : "";
    const json id = one_object ? piece.begin()->value("id", json()) : json();
    if (kind == "SpecialToken") {
      MOIETY_RETURN_IF_ERROR(AppendSpecialToken(component, id, is_token,
                                                has_text ? processor.after : processor.before));
    } else if (kind == "Sequence" && id == "A" && !has_text) {
      has_text = true;
    } else {
      return InvalidData(
          Format("{}: \"single\" must be made of special tokens and sequence \"A\" once, found {}",
                 component.where, ShowJson(piece)));
    }
  }
  if (!has_text) {
    return InvalidData(Format("{}: \"single\" must have sequence \"A\", found {}", component.where,
                              ShowJson(pieces)));
  }
  return processor;
}

// BertProcessing and RobertaProcessing: {"cls": ["[CLS]", 101], "sep": ["[SEP]", 102]} around the
// text. (The other fields of RobertaProcessing are about offsets.)
Result<PostProcessor> LoadBert(const Component& component,
                               const std::function<bool(int64_t)>& is_token) {
  MOIETY_RETURN_IF_ERROR(
      CheckFields(component, {"cls", "sep"}, {"trim_offsets", "add_prefix_space"}));
  PostProcessor processor;
  for (const auto& [key, ids] :
       {std::pair("cls", &processor.before), std::pair("sep", &processor.after)}) {
    const json& token = component.json[key];
    const bool is_pair = token.is_array() && token.size() == 2 && token[0].is_string();
    const std::optional<int64_t> id = is_pair ? IntegerIn(token[1], 0, INT32_MAX) : std::nullopt;
    if (!id.has_value() || !is_token(*id)) {
      return InvalidData(Format("{}: \"{}\" must be a token and its id in the vocabulary, found {}",
                                component.where, key, ShowJson(token)));
    }
    ids->push_back(static_cast<int32_t>(*id));
  }
  return processor;
}

}  // namespace

Result<PostProcessor> LoadPostProcessor(const Component& component,
                                        const std::function<bool(int64_t)>& is_token) {
  PostProcessor processor;
  bool has_template = false;
  const auto load = [&](const std::string& type, const Component& one) -> Status {
    if (type == "ByteLevel") return CheckByteLevelFields(one);
    const bool is_bert = type == "BertProcessing" || type == "RobertaProcessing";
    if (!is_bert && type != "TemplateProcessing") {
      return UnsupportedType(
          one, type, {"BertProcessing", "ByteLevel", "RobertaProcessing", "TemplateProcessing"});
    }
    if (has_template) {
      return Unsupported(Format("{}: a second {} is not supported", one.where, type));
    }
    has_template = true;
    MOIETY_ASSIGN_OR_RETURN(processor,
                            is_bert ? LoadBert(one, is_token) : LoadTemplate(one, is_token));
    return OkStatus();
  };
  MOIETY_RETURN_IF_ERROR(ForEachComponent(component, "processors", load));
  return processor;
}

}  // namespace moiety
