#include "format/gguf_writer.h"

#include <gmock/gmock.h>

#include <cstring>
#include <string>
#include <vector>

#include "format/gguf_model.h"
#include "io/mapped_file.h"
#include "support/paths.h"
#include "support/scratch_folder.h"

namespace moiety {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::byte> SomeBytes(uint64_t count, int seed) {
  std::vector<std::byte> bytes(count);
  for (size_t i = 0; i < count; ++i) {
    bytes[i] = static_cast<std::byte>(i * 31 + static_cast<size_t>(seed));
  }
  return bytes;
}

GgufPairs OneOfEach() {
  GgufPairs metadata;
  metadata.SetNumber("u8", uint8_t{200});
  metadata.SetNumber("i8", int8_t{-100});
  metadata.SetNumber("u16", uint16_t{60000});
  metadata.SetNumber("i16", int16_t{-30000});
  metadata.SetNumber("u32", uint32_t{4000000000});
  metadata.SetNumber("i32", int32_t{-2000000000});
  metadata.SetNumber("u64", uint64_t{1} << 40);
  metadata.SetNumber("i64", -(int64_t{1} << 40));
  metadata.SetNumber("f32", 0.5F);
  metadata.SetNumber("f64", 0.1);
  metadata.SetNumber("bool", true);
  metadata.SetString("string", "ä\n");
  metadata.SetStrings("strings", std::vector<std::string>{"a", "", "ccc"});
  metadata.SetNumbers<float>("floats", std::vector<float>{1, 2.5});
  metadata.SetNumbers<int32_t>("none", {});
  return metadata;
}

std::vector<GgufTensor> SomeTensors() {
  return {{"b", DType::kF32, {3}},
          {"a", DType::kQ8_0, {2, 3, 64}},
          {"scalar", DType::kF16, {1}},
          {"i", DType::kI32, {5}}};
}

Status AppendAll(GgufWriter& writer, const std::vector<GgufTensor>& tensors) {
  for (size_t i = 0; i < tensors.size(); ++i) {
    const auto bytes = SomeBytes(tensors[i].Bytes(), static_cast<int>(i));
    const auto half = std::span(bytes).first(bytes.size() / 2);
    MOIETY_RETURN_IF_ERROR(writer.Append(half));
    MOIETY_RETURN_IF_ERROR(writer.Append(std::span(bytes).subspan(half.size())));
  }
  return OkStatus();
}

TEST(GgufWriter, WhatIsWrittenIsRead) {
  const ScratchFolder folder;
  const auto path = folder.path() / "x.gguf";
  for (const uint32_t alignment : {32U, 256U}) {
    GgufPairs metadata = OneOfEach();
    if (alignment != 32) metadata.SetNumber("general.alignment", alignment);
    auto writer = GgufWriter::Create(path, metadata, SomeTensors());
    ASSERT_TRUE(writer.ok()) << writer.status().message();
    ASSERT_TRUE(AppendAll(*writer, SomeTensors()).ok());
    const auto paths = (*std::move(writer)).Finish();
    ASSERT_TRUE(paths.ok()) << paths.status().message();
    EXPECT_THAT(*paths, ElementsAre(path));

    const auto file = MappedFile::Open(path);
    ASSERT_TRUE(file.ok());
    const auto header = ParseGgufHeader((*file)->bytes(), "x");
    ASSERT_TRUE(header.ok()) << header.status().message();
    EXPECT_EQ(header->version, 3U);
    EXPECT_EQ(header->alignment, alignment);
    ASSERT_EQ(header->metadata.size(), metadata.pairs().size());
    EXPECT_EQ(header->metadata[0].first, "u8");
    EXPECT_EQ(header->Find("u8")->Integer(), 200);
    EXPECT_EQ(header->Find("i8")->Integer(), -100);
    EXPECT_EQ(header->Find("u16")->Integer(), 60000);
    EXPECT_EQ(header->Find("i16")->Integer(), -30000);
    EXPECT_EQ(header->Find("u32")->Integer(), 4000000000);
    EXPECT_EQ(header->Find("i32")->Integer(), -2000000000);
    EXPECT_EQ(header->Find("u64")->Integer(), int64_t{1} << 40);
    EXPECT_EQ(header->Find("i64")->Integer(), -(int64_t{1} << 40));
    EXPECT_EQ(header->Find("f32")->type, GgufType::kF32);
    EXPECT_EQ(header->Find("f32")->Number(), 0.5);
    EXPECT_EQ(header->Find("f64")->Number(), 0.1);
    EXPECT_EQ(header->Find("bool")->Bool(), true);
    EXPECT_EQ(header->Find("string")->String(), "ä\n");
    EXPECT_THAT(*header->Find("strings")->Strings(), ElementsAre("a", "", "ccc"));
    EXPECT_THAT(*header->Find("floats")->Numbers(), ElementsAre(1, 2.5));
    EXPECT_EQ(header->Find("none")->count, 0U);
    const auto tensors = SomeTensors();
    ASSERT_EQ(header->tensors.size(), tensors.size());
    for (size_t i = 0; i < tensors.size(); ++i) {
      const TensorInfo& info = header->tensors.at(tensors[i].name);
      EXPECT_EQ(info.dtype, tensors[i].dtype);
      EXPECT_EQ(info.shape, tensors[i].shape);
      EXPECT_EQ(info.offset % alignment, 0U);
      const auto expected = SomeBytes(info.size_bytes, static_cast<int>(i));
      EXPECT_EQ(
          std::memcmp((*file)->bytes().data() + info.offset, expected.data(), expected.size()), 0);
    }
  }
}

TEST(GgufWriter, PairsAreReplacedCopiedAndErased) {
  GgufPairs metadata = OneOfEach();
  metadata.SetNumber("u8", 1.5F);
  metadata.Erase("bool");
  EXPECT_FALSE(metadata.Contains("bool"));
  EXPECT_EQ(metadata.pairs().size(), OneOfEach().pairs().size() - 1);
  EXPECT_EQ(metadata.pairs()[0].type, GgufType::kF32);
  GgufPairs copy;
  for (const auto& pair : metadata.pairs()) {
    copy.Copy(pair.key,
              {pair.type, pair.element, pair.count, std::as_bytes(std::span(pair.bytes))});
  }
  ASSERT_EQ(copy.pairs().size(), metadata.pairs().size());
  for (size_t i = 0; i < copy.pairs().size(); ++i) {
    EXPECT_EQ(copy.pairs()[i].bytes, metadata.pairs()[i].bytes);
    EXPECT_EQ(copy.pairs()[i].element, metadata.pairs()[i].element);
    EXPECT_EQ(copy.pairs()[i].count, metadata.pairs()[i].count);
  }
}

TEST(GgufWriter, Parts) {
  const ScratchFolder folder;
  GgufPairs metadata;
  metadata.SetString("general.architecture", "x");
  metadata.SetNumber("split.count", uint16_t{9});  // of the file this came from
  GgufWriterOptions options;
  options.split_max_bytes = 300;  // 12 | 408 | 2 + 20
  auto writer = GgufWriter::Create(folder.path() / "x.gguf", metadata, SomeTensors(), options);
  ASSERT_TRUE(writer.ok()) << writer.status().message();
  ASSERT_TRUE(AppendAll(*writer, SomeTensors()).ok());
  EXPECT_EQ((*std::move(writer)).Finish()->size(), 3U);
  EXPECT_THAT(folder.List(), ElementsAre("x-00001-of-00003.gguf", "x-00002-of-00003.gguf",
                                         "x-00003-of-00003.gguf"));
  const auto all = OpenGgufFiles(folder.path() / "x-00001-of-00003.gguf");
  ASSERT_TRUE(all.ok()) << all.status().message();
  EXPECT_EQ(all->tensors.tensors.size(), 4U);
  EXPECT_EQ(all->tensors.tensors.at("b").file, 0);
  EXPECT_EQ(all->tensors.tensors.at("a").file, 1);
  EXPECT_EQ(all->tensors.tensors.at("i").file, 2);
  EXPECT_EQ(all->header.Find("general.architecture")->String(), "x");
  EXPECT_EQ(all->header.Find("split.count")->Integer(), 3);
  EXPECT_EQ(all->header.Find("split.tensors.count")->Integer(), 4);

  options.split_max_bytes = 1000;
  writer = GgufWriter::Create(folder.path() / "y.gguf", metadata, SomeTensors(), options);
  ASSERT_TRUE(AppendAll(*writer, SomeTensors()).ok());
  EXPECT_THAT(*(*std::move(writer)).Finish(), ElementsAre(folder.path() / "y.gguf"));
  EXPECT_EQ(OpenGgufFiles(folder.path() / "y.gguf")->header.Find("split.count"), nullptr);
}

TEST(GgufWriter, NothingIsLeftOfAnIncompleteFile) {
  const ScratchFolder folder;
  const auto path = folder.path() / "x.gguf";
  {
    auto writer = GgufWriter::Create(path, {}, SomeTensors());
    ASSERT_TRUE(writer->Append(SomeBytes(8, 0)).ok());
    const Status status = writer->Append(SomeBytes(8, 0));
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr("8 bytes are more than the 4 that tensor 0 of 4"));
    EXPECT_THAT((*std::move(writer)).Finish().status().message(),
                HasSubstr("tensor \"b\" is not complete"));
  }
  EXPECT_TRUE(folder.List().empty());
}

