// Traces: any lines are a trace or an error, and what is a trace can be studied.
#include <cstddef>
#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

#include "study/cache_study.h"
#include "study/trace_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::istringstream lines(std::string(reinterpret_cast<const char*>(data), size));
  const auto trace = moiety::ParseExpertTrace(lines, "trace");
  // Larger ones only take memory.
  if (trace.ok() && trace->shape.num_keys() < 10'000) {
    (void)moiety::StudyCache(*trace, std::vector{0.3});
  }
  return 0;
}
