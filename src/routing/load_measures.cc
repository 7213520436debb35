#include "routing/load_measures.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/exact_math.h"

namespace moiety {
namespace {

double TotalLoad(std::span<const int64_t> load) {
  return static_cast<double>(std::accumulate(load.begin(), load.end(), int64_t{0}));
}

}  // namespace

double LoadCv(std::span<const int64_t> load) {
  const double total = TotalLoad(load);
  if (total == 0) return 0;
  const double mean = total / static_cast<double>(load.size());
  double squares = 0;
  for (const int64_t n : load) {
    const double difference = static_cast<double>(n) - mean;
    squares += difference * difference;
  }
  return std::sqrt(squares / static_cast<double>(load.size())) / mean;
}

double MaxViolation(std::span<const int64_t> load) {
  const double total = TotalLoad(load);
  if (total == 0) return 0;
  const auto largest = static_cast<double>(*std::ranges::max_element(load));
  return largest / (total / static_cast<double>(load.size())) - 1;
}

double Entropy(std::span<const int64_t> counts) {
  const double total = TotalLoad(counts);
  double entropy = 0;
  for (const int64_t n : counts) {
    if (total > 0) entropy += EntropyTerm(static_cast<double>(n) / total);
  }
  return entropy;
}

double SumOfShares(std::span<const float> scores) {
  double sum = 0;
  for (const float s : scores) {
    if (!(s >= 0)) return 0;
    sum += static_cast<double>(s);
  }
  return std::isfinite(sum) ? sum : 0;
}

std::optional<double> EntropyOfScores(std::span<const float> scores) {
  const double sum = SumOfShares(scores);
  if (sum == 0) return std::nullopt;
  double entropy = 0;
  for (const float s : scores) entropy += EntropyTerm(static_cast<double>(s) / sum);
  return entropy;
}

double EntropyTerm(double p) { return p < 1e-300 ? 0 : -p * ExactLog(p); }

}  // namespace moiety
