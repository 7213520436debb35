// Learns the merges of a BPE vocabulary from counted words (Sennrich, Haddow and Birch 2016,
// algorithm 1): again and again the most frequent pair of neighbours becomes a token.
#ifndef MOIETY_TOKENIZE_BPE_TRAINER_H_
#define MOIETY_TOKENIZE_BPE_TRAINER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "moiety/status.h"

namespace moiety {

struct WordCount {
  std::string word;  // UTF-8
  int64_t count = 0;
};

struct BpeTraining {
  std::vector<std::string> vocabulary;              // by id
  std::vector<std::pair<int32_t, int32_t>> merges;  // by rank: ids of the two tokens
};

// `symbols`: the vocabulary to begin with; those of one character are what words are made of. Any
// other character ends a word and begins the next. Merging ends when there are `vocab_size` tokens
// or no pair is left that occurs `min_frequency` times. Of pairs equally frequent the one with the
// lower ids is merged, so the order of the words does not matter.
//
// `on_merge` gets the number of tokens after each merge; false ends the training with kCancelled.
// Fails with kInvalidArgument where `symbols` has a text twice or more than vocab_size.
Result<BpeTraining> TrainBpe(const std::vector<WordCount>& words, std::vector<std::string> symbols,
                             int64_t vocab_size, int64_t min_frequency,
                             const std::function<bool(int64_t num_tokens)>& on_merge);

}  // namespace moiety

#endif  // MOIETY_TOKENIZE_BPE_TRAINER_H_
