// What plan and doctor measure of the machine.
#ifndef MOIETY_CLI_MEASURED_MACHINE_H_
#define MOIETY_CLI_MEASURED_MACHINE_H_

#include <cstdint>

#include "cli/command.h"
#include "moiety/status.h"
#include "runtime/engine.h"
#include "study/memory_plan.h"

namespace moiety::cli {

// The limit that --memory sets, or the one that is taken without it. Fails where the system does
// not say what is free.
Result<uint64_t> MemoryLimit(const EngineFlags& flags);

// How fast memory is read by the engine's threads, and the files of its model from disk.
Result<MeasuredSpeeds> MeasureMachine(Engine& engine, ReadMethod method);

}  // namespace moiety::cli

#endif  // MOIETY_CLI_MEASURED_MACHINE_H_
