// Normalizers: rewrite a text before it is cut into words. First stage of the pipeline that
// tokenizer.json describes; see tokenizer.h.
#ifndef MOIETY_TOKENIZE_NORMALIZER_H_
#define MOIETY_TOKENIZE_NORMALIZER_H_

#include <memory>
#include <string>
#include <vector>

#include "moiety/status.h"
#include "tokenize/component.h"

namespace moiety {

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  // `text` is valid UTF-8 before and after. Fails where a pattern needs too many steps on it.
  virtual Status Apply(std::string& text) const = 0;
  // The most that a long text can grow by, as a factor.
  virtual double Growth() const { return 1; }
};

using Normalizers = std::vector<std::unique_ptr<const Normalizer>>;

// A new type is a class and a row in the table of normalizer.cc.
Result<Normalizers> LoadNormalizers(const Component& component);

}  // namespace moiety

#endif  // MOIETY_TOKENIZE_NORMALIZER_H_
