// Fingerprint: 128 bits that tell contents apart, for caches of what was made from them. Not for
// contents that somebody makes to collide.
#ifndef MOIETY_BASE_FINGERPRINT_H_
#define MOIETY_BASE_FINGERPRINT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace moiety {

using Fingerprint = std::array<uint64_t, 2>;

// Takes things one after the other: each Add() is one of them, so "ab", "c" is not "a", "bc".
class Fingerprinter {
 public:
  void Add(std::span<const std::byte> bytes);
  void Add(std::string_view text) { Add(std::as_bytes(std::span(text))); }
  void Add(uint64_t number);
  Fingerprint Finish() const;

 private:
  // Two sums of words, each mixed by multiplications with its own odd number.
  Fingerprint state_ = {0x243F6A8885A308D3U, 0x13198A2E03707344U};
};

}  // namespace moiety

#endif  // MOIETY_BASE_FINGERPRINT_H_
