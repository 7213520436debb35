#include "tokenize/wordpiece.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "base/utf8.h"
#include "format/config_reader.h"
#include "tokenize/piece_trie.h"
#include "tokenize/vocabulary_reader.h"

namespace moiety {
namespace {

class WordPiece : public TokenModel {
 public:
  WordPiece() = default;
  Status Load(const Component& component);

  const Vocabulary& vocabulary() const override { return vocabulary_; }

  void Encode(const Words& words, std::vector<int32_t>& ids) const override {
    size_t begin = 0;
    for (const size_t end : words.ends) {
      const size_t num_ids = ids.size();
      if (!EncodeWord(std::string_view(words.text).substr(begin, end - begin), ids)) {
        ids.resize(num_ids);
        ids.push_back(unknown_);
      }
      begin = end;
    }
  }

 private:
  bool TooLong(std::string_view word) const {
    if (static_cast<int64_t>(word.size()) <= max_characters_) return false;
    return CountCharacters(word) > max_characters_;
  }

  // False where the word cannot be cut up; some ids may have been appended then.
  bool EncodeWord(std::string_view word, std::vector<int32_t>& ids) const {
    if (TooLong(word)) return false;
    PieceTrie::Node node = PieceTrie::kRoot;
    while (!word.empty()) {
      int32_t longest = Vocabulary::kNone;
      size_t length = 0;
      for (size_t i = 0; i < word.size() && node != PieceTrie::kNoNode; ++i) {
        node = trie_.Child(node, static_cast<uint8_t>(word[i]));
        if (node == PieceTrie::kNoNode || trie_.Id(node) == Vocabulary::kNone) continue;
        longest = trie_.Id(node);
        length = i + 1;
      }
      if (longest == Vocabulary::kNone) return false;
      ids.push_back(longest);
      word.remove_prefix(length);
      node = continuing_;
    }
    return true;
  }

  Vocabulary vocabulary_{0};
  PieceTrie trie_;
  PieceTrie::Node continuing_ = PieceTrie::kRoot;  // where the prefix leads to
  int64_t max_characters_ = 0;
  int32_t unknown_ = Vocabulary::kNone;
};

Status WordPiece::Load(const Component& component) {
  MOIETY_RETURN_IF_ERROR(CheckFields(
      component, {"vocab", "unk_token", "continuing_subword_prefix", "max_input_chars_per_word"}));
  ConfigReader reader(component.json, component.where);
  const std::string prefix = reader.String("continuing_subword_prefix");
  max_characters_ = reader.Int("max_input_chars_per_word", 0, INT64_MAX);
  MOIETY_RETURN_IF_ERROR(reader.status());
  MOIETY_ASSIGN_OR_RETURN(vocabulary_, ReadVocabulary(component));
  MOIETY_ASSIGN_OR_RETURN(unknown_, ReadUnknownToken(component, vocabulary_));
  Result<PieceTrie> trie = PieceTrie::Build(vocabulary_);
  if (!trie.ok()) return std::move(trie).status().WithContext(component.where + ": \"vocab\"");
  trie_ = *std::move(trie);
  for (const char byte : prefix) {
    if (continuing_ == PieceTrie::kNoNode) break;
    continuing_ = trie_.Child(continuing_, static_cast<uint8_t>(byte));
  }
  return OkStatus();
}

}  // namespace

Result<std::unique_ptr<const TokenModel>> MakeWordPiece(const Component& component) {
  auto wordpiece = std::make_unique<WordPiece>();
  MOIETY_RETURN_IF_ERROR(wordpiece->Load(component));
  return std::unique_ptr<const TokenModel>(std::move(wordpiece));
}

}  // namespace moiety
