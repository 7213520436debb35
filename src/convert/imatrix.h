// Importance matrices: for each weight matrix, the mean square of what each of its columns met in
// some texts. An error in a column that meets large values costs more. In llama.cpp's files:
//
//   general.type "imatrix", imatrix.datasets [string], imatrix.chunk_count u32, .chunk_size u32
//   NAME.in_sum2   F32 [num_matrices, cols]   sums of squares; one matrix, or one per expert
//   NAME.counts    F32 [num_matrices, 1]      rows summed; 0: no token met this expert
#ifndef MOIETY_CONVERT_IMATRIX_H_
#define MOIETY_CONVERT_IMATRIX_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "moiety/status.h"

namespace moiety {

// What was collected for one tensor.
struct ImportanceSums {
  int64_t cols = 0;
  std::vector<float> counts;  // [num_matrices]
  std::vector<float> sums;    // [num_matrices, cols]

  int64_t num_matrices() const { return static_cast<int64_t>(counts.size()); }
  // The importance of the columns of matrix m, [cols]; empty where nothing was counted.
  std::vector<float> Of(int64_t m) const;
};

struct Imatrix {
  std::vector<std::string> datasets;
  uint32_t chunk_count = 0;
  uint32_t chunk_size = 0;                                // tokens
  std::map<std::string, ImportanceSums, std::less<>> of;  // by the names of GGUF

  // Null if nothing is known of that tensor.
  const ImportanceSums* Find(std::string_view tensor) const;
};

// Fails with kInvalidData on a file that is no GGUF imatrix (the older format of llama.cpp is one
// of those), on sums without counts or of other shapes, and on numbers that are negative or not
// finite.
Result<Imatrix> ParseImatrix(std::span<const std::byte> file, const std::string& where);
Result<Imatrix> ReadImatrix(const std::filesystem::path& path);
Status WriteImatrix(const std::filesystem::path& path, const Imatrix& imatrix);

}  // namespace moiety

#endif  // MOIETY_CONVERT_IMATRIX_H_
