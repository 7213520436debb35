// A model, folder or GGUF file, as what a GGUF file of it consists of.
#ifndef MOIETY_CONVERT_GGUF_INPUT_H_
#define MOIETY_CONVERT_GGUF_INPUT_H_

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "format/gguf_writer.h"
#include "format/hf_to_gguf.h"
#include "io/mapped_file.h"
#include "moiety/status.h"

namespace moiety {

struct GgufInput {
  GgufPairs metadata;
  std::vector<GgufSourceTensor> tensors;
  std::vector<std::shared_ptr<const MappedFile>> files;  // TensorInfo::file of the tensors' pieces
  std::vector<std::string> notes;                        // what a user should know, a sentence each
};

// A folder's config, tokenizer and weights in the words of GGUF, or a GGUF file (of any
// architecture; the first part of a split one) as it is. Fails as HfToGguf(), AddGgufTokenizer()
// and the readers of both do.
Result<GgufInput> OpenGgufInput(const std::filesystem::path& path);

}  // namespace moiety

#endif  // MOIETY_CONVERT_GGUF_INPUT_H_
