#include "tokenize/text_parts.h"

namespace moiety {

size_t TextPartLength(std::string_view text, size_t bytes) {
  size_t end = bytes;
  while (end < text.size()) {
    end = text.find('\n', end);
    if (end == std::string_view::npos) break;
    ++end;
    if (end < text.size() && text[end] != '\n' && text[end] != '\r') return end;
  }
  return text.size();
}

}  // namespace moiety
