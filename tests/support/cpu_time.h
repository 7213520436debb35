// Time that this process computed: what others do on the machine does not count.
#ifndef MOIETY_TESTS_SUPPORT_CPU_TIME_H_
#define MOIETY_TESTS_SUPPORT_CPU_TIME_H_

#include <ctime>

namespace moiety {

inline double CpuSeconds() {
  return static_cast<double>(std::clock()) / static_cast<double>(CLOCKS_PER_SEC);
}

}  // namespace moiety

#endif  // MOIETY_TESTS_SUPPORT_CPU_TIME_H_
