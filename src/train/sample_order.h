// SampleOrder: which tokens the i-th sample of a run is made of, as a function of (seed, i): to
// resume a run nothing has to be remembered but the number of samples it has seen.
//
// Domains take turns so evenly that after any number of samples each has its share of them, up to
// rounding. The windows of a domain come in a random order, each once before any comes again.
#ifndef MOIETY_TRAIN_SAMPLE_ORDER_H_
#define MOIETY_TRAIN_SAMPLE_ORDER_H_

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "moiety/status.h"

namespace moiety {

struct SampleDomain {
  std::string name;  // for messages
  int64_t num_tokens = 0;
  double weight = 0;  // its share of the samples, relative to the others'; 0: none
};

// Tokens [begin, begin + sequence_length] of a domain: the last one is a target only.
struct Sample {
  size_t domain = 0;
  int64_t begin = 0;
  int64_t epoch = 0;  // how often the whole domain was seen before
};

class SampleOrder {
 public:
  // Fails if a domain with weight has fewer than sequence_length + 1 tokens, or no domain has
  // weight.
  static Result<SampleOrder> Create(std::vector<SampleDomain> domains, int64_t sequence_length,
                                    uint64_t seed);

  // Sample `index` of the run, from 0 on.
  Sample At(int64_t index) const;

  // Windows of a domain, which share only their ends. What does not fill a last one moves from the
  // end to the beginning at random from epoch to epoch.
  int64_t num_windows(size_t domain) const { return domains_[domain].num_windows; }
  // How many of the samples [0, num_samples) are the domain's.
  int64_t NumSamples(size_t domain, int64_t num_samples) const;

 private:
  struct Domain {
    int64_t num_tokens = 0;
    int64_t num_windows = 0;
    // Of the samples that no domain before this one has taken: the share in units of 2^-32, and
    // where in its turn it begins.
    uint64_t share = 0;
    uint64_t phase = 0;
  };
  SampleOrder(std::vector<Domain> domains, int64_t sequence_length, uint64_t seed)
      : domains_(std::move(domains)), sequence_length_(sequence_length), seed_(seed) {}

  std::vector<Domain> domains_;
  int64_t sequence_length_;
  uint64_t seed_;
};

// The i-th of the numbers [0, count) in an order that is random in `key`: a Feistel network
// (Luby, Rackoff 1988) over the next power of four, walked until it comes back into the range.
// 0 ≤ index < count.
uint64_t PermutedIndex(uint64_t index, uint64_t count, uint64_t seed, uint64_t key);

// The weight of each domain: `configured` by name, which then has all of them and no other, or, if
// it is empty, their numbers of tokens, so that each token is seen as often.
Status SetMixingWeights(const std::map<std::string, double>& configured,
                        std::vector<SampleDomain>& domains);

}  // namespace moiety

#endif  // MOIETY_TRAIN_SAMPLE_ORDER_H_
