// A Hugging Face folder in the words of GGUF: config.json as metadata, its tensors under GGUF's
// names, experts' matrices joined to stacks, rows in the order that GGUF's rope expects. The other
// direction is gguf_model.h; both read the tables of gguf_architectures.h.
#ifndef MOIETY_FORMAT_HF_TO_GGUF_H_
#define MOIETY_FORMAT_HF_TO_GGUF_H_

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "format/gguf_writer.h"
#include "moiety/status.h"
#include "tensor/shape.h"
#include "tensor/tensor_table.h"

namespace moiety {

// A tensor of a GGUF file, made from tensors as they lie in other files.
struct GgufSourceTensor {
  std::string name;
  Shape shape;
  // In this order one after the other: the tensor itself, or the matrix of each expert.
  std::vector<TensorInfo> pieces;
  // The rows are those of so many heads and change places by InterleavedRow(); 0: they stay.
  int64_t interleaved_heads = 0;
  // Added to each value: gains of norms of which folders leave the 1 out.
  float offset = 0;
};

// Rope turns pairs of a head's values. In a folder the two are half a head apart, in files of some
// architectures they are neighbours. The row of a folder's matrix that is row `row` of such a file,
// for heads of `head_rows` rows.
constexpr int64_t InterleavedRow(int64_t row, int64_t head_rows) {
  const int64_t in_head = row % head_rows;
  return row - in_head + in_head % 2 * (head_rows / 2) + in_head / 2;
}
// The other way: the row of a file that is row `row` of a folder's matrix.
constexpr int64_t UninterleavedRow(int64_t row, int64_t head_rows) {
  const int64_t in_head = row % head_rows;
  return row - in_head + in_head % (head_rows / 2) * 2 + in_head / (head_rows / 2);
}

struct GgufSource {
  GgufPairs metadata;                     // of the architecture; none of the tokenizer
  std::vector<GgufSourceTensor> tensors;  // those of the model first, then layer by layer
  int64_t vocab_size = 0;                 // rows of the embedding
};

// `where` (the path of config.json) starts every message.
//
// Fails with kUnsupported where GGUF, or moiety's table of its words, cannot say what the folder
// does (an architecture, a kind of rope scaling, a tensor with an unknown name, …), and with
// kInvalidData on a config that lacks what it must have or has it of a wrong type, and on experts
// that make no stack.
Result<GgufSource> HfToGguf(const nlohmann::json& config, const TensorTable& tensors,
                            const std::string& where);

}  // namespace moiety

#endif  // MOIETY_FORMAT_HF_TO_GGUF_H_
