// What memory the machine has to give.
#ifndef MOIETY_BASE_SYSTEM_MEMORY_H_
#define MOIETY_BASE_SYSTEM_MEMORY_H_

#include <cstdint>

namespace moiety {

// Bytes this process could still fill without swapping: what the system calls available, cut to
// what the limits of its cgroups leave. 0 if the system does not say.
uint64_t AvailableMemoryBytes();

// The same without an eighth, which is left to others: what a program may use that was given no
// limit.
uint64_t DefaultMemoryLimit();

}  // namespace moiety

#endif  // MOIETY_BASE_SYSTEM_MEMORY_H_
