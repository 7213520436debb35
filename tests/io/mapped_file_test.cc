#include "io/mapped_file.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <string>
#include <string_view>

#include "support/scratch_folder.h"

namespace moiety {
namespace {

using testing::HasSubstr;

std::string_view Text(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

TEST(MappedFile, ShowsTheBytes) {
  const ScratchFolder folder;
  for (const size_t size : {1, 4095, 4096, 4097, 100'000}) {
    std::string contents(size, '\0');
    for (size_t i = 0; i < size; ++i) contents[i] = static_cast<char>(i * 7 % 251);
    const auto file = MappedFile::Open(folder.Write("x", contents));
    ASSERT_TRUE(file.ok()) << file.status().message();
    EXPECT_EQ(Text(**file), contents);
    EXPECT_EQ((*file)->path(), folder.path() / "x");
  }
}

TEST(MappedFile, CanBeEmpty) {
  const ScratchFolder folder;
  const auto file = MappedFile::Open(folder.Write("x", ""));
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ((*file)->bytes().size(), 0U);
}

TEST(MappedFile, OutlivesTheNameOfTheFile) {
  const ScratchFolder folder;
  const auto file = MappedFile::Open(folder.Write("x", "abc"));
  ASSERT_TRUE(file.ok());
  std::filesystem::remove(folder.path() / "x");
  EXPECT_EQ(Text(**file), "abc");
}

TEST(MappedFile, RefusesWhatIsNotARegularFile) {
  const ScratchFolder folder;
  const auto missing = MappedFile::Open(folder.path() / "missing");
  EXPECT_EQ(missing.status().code(), StatusCode::kNotFound);
  EXPECT_THAT(missing.status().message(),
              HasSubstr("/missing: cannot open: No such file or directory"));
  EXPECT_EQ(MappedFile::Open(folder.path()).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(MappedFile::Open("/dev/zero").status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(MappedFile::Open(folder.Write("f", "x") / "y").status().code(), StatusCode::kNotFound);
  const auto fifo = folder.path() / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_THAT(MappedFile::Open(fifo).status().message(), HasSubstr("/fifo: not a regular file"));
}

TEST(ReadFile, ReadsUpToTheLimit) {
  const ScratchFolder folder;
  const auto path = folder.Write("x", std::string("a\0b", 3));
  EXPECT_EQ(*ReadFile(path, 100), std::string("a\0b", 3));
  EXPECT_EQ(*ReadFile(path, 3), std::string("a\0b", 3));
  EXPECT_EQ(*ReadFile(folder.Write("empty", ""), 0), "");
  const Result<std::string> larger = ReadFile(path, 2);
  EXPECT_EQ(larger.status().code(), StatusCode::kInvalidData);
  EXPECT_THAT(larger.status().message(), HasSubstr("/x: 3 B is more than the 2 B"));
}

TEST(ReadFile, RefusesWhatIsNotARegularFile) {
  const ScratchFolder folder;
  EXPECT_EQ(ReadFile(folder.path() / "missing", 10).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(ReadFile(folder.path(), 10).status().code(), StatusCode::kInvalidArgument);
}

TEST(ReadFile, DoesNotAllocateForASizeAboveTheLimit) {
  const ScratchFolder folder;
  const auto path = folder.Write("x", "");
  std::filesystem::resize_file(path, uint64_t{1} << 40);  // a hole: takes no space on disk
  EXPECT_THAT(ReadFile(path, 1 << 20).status().message(),
              HasSubstr("1.10 TB is more than the 1.05 MB"));
}

TEST(MappedFile, ReadsAtAnyPlace) {
  const ScratchFolder scratch;
  const std::filesystem::path path = scratch.Write("file", "0123456789");
  const auto file = *MappedFile::Open(path);
  std::string text(4, ' ');
  ASSERT_TRUE(file->ReadAt(3, std::as_writable_bytes(std::span(text))).ok());
  EXPECT_EQ(text, "3456");
  ASSERT_TRUE(file->ReadAt(10, {}).ok());
  // The file has become shorter since.
  std::filesystem::resize_file(path, 5);
  const Status status = file->ReadAt(3, std::as_writable_bytes(std::span(text)));
  EXPECT_EQ(status.code(), StatusCode::kIoError);
  EXPECT_THAT(status.message(), HasSubstr("ended before byte 5, expected 2 more"));
}

}  // namespace
}  // namespace moiety
