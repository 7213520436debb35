// Measures of what a router's experts are used for, from counts (routing/load_measures.h has those
// of how evenly). Informations are in nats.
#ifndef MOIETY_STUDY_EXPERT_MEASURES_H_
#define MOIETY_STUDY_EXPERT_MEASURES_H_

#include <cstdint>
#include <span>
#include <vector>

namespace moiety {

// Counts of two things that go together: expert and text, expert and class, …
struct CountTable {
  int64_t rows = 0;
  int64_t cols = 0;
  std::vector<int64_t> counts;  // [rows, cols]

  CountTable(int64_t num_rows, int64_t num_cols)
      : rows(num_rows), cols(num_cols), counts(static_cast<size_t>(num_rows * num_cols)) {}
  int64_t& at(int64_t row, int64_t col) { return counts[static_cast<size_t>(row * cols + col)]; }
  int64_t at(int64_t row, int64_t col) const {
    return counts[static_cast<size_t>(row * cols + col)];
  }
  std::vector<int64_t> RowSums() const;
  std::vector<int64_t> ColumnSums() const;
};

// I(row; column) = Σ p(r, c) ln (p(r, c) / (p(r) p(c))): what knowing one says about the other. At
// most the smaller of the two entropies.
double MutualInformation(const CountTable& table);

// What the same would come to on average if rows and columns had nothing to do with each other, as
// counts are finite: (r - 1)(c - 1) / 2n, of the rows and columns that occur (Miller 1955).
double InformationByChance(const CountTable& table);

// How often two experts were chosen by the same token, over what it would be if pairs were drawn
// by load: n_ab Σ n_c n_d / (Σ n_cd n_a n_b), sums over pairs c < d. 1: as often as by chance.
// `pairs` [num_experts, num_experts] has counts where row < column. NaN where one was never chosen.
std::vector<double> PairLift(const CountTable& pairs, std::span<const int64_t> load);

}  // namespace moiety

#endif  // MOIETY_STUDY_EXPERT_MEASURES_H_
