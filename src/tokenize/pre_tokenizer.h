// Pre-tokenizers: cut a normalized text into the words that the model sees one at a time. No merge
// of the model crosses a word.
#ifndef MOIETY_TOKENIZE_PRE_TOKENIZER_H_
#define MOIETY_TOKENIZE_PRE_TOKENIZER_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "moiety/status.h"
#include "tokenize/component.h"

namespace moiety {

// A text and where its words end: word i is text[ends[i - 1], ends[i]), the first starts at 0, the
// last ends with the text. None is empty.
struct Words {
  std::string text;
  std::vector<size_t> ends;
  bool starts_text = true;  // stands at the very start of the input, not behind an added token
};

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  // Cuts words into shorter ones; may also rewrite the text. Valid UTF-8 before and after. Fails
  // where a pattern needs too many steps on this text.
  virtual Status Apply(Words& words) const = 0;
};

using PreTokenizers = std::vector<std::unique_ptr<const PreTokenizer>>;

// A new type is a class and a row in the table of pre_tokenizer.cc. Null: the text is one word.
Result<PreTokenizers> LoadPreTokenizers(const Component& component);

}  // namespace moiety

#endif  // MOIETY_TOKENIZE_PRE_TOKENIZER_H_
