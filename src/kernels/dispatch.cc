// Which tables exist in this build and which of them this processor can run.
#include "base/cpu_features.h"
#include "base/format.h"
#include "kernels/kernels.h"

namespace moiety {

extern const KernelTable kRefKernels;
#if defined(__x86_64__)
extern const KernelTable kAvx2Kernels;
extern const KernelTable kAvx512Kernels;
extern const KernelTable kAmxKernels;
void BlockMatmulAvx512Vnni(const BlockMatmulArgs& args);
void MatmulAvx512Bf16(const Bf16MatmulArgs& args);
void PackAvx512Bf16(const float* x, int64_t x_stride, int64_t rows, int64_t depth,
                    uint16_t* packed);
void OuterMatmulAvx512Bf16(const Bf16OuterMatmulArgs& args);
void PairAvx512Bf16(const float* first, const float* second, int64_t n, uint32_t* y);
void RoundAvx512Bf16(const float* x, int64_t n, uint16_t* y);
#elif defined(__aarch64__)
extern const KernelTable kNeonKernels;
#endif

namespace {

struct Candidate {
  const KernelTable* table;
  bool supported;
};

#if defined(__x86_64__)
// With the products that the processor has instructions of its own for.
const KernelTable& Avx512Kernels() {
  static const KernelTable table = [] {
    KernelTable t = kAvx512Kernels;
    if (DetectedCpuFeatures().avx512_bf16) {
      t.matmul_bf16 = MatmulAvx512Bf16;
      t.pack_bf16 = PackAvx512Bf16;
      t.outer_matmul_bf16 = OuterMatmulAvx512Bf16;
      t.pair_bf16 = PairAvx512Bf16;
      t.round_bf16 = RoundAvx512Bf16;
    }
    if (DetectedCpuFeatures().avx512_vnni) t.block_matmul = BlockMatmulAvx512Vnni;
    return t;
  }();
  return table;
}

// The way back in bf16 uses no tiles: every processor with AMX has the instructions of AVX-512
// BF16.
const KernelTable& AmxKernels() {
  static const KernelTable table = [] {
    KernelTable t = kAmxKernels;
    t.outer_matmul_bf16 = Avx512Kernels().outer_matmul_bf16;
    t.pair_bf16 = Avx512Kernels().pair_bf16;
    t.round_bf16 = Avx512Kernels().round_bf16;
    return t;
  }();
  return table;
}
#endif

// Slowest first.
std::vector<Candidate> Candidates() {
  [[maybe_unused]] const CpuFeatures& cpu = DetectedCpuFeatures();
  return {
    {&kRefKernels, true},
#if defined(__x86_64__)
        {&kAvx2Kernels, cpu.avx2}, {&Avx512Kernels(), cpu.avx512}, {&AmxKernels(), cpu.amx},
#elif defined(__aarch64__)
        {&kNeonKernels, cpu.neon},
#endif
  };
}

}  // namespace

const std::vector<const KernelTable*>& AvailableKernels() {
  static const std::vector<const KernelTable*> tables = [] {
    std::vector<const KernelTable*> list;
    for (const Candidate& candidate : Candidates()) {
      if (candidate.supported) list.push_back(candidate.table);
    }
    return list;
  }();
  return tables;
}

Result<const KernelTable*> SelectKernels(std::string_view isa) {
  if (isa.empty()) return AvailableKernels().back();
  std::string names;
  for (const KernelTable* table : AvailableKernels()) {
    if (isa == table->isa) return table;
    names += names.empty() ? "" : ", ";
    names += table->isa;
  }
  for (const Candidate& candidate : Candidates()) {
    if (isa == candidate.table->isa) {
      return Unsupported(
          Format("instruction set {}: this processor does not have it; it can run {}", isa, names));
    }
  }
  return InvalidArgument(Format("unknown instruction set \"{}\": expected one of {}", isa, names));
}

}  // namespace moiety
