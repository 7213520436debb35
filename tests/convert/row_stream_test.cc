#include "convert/row_stream.h"

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "format/hf_to_gguf.h"
#include "quant/row_codec.h"
#include "support/random_values.h"
#include "support/scratch_folder.h"

namespace moiety {
namespace {

using testing::HasSubstr;

// Rows of f32 in a file, 4 bytes after its start.
class RowStreamTest : public testing::Test {
 protected:
  void Write(int64_t rows, int64_t cols) {
    values_ = RandomValues(rows * cols, 1);
    Rewrite(rows, cols);
  }
  void Rewrite(int64_t rows, int64_t cols) {
    std::string text(4, '\0');
    text.append(reinterpret_cast<const char*>(values_.data()), values_.size() * sizeof(float));
    auto file = MappedFile::Open(folder_.Write("x", text));
    ASSERT_TRUE(file.ok());
    file_ = *file;
    info_ = {DType::kF32, {rows, cols}, 0, 4, values_.size() * sizeof(float)};
  }
  RowStream Stream(DType dtype) const {
    return {*file_, info_, info_.shape[1], 0, info_.shape[0], dtype};
  }
  static std::vector<std::byte> Read(const RowStream& stream, int threads) {
    ThreadPool pool(threads);
    std::vector<std::byte> all;
    uint64_t source_bytes = 0;
    const RowSink sink = [&](std::span<const std::byte> rows, uint64_t bytes) {
      all.insert(all.end(), rows.begin(), rows.end());
      source_bytes += bytes;
      return OkStatus();
    };
    EXPECT_EQ(StreamRows(stream, pool, sink, "x").message(), "");
    EXPECT_EQ(source_bytes,
              static_cast<uint64_t>((stream.end - stream.begin) * stream.cols) * sizeof(float));
    return all;
  }

  ScratchFolder folder_;
  std::vector<float> values_;
  std::shared_ptr<const MappedFile> file_;
  TensorInfo info_;
};

TEST_F(RowStreamTest, TheSameBytesForAnyNumberOfThreads) {
  Write(70, 256);
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kQ4_K}) {
    std::vector<std::byte> expected(DTypeBytes(dtype, values_.size()));
    EncodeRow(dtype, values_.data(), nullptr, static_cast<int64_t>(values_.size()),
              expected.data());
    for (const int threads : {1, 3}) EXPECT_EQ(Read(Stream(dtype), threads), expected);
  }
}

TEST_F(RowStreamTest, SlicesOfManyRows) {
  Write((1 << 15) + 5, 256);  // a slice of 8 Mi values and a short one
  std::vector<std::byte> expected(DTypeBytes(DType::kF16, values_.size()));
  EncodeRow(DType::kF16, values_.data(), nullptr, static_cast<int64_t>(values_.size()),
            expected.data());
  EXPECT_EQ(Read(Stream(DType::kF16), 2), expected);
  RowStream part = Stream(DType::kF16);
  part.begin = 100;
  part.end = 103;
  EXPECT_TRUE(std::equal(expected.begin() + 100 * 512, expected.begin() + 103 * 512,
                         Read(part, 2).begin()));
}

TEST_F(RowStreamTest, RowsChangePlacesAndBack) {
  Write(24, 3);
  for (const RowOrder order : {RowOrder::kInterleaved, RowOrder::kUninterleaved}) {
    RowStream stream = Stream(DType::kF32);
    stream.order = order;
    stream.head_rows = 6;
    const std::vector<std::byte> rows = Read(stream, 2);
    for (int64_t row = 0; row < 24; ++row) {
      const int64_t from =
          order == RowOrder::kInterleaved ? InterleavedRow(row, 6) : UninterleavedRow(row, 6);
      EXPECT_EQ(std::memcmp(rows.data() + row * 12, values_.data() + from * 3, 12), 0) << row;
    }
  }
}

TEST_F(RowStreamTest, ImportanceChangesTheFit) {
  Write(4, 256);
  std::vector<float> importance(256, 0.01F);
  importance[7] = 1000;
  RowStream stream = Stream(DType::kQ4_0);
  stream.importance = importance.data();
  const std::vector<std::byte> with = Read(stream, 1);
  EXPECT_NE(with, Read(Stream(DType::kQ4_0), 1));
  std::vector<std::byte> expected(with.size());
  for (int64_t row = 0; row < 4; ++row) {
    EncodeRow(DType::kQ4_0, values_.data() + row * 256, importance.data(), 256,
              expected.data() + row * 8 * 18);
  }
  EXPECT_EQ(with, expected);
}

TEST_F(RowStreamTest, TheFirstValueThatDoesNotFitIsNamed) {
  Write(200, 256);
  values_[256 * 150 + 9] = NAN;
  values_[256 * 150 + 3] = 1e6F;
  Rewrite(200, 256);
  ThreadPool pool(3);
  const RowSink sink = [](std::span<const std::byte>, uint64_t) { return OkStatus(); };
  EXPECT_THAT(StreamRows(Stream(DType::kF16), pool, sink, "x").message(),
              HasSubstr("x: value 38403 is not finite or too large for F16"));
  EXPECT_THAT(StreamRows(Stream(DType::kQ4_K), pool, sink, "x").message(),
              HasSubstr("value 38409"));
  EXPECT_EQ(StreamRows(Stream(DType::kF32), pool, sink, "x").message(), "");  // as they are
  const RowSink full = [](std::span<const std::byte>, uint64_t) { return IoError("full"); };
  EXPECT_EQ(StreamRows(Stream(DType::kF32), pool, full, "x").message(), "full");
}

}  // namespace
}  // namespace moiety
