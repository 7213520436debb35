#include "io/range_pieces.h"

#include <gmock/gmock.h>

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "support/scratch_folder.h"

namespace moiety {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr uint64_t kMiB = uint64_t{1} << 20;

class ReadPiecesTest : public testing::Test {
 protected:
  ReadPiecesTest() {
    path_ = scratch_.Write("file", std::string(3 * kMiB + 100, 'x'));
    mapped_ = *MappedFile::Open(path_);
    files_ = *ReadFiles::Open({&mapped_, 1});
    pieces_ = std::make_unique<ReadPieces>(*files_);
  }
  std::vector<RangeDone> Done() {
    std::vector<RangeDone> done;
    pieces_->TakeDone(done);
    return done;
  }

  ScratchFolder scratch_;
  std::filesystem::path path_;
  std::shared_ptr<const MappedFile> mapped_;
  std::unique_ptr<ReadFiles> files_;
  std::unique_ptr<ReadPieces> pieces_;
  std::byte memory_[1];  // never written to here
};

TEST_F(ReadPiecesTest, PiecesCoverTheRangeInWholeBlocks) {
  pieces_->Add({0, 4095, 2 * kMiB, memory_, 7});
  EXPECT_EQ(pieces_->num_pending(), 1);
  uint64_t next = 0;  // 4095 is in the first block
  uint64_t needed = 0;
  while (pieces_->HasNext()) {
    const ReadPiece piece = pieces_->TakeNext();
    EXPECT_EQ(piece.offset, next);
    EXPECT_EQ(piece.bytes % kReadBlockBytes, 0U);
    EXPECT_GE(piece.bytes, piece.needed);
    EXPECT_EQ(piece.to, memory_ + piece.offset);
    next += piece.bytes;
    needed += piece.needed;
    EXPECT_THAT(Done(), IsEmpty());
    pieces_->Finish(piece, static_cast<int64_t>(piece.needed));
  }
  EXPECT_EQ(needed, 4095 + 2 * kMiB);
  EXPECT_EQ(next, ReadMemoryBytes(4095, 2 * kMiB));
  const auto done = Done();
  ASSERT_EQ(done.size(), 1U);
  EXPECT_EQ(done[0].tag, 7U);
  EXPECT_TRUE(done[0].status.ok()) << done[0].status.message();
  EXPECT_EQ(pieces_->num_pending(), 0);
}

TEST_F(ReadPiecesTest, ShortAndInterruptedReadsGoOn) {
  pieces_->Add({0, 4096, 3 * 4096, memory_, 1});
  ReadPiece piece = pieces_->TakeNext();
  pieces_->Finish(piece, -EINTR);
  piece = pieces_->TakeNext();
  EXPECT_EQ(piece.offset, 4096U);
  pieces_->Finish(piece, -EAGAIN);
  pieces_->Finish(pieces_->TakeNext(), 4096 + 17);  // odd: from the last whole block on again
  piece = pieces_->TakeNext();
  EXPECT_EQ(piece.offset, 2 * 4096U);
  EXPECT_EQ(piece.needed, 2 * 4096U);
  EXPECT_EQ(piece.to, memory_ + 4096);
  EXPECT_THAT(Done(), IsEmpty());
  pieces_->Finish(piece, 2 * 4096);
  const auto done = Done();
  ASSERT_EQ(done.size(), 1U);
  EXPECT_TRUE(done[0].status.ok()) << done[0].status.message();
}

TEST_F(ReadPiecesTest, ErrorsNameFileOffsetAndSizes) {
  pieces_->Add({0, 8192, 100, memory_, 1});
  pieces_->Finish(pieces_->TakeNext(), -EIO);
  pieces_->Add({0, 8192, 100, memory_, 2});
  pieces_->Finish(pieces_->TakeNext(), 40);
  const auto done = Done();
  ASSERT_EQ(done.size(), 2U);
  EXPECT_EQ(done[0].status.code(), StatusCode::kIoError);
  EXPECT_THAT(done[0].status.message(),
              AllOf(HasSubstr(path_.string()), HasSubstr("8192"), HasSubstr("expected 100 bytes"),
                    HasSubstr("Input/output error")));
  EXPECT_THAT(done[1].status.message(),
              AllOf(HasSubstr(path_.string()), HasSubstr("the file ended after 40")));
}

TEST_F(ReadPiecesTest, ARangeEndsWhenItsLastPieceDoes) {
  pieces_->Add({0, 0, 2 * kMiB, memory_, 1});
  const ReadPiece first = pieces_->TakeNext();
  const ReadPiece second = pieces_->TakeNext();
  pieces_->Finish(second, -EIO);
  EXPECT_THAT(Done(), IsEmpty()) << "its memory is still being written to";
  pieces_->Finish(first, kMiB);
  const auto done = Done();
  ASSERT_EQ(done.size(), 1U);
  EXPECT_FALSE(done[0].status.ok());
}

TEST_F(ReadPiecesTest, AChangedFileFails) {
  const auto read = [&] {
    pieces_->Add({0, 0, 10, memory_, 1});
    pieces_->Finish(pieces_->TakeNext(), 4096);
    return Done()[0].status;
  };
  EXPECT_TRUE(read().ok());
  std::filesystem::last_write_time(
      path_, std::filesystem::last_write_time(path_) + std::chrono::seconds(1));
  EXPECT_THAT(read().message(), HasSubstr("changed while it is in use"));
  std::filesystem::resize_file(path_, 10);
  EXPECT_THAT(read().message(), HasSubstr("expected 3145828 bytes, found 10"));
}

}  // namespace
}  // namespace moiety
