// Batch: the rows of one forward step, from any mix of sequences: prompt chunks and single tokens
// together.
#ifndef MOIETY_OPS_BATCH_H_
#define MOIETY_OPS_BATCH_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace moiety {

struct StateLayout;  // ops/state.h

// Consecutive rows of the batch that are consecutive tokens of one sequence.
struct Segment {
  int64_t begin = 0;  // rows [begin, begin + count) of the batch
  int64_t count = 0;
  int64_t position = 0;  // of the first of these tokens in its sequence
  int64_t sequence = 0;  // a number the caller knows the sequence by (for observers)
  // The sequence's pages (StateLayout), enough for position + count tokens. Owned by the runtime.
  std::span<std::byte* const> pages;
};

struct Batch {
  std::span<const int32_t> ids;         // [num_rows]
  std::vector<Segment> segments;        // ascending and together all rows
  const StateLayout* layout = nullptr;  // of their pages
  // Rows whose logits are wanted, ascending.
  std::span<const int32_t> logit_rows;

  int64_t num_rows() const { return static_cast<int64_t>(ids.size()); }
};

}  // namespace moiety

#endif  // MOIETY_OPS_BATCH_H_
