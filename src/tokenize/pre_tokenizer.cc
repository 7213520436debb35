#include "tokenize/pre_tokenizer.h"

#include <nlohmann/json.hpp>
#include "tokenize/bert.h"
#include "tokenize/byte_level.h"
#include "tokenize/metaspace.h"
#include "tokenize/split.h"

namespace moiety {
namespace {

constexpr StageType<PreTokenizer> kPreTokenizers[] = {
    {"BertPreTokenizer", &MakeBertPreTokenizer},
    {"ByteLevel", &MakeByteLevelPreTokenizer},
    {"CharDelimiterSplit", &MakeCharDelimiterSplit},
    {"Digits", &MakeDigits},
    {"Metaspace", &MakeMetaspacePreTokenizer},
    {"Punctuation", &MakePunctuation},
    {"Split", &MakeSplit},
    {"Whitespace", &MakeWhitespace},
    {"WhitespaceSplit", &MakeWhitespaceSplit},
};

}  // namespace

Result<PreTokenizers> LoadPreTokenizers(const Component& component) {
  return LoadStages(component, "pretokenizers", kPreTokenizers);
}

}  // namespace moiety
