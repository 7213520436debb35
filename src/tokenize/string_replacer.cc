#include "tokenize/string_replacer.h"

#include "format/config_reader.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace moiety {

StringReplacer::StringReplacer(std::string pattern, std::string content)
    : pattern_(std::move(pattern)), content_(std::move(content)), shorter_(pattern_.size() + 1, 0) {
  MOIETY_CHECK(!pattern_.empty());
  size_t length = 0;
  for (size_t i = 1; i < pattern_.size(); ++i) {
    while (length > 0 && pattern_[i] != pattern_[length]) length = shorter_[length];
    if (pattern_[i] == pattern_[length]) ++length;
    shorter_[i + 1] = length;
  }
}

std::string StringReplacer::Replace(std::string_view text) const {
  std::string out;
  out.reserve(text.size());
  size_t matched = 0;
  Feed(text, matched, out);
  Flush(matched, out);
  return out;
}

void StringReplacer::Feed(std::string_view part, size_t& matched, std::string& out) const {
  size_t i = 0;
  while (i < part.size()) {
    if (matched == 0) {
      const size_t start = std::min(part.find(pattern_[0], i), part.size());
      out += part.substr(i, start - i);
      i = start;
      if (i == part.size()) return;
    } else if (part[i] != pattern_[matched]) {
      // The first bytes of what was held back are no match; try again with the rest.
      const size_t rest = shorter_[matched];
      out.append(pattern_, 0, matched - rest);
      matched = rest;
      continue;
    }
    ++i;
    if (++matched == pattern_.size()) {
      out += content_;
      matched = 0;
    }
  }
}

void StringReplacer::Flush(size_t& matched, std::string& out) const {
  out.append(pattern_, 0, matched);
  matched = 0;
}

double StringReplacer::Growth() const {
  return std::max(1.0, static_cast<double>(content_.size()) / static_cast<double>(pattern_.size()));
}

Result<StringReplacer> LoadStringReplacer(const Component& component) {
  MOIETY_RETURN_IF_ERROR(CheckFields(component, {"pattern", "content"}));
  MOIETY_ASSIGN_OR_RETURN(std::string pattern, StringPattern(component));
  ConfigReader reader(component.json, component.where);
  StringReplacer replacer(std::move(pattern), reader.String("content"));
  MOIETY_RETURN_IF_ERROR(reader.status());
  return replacer;
}

}  // namespace moiety
