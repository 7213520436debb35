// Writing a model as a GGUF file in the types chosen for its tensors: one slice of rows at a time,
// so that memory stays small whatever the size of the model.
#ifndef MOIETY_CONVERT_GGUF_OUTPUT_H_
#define MOIETY_CONVERT_GGUF_OUTPUT_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/parallel.h"
#include "convert/gguf_input.h"
#include "convert/imatrix.h"
#include "convert/type_mix.h"
#include "moiety/status.h"

namespace moiety {

struct GgufOutputOptions {
  uint64_t split_max_bytes = 0;      // see GgufWriterOptions
  const Imatrix* imatrix = nullptr;  // borrowed; null: all errors count the same
  bool allow_requantize = false;     // blocks may become other blocks, which loses twice
};

// How a tensor was written.
struct TensorReport {
  std::string name;
  Shape shape;
  DType source;
  DType dtype;
  DType wanted;  // another one: its blocks do not fit the rows
  uint64_t bytes = 0;
  // With an importance matrix, of tensors in blocks:
  bool has_importance = false;
  std::vector<int64_t> uncovered_experts;  // no token met them: their errors all count the same
};

struct GgufReport {
  std::vector<TensorReport> tensors;
  std::vector<std::filesystem::path> files;
  uint64_t source_bytes = 0;
  uint64_t bytes = 0;  // of tensors
};

// Called between slices with the bytes read so far and all to read; false ends the work.
using WriteProgress = std::function<bool(uint64_t done, uint64_t total)>;

// `types` has an entry for each tensor of `input`, from ChooseTypes() with `mix`. The same bytes
// for any number of threads. Keys of quantization are set: general.file_type,
// general.quantization_version and, with an importance matrix, quantize.imatrix.*.
//
// Fails with kInvalidData on a weight that is not finite or too large for its type, with
// kInvalidArgument on blocks to be quantized again without allow_requantize and on an importance
// matrix of another model, with kCancelled, and as GgufWriter does. Nothing is left behind then.
Result<GgufReport> WriteGguf(const std::filesystem::path& path, const GgufInput& input,
                             const TypeMix& mix, std::span<const ChosenType> types,
                             const GgufOutputOptions& options, ThreadPool& pool,
                             const WriteProgress& progress = nullptr);

}  // namespace moiety

#endif  // MOIETY_CONVERT_GGUF_OUTPUT_H_
