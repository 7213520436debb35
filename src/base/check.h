// MOIETY_CHECK: an error of the programmer, never of the input; always on. MOIETY_DCHECK: the same
// for hot loops, off in release builds.
#ifndef MOIETY_BASE_CHECK_H_
#define MOIETY_BASE_CHECK_H_

namespace moiety {
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition);
}  // namespace moiety

#define MOIETY_CHECK(condition)                                              \
  do {                                                                       \
    if (!(condition)) ::moiety::CheckFailed(__FILE__, __LINE__, #condition); \
  } while (false)

#ifdef NDEBUG
#define MOIETY_DCHECK(condition) \
  do {                           \
  } while (false && (condition))
#else
#define MOIETY_DCHECK(condition) MOIETY_CHECK(condition)
#endif

#endif  // MOIETY_BASE_CHECK_H_
