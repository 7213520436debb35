#include "tokenize/word_level.h"

#include <string_view>
#include <utility>

#include "tokenize/vocabulary_reader.h"

namespace moiety {
namespace {

class WordLevel : public TokenModel {
 public:
  WordLevel(Vocabulary vocabulary, int32_t unknown)
      : vocabulary_(std::move(vocabulary)), unknown_(unknown) {}

  const Vocabulary& vocabulary() const override { return vocabulary_; }

  void Encode(const Words& words, std::vector<int32_t>& ids) const override {
    size_t begin = 0;
    for (const size_t end : words.ends) {
      const int32_t id = vocabulary_.Find(std::string_view(words.text).substr(begin, end - begin));
      ids.push_back(id == Vocabulary::kNone ? unknown_ : id);
      begin = end;
    }
  }

 private:
  Vocabulary vocabulary_;
  int32_t unknown_;
};

}  // namespace

Result<std::unique_ptr<const TokenModel>> MakeWordLevel(const Component& component) {
  MOIETY_RETURN_IF_ERROR(CheckFields(component, {"vocab", "unk_token"}));
  MOIETY_ASSIGN_OR_RETURN(Vocabulary vocabulary, ReadVocabulary(component));
  MOIETY_ASSIGN_OR_RETURN(const int32_t unknown, ReadUnknownToken(component, vocabulary));
  return std::unique_ptr<const TokenModel>(
      std::make_unique<WordLevel>(std::move(vocabulary), unknown));
}

}  // namespace moiety
