#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace moiety {

void CheckFailed(const char* file, int line, const char* condition) {
  std::fprintf(stderr, "moiety: internal error: %s:%d: %s\n", file, line, condition);
  std::abort();
}

}  // namespace moiety
