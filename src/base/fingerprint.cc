#include "base/fingerprint.h"

#include <cstring>

namespace moiety {
namespace {

// The finalizer of SplitMix64 (Steele, Lea, Flood 2014): every bit of the input reaches all.
uint64_t MixBits(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

}  // namespace

void Fingerprinter::Add(uint64_t number) {
  state_[0] = (state_[0] ^ number) * 0x9E3779B97F4A7C15U;
  state_[0] ^= state_[0] >> 32;
  state_[1] = (state_[1] + number) * 0xD6E8FEB86659FD93U;
  state_[1] ^= state_[1] >> 29;
}

void Fingerprinter::Add(std::span<const std::byte> bytes) {
  Add(uint64_t{bytes.size()});
  while (!bytes.empty()) {
    uint64_t word = 0;
    const size_t size = bytes.size() < sizeof(word) ? bytes.size() : sizeof(word);
    std::memcpy(&word, bytes.data(), size);
    Add(word);
    bytes = bytes.subspan(size);
  }
}

Fingerprint Fingerprinter::Finish() const {
  return {MixBits(state_[0] ^ MixBits(state_[1])), MixBits(state_[1] + MixBits(state_[0]))};
}

}  // namespace moiety
