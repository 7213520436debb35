// Post-processors: add special tokens around the ids of a text, <s> before it for example.
#ifndef MOIETY_TOKENIZE_POST_PROCESSOR_H_
#define MOIETY_TOKENIZE_POST_PROCESSOR_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "moiety/status.h"
#include "tokenize/component.h"

namespace moiety {

// What stands before and after the ids of one text.
struct PostProcessor {
  std::vector<int32_t> before;
  std::vector<int32_t> after;
};

// `is_token` says whether an id is in the vocabulary; a template may use no other. The template for
// pairs of texts is not read: Encode takes one text.
Result<PostProcessor> LoadPostProcessor(const Component& component,
                                        const std::function<bool(int64_t)>& is_token);

}  // namespace moiety

#endif  // MOIETY_TOKENIZE_POST_PROCESSOR_H_
