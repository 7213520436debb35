#include "runtime/prompt_lookup.h"

#include <algorithm>
#include <cstddef>

#include "base/format.h"

namespace moiety {

Status CheckLookupOptions(const LookupOptions& o) {
  const auto check = [](const char* name, int64_t value, int64_t min, int64_t max) -> Status {
    if (value >= min && value <= max) return OkStatus();
    return InvalidArgument(Format("{} must be from {} to {}, found {}", name, min, max, value));
  };
  MOIETY_RETURN_IF_ERROR(check("lookup.max_ngram", o.max_ngram, 0, kMaxLookupTokens));
  MOIETY_RETURN_IF_ERROR(check("lookup.min_ngram", o.min_ngram, 1, kMaxLookupTokens));
  MOIETY_RETURN_IF_ERROR(check("lookup.max_draft", o.max_draft, 1, kMaxLookupTokens));
  return check("lookup.min_draft", o.min_draft, 0, kMaxLookupTokens);
}

std::vector<int32_t> PromptLookup::Propose(std::span<const int32_t> ids, int64_t max_count) const {
  const auto length = static_cast<int64_t>(ids.size());
  const int64_t count = std::min(max_count, options_.max_draft);
  if (options_.max_ngram == 0 || count < std::max<int64_t>(options_.min_draft, 1)) return {};
  const auto at = [&](int64_t i) { return ids[static_cast<size_t>(i)]; };
  int64_t longest = 0;
  int64_t source = 0;  // behind the longest n-gram
  for (int64_t end = length - 1; end > 0 && longest < options_.max_ngram; --end) {
    const int64_t most = std::min(options_.max_ngram, end);
    int64_t same = 0;
    while (same < most && at(end - 1 - same) == at(length - 1 - same)) ++same;
    if (same > longest) {
      longest = same;
      source = end;
    }
  }
  if (longest == 0 || longest < std::min(options_.min_ngram, options_.max_ngram)) return {};
  std::vector<int32_t> draft;
  draft.reserve(static_cast<size_t>(count));
  for (int64_t i = source; i < source + count; ++i) {
    draft.push_back(i < length ? at(i) : draft[static_cast<size_t>(i - length)]);
  }
  return draft;
}

}  // namespace moiety
