// What the processor can do, asked once.
#ifndef MOIETY_BASE_CPU_FEATURES_H_
#define MOIETY_BASE_CPU_FEATURES_H_

#include <string>

namespace moiety {

struct CpuFeatures {
  bool avx2 = false;         // AVX2, FMA and F16C
  bool avx512 = false;       // AVX-512 F, BW, VL, DQ
  bool avx512_bf16 = false;  // and AVX-512 as above
  bool avx512_vnni = false;  // and AVX-512 as above
  bool amx = false;          // AMX tiles with bf16, which the system lets us use, and AVX-512
  bool neon = false;         // arm64 always has it
};

const CpuFeatures& DetectedCpuFeatures();
// "AMD EPYC", "Neoverse-N1", …; "unknown" if the system does not say.
std::string CpuModelName();

}  // namespace moiety

#endif  // MOIETY_BASE_CPU_FEATURES_H_
