// Added tokens: pieces that are found in the text before the model sees it, special ones (<s>) and
// others. First in the pipeline that tokenizer.json describes; see tokenizer.h.
#ifndef MOIETY_TOKENIZE_ADDED_TOKENS_H_
#define MOIETY_TOKENIZE_ADDED_TOKENS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "moiety/status.h"
#include "tokenize/component.h"
#include "tokenize/normalizer.h"
#include "tokenize/regex.h"
#include "tokenize/vocabulary.h"

namespace moiety {

struct AddedToken {
  int32_t id = 0;
  std::string content;
  std::string normalized_content;  // of tokens looked for in the normalized text; else the content
  bool special = false;
  bool normalized = false;  // found in the normalized text, not in the original
  bool strip_left = false;  // takes white space before it
  bool strip_right = false;
  bool single_word = false;  // not beside a letter, digit, mark or connector
};

// A part of a text: an added token, or what is between them (token == nullptr).
struct TextSpan {
  std::string_view text;
  const AddedToken* token = nullptr;
};

class AddedTokens {
 public:
  AddedTokens() = default;  // none
  AddedTokens(AddedTokens&&) = default;
  AddedTokens& operator=(AddedTokens&&) = default;

  // From tokenizer.json's "added_tokens". A token that the vocabulary has too must have its id
  // there; others an id that nothing else has. (The reference numbers such tokens itself and warns
  // where the file says otherwise; here the file counts.)
  static Result<AddedTokens> Load(const Component& list, const Vocabulary& vocabulary,
                                  const Normalizers& normalizers);

  enum class Stage { kOriginalText, kNormalizedText };

  // Cuts a text at the tokens of this stage: from the left, at each place the longest. Spans are in
  // order; none is empty. Spans and `text` share memory; tokens live as long as this object.
  std::vector<TextSpan> Split(std::string_view text, Stage stage) const;

  const std::vector<AddedToken>& tokens() const { return tokens_; }
  const AddedToken* Find(std::string_view content) const;

 private:
  // Finds the longest of a set of strings that a text starts with, by narrowing a sorted list:
  // O(length of the match · log of their number).
  class Matcher {
   public:
    void Add(std::string_view pattern, size_t token) { patterns_.push_back({pattern, token}); }
    // After the last Add. Returns a pattern that was added twice, if there is one.
    std::optional<std::string_view> Sort();
    bool MayStartWith(char byte) const { return starts_[static_cast<uint8_t>(byte)]; }
    // Its length in *length; nullopt if no pattern fits. The empty pattern never does.
    std::optional<size_t> LongestPrefix(std::string_view text, size_t* length) const;
    std::optional<size_t> Exact(std::string_view text) const;

   private:
    struct Pattern {
      std::string_view text;
      size_t token;
    };
    std::vector<Pattern> patterns_;
    std::array<bool, 256> starts_{};
  };

  // Is there a word character at `at`, or right before it?
  bool IsWordAt(std::string_view text, size_t at) const;
  bool IsWordBefore(std::string_view text, size_t at) const;

  std::optional<Regex> word_;       // a word character; where a token asks for it
  std::vector<AddedToken> tokens_;  // not changed after Load: matchers point into it
  Matcher by_content_;
  std::array<Matcher, 2> matchers_;  // by Stage
};

}  // namespace moiety

#endif  // MOIETY_TOKENIZE_ADDED_TOKENS_H_
