// What `convert` and `quantize` share: a GGUF file from a model, a bar while it is written, and a
// report of what each tensor became.
#ifndef MOIETY_CLI_GGUF_JOB_H_
#define MOIETY_CLI_GGUF_JOB_H_

#include <filesystem>
#include <string>
#include <vector>

#include "convert/gguf_input.h"
#include "convert/type_mix.h"
#include "moiety/status.h"

namespace moiety::cli {

struct GgufJob {
  std::filesystem::path out;
  const TypeMix* mix = nullptr;
  bool pure = false;
  std::vector<std::string> tensor_types;  // "PATTERN=TYPE"
  std::string imatrix;                    // path; empty: none
  std::string split_max_size;             // "4G"; empty: one file
  bool allow_requantize = false;
  int num_threads = 0;  // 0: as many as the process may use
  bool json = false;    // the report
};

// Writes the file and prints the report.
Status RunGgufJob(const GgufInput& input, const GgufJob& job);

}  // namespace moiety::cli

#endif  // MOIETY_CLI_GGUF_JOB_H_
