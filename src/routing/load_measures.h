// Measures of how evenly and how surely a router uses its experts. Entropies are in nats.
#ifndef MOIETY_ROUTING_LOAD_MEASURES_H_
#define MOIETY_ROUTING_LOAD_MEASURES_H_

#include <cstdint>
#include <optional>
#include <span>

namespace moiety {

// Coefficient of variation: standard deviation ÷ mean, 0 when all are equal (Shazeer et al. 2017)
// and where there is nothing.
double LoadCv(std::span<const int64_t> load);

// Maximal violation: largest ÷ mean - 1, 0 when all are equal (Wang et al. 2024,
// "Auxiliary-loss-free load balancing", MaxVio) and where there is nothing.
double MaxViolation(std::span<const int64_t> load);

// -Σ p ln p of the shares p: the logarithm of how many there are when all are equal; 0 where there
// is nothing.
double Entropy(std::span<const int64_t> counts);

// The sum of a token's scores if they are shares of it: none is negative, and some are above 0.
// 0 if they are not.
double SumOfShares(std::span<const float> scores);

// -Σ p ln p of the shares p of a token's scores: 0 for a sure gate. None where they are no shares.
std::optional<double> EntropyOfScores(std::span<const float> scores);

// -p ln p, 0 for 0.
double EntropyTerm(double p);

}  // namespace moiety

#endif  // MOIETY_ROUTING_LOAD_MEASURES_H_
