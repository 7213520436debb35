#include "train/corpus.h"

#include <gmock/gmock.h>
#include <zlib.h>
#include <zstd.h>

#include <string>
#include <vector>

#include "support/scratch_folder.h"

namespace moiety {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string Gzip(const std::string& text) {
  std::string packed(compressBound(text.size()) + 64, '\0');
  z_stream stream = {};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

std::string Zstd(const std::string& text) {
  std::string packed(ZSTD_compressBound(text.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 3));
  return packed;
}

std::vector<std::string> Documents(const CorpusDomain& domain, CorpusPart part,
                                   std::vector<std::string> fields = {"text"}) {
  std::vector<std::string> documents;
  const Status status = ReadDocuments(domain, part, fields, [&](std::string_view text) {
    documents.emplace_back(text);
    return OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status.message();
  return documents;
}

Status ReadStatus(const CorpusDomain& domain) {
  const std::vector<std::string> fields = {"text"};
  return ReadDocuments(domain, CorpusPart::kTrain, fields, [](auto) { return OkStatus(); });
}

TEST(Corpus, FindsTheDomainsOfAFolder) {
  const ScratchFolder folder;
  folder.Write("README.md", "not a text");
  folder.Write("README.txt", "nor this");
  folder.Write("table.tsv", "nor\tthis");
  folder.Write("de.train.txt", "Guten Tag\n");
  folder.Write("de.valid.txt", "Auf Wiedersehen\n");
  folder.Write("de.test.txt", "nie gesehen");
  folder.Write("chat.train.jsonl", "{\"text\": \"a\"}\n\n{\"text\": \"b\\nc\"}\n");
  folder.Write("chat.valid.jsonl", "{\"text\": \"d\"}");
  folder.Write("train.txt.gz", Gzip("packed"));
  folder.Write("valid.txt.zst", Zstd("too"));
  const std::vector<std::string> paths = {folder.path().string()};
  const auto domains = FindDomains(paths);
  ASSERT_TRUE(domains.ok()) << domains.status().message();
  ASSERT_EQ(domains->size(), 3U);
  for (const CorpusDomain& domain : *domains) {
    if (domain.name == "de") {
      EXPECT_THAT(Documents(domain, CorpusPart::kTrain), ElementsAre("Guten Tag\n"));
      EXPECT_THAT(Documents(domain, CorpusPart::kValid), ElementsAre("Auf Wiedersehen\n"));
    } else if (domain.name == "chat") {
      EXPECT_THAT(Documents(domain, CorpusPart::kTrain), ElementsAre("a", "b\nc"));
      EXPECT_THAT(Documents(domain, CorpusPart::kValid), ElementsAre("d"));
    } else {
      EXPECT_EQ(domain.name, folder.path().filename().string());
      EXPECT_THAT(Documents(domain, CorpusPart::kTrain), ElementsAre("packed"));
      EXPECT_THAT(Documents(domain, CorpusPart::kValid), ElementsAre("too"));
    }
  }
}

TEST(Corpus, ASingleFileGivesItsLastTenth) {
  const ScratchFolder folder;
  std::string text;
  for (int i = 0; i < 100; ++i) text += "line " + std::to_string(i) + "\n";
  const std::vector<std::string> paths = {folder.Write("book.txt", text).string()};
  const auto domains = FindDomains(paths);
  ASSERT_TRUE(domains.ok());
  ASSERT_THAT(*domains, testing::SizeIs(1));
  EXPECT_EQ((*domains)[0].name, "book");
  const auto train = Documents((*domains)[0], CorpusPart::kTrain);
  const auto valid = Documents((*domains)[0], CorpusPart::kValid);
  ASSERT_EQ(train.size(), 1U);
  ASSERT_EQ(valid.size(), 1U);
  EXPECT_EQ(train[0] + valid[0], text);
  EXPECT_TRUE(valid[0].starts_with("line 9")) << valid[0];
  EXPECT_NEAR(static_cast<double>(valid[0].size()), static_cast<double>(text.size()) / 10, 10);
}

TEST(Corpus, FieldsOfALineAreJoined) {
  const ScratchFolder folder;
  const CorpusDomain domain = {
      "qa", {folder.Write("qa.train.jsonl", "{\"q\": \"1+1?\", \"a\": \"2\"}\n")}, {"x"}};
  EXPECT_THAT(Documents(domain, CorpusPart::kTrain, {"q", "a"}), ElementsAre("1+1?\n2"));
}

TEST(Corpus, NamesWhatIsWrong) {
  const ScratchFolder folder;
  const auto find = [&](const std::string& path) {
    const std::vector<std::string> paths = {path};
    return FindDomains(paths).status();
  };
  EXPECT_EQ(find(folder.path() / "none").code(), StatusCode::kNotFound);
  EXPECT_EQ(find(folder.path()).code(), StatusCode::kInvalidArgument) << "no texts";
  EXPECT_EQ(find(folder.Write("x.pdf", "")).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(find(folder.Write("x.valid.txt", "")).code(), StatusCode::kInvalidArgument);

  CorpusDomain domain = {
      "x", {folder.Write("a.jsonl", "{\"text\": \"a\"}\n{\"txt\": 1}\n")}, {"y"}};
  EXPECT_THAT(ReadStatus(domain).message(), HasSubstr("a.jsonl:2: expected a JSON object with"));
  domain.train = {folder.Write("bad.txt", "ab\xFF")};
  EXPECT_THAT(ReadStatus(domain).message(), HasSubstr("not UTF-8 at byte 2"));
  const std::string packed = Gzip(std::string(1000, 'x'));
  domain.train = {folder.Write("cut.txt.gz", packed.substr(0, packed.size() - 9))};
  EXPECT_EQ(ReadStatus(domain).code(), StatusCode::kInvalidData);
  domain.train = {folder.Write("cut.txt.zst", Zstd("abcdefgh").substr(0, 9))};
  EXPECT_EQ(ReadStatus(domain).code(), StatusCode::kInvalidData);
}

TEST(Corpus, GzipFilesMayBeJoined) {
  const ScratchFolder folder;
  EXPECT_EQ(*ReadTextFile(folder.Write("two.gz", Gzip("one ") + Gzip("two"))), "one two");
  EXPECT_EQ(*ReadTextFile(folder.Write("two.zst", Zstd("one ") + Zstd("two"))), "one two");
}

TEST(Corpus, ItsHashFollowsTheFiles) {
  const ScratchFolder folder;
  const CorpusDomain domain = {"x", {folder.Write("x.txt", "one")}, {}};
  const uint64_t before = *CorpusHash(domain);
  EXPECT_EQ(*CorpusHash(domain), before);
  folder.Write("x.txt", "three");
  EXPECT_NE(*CorpusHash(domain), before);
}

}  // namespace
}  // namespace moiety
