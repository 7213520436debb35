#include "convert/imatrix.h"

#include <gmock/gmock.h>

#include <cmath>
#include <string>

#include "format/gguf_writer.h"
#include "support/scratch_folder.h"

namespace moiety {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Imatrix, WhatIsWrittenIsRead) {
  const ScratchFolder folder;
  Imatrix imatrix;
  imatrix.datasets = {"a.txt", "b.txt"};
  imatrix.chunk_count = 3;
  imatrix.chunk_size = 512;
  imatrix.of["blk.0.attn_q.weight"] = {2, {4}, {8, 2}};
  imatrix.of["blk.0.ffn_up_exps.weight"] = {2, {1, 0, 2}, {1, 2, 0, 0, 6, 4}};
  ASSERT_TRUE(WriteImatrix(folder.path() / "i.gguf", imatrix).ok());
  const auto read = ReadImatrix(folder.path() / "i.gguf");
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->datasets, imatrix.datasets);
  EXPECT_EQ(read->chunk_count, 3U);
  EXPECT_EQ(read->chunk_size, 512U);
  ASSERT_EQ(read->of.size(), 2U);
  EXPECT_EQ(read->Find("blk.1.attn_q.weight"), nullptr);
  EXPECT_THAT(read->Find("blk.0.attn_q.weight")->Of(0), ElementsAre(2, 0.5));
  const ImportanceSums& experts = *read->Find("blk.0.ffn_up_exps.weight");
  EXPECT_EQ(experts.num_matrices(), 3);
  EXPECT_THAT(experts.Of(0), ElementsAre(1, 2));
  EXPECT_THAT(experts.Of(1), ElementsAre());  // no token met it
  EXPECT_THAT(experts.Of(2), ElementsAre(3, 2));
}

TEST(Imatrix, FilesThatAreNone) {
  const ScratchFolder folder;
  const auto path = folder.path() / "i.gguf";
  const auto message = [&](const std::vector<GgufTensor>& tensors, float value = 1,
                           const char* type = "imatrix") {
    GgufPairs metadata;
    metadata.SetString("general.type", type);
    auto writer = GgufWriter::Create(path, metadata, tensors);
    EXPECT_TRUE(writer.ok());
    for (const GgufTensor& tensor : tensors) {
      const std::vector<float> values(tensor.Bytes() / 4, value);
      EXPECT_TRUE(writer->Append(std::as_bytes(std::span(values))).ok());
    }
    EXPECT_TRUE((*std::move(writer)).Finish().ok());
    const auto read = ReadImatrix(path);
    return read.ok() ? std::string("ok") : read.status().message();
  };
  const GgufTensor sums = {"x.in_sum2", DType::kF32, {2, 4}};
  const GgufTensor counts = {"x.counts", DType::kF32, {2, 1}};
  EXPECT_EQ(message({sums, counts}), "ok");
  EXPECT_THAT(message({sums, counts}, 1, "model"), HasSubstr("not an importance matrix"));
  EXPECT_THAT(message({sums}), HasSubstr("has no \"x.counts\""));
  EXPECT_THAT(message({counts}), HasSubstr("has no \"x.in_sum2\""));
  EXPECT_THAT(message({{"x.weight", DType::kF32, {1}}}), HasSubstr("expected names that end"));
  EXPECT_THAT(message({sums, {"x.counts", DType::kF32, {3, 1}}}), HasSubstr("[3, 1]"));
  EXPECT_THAT(message({sums, {"x.counts", DType::kF32, {1, 2}}}), HasSubstr("[1, 2]"));
  EXPECT_THAT(message({sums, {"x.counts", DType::kI32, {2, 1}}}), HasSubstr("found I32"));
  EXPECT_THAT(message({sums, counts}, -1), HasSubstr("at least 0"));
  EXPECT_THAT(message({sums, counts}, NAN), HasSubstr("finite"));
  folder.Write("old.dat", "\1\0\0\0");
  EXPECT_THAT(ReadImatrix(folder.path() / "old.dat").status().message(),
              HasSubstr("not a GGUF file"));
}

}  // namespace
}  // namespace moiety
