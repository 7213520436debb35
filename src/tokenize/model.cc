#include "tokenize/model.h"

#include <nlohmann/json.hpp>
#include <string>

#include "tokenize/bpe.h"
#include "tokenize/unigram.h"
#include "tokenize/word_level.h"
#include "tokenize/wordpiece.h"

namespace moiety {
namespace {

constexpr StageType<TokenModel> kModels[] = {
    {"BPE", &MakeBpe},
    {"Unigram", &MakeUnigram},
    {"WordLevel", &MakeWordLevel},
    {"WordPiece", &MakeWordPiece},
};

}  // namespace

Result<std::unique_ptr<const TokenModel>> LoadTokenModel(const Component& component) {
  MOIETY_ASSIGN_OR_RETURN(const std::string type, TypeOf(component));
  std::vector<std::string_view> supported;
  for (const StageType<TokenModel>& row : kModels) {
    if (row.type == type) return row.make(component);
    supported.push_back(row.type);
  }
  return UnsupportedType(component, type, supported);
}

}  // namespace moiety
