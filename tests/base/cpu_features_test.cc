#include "base/cpu_features.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <set>
#include <sstream>
#include <string>

namespace moiety {
namespace {

TEST(CpuFeatures, IsOneArchitecture) {
  const CpuFeatures& cpu = DetectedCpuFeatures();
  EXPECT_FALSE(cpu.neon && cpu.avx2);
  EXPECT_TRUE(cpu.avx2 || !cpu.avx512) << "the AVX-512 kernels also use AVX2";
#if defined(__aarch64__)
  EXPECT_TRUE(cpu.neon);
#else
  EXPECT_FALSE(cpu.neon);
#endif
}

#if defined(__x86_64__)
// The flags that the kernel reports for the first processor; empty if it reports none.
std::set<std::string> KernelFlags() {
  std::ifstream info("/proc/cpuinfo");
  std::string line;
  while (std::getline(info, line)) {
    if (line.rfind("flags", 0) != 0) continue;
    std::istringstream words(line.substr(line.find(':') + 1));
    return {std::istream_iterator<std::string>(words), std::istream_iterator<std::string>()};
  }
  return {};
}

TEST(CpuFeatures, AgreesWithTheKernel) {
  const std::set<std::string> flags = KernelFlags();
  if (flags.empty()) GTEST_SKIP() << "the system reports no flags";
  const auto has = [&](std::initializer_list<const char*> names) {
    return std::all_of(names.begin(), names.end(),
                       [&](const char* n) { return flags.contains(n); });
  };
  const bool avx2 = has({"avx2", "fma", "f16c"});
  EXPECT_EQ(DetectedCpuFeatures().avx2, avx2);
  EXPECT_EQ(DetectedCpuFeatures().avx512,
            avx2 && has({"avx512f", "avx512bw", "avx512vl", "avx512dq"}));
}
#endif

TEST(CpuFeatures, IsAskedOnce) { EXPECT_EQ(&DetectedCpuFeatures(), &DetectedCpuFeatures()); }

TEST(CpuModelName, IsOneLineWithoutSpacesAround) {
  const std::string name = CpuModelName();
  ASSERT_FALSE(name.empty());
  EXPECT_EQ(name.find('\n'), std::string::npos);
  EXPECT_NE(name.front(), ' ');
}

}  // namespace
}  // namespace moiety
