#include "tokenize/bpe_trainer.h"

#include <algorithm>
#include <queue>
#include <string_view>
#include <unordered_map>

#include "base/format.h"
#include "base/utf8.h"

namespace moiety {
namespace {

// A merge looks through all of each word it is in, so words of megabytes (text without spaces) are
// cut. Longer than any token worth having.
constexpr size_t kMaxSymbols = 256;

using Pair = uint64_t;  // left id, right id: ordered as the pair

Pair PairOf(int32_t left, int32_t right) {
  return Pair{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
}
int32_t LeftOf(Pair pair) { return static_cast<int32_t>(pair >> 32); }
int32_t RightOf(Pair pair) { return static_cast<int32_t>(pair & UINT32_MAX); }

class Trainer {
 public:
  explicit Trainer(std::vector<std::string> symbols) { training_.vocabulary = std::move(symbols); }

  Status Begin(const std::vector<WordCount>& words, int64_t vocab_size) {
    const std::vector<std::string>& vocabulary = training_.vocabulary;
    if (vocabulary.size() > static_cast<size_t>(vocab_size)) {
      return InvalidArgument(
          Format("a vocabulary of {} is too small: {} tokens come before any "
                 "merge (special tokens, bytes and characters)",
                 vocab_size, vocabulary.size()));
    }
    for (size_t id = 0; id < vocabulary.size(); ++id) {
      if (!ids_.emplace(vocabulary[id], static_cast<int32_t>(id)).second) {
        return InvalidArgument(Format("the token \"{}\" is there twice", vocabulary[id]));
      }
    }
    for (const WordCount& word : words) AddWord(word);
    const auto all = [](int32_t, int32_t) { return true; };
    for (uint32_t i = 0; i < words_.size(); ++i) CountPairs(i, words_[i].count, all);
    QueueGrown();
    return OkStatus();
  }

  // The most frequent pair, if it occurs at least `min_frequency` times.
  bool NextPair(int64_t min_frequency, Pair* pair) {
    while (!queue_.empty()) {
      const Candidate best = queue_.top();
      queue_.pop();
      const int64_t count = pairs_[best.pair].count;
      if (best.count != count) {  // has become rarer since
        if (count > 0) queue_.push({count, best.pair});
        continue;
      }
      if (count < min_frequency) return false;
      *pair = best.pair;
      return true;
    }
    return false;
  }

  void Merge(Pair pair) {
    const int32_t left = LeftOf(pair);
    const int32_t right = RightOf(pair);
    const std::string text = training_.vocabulary[static_cast<size_t>(left)] +
                             training_.vocabulary[static_cast<size_t>(right)];
    const auto [token, is_new] = ids_.emplace(text, static_cast<int32_t>(ids_.size()));
    if (is_new) training_.vocabulary.push_back(text);
    training_.merges.emplace_back(left, right);
    const std::vector<uint32_t> word_ids = std::move(pairs_[pair].words);
    pairs_[pair].words.clear();
    for (const uint32_t i : word_ids) MergeIn(i, left, right, token->second);
    QueueGrown();
  }

  BpeTraining Take() { return std::move(training_); }
  size_t num_tokens() const { return training_.vocabulary.size(); }

 private:
  struct Word {
    std::vector<int32_t> symbols;
    int64_t count;
  };
  struct PairInfo {
    int64_t count = 0;
    std::vector<uint32_t> words;  // those that have it, perhaps twice, perhaps no longer
  };
  struct Candidate {
    int64_t count;
    Pair pair;
    bool operator<(const Candidate& other) const {
      return count != other.count ? count < other.count : pair > other.pair;
    }
  };

  void AddWord(const WordCount& word) {
    std::vector<int32_t> symbols;
    const auto end = [&] {
      if (symbols.size() > 1) words_.push_back({symbols, word.count});
      symbols.clear();
    };
    std::string_view rest = word.word;
    while (!rest.empty()) {
      const auto length = static_cast<size_t>(DecodeUtf8(rest).length);
      const auto id = ids_.find(std::string(rest.substr(0, length)));
      rest.remove_prefix(length);
      if (id == ids_.end()) {
        end();
        continue;
      }
      symbols.push_back(id->second);
      if (symbols.size() == kMaxSymbols) end();
    }
    end();
  }

  // Adds `times` for each pair of neighbours of a word. `is_new` says which pairs the word may not
  // have had before.
  template <class IsNew>
  void CountPairs(uint32_t word, int64_t times, const IsNew& is_new) {
    const std::vector<int32_t>& symbols = words_[word].symbols;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const Pair pair = PairOf(symbols[i], symbols[i + 1]);
      PairInfo& info = pairs_[pair];
      info.count += times;
      if (!is_new(symbols[i], symbols[i + 1])) continue;
      if (info.words.empty() || info.words.back() != word) info.words.push_back(word);
      grown_.push_back(pair);
    }
  }

  // Pairs that became rarer stay in the queue with their old count: see NextPair.
  void QueueGrown() {
    std::sort(grown_.begin(), grown_.end());
    grown_.erase(std::unique(grown_.begin(), grown_.end()), grown_.end());
    for (const Pair pair : grown_) queue_.push({pairs_[pair].count, pair});
    grown_.clear();
  }

  void MergeIn(uint32_t word, int32_t left, int32_t right, int32_t merged) {
    std::vector<int32_t>& symbols = words_[word].symbols;
    const auto at_pair = [&](size_t i) {
      return i + 1 < symbols.size() && symbols[i] == left && symbols[i + 1] == right;
    };
    size_t first = 0;
    while (first < symbols.size() && !at_pair(first)) ++first;
    if (first == symbols.size()) return;  // merged with another pair since
    CountPairs(word, -words_[word].count, [](int32_t, int32_t) { return false; });
    size_t kept = first;
    for (size_t i = first; i < symbols.size(); ++i) {
      if (at_pair(i)) {
        symbols[kept++] = merged;
        ++i;
      } else {
        symbols[kept++] = symbols[i];
      }
    }
    symbols.resize(kept);
    CountPairs(word, words_[word].count,
               [merged](int32_t a, int32_t b) { return a == merged || b == merged; });
  }

  BpeTraining training_;
  std::unordered_map<std::string, int32_t> ids_;
  std::vector<Word> words_;
  std::unordered_map<Pair, PairInfo> pairs_;
  std::priority_queue<Candidate> queue_;
  std::vector<Pair> grown_;  // pairs that occur more often than the queue knows
};

}  // namespace

Result<BpeTraining> TrainBpe(const std::vector<WordCount>& words, std::vector<std::string> symbols,
                             int64_t vocab_size, int64_t min_frequency,
                             const std::function<bool(int64_t num_tokens)>& on_merge) {
  Trainer trainer(std::move(symbols));
  MOIETY_RETURN_IF_ERROR(trainer.Begin(words, vocab_size));
  Pair pair = 0;
  while (trainer.num_tokens() < static_cast<size_t>(vocab_size) &&
         trainer.NextPair(std::max<int64_t>(min_frequency, 1), &pair)) {
    trainer.Merge(pair);
    if (!on_merge(static_cast<int64_t>(trainer.num_tokens()))) return Cancelled("cancelled");
  }
  return trainer.Take();
}

}  // namespace moiety