TEST(GgufWriter, RefusesWhatCouldNotBeRead) {
  const ScratchFolder folder;
  const auto message = [&](std::vector<GgufTensor> tensors, GgufPairs metadata = {}) {
    auto writer =
        GgufWriter::Create(folder.path() / "x.gguf", std::move(metadata), std::move(tensors));
    return std::string(writer.ok() ? "ok" : writer.status().message());
  };
  EXPECT_EQ(message({}), "ok");
  EXPECT_THAT(message({{"\xFF", DType::kF32, {1}}}), HasSubstr("must be UTF-8"));
  EXPECT_THAT(message({{std::string(64, 'x'), DType::kF32, {1}}}), HasSubstr("found 64"));
  EXPECT_THAT(message({{"a", DType::kF32, {1}}, {"a", DType::kF32, {1}}}),
              HasSubstr("two tensors are named \"a\""));
  EXPECT_THAT(message({{"a", DType::kBool, {1}}}), HasSubstr("no tensors of BOOL"));
  EXPECT_THAT(message({{"a", DType::kF32, {}}}), HasSubstr("found []"));
  EXPECT_THAT(message({{"a", DType::kF32, {2, 0}}}), HasSubstr("found [2, 0]"));
  EXPECT_THAT(message({{"a", DType::kF32, {1, 1, 1, 1, 1}}}), HasSubstr("1 to 4 dimensions"));
  EXPECT_THAT(message({{"a", DType::kF32, {int64_t{1} << 40, int64_t{1} << 40}}}),
              HasSubstr("at most 2^56"));
  EXPECT_THAT(message({{"a", DType::kQ4_K, {2, 288}}}), HasSubstr("rows of 288 values"));
  GgufPairs metadata;
  metadata.SetNumber("\xFF", 1.F);
  EXPECT_THAT(message({}, metadata), HasSubstr("is not UTF-8"));
  GgufPairs alignment;
  alignment.SetNumber("general.alignment", uint32_t{24});
  EXPECT_THAT(message({}, alignment), HasSubstr("power of two"));
}

}  // namespace
}  // namespace moiety
