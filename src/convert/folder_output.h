// Writing a GGUF model as a Hugging Face folder: config.json, weights as numbers in safetensors,
// tokenizer.json. A tensor at a time, a slice of rows at a time.
#ifndef MOIETY_CONVERT_FOLDER_OUTPUT_H_
#define MOIETY_CONVERT_FOLDER_OUTPUT_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/parallel.h"
#include "convert/gguf_output.h"
#include "format/gguf_model.h"
#include "moiety/status.h"
#include "tensor/dtype.h"

namespace moiety {

struct FolderOutputOptions {
  DType dtype = DType::kBF16;                // F32, F16 or BF16; of every weight
  uint64_t shard_max_bytes = 5'000'000'000;  // a larger tensor is a file of its own
};

struct FolderReport {
  std::vector<std::filesystem::path> files;
  int64_t num_tensors = 0;
  uint64_t parameters = 0;
  uint64_t source_bytes = 0;
  uint64_t bytes = 0;              // of tensors
  std::vector<std::string> notes;  // what a user should know, a sentence each
};

// Writes to `dir`, a new or empty folder, which appears when it is complete. Blocks become the
// numbers that they stand for, rounded once; rows of rope go back to the order of folders, so
// config.json needs no field that transformers does not know. A file without a tokenizer gives a
// folder without one.
//
// Fails with kInvalidArgument on another dtype or a folder that has files, and as
// ReadGgufTokenizer(), StreamRows() and ReplacingFile do. Nothing is left behind then.
Result<FolderReport> WriteFolder(const std::filesystem::path& dir, const GgufModel& model,
                                 const FolderOutputOptions& options, ThreadPool& pool,
                                 const WriteProgress& progress = nullptr);

}  // namespace moiety

#endif  // MOIETY_CONVERT_FOLDER_OUTPUT_H_
