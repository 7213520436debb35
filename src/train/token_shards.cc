#include "train/token_shards.h"

#include <array>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/format.h"

namespace moiety {
namespace {

constexpr std::string_view kShardMagic = "moietyTK";
constexpr uint32_t kShardVersion = 1;
constexpr size_t kShardHeaderBytes = 24;
constexpr int64_t kMaxHalfVocab = 1 << 16;  // ids below this fit two bytes

template <class T>
T Load(std::span<const std::byte> bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

}  // namespace

Result<TokenShardHeader> ParseTokenShard(std::span<const std::byte> file,
                                         const std::string& where) {
  if (file.size() < kShardHeaderBytes ||
      std::memcmp(file.data(), kShardMagic.data(), kShardMagic.size()) != 0) {
    return InvalidData(Format("{}: not a file of tokens", where));
  }
  const auto version = Load<uint32_t>(file, 8);
  if (version != kShardVersion) {
    return InvalidData(
        Format("{}: expected version {} of token files, found {}", where, kShardVersion, version));
  }
  TokenShardHeader header;
  header.id_bytes = Load<uint32_t>(file, 12);
  if (header.id_bytes != 2 && header.id_bytes != 4) {
    return InvalidData(
        Format("{}: expected ids of 2 or 4 bytes, found {}", where, header.id_bytes));
  }
  header.source_hash = Load<uint64_t>(file, 16);
  const size_t bytes = file.size() - kShardHeaderBytes;
  if (bytes % header.id_bytes != 0) {
    return InvalidData(
        Format("{}: {} bytes of ids are no multiple of {}", where, bytes, header.id_bytes));
  }
  header.num_tokens = static_cast<int64_t>(bytes / header.id_bytes);
  return header;
}

Result<TokenShard> TokenShard::Open(const std::filesystem::path& path) {
  TokenShard shard;
  MOIETY_ASSIGN_OR_RETURN(shard.file_, MappedFile::Open(path));
  MOIETY_ASSIGN_OR_RETURN(const TokenShardHeader header,
                          ParseTokenShard(shard.file_->bytes(), path.string()));
  shard.num_tokens_ = header.num_tokens;
  shard.id_bytes_ = header.id_bytes;
  shard.source_hash_ = header.source_hash;
  return shard;
}

void TokenShard::Read(int64_t begin, std::span<int32_t> ids) const {
  MOIETY_CHECK(begin >= 0 && begin + static_cast<int64_t>(ids.size()) <= num_tokens_);
  const std::byte* from =
      file_->bytes().data() + kShardHeaderBytes + static_cast<size_t>(begin) * id_bytes_;
  for (int32_t& id : ids) {
    uint32_t value = 0;
    std::memcpy(&value, from, id_bytes_);
    id = static_cast<int32_t>(value);
    from += id_bytes_;
  }
}

Result<TokenShardWriter> TokenShardWriter::Create(const std::filesystem::path& path,
                                                  int64_t vocab_size, uint64_t source_hash) {
  MOIETY_ASSIGN_OR_RETURN(ReplacingFile file, ReplacingFile::Create(path));
  const uint32_t id_bytes = vocab_size <= kMaxHalfVocab ? 2 : 4;
  std::array<std::byte, kShardHeaderBytes> header;
  std::memcpy(header.data(), kShardMagic.data(), kShardMagic.size());
  std::memcpy(header.data() + 8, &kShardVersion, 4);
  std::memcpy(header.data() + 12, &id_bytes, 4);
  std::memcpy(header.data() + 16, &source_hash, 8);
  MOIETY_RETURN_IF_ERROR(file.Write(header));
  return TokenShardWriter(std::move(file), id_bytes);
}

Status TokenShardWriter::Append(std::span<const int32_t> ids) {
  std::vector<std::byte> bytes(ids.size() * id_bytes_);
  std::byte* to = bytes.data();
  for (const int32_t id : ids) {
    std::memcpy(to, &id, id_bytes_);
    to += id_bytes_;
  }
  return file_.Write(bytes);
}

Status TokenShardWriter::Finish() { return std::move(file_).Commit(); }

}  // namespace moiety
