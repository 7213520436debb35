// Models: turn a word into token ids. The heart of the pipeline that tokenizer.json describes.
#ifndef MOIETY_TOKENIZE_MODEL_H_
#define MOIETY_TOKENIZE_MODEL_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "moiety/status.h"
#include "tokenize/component.h"
#include "tokenize/pre_tokenizer.h"
#include "tokenize/vocabulary.h"

namespace moiety {

class TokenModel {
 public:
  virtual ~TokenModel() = default;
  virtual const Vocabulary& vocabulary() const = 0;
  // Appends the ids of every word. Callable from any thread.
  virtual void Encode(const Words& words, std::vector<int32_t>& ids) const = 0;
};

// A new type is a file and a row in the table of model.cc.
Result<std::unique_ptr<const TokenModel>> LoadTokenModel(const Component& component);

}  // namespace moiety

#endif  // MOIETY_TOKENIZE_MODEL_H_
