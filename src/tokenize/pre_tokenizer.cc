#include "tokenize/pre_tokenizer.h"

#include "tokenize/byte_level.h"
#include "tokenize/split.h"

namespace moiety {
namespace {

constexpr StageType<PreTokenizer> kTypes[] = {
    {"ByteLevel", &MakeByteLevelPreTokenizer},
    {"CharDelimiterSplit", &MakeCharDelimiterSplit},
    {"Digits", &MakeDigits},
    {"Punctuation", &MakePunctuation},
    {"Split", &MakeSplit},
    {"Whitespace", &MakeWhitespace},
    {"WhitespaceSplit", &MakeWhitespaceSplit},
};

}  // namespace

Result<PreTokenizers> LoadPreTokenizers(const Component& component) {
  return LoadStages(component, "pretokenizers", kTypes);
}

}  // namespace moiety
