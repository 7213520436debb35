#include "study/expert_measures.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <numeric>

#include "routing/load_measures.h"

namespace moiety {
namespace {

double TotalOf(std::span<const int64_t> counts) {
  return static_cast<double>(std::accumulate(counts.begin(), counts.end(), int64_t{0}));
}

}  // namespace

std::vector<int64_t> CountTable::RowSums() const {
  std::vector<int64_t> sums(static_cast<size_t>(rows));
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) sums[static_cast<size_t>(r)] += at(r, c);
  }
  return sums;
}

std::vector<int64_t> CountTable::ColumnSums() const {
  std::vector<int64_t> sums(static_cast<size_t>(cols));
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) sums[static_cast<size_t>(c)] += at(r, c);
  }
  return sums;
}

double MutualInformation(const CountTable& table) {
  const std::vector<int64_t> rows = table.RowSums();
  const std::vector<int64_t> cols = table.ColumnSums();
  // I = H(row) + H(column) - H(row, column); rounding must not make it negative.
  return std::max(0.0, Entropy(rows) + Entropy(cols) - Entropy(table.counts));
}

double InformationByChance(const CountTable& table) {
  const double total = TotalOf(table.counts);
  if (total == 0) return 0;
  const auto used = [](const std::vector<int64_t>& sums) {
    return static_cast<double>(std::ranges::count_if(sums, [](int64_t n) { return n > 0; }));
  };
  return (used(table.RowSums()) - 1) * (used(table.ColumnSums()) - 1) / (2 * total);
}

std::vector<double> PairLift(const CountTable& pairs, std::span<const int64_t> load) {
  const int64_t n = pairs.rows;
  std::vector<double> lift(static_cast<size_t>(n * n), std::numeric_limits<double>::quiet_NaN());
  const auto chance = [&](int64_t a, int64_t b) {
    return static_cast<double>(load[static_cast<size_t>(a)]) *
           static_cast<double>(load[static_cast<size_t>(b)]);
  };
  double all_chances = 0;
  for (int64_t a = 0; a < n; ++a) {
    for (int64_t b = a + 1; b < n; ++b) all_chances += chance(a, b);
  }
  const double total = TotalOf(pairs.counts);
  for (int64_t a = 0; a < n; ++a) {
    for (int64_t b = a + 1; b < n; ++b) {
      if (total == 0 || chance(a, b) == 0) continue;
      const double value =
          static_cast<double>(pairs.at(a, b)) / total * (all_chances / chance(a, b));
      lift[static_cast<size_t>(a * n + b)] = lift[static_cast<size_t>(b * n + a)] = value;
    }
  }
  return lift;
}

}  // namespace moiety
