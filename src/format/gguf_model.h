// A GGUF file as a model: its metadata in the words of a Hugging Face config.json, its tensors
// under the names that they have in a Hugging Face folder. What models/ builds is the same either
// way. Two fields are not of Hugging Face: rope_interleave (rows of q and k stand so that rope
// turns neighbours) and norm_gains_are_whole (no 1 is to be added to the gains of norms).
#ifndef MOIETY_FORMAT_GGUF_MODEL_H_
#define MOIETY_FORMAT_GGUF_MODEL_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "format/generation_config.h"
#include "format/gguf.h"
#include "moiety/status.h"
#include "tensor/tensor_table.h"

namespace moiety {

struct GgufModel {
  std::shared_ptr<const nlohmann::json> config;  // never null, always an object
  GenerationConfig generation;                   // token ids of the tokenizer
  // Stacks of experts are cut into the experts' own matrices. Tensors that no name is known for
  // keep theirs.
  TensorTable tensors;
  GgufHeader header;  // of the first file; refers to tensors.files
};

// A file, or all parts of a split one, as they are.
struct GgufFiles {
  GgufHeader header;    // of the first; refers to tensors.files
  TensorTable tensors;  // of all, by their names in the files
};

// Opens a file or, given its first part, a split one. Fails as OpenGgufModel() does, but for what
// metadata and tensors mean: any architecture will do.
Result<GgufFiles> OpenGgufFiles(const std::filesystem::path& path);

// Whether a path names a model of this kind: ".gguf" at its end, and no folder.
bool IsGgufPath(const std::filesystem::path& path);

// Opens a file, or all of a split one, given its first ("NAME-00001-of-00003.gguf").
//
// Fails with kNotFound (no such file or part), kUnsupported (an architecture, a kind of rope or a
// tensor that changes results and that moiety does not know), kInvalidData or kIoError. Messages
// name keys as the file does.
Result<GgufModel> OpenGgufModel(const std::filesystem::path& path);

// The header's part of it: `tensors` are those of all files.
Result<GgufModel> ReadGgufModel(GgufHeader header, TensorTable tensors, const std::string& where);

// How many heads the rows of a tensor of GgufModel::tensors belong to, if they stand so that rope
// turns neighbours: see InterleavedRow() in hf_to_gguf.h. 0 for all others. `config` is the
// model's.
int64_t InterleavedHeads(const nlohmann::json& config, std::string_view tensor);

}  // namespace moiety

#endif  // MOIETY_FORMAT_GGUF_MODEL_H_
