#include "study/windows.h"

#include <algorithm>

#include "base/format.h"

namespace moiety {

Result<std::vector<Window>> CutWindows(int64_t num_ids, int64_t context_length,
                                       const WindowOptions& options) {
  if (options.window < 2 || options.window > context_length) {
    return InvalidArgument(Format("window must be from 2 to the model's context of {}, found {}",
                                  context_length, options.window));
  }
  if (options.stride < 1 || options.stride > options.window) {
    return InvalidArgument(Format("stride must be from 1 to the window of {}, found {}",
                                  options.window, options.stride));
  }
  if (num_ids < 2) return InvalidArgument("the text is too short: at least two tokens are needed");
  const int64_t size = std::min(options.window, num_ids);
  std::vector<Window> windows;
  for (int64_t begin = 0; begin + size <= num_ids; begin += options.stride) {
    // Windows after the first leave out what the one before has predicted.
    const bool overlaps = begin > 0 && options.stride < options.window;
    windows.push_back({begin, size, overlaps ? size - options.stride : 1});
  }
  return windows;
}

}  // namespace moiety
