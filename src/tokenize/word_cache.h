// What was found about the words of a text so far. Texts repeat their words: most are looked up,
// not worked out again.
#ifndef MOIETY_TOKENIZE_WORD_CACHE_H_
#define MOIETY_TOKENIZE_WORD_CACHE_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace moiety {

// A short word as it is compared and hashed: its bytes and their number.
struct WordKey {
  static constexpr size_t kMaxBytes = 15;

  uint64_t low = 0;
  uint64_t high = 0;
  friend bool operator==(const WordKey&, const WordKey&) = default;

  // The key of text[begin, begin + length); 1 <= length <= kMaxBytes.
  static WordKey Of(std::string_view text, size_t begin, size_t length) {
    WordKey key;
    const char* word = text.data() + begin;
    if (begin + sizeof(key) <= text.size()) {
      std::memcpy(&key, word, sizeof(key));
      const size_t low_bytes = std::min<size_t>(length, 8);
      key.low &= UINT64_MAX >> (64 - 8 * low_bytes);
      key.high &= length > 8 ? UINT64_MAX >> (128 - 8 * length) : 0;
    } else {
      std::array<char, sizeof(key)> bytes{};
      std::memcpy(bytes.data(), word, length);
      std::memcpy(&key, bytes.data(), sizeof(key));
    }
    key.high |= uint64_t{length} << 56;
    return key;
  }

  // A number below 2^bits.
  size_t Hash(int bits) const {
    const uint64_t mixed = (low ^ (high * 0xC2B2AE3D27D4EB4FU)) * 0x9E3779B97F4A7C15U;
    return (mixed ^ mixed >> 32) * 0x9E3779B97F4A7C15U >> (64 - bits);
  }
};

// Some of the words that were added: each has one place, and may be pushed out of it.
class WordSet {
 public:
  WordSet() : keys_(size_t{1} << kIndexBits) {}
  bool Contains(const WordKey& key) const { return keys_[key.Hash(kIndexBits)] == key; }
  void Add(const WordKey& key) { keys_[key.Hash(kIndexBits)] = key; }

 private:
  static constexpr int kIndexBits = 12;
  std::vector<WordKey> keys_;  // an empty place has length 0, which no word has
};

// What a model made of words. For one text and the ids that it becomes, which are only appended to.
// Remembers short words, each in the one place that its hash gives it; a look-up reads one cache
// line.
class WordCache {
 public:
  WordCache() : entries_(kNumEntries) {}

  // Appends the word's ids, if it is known.
  bool Append(const WordKey& key, std::vector<int32_t>& ids) const {
    const Entry& entry = entries_[key.Hash(kIndexBits)];
    if (entry.key != key) return false;
    if (entry.count <= entry.ids.size()) {
      ids.insert(ids.end(), entry.ids.begin(), entry.ids.begin() + entry.count);
      return true;
    }
    const size_t begin = entry.begin();
    const size_t end = ids.size();
    ids.resize(end + entry.count);
    std::copy_n(ids.begin() + static_cast<ptrdiff_t>(begin), entry.count,
                ids.begin() + static_cast<ptrdiff_t>(end));
    return true;
  }

  // Remembers that the word became ids[begin, …).
  void Set(const WordKey& key, const std::vector<int32_t>& ids, size_t begin) {
    Entry& entry = entries_[key.Hash(kIndexBits)];
    entry.key = key;
    entry.count = static_cast<uint32_t>(ids.size() - begin);
    if (entry.count <= entry.ids.size()) {
      std::copy(ids.begin() + static_cast<ptrdiff_t>(begin), ids.end(), entry.ids.begin());
    } else {
      entry.ids[0] = static_cast<int32_t>(begin & UINT32_MAX);
      entry.ids[1] = static_cast<int32_t>(begin >> 32);
    }
  }

 private:
  static constexpr int kIndexBits = 14;
  static constexpr size_t kNumEntries = size_t{1} << kIndexBits;

  struct Entry {
    WordKey key;  // an empty entry has length 0, which no word has
    uint32_t count = 0;
    std::array<int32_t, 3> ids{};  // where there are more: the place of the first, in two halves

    size_t begin() const {
      return static_cast<size_t>(static_cast<uint32_t>(ids[0])) |
             static_cast<size_t>(static_cast<uint32_t>(ids[1])) << 32;
    }
  };

  std::vector<Entry> entries_;
};

}  // namespace moiety

#endif  // MOIETY_TOKENIZE_WORD_CACHE_H_
