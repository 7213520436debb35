#include "format/replacing_file.h"

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <string>
#include <string_view>

#include "support/scratch_folder.h"

namespace moiety {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::span<const std::byte> Bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

TEST(ReplacingFile, AppearsOnlyWhenCommitted) {
  const ScratchFolder folder;
  folder.Write("x", "old");
  Result<ReplacingFile> file = ReplacingFile::Create(folder.path() / "x");
  ASSERT_TRUE(file.ok()) << file.status().message();
  ASSERT_TRUE(file->Write(Bytes("new ")).ok());
  ASSERT_TRUE(file->Write(Bytes("")).ok());
  ASSERT_TRUE(file->Write(Bytes("text")).ok());
  EXPECT_EQ(folder.Read("x"), "old");
  ASSERT_TRUE((*std::move(file)).Commit().ok());
  EXPECT_EQ(folder.Read("x"), "new text");
  EXPECT_THAT(folder.List(), ElementsAre("x"));
}

TEST(ReplacingFile, AllAtOnce) {
  const ScratchFolder folder;
  folder.Write("x", "old");
  ASSERT_TRUE(ReplaceFile(folder.path() / "x", "new").ok());
  EXPECT_EQ(folder.Read("x"), "new");
  EXPECT_FALSE(ReplaceFile(folder.path() / "no" / "x", "new").ok());
  EXPECT_THAT(folder.List(), ElementsAre("x"));
}

TEST(ReplacingFile, LeavesNothingWithoutCommit) {
  const ScratchFolder folder;
  {
    Result<ReplacingFile> file = ReplacingFile::Create(folder.path() / "x");
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE(file->Write(Bytes("text")).ok());
    EXPECT_THAT(folder.List(), testing::SizeIs(1));
  }
  EXPECT_THAT(folder.List(), IsEmpty());
}

TEST(ReplacingFile, TwoWritersOfOneFileDoNotMix) {
  const ScratchFolder folder;
  Result<ReplacingFile> a = ReplacingFile::Create(folder.path() / "x");
  Result<ReplacingFile> b = ReplacingFile::Create(folder.path() / "x");
  ASSERT_TRUE(a.ok() && b.ok());
  ASSERT_TRUE(a->Write(Bytes("aaaa")).ok());
  ASSERT_TRUE(b->Write(Bytes("bb")).ok());
  ASSERT_TRUE((*std::move(a)).Commit().ok());
  EXPECT_EQ(folder.Read("x"), "aaaa");
  ASSERT_TRUE((*std::move(b)).Commit().ok());
  EXPECT_EQ(folder.Read("x"), "bb");
}

TEST(ReplacingFile, HasThePermissionsOfAnOrdinaryFile) {
  const ScratchFolder folder;
  const mode_t mask = umask(022);
  Result<ReplacingFile> file = ReplacingFile::Create(folder.path() / "x");
  umask(mask);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*std::move(file)).Commit().ok());
  struct stat info {};
  ASSERT_EQ(stat((folder.path() / "x").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0644U);
}

TEST(ReplacingFile, ReportsWhatTheSystemRefuses) {
  const ScratchFolder folder;
  const Result<ReplacingFile> lost = ReplacingFile::Create(folder.path() / "no" / "x");
  EXPECT_EQ(lost.status().code(), StatusCode::kIoError);
  EXPECT_THAT(lost.status().message(),
              HasSubstr("/no/x: cannot create: No such file or directory"));
  EXPECT_EQ(ReplacingFile::Create(folder.path() / "").status().code(),
            StatusCode::kInvalidArgument);

  // A folder in the way is found before anything is written; so is a pipe or a device.
  std::filesystem::create_directory(folder.path() / "d");
  EXPECT_THAT(ReplacingFile::Create(folder.path() / "d").status().message(),
              HasSubstr("/d: not a regular file"));
  EXPECT_THAT(folder.List(), ElementsAre("d"));
}

// A limit on the size of files stands in for a full disk: write() first takes less than it was
// given, then refuses.
TEST(ReplacingFile, ReportsAFullDiskAndCleansUp) {
  const ScratchFolder folder;
  folder.Write("x", "old");
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit tight = before;
  tight.rlim_cur = 1000;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
  Status status;
  {
    Result<ReplacingFile> file = ReplacingFile::Create(folder.path() / "x");
    status = file.ok() ? file->Write(Bytes(std::string(1500, 'x'))) : file.status();
  }
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(status.code(), StatusCode::kIoError);
  EXPECT_THAT(status.message(), HasSubstr("/x: cannot write: File too large"));
  EXPECT_EQ(folder.Read("x"), "old");
  EXPECT_THAT(folder.List(), ElementsAre("x"));
}

}  // namespace
}  // namespace moiety
