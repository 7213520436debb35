// Windows: how a long text is shown to a model piece by piece.
#ifndef MOIETY_STUDY_WINDOWS_H_
#define MOIETY_STUDY_WINDOWS_H_

#include <cstdint>
#include <vector>

#include "moiety/status.h"

namespace moiety {

struct WindowOptions {
  int64_t window = 512;  // ids the model sees at once; 2 … its context length
  // Ids from the start of one window to the start of the next, 1 … window. With stride = window the
  // windows do not overlap and each predicts its ids 1 … window - 1. With a smaller stride a window
  // predicts only what those before it did not, so every id beyond the first window has at least
  // window - stride ids before it.
  int64_t stride = 512;
};

struct Window {
  int64_t begin;      // in the text
  int64_t size;       // ids
  int64_t first_new;  // ids of the window from here on are predicted; those before it only read
};

// What does not fill a last window is left out, except that a text shorter than one window is one
// window. Fails with kInvalidArgument on options outside their ranges and on fewer than two ids.
Result<std::vector<Window>> CutWindows(int64_t num_ids, int64_t context_length,
                                       const WindowOptions& options);

}  // namespace moiety

#endif  // MOIETY_STUDY_WINDOWS_H_
