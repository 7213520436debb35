#include "io/range_reader.h"

#include <gmock/gmock.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/aligned.h"
#include "base/rng.h"
#include "support/scratch_folder.h"

namespace moiety {
namespace {

constexpr uint64_t kPiece = uint64_t{1} << 20;  // what readers read at once

using testing::AnyOf;
using testing::HasSubstr;
using testing::StartsWith;

std::string RandomBytes(size_t size, uint64_t seed) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; i += 4) {
    const uint32_t draw = Philox(seed, {static_cast<uint32_t>(i), 0, 0, 0})[0];
    std::memcpy(bytes.data() + i, &draw, std::min<size_t>(4, size - i));
  }
  return bytes;
}

// Two files of odd sizes, read by the method of the test's name.
class RangeReaderTest : public testing::TestWithParam<ReadMethod> {
 protected:
  RangeReaderTest() {
    contents_ = {RandomBytes(5 * kPiece + 1234, 1), RandomBytes(777, 2)};
    for (size_t i = 0; i < contents_.size(); ++i) {
      paths_.push_back(scratch_.Write(std::to_string(i), contents_[i]));
      files_.push_back(*MappedFile::Open(paths_.back()));
    }
  }

  // Null where the system does not have the method: then there is nothing to test.
  std::unique_ptr<RangeReader> Open() {
    auto reader = OpenRangeReader(files_, GetParam());
    if (reader.ok()) return *std::move(reader);
    EXPECT_EQ(reader.status().code(), StatusCode::kUnsupported) << reader.status().message();
    return nullptr;
  }

  static AlignedBytes Memory(const RangeRead& read) {
    void* memory = nullptr;
    EXPECT_EQ(posix_memalign(&memory, kReadBlockBytes, ReadMemoryBytes(read.offset, read.bytes)),
              0);
    return AlignedBytes(static_cast<std::byte*>(memory));
  }

  ScratchFolder scratch_;
  std::vector<std::string> contents_;
  std::vector<std::filesystem::path> paths_;
  std::vector<std::shared_ptr<const MappedFile>> files_;
};

TEST_P(RangeReaderTest, ReadsAwkwardRanges) {
  const auto reader = Open();
  if (reader == nullptr) GTEST_SKIP() << "not to be had here";
  EXPECT_THAT(std::string(reader->name()), AnyOf(HasSubstr("direct"), HasSubstr("page cache")));
  std::vector<RangeRead> reads;
  const uint64_t size = contents_[0].size();
  for (const uint64_t offset : {uint64_t{0}, uint64_t{1}, uint64_t{32}, uint64_t{4095},
                                uint64_t{4096}, kPiece - 1, kPiece, 3 * kPiece + 5, size - 1}) {
    for (const uint64_t bytes : {uint64_t{1}, uint64_t{31}, uint64_t{4096}, uint64_t{4097}, kPiece,
                                 2 * kPiece + 7, size}) {
      if (offset + bytes <= size) reads.push_back({0, offset, bytes, nullptr, 0});
    }
    if (offset < size) reads.push_back({0, offset, size - offset, nullptr, 0});  // to the very end
  }
  reads.push_back({1, 0, 777, nullptr, 0});
  reads.push_back({1, 776, 1, nullptr, 0});
  std::vector<AlignedBytes> memory;
  for (size_t i = 0; i < reads.size(); ++i) {
    memory.push_back(Memory(reads[i]));
    reads[i].to = memory.back().get();
    reads[i].tag = 100 + i;
    reader->Submit(reads[i]);
  }
  EXPECT_EQ(reader->num_pending(), static_cast<int64_t>(reads.size()));
  std::map<uint64_t, int> seen;
  std::vector<RangeDone> done;
  while (reader->num_pending() > 0) {
    done.clear();
    reader->Collect(true, done);
    ASSERT_FALSE(done.empty());
    for (const RangeDone& d : done) {
      ++seen[d.tag];
      ASSERT_TRUE(d.status.ok()) << d.status.message();
      const RangeRead& read = reads[d.tag - 100];
      EXPECT_EQ(
          std::memcmp(read.to + OffsetInRead(read.offset),
                      contents_[static_cast<size_t>(read.file)].data() + read.offset, read.bytes),
          0)
          << read.offset << " " << read.bytes;
    }
  }
  EXPECT_EQ(seen.size(), reads.size());
  done.clear();
  reader->Collect(true, done);  // nothing is under way: returns at once
  EXPECT_TRUE(done.empty());
}

