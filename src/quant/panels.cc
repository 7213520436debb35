#include "quant/panels.h"

#include <cstring>

namespace moiety {
namespace {

using Four [[gnu::vector_size(16)]] = uint32_t;

Four LoadFour(const std::byte* p) {
  Four v;
  std::memcpy(&v, p, sizeof(v));
  return v;
}

// Four words of each of four rows, `stride` bytes apart, to four rows of a panel.
void TransposeFour(const std::byte* from, int64_t stride, std::byte* to) {
  const Four a = LoadFour(from);
  const Four b = LoadFour(from + stride);
  const Four c = LoadFour(from + 2 * stride);
  const Four d = LoadFour(from + 3 * stride);
  const Four ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
  const Four ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  const Four cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5);
  const Four cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  const Four out[4] = {__builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5),
                       __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7),
                       __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5),
                       __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7)};
  for (int i = 0; i < 4; ++i) std::memcpy(to + 4 * kPanelOutputs * i, &out[i], sizeof(Four));
}

// The words of one block of each output.
void CopyWords(const std::byte* rows, int64_t stride, int64_t outputs, int64_t num_words,
               std::byte* words) {
  const int64_t in_fours = outputs / 4 * 4;
  for (int64_t output = 0; output < in_fours; output += 4) {
    const std::byte* from = rows + output * stride;
    std::byte* to = words + 4 * output;
    int64_t word = 0;
    for (; word + 4 <= num_words; word += 4) {
      TransposeFour(from + 4 * word, stride, to + 4 * kPanelOutputs * word);
    }
    for (; word < num_words; ++word) {
      for (int64_t i = 0; i < 4; ++i) {
        std::memcpy(to + 4 * (kPanelOutputs * word + i), from + i * stride + 4 * word, 4);
      }
    }
  }
  for (int64_t word = 0; word < num_words; ++word, words += 4 * kPanelOutputs) {
    for (int64_t i = in_fours; i < outputs; ++i) {
      std::memcpy(words + 4 * i, rows + i * stride + 4 * word, 4);
    }
    std::memset(words + 4 * outputs, 0, static_cast<size_t>(4 * (kPanelOutputs - outputs)));
  }
}

// The places of a panel.
struct PanelPlaces {
  int64_t num_words;  // of a block
  int64_t odd_bytes;
  int64_t odd_at;  // in a block
  PanelPlaces(const BlockFormat& format)
      : num_words(format.num_bytes / 4),
        odd_bytes(format.num_bytes % 4),
        odd_at(format.head_bytes != 0 ? 0 : 4 * num_words) {}
  // Where the odd bytes of a panel are.
  int64_t OddOf(int64_t row_blocks) const { return row_blocks * num_words * 4 * kPanelOutputs; }
};

}  // namespace

void CopyToPanel(const BlockFormat& format, const std::byte* rows, int64_t stride, int64_t outputs,
                 int64_t count, std::byte* words, std::byte* odd) {
  const PanelPlaces places(format);
  for (int64_t block = 0; block < count; ++block) {
    CopyWords(rows + format.head_bytes, stride, outputs, places.num_words, words);
    words += places.num_words * 4 * kPanelOutputs;
    for (int64_t output = 0; places.odd_bytes > 0 && output < kPanelOutputs; ++output) {
      for (int64_t i = 0; i < places.odd_bytes; ++i) {
        *odd++ = output < outputs ? rows[output * stride + places.odd_at + i] : std::byte{0};
      }
    }
    rows += format.num_bytes;
  }
}

void RowsToPanels(const BlockFormat& format, const std::byte* rows, int64_t row_blocks,
                  int64_t num_rows, std::byte* panels) {
  const int64_t row_bytes = row_blocks * format.num_bytes;
  const int64_t odd_at = PanelPlaces(format).OddOf(row_blocks);
  for (int64_t output = 0; output < num_rows; output += kPanelOutputs) {
    std::byte* panel = panels + output * row_bytes;
    CopyToPanel(format, rows + output * row_bytes, row_bytes, kPanelOutputs, row_blocks, panel,
                panel + odd_at);
  }
}

void CopyRowOfPanels(const BlockFormat& format, const std::byte* panels, int64_t num_rows,
                     int64_t row_blocks, int64_t row, std::byte* to) {
  const int64_t row_bytes = row_blocks * format.num_bytes;
  if (row >= num_rows / kPanelOutputs * kPanelOutputs) {
    std::memcpy(to, panels + row * row_bytes, static_cast<size_t>(row_bytes));
    return;
  }
  const PanelPlaces places(format);
  const std::byte* panel = panels + row / kPanelOutputs * kPanelOutputs * row_bytes;
  const std::byte* words = panel + row % kPanelOutputs * 4;
  const std::byte* odd = panel + places.OddOf(row_blocks) + row % kPanelOutputs * places.odd_bytes;
  for (int64_t block = 0; block < row_blocks; ++block, to += format.num_bytes) {
    for (int64_t word = 0; word < places.num_words; ++word, words += 4 * kPanelOutputs) {
      std::memcpy(to + format.head_bytes + 4 * word, words, 4);
    }
    for (int64_t i = 0; i < places.odd_bytes; ++i) to[places.odd_at + i] = odd[i];
    odd += kPanelOutputs * places.odd_bytes;
  }
}

}  // namespace moiety
