#include "train/training_data.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/fingerprint.h"
#include "base/format.h"
#include "format/replacing_file.h"
#include "io/mapped_file.h"
#include "tokenize/text_parts.h"
#include "tokenize/tokenizer_trainer.h"
#include "train/corpus.h"

namespace moiety {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxTokenizerFileBytes = uint64_t{256} << 20;
// A new tokenizer's tokens where the config does not say.
constexpr int64_t kDefaultVocab = 4096;
// Documents are tokenized in parts of about this size, which end with a line.
constexpr size_t kTokenizedBytes = size_t{4} << 20;

Status Stopped() { return Cancelled("interrupted"); }

// What ends a document.
std::optional<int32_t> EndOfText(const Tokenizer& tokenizer) {
  for (const char* piece : {"</s>", "<|endoftext|>", "<|end_of_text|>", "<eos>"}) {
    if (const auto id = tokenizer.IdOf(piece); id.has_value()) return id;
  }
  return std::nullopt;
}

// Of all pieces: tokenizers whose ids mean the same differ in what few texts they cut otherwise.
uint64_t TokenizerHash(const Tokenizer& tokenizer) {
  Fingerprinter pieces;
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) pieces.Add(tokenizer.Piece(id));
  return pieces.Finish()[0];
}

struct ShardJob {
  const CorpusDomain& domain;
  CorpusPart part;
  const DataConfig& config;
  const Tokenizer& tokenizer;
  std::string what;
};

Status WriteShard(const ShardJob& job, const fs::path& path, uint64_t hash,
                  const PreparingProgress& progress) {
  uint64_t total = 0;
  const auto& files = job.part == CorpusPart::kValid && !job.domain.valid.empty()
                          ? job.domain.valid
                          : job.domain.train;
  for (const fs::path& file : files) total += fs::file_size(file);
  MOIETY_ASSIGN_OR_RETURN(TokenShardWriter writer,
                          TokenShardWriter::Create(path, job.tokenizer.vocab_size(), hash));
  const std::optional<int32_t> end = EndOfText(job.tokenizer);
  uint64_t done = 0;
  const auto encode = [&](std::string_view text) -> Status {
    while (!text.empty()) {
      const double share = static_cast<double>(done) / static_cast<double>(total + 1);
      if (!progress(job.what, std::min(1.0, share))) return Stopped();
      const size_t length = TextPartLength(text, kTokenizedBytes);
      MOIETY_ASSIGN_OR_RETURN(const std::vector<int32_t> ids,
                              job.tokenizer.Encode(text.substr(0, length), false));
      MOIETY_RETURN_IF_ERROR(writer.Append(ids));
      text.remove_prefix(length);
      done += length;
    }
    return end.has_value() ? writer.Append({&*end, 1}) : OkStatus();
  };
  MOIETY_RETURN_IF_ERROR(ReadDocuments(job.domain, job.part, job.config.text_fields, encode));
  return writer.Finish();
}

Result<TokenShard> Shard(const ShardJob& job, const fs::path& path, uint64_t hash,
                         const PreparingProgress& progress) {
  if (Result<TokenShard> old = TokenShard::Open(path); old.ok() && old->source_hash() == hash) {
    return old;
  }
  MOIETY_RETURN_IF_ERROR(WriteShard(job, path, hash, progress));
  return TokenShard::Open(path);
}

Result<std::unique_ptr<const Tokenizer>> OpenTokenizerFolder(const fs::path& folder) {
  const fs::path file = folder / "tokenizer.json";
  MOIETY_ASSIGN_OR_RETURN(const std::string text, ReadFile(file, kMaxTokenizerFileBytes));
  return Tokenizer::FromJson(text, file.string());
}

Status MakeFolder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  return error ? IoError(Format("{}: cannot create: {}", folder.string(), error.message()))
               : OkStatus();
}

}  // namespace

Result<std::vector<TrainingDomain>> PrepareTrainingData(const DataConfig& config,
                                                        const Tokenizer& tokenizer,
                                                        const fs::path& folder,
                                                        const PreparingProgress& progress) {
  MOIETY_ASSIGN_OR_RETURN(const std::vector<CorpusDomain> corpus, FindDomains(config.paths));
  MOIETY_RETURN_IF_ERROR(MakeFolder(folder));
  const uint64_t tokenizer_hash = TokenizerHash(tokenizer);
  std::vector<TrainingDomain> domains;
  for (const CorpusDomain& domain : corpus) {
    MOIETY_ASSIGN_OR_RETURN(const uint64_t corpus_hash, CorpusHash(domain));
    Fingerprinter source;
    source.Add(corpus_hash);
    source.Add(tokenizer_hash);
    const uint64_t hash = source.Finish()[0];
    const auto shard = [&](CorpusPart part, const char* name) {
      const ShardJob job = {domain, part, config, tokenizer, "reading " + domain.name};
      return Shard(job, folder / Format("{}.{}.tokens", domain.name, name), hash, progress);
    };
    MOIETY_ASSIGN_OR_RETURN(TokenShard train, shard(CorpusPart::kTrain, "train"));
    MOIETY_ASSIGN_OR_RETURN(TokenShard valid, shard(CorpusPart::kValid, "valid"));
    domains.push_back({domain.name, std::move(train), std::move(valid)});
  }
  return domains;
}

Result<std::unique_ptr<const Tokenizer>> PrepareTokenizer(const DataConfig& config,
                                                          int64_t vocab_size,
                                                          const fs::path& folder,
                                                          const PreparingProgress& progress,
                                                          fs::path& where) {
  if (!config.tokenizer.empty()) {
    const fs::path named = config.tokenizer;
    where = named.filename() == "tokenizer.json" ? named.parent_path() : named;
    return OpenTokenizerFolder(where);
  }
  where = folder;
  std::error_code error;
  if (fs::exists(folder / "tokenizer_config.json", error)) return OpenTokenizerFolder(folder);

  TokenizerTrainerOptions options;
  options.vocab_size = vocab_size == 0 ? kDefaultVocab : vocab_size;
  MOIETY_ASSIGN_OR_RETURN(TokenizerTrainer trainer, TokenizerTrainer::Create(options));
  MOIETY_ASSIGN_OR_RETURN(const std::vector<CorpusDomain> corpus, FindDomains(config.paths));
  for (size_t i = 0; i < corpus.size(); ++i) {
    const double done = static_cast<double>(i) / static_cast<double>(corpus.size());
    const auto count = [&](std::string_view text) -> Status {
      while (!text.empty()) {
        if (!progress("counting words", done)) return Stopped();
        const size_t length = TextPartLength(text, kTokenizedBytes);
        MOIETY_RETURN_IF_ERROR(trainer.Add(text.substr(0, length)));
        text.remove_prefix(length);
      }
      return OkStatus();
    };
    MOIETY_RETURN_IF_ERROR(ReadDocuments(corpus[i], CorpusPart::kTrain, config.text_fields, count));
  }
  MOIETY_ASSIGN_OR_RETURN(const nlohmann::ordered_json file, trainer.Train([&](int64_t tokens) {
    return progress("making a tokenizer",
                    static_cast<double>(tokens) / static_cast<double>(options.vocab_size));
  }));
  MOIETY_RETURN_IF_ERROR(MakeFolder(folder));
  MOIETY_RETURN_IF_ERROR(ReplaceFile(folder / "tokenizer.json", file.dump(2) + "\n"));
  MOIETY_RETURN_IF_ERROR(
      ReplaceFile(folder / "tokenizer_config.json", trainer.Config().dump(2) + "\n"));
  return OpenTokenizerFolder(folder);
}

}  // namespace moiety