TEST_P(RangeReaderTest, ATruncatedFileFailsAndOthersGoOn) {
  const auto reader = Open();
  if (reader == nullptr) GTEST_SKIP() << "not to be had here";
  std::filesystem::resize_file(paths_[0], kPiece);
  std::vector<RangeRead> reads = {{0, kPiece + 5, 100, nullptr, 0}, {1, 3, 700, nullptr, 1}};
  std::vector<AlignedBytes> memory;
  for (RangeRead& read : reads) {
    memory.push_back(Memory(read));
    read.to = memory.back().get();
    reader->Submit(read);
  }
  std::vector<RangeDone> done;
  while (reader->num_pending() > 0) reader->Collect(true, done);
  ASSERT_EQ(done.size(), 2U);
  for (const RangeDone& d : done) {
    EXPECT_EQ(d.status.ok(), d.tag == 1) << d.status.message();
    if (d.status.ok()) continue;
    EXPECT_EQ(d.status.code(), StatusCode::kIoError);
    EXPECT_THAT(d.status.message(), HasSubstr(paths_[0].string()));
  }
}

TEST_P(RangeReaderTest, ADeletedNameChangesNothing) {
  for (const auto& path : paths_) std::filesystem::remove(path);
  const auto reader = Open();
  if (reader == nullptr) GTEST_SKIP() << "not to be had here";
  RangeRead read = {1, 0, 777, nullptr, 0};
  const AlignedBytes memory = Memory(read);
  read.to = memory.get();
  reader->Submit(read);
  std::vector<RangeDone> done;
  reader->Collect(true, done);
  ASSERT_EQ(done.size(), 1U);
  EXPECT_TRUE(done[0].status.ok()) << done[0].status.message();
}

TEST_P(RangeReaderTest, MayBeDroppedWithReadsUnderWay) {
  for (int i = 0; i < 2; ++i) {
    std::vector<AlignedBytes> memory;
    auto reader = Open();
    if (reader == nullptr) GTEST_SKIP() << "not to be had here";
    for (int n = 0; n < 8; ++n) {
      RangeRead read = {0, 0, 5 * kPiece, nullptr, 0};
      if (memory.size() < 4) memory.push_back(Memory(read));
      read.to = memory.back().get();
      reader->Submit(read);
    }
    reader.reset();
  }
}

std::string MethodName(const testing::TestParamInfo<ReadMethod>& method) {
  constexpr const char* kNames[] = {"Auto", "Uring", "Threads"};
  return kNames[static_cast<size_t>(method.param)];
}

INSTANTIATE_TEST_SUITE_P(Methods, RangeReaderTest,
                         testing::Values(ReadMethod::kAuto, ReadMethod::kUring,
                                         ReadMethod::kThreads),
                         MethodName);

TEST(RangeReader, TheMethodIsTheOneAskedFor) {
  const ScratchFolder scratch;
  const std::vector files = {*MappedFile::Open(scratch.Write("file", "text"))};
  EXPECT_THAT(std::string((*OpenRangeReader(files, ReadMethod::kThreads))->name()),
              StartsWith("16 threads"));
  const auto reader = OpenRangeReader(files, ReadMethod::kUring);
  if (!reader.ok()) GTEST_SKIP() << "no io_uring here";
  EXPECT_THAT(std::string((*reader)->name()), StartsWith("io_uring"));
}

}  // namespace
}  // namespace moiety
