#include "tokenize/pre_tokenizer.h"

namespace moiety {

Result<PreTokenizers> LoadPreTokenizers(const Component& component) {
  PreTokenizers pre_tokenizers;
  MOIETY_RETURN_IF_ERROR(ForEachComponent(component, "pretokenizers",
                                          [](const std::string& type, const Component& one) {
                                            return UnsupportedType(one, type, {"null"});
                                          }));
  return pre_tokenizers;
}

}  // namespace moiety
