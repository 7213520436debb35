#include "train/sample_order.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "base/check.h"
#include "base/format.h"
#include "base/rng.h"

namespace moiety {
namespace {

constexpr int kShareBits = 32;
constexpr uint64_t kWholeShare = uint64_t{1} << kShareBits;
constexpr int kRounds = 6;

// What counters of the generator are for, so that no two uses share numbers.
enum class OrderStream : uint32_t { kPermutation = 1, kPhase = 2, kOffset = 3 };

uint64_t Random(uint64_t seed, OrderStream stream, uint64_t a, uint32_t b) {
  const std::array<uint32_t, 4> bits = Philox(
      seed,
      {static_cast<uint32_t>(a), static_cast<uint32_t>(a >> 32), b, static_cast<uint32_t>(stream)});
  return uint64_t{bits[0]} << 32 | bits[1];
}

// How many of `count` turns are taken by a share of them, evenly.
int64_t TurnsTaken(int64_t count, uint64_t share, uint64_t phase) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<int64_t>((static_cast<Wide>(count) * share + phase) >> kShareBits);
}

}  // namespace

uint64_t PermutedIndex(uint64_t index, uint64_t count, uint64_t seed, uint64_t key) {
  MOIETY_DCHECK(index < count && count <= uint64_t{1} << 62);
  const int half_bits = std::max(1, static_cast<int>(std::bit_width(count - 1) + 1) / 2);
  const uint64_t mask = (uint64_t{1} << half_bits) - 1;
  do {
    uint64_t left = index >> half_bits;
    uint64_t right = index & mask;
    for (int round = 0; round < kRounds; ++round) {
      const std::array<uint32_t, 4> bits =
          Philox(seed, {static_cast<uint32_t>(right), static_cast<uint32_t>(key),
                        static_cast<uint32_t>(key >> 32), static_cast<uint32_t>(round)});
      left = std::exchange(right, left ^ (bits[0] & mask));
    }
    index = left << half_bits | right;
  } while (index >= count);
  return index;
}

Result<SampleOrder> SampleOrder::Create(std::vector<SampleDomain> domains, int64_t sequence_length,
                                        uint64_t seed) {
  if (sequence_length < 1) {
    return InvalidArgument(
        Format("a sample must have at least 1 token, found a length of {}", sequence_length));
  }
  double left = 0;
  for (const SampleDomain& domain : domains) {
    if (!std::isfinite(domain.weight) || domain.weight < 0) {
      return InvalidArgument(
          Format("domain \"{}\": a weight must be finite and at least 0, found {}", domain.name,
                 domain.weight));
    }
    // A whole window has a target for each of its tokens.
    if (domain.weight > 0 && domain.num_tokens <= sequence_length) {
      return InvalidArgument(
          Format("domain \"{}\" has {} tokens, but one sample takes sequence_length + 1 = {}",
                 domain.name, domain.num_tokens, sequence_length + 1));
    }
    left += domain.weight;
  }
  if (!std::isfinite(left) || left <= 0) {
    return InvalidArgument("no domain has a weight: there is nothing to take samples of");
  }
  // Each domain takes its part of what those before it left; the last with weight takes all of it.
  size_t last = domains.size();
  while (domains[last - 1].weight == 0) --last;
  std::vector<Domain> planned;
  for (size_t i = 0; i < domains.size(); ++i) {
    Domain domain;
    domain.num_tokens = domains[i].num_tokens;
    domain.num_windows = std::max<int64_t>(0, domain.num_tokens - 1) / sequence_length;
    if (i + 1 == last) {
      domain.share = kWholeShare;
    } else if (domains[i].weight > 0) {
      const double share = std::min(1.0, domains[i].weight / left);
      domain.share = static_cast<uint64_t>(share * static_cast<double>(kWholeShare) + 0.5);
    }
    domain.phase = Random(seed, OrderStream::kPhase, i, 0) % kWholeShare;
    left -= domains[i].weight;
    planned.push_back(domain);
  }
  return SampleOrder(std::move(planned), sequence_length, seed);
}

Sample SampleOrder::At(int64_t index) const {
  MOIETY_DCHECK(index >= 0);
  Sample sample;
  // `index` becomes the number of the sample among those that the domains from this one on take.
  for (;; ++sample.domain) {
    const Domain& domain = domains_[sample.domain];
    const int64_t taken = TurnsTaken(index, domain.share, domain.phase);
    if (TurnsTaken(index + 1, domain.share, domain.phase) > taken) {
      index = taken;
      break;
    }
    index -= taken;
  }
  const Domain& domain = domains_[sample.domain];
  sample.epoch = index / domain.num_windows;
  const auto key = static_cast<uint64_t>(sample.epoch);
  const auto number = static_cast<uint32_t>(sample.domain);
  // Each domain has a seed of its own.
  const uint64_t window = PermutedIndex(static_cast<uint64_t>(index % domain.num_windows),
                                        static_cast<uint64_t>(domain.num_windows),
                                        Random(seed_, OrderStream::kPermutation, 0, number), key);
  const auto rest = static_cast<uint64_t>((domain.num_tokens - 1) % sequence_length_);
  const uint64_t offset = Random(seed_, OrderStream::kOffset, key, number) % (rest + 1);
  sample.begin = static_cast<int64_t>(window) * sequence_length_ + static_cast<int64_t>(offset);
  return sample;
}

int64_t SampleOrder::NumSamples(size_t domain, int64_t num_samples) const {
  for (size_t i = 0; i < domain; ++i) {
    num_samples -= TurnsTaken(num_samples, domains_[i].share, domains_[i].phase);
  }
  return TurnsTaken(num_samples, domains_[domain].share, domains_[domain].phase);
}

Status SetMixingWeights(const std::map<std::string, double>& configured,
                        std::vector<SampleDomain>& domains) {
  if (configured.empty()) {
    for (SampleDomain& domain : domains) domain.weight = static_cast<double>(domain.num_tokens);
    return OkStatus();
  }
  std::string names;
  for (const SampleDomain& domain : domains) {
    names += (names.empty() ? "" : ", ") + domain.name;
  }
  for (const auto& entry : configured) {
    const std::string& name = entry.first;
    const bool known = std::any_of(domains.begin(), domains.end(),
                                   [&](const SampleDomain& domain) { return domain.name == name; });
    if (!known) {
      return InvalidArgument(
          Format("data.weights: there is no domain \"{}\"; the data has {}", name, names));
    }
  }
  for (SampleDomain& domain : domains) {
    const auto found = configured.find(domain.name);
    if (found == configured.end()) {
      return InvalidArgument(
          Format("data.weights: domain \"{}\" has no weight; expected one for each of {}",
                 domain.name, names));
    }
    domain.weight = found->second;
  }
  return OkStatus();
}

}  // namespace moiety
