#include "tokenize/pre_tokenizer.h"

#include <nlohmann/json.hpp>

#include "tokenize/bert.h"
#include "tokenize/metaspace.h"

namespace moiety {
namespace {

constexpr StageType<PreTokenizer> kTypes[] = {
    {"BertPreTokenizer", &MakeBertPreTokenizer},
    {"Metaspace", &MakeMetaspacePreTokenizer},
};

}  // namespace

Result<PreTokenizers> LoadPreTokenizers(const Component& component) {
  return LoadStages(component, "pretokenizers", kTypes);
}

}  // namespace moiety
