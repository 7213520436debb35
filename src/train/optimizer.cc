#include "train/optimizer.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace moiety {
namespace {

constexpr int64_t kNormChunk = 16384;  // values whose squares one task adds

// In lanes, which compilers compute side by side.
double SumOfSquares(std::span<const float> values) {
  std::array<double, 8> lanes = {};
  for (size_t i = 0; i < values.size(); ++i) {
    lanes[i % lanes.size()] += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  }
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

}  // namespace

double GradientNorm(ThreadPool& pool, std::span<const OptimizedTensor> tensors) {
  std::vector<int64_t> num_chunks;
  std::vector<std::vector<double>> sums;
  for (const OptimizedTensor& tensor : tensors) {
    const auto count = static_cast<int64_t>(tensor.gradient.size());
    num_chunks.push_back((count + kNormChunk - 1) / kNormChunk);
    sums.emplace_back(static_cast<size_t>(num_chunks.back()));
  }
  ParallelForJobs(pool, num_chunks, [&](size_t i, int64_t chunk) {
    const std::span<const float> all = tensors[i].gradient;
    const auto begin = static_cast<size_t>(chunk * kNormChunk);
    const size_t count = std::min<size_t>(kNormChunk, all.size() - begin);
    sums[i][static_cast<size_t>(chunk)] = SumOfSquares(all.subspan(begin, count));
  });
  double total = 0;
  for (const std::vector<double>& tensor : sums) {
    for (const double sum : tensor) total += sum;
  }
  return std::sqrt(total);
}

}  // namespace moiety
