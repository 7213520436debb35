// TrainingData: the texts of a run as tokens, by domain.
#ifndef MOIETY_TRAIN_TRAINING_DATA_H_
#define MOIETY_TRAIN_TRAINING_DATA_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "moiety/status.h"
#include "tokenize/tokenizer.h"
#include "train/config.h"
#include "train/token_shards.h"

namespace moiety {

struct TrainingDomain {
  std::string name;
  TokenShard train;
  TokenShard valid;
};

// How far something is, from 0 to 1; false ends it.
using PreparingProgress = std::function<bool(const std::string& what, double done)>;

// Tokenizes what `config` names into `folder`, or takes what an earlier run left there of the same
// texts and tokenizer.
Result<std::vector<TrainingDomain>> PrepareTrainingData(const DataConfig& config,
                                                        const Tokenizer& tokenizer,
                                                        const std::filesystem::path& folder,
                                                        const PreparingProgress& progress);

// The tokenizer that the config names, or else one made from the texts: byte-fallback BPE of
// `vocab_size` tokens, written to `folder`, where an earlier run may have left it. A folder with
// tokenizer.json is put into `where`.
Result<std::unique_ptr<const Tokenizer>> PrepareTokenizer(const DataConfig& config,
                                                          int64_t vocab_size,
                                                          const std::filesystem::path& folder,
                                                          const PreparingProgress& progress,
                                                          std::filesystem::path& where);

}  // namespace moiety

#endif  // MOIETY_TRAIN_TRAINING_DATA_H_
