// Token shards: texts as ids, packed one after the other in a file that is mapped when it is read.
//
//   bytes 0 … 7    "moietyTK"
//   bytes 8 … 11   version, 1
//   bytes 12 … 15  bytes of an id: 2 or 4
//   bytes 16 … 23  what the ids were made from: a hash of texts and tokenizer
//   from 24 on     the ids
// All numbers are little-endian.
#ifndef MOIETY_TRAIN_TOKEN_SHARDS_H_
#define MOIETY_TRAIN_TOKEN_SHARDS_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "format/replacing_file.h"
#include "io/mapped_file.h"
#include "moiety/status.h"

namespace moiety {

class TokenShard {
 public:
  // Fails with kNotFound, kIoError, or kInvalidData for what is no such file.
  static Result<TokenShard> Open(const std::filesystem::path& path);

  int64_t num_tokens() const { return num_tokens_; }
  uint64_t source_hash() const { return source_hash_; }
  // The ids from `begin` on; begin + ids.size() ≤ num_tokens.
  void Read(int64_t begin, std::span<int32_t> ids) const;

 private:
  std::shared_ptr<const MappedFile> file_;
  int64_t num_tokens_ = 0;
  size_t id_bytes_ = 2;
  uint64_t source_hash_ = 0;
};

// What the first bytes of a file say.
struct TokenShardHeader {
  size_t id_bytes = 0;
  uint64_t source_hash = 0;
  int64_t num_tokens = 0;
};
// `where` starts messages.
Result<TokenShardHeader> ParseTokenShard(std::span<const std::byte> file, const std::string& where);

// Writes a file of ids below `vocab_size`; it appears when Finish() succeeds.
class TokenShardWriter {
 public:
  static Result<TokenShardWriter> Create(const std::filesystem::path& path, int64_t vocab_size,
                                         uint64_t source_hash);
  Status Append(std::span<const int32_t> ids);
  Status Finish();

 private:
  TokenShardWriter(ReplacingFile file, size_t id_bytes)
      : file_(std::move(file)), id_bytes_(id_bytes) {}

  ReplacingFile file_;
  size_t id_bytes_;
};

}  // namespace moiety

#endif  // MOIETY_TRAIN_TOKEN_SHARDS_H_
