// What memory the machine has to give.
#ifndef MOIETY_BASE_SYSTEM_MEMORY_H_
#define MOIETY_BASE_SYSTEM_MEMORY_H_

#include <cstdint>

namespace moiety {

// Bytes this process could still fill without swapping: what the system calls available, cut to
// what the limits of its cgroups leave. 0 if the system does not say.
uint64_t AvailableMemoryBytes();

}  // namespace moiety

#endif  // MOIETY_BASE_SYSTEM_MEMORY_H_
