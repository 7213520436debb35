#include "cli/measured_machine.h"

#include "base/format.h"
#include "base/system_memory.h"
#include "kernels/limit_loops.h"
#include "study/disk_speed.h"
#include "study/machine_limits.h"

namespace moiety::cli {
namespace {

// More than caches hold, and quick to measure.
constexpr uint64_t kMeasuredBytes = uint64_t{512} << 20;

}  // namespace

Result<uint64_t> MemoryLimit(const EngineFlags& flags) {
  uint64_t limit = 0;
  if (!flags.memory.empty() && ParseBytes(flags.memory, &limit)) return limit;
  limit = DefaultMemoryLimit();
  if (limit == 0) return Unsupported("the system does not say how much memory is free: --memory");
  return limit;
}

Result<MeasuredSpeeds> MeasureMachine(Engine& engine, ReadMethod method) {
  MOIETY_ASSIGN_OR_RETURN(
      const MachineLimits limits,
      MachineLimits::Create(engine.context(), Product::kF32, /*mapped_bytes=*/0, kMeasuredBytes));
  MeasuredSpeeds speeds;
  speeds.memory = limits.read_bytes_per_s();
  MOIETY_ASSIGN_OR_RETURN(speeds.disk, MeasureDisk(engine.store().table().files, method));
  return speeds;
}

}  // namespace moiety::cli
