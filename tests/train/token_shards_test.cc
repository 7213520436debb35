#include "train/token_shards.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "support/scratch_folder.h"

namespace moiety {
namespace {

using Ids = std::vector<int32_t>;

Status Write(const std::filesystem::path& path, int64_t vocab_size, const Ids& ids) {
  auto writer = TokenShardWriter::Create(path, vocab_size, 0x123456789ABCDEF0);
  if (!writer.ok()) return Status(writer.status());
  const size_t half = ids.size() / 2;
  MOIETY_RETURN_IF_ERROR(writer->Append(std::span(ids).first(half)));
  MOIETY_RETURN_IF_ERROR(writer->Append(std::span(ids).subspan(half)));
  return writer->Finish();
}

TEST(TokenShards, ReadsWhatWasWritten) {
  const ScratchFolder folder;
  const Ids small = {0, 1, 65535, 7, 300};
  const Ids large = {0, 65536, 2000000, 5};
  for (const auto& [vocab_size, ids] :
       {std::pair(int64_t{65536}, small), {int64_t{65537}, large}}) {
    const auto path = folder.path() / std::to_string(vocab_size);
    ASSERT_TRUE(Write(path, vocab_size, ids).ok());
    const auto shard = TokenShard::Open(path);
    ASSERT_TRUE(shard.ok()) << shard.status().message();
    EXPECT_EQ(shard->num_tokens(), static_cast<int64_t>(ids.size()));
    EXPECT_EQ(shard->source_hash(), 0x123456789ABCDEF0);
    Ids read(ids.size());
    shard->Read(0, read);
    EXPECT_EQ(read, ids);
    Ids middle(2);
    shard->Read(1, middle);
    EXPECT_EQ(middle, (Ids{ids[1], ids[2]}));
    EXPECT_EQ(std::filesystem::file_size(path), 24 + ids.size() * (vocab_size > 65536 ? 4 : 2));
  }
}

TEST(TokenShards, RefusesOtherFiles) {
  const ScratchFolder folder;
  const auto path = folder.path() / "shard";
  ASSERT_TRUE(Write(path, 100, {1, 2, 3}).ok());
  std::ifstream in(path, std::ios::binary);
  const std::string good((std::istreambuf_iterator<char>(in)), {});
  const auto status_of = [&](std::string text) {
    return ParseTokenShard(std::as_bytes(std::span(text)), "x").status();
  };
  EXPECT_TRUE(status_of(good).ok());
  for (const size_t size : {0, 7, 23, 25}) {
    EXPECT_EQ(status_of(good.substr(0, size)).code(), StatusCode::kInvalidData) << size;
  }
  for (const size_t at : {0, 8, 12}) {
    std::string bad = good;
    bad[at] = 'X';
    EXPECT_EQ(status_of(bad).code(), StatusCode::kInvalidData) << at;
  }
  EXPECT_EQ(TokenShard::Open(folder.path() / "none").status().code(), StatusCode::kNotFound);
}

TEST(TokenShards, AppearWhenFinished) {
  const ScratchFolder folder;
  const auto path = folder.path() / "shard";
  {
    auto writer = TokenShardWriter::Create(path, 100, 1);
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE(writer->Append(Ids{1, 2}).ok());
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace moiety
