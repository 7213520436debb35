#include "format/safetensors.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/format.h"
#include "io/mapped_file.h"
#include "support/scratch_folder.h"

namespace moiety {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

// A file of the given header and as many bytes of data.
std::string File(const std::string& header, size_t data_bytes) {
  std::string file(8, '\0');
  for (size_t i = 0; i < 8; ++i) file[i] = static_cast<char>(header.size() >> (8 * i));
  return file + header + std::string(data_bytes, 'd');
}

Result<SafetensorsHeader> ParseHeader(const std::string& file) {
  return ParseSafetensorsHeader(std::as_bytes(std::span(file)), "x.st");
}

std::string HeaderError(const std::string& file, StatusCode code = StatusCode::kInvalidData) {
  const Result<SafetensorsHeader> result = ParseHeader(file);
  if (result.ok()) return "no error";
  EXPECT_EQ(result.status().code(), code);
  return result.status().message();
}

// The error of a file of 16 bytes of data whose only tensor is described by `entry`.
std::string EntryError(const std::string& entry, StatusCode code = StatusCode::kInvalidData) {
  return HeaderError(File("{\"t\":" + entry + "}", 16), code);
}

TEST(ParseSafetensors, ReadsNamesShapesAndOffsets) {
  const std::string header = R"({"b":{"dtype":"BF16","shape":[2,3],"data_offsets":[4,16]},)"
                             R"("__metadata__":{"format":"pt","":"x"},)"
                             R"("a":{"data_offsets":[0,4],"shape":[],"dtype":"F32"}}   )";
  const Result<SafetensorsHeader> parsed = ParseHeader(File(header, 16));
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  EXPECT_THAT(parsed->metadata, ElementsAre(Pair("", "x"), Pair("format", "pt")));
  ASSERT_THAT(parsed->tensors, SizeIs(2));
  const TensorInfo& a = parsed->tensors.at("a");
  EXPECT_EQ(a.dtype, DType::kF32);
  EXPECT_THAT(a.shape, IsEmpty());
  EXPECT_EQ(a.offset, 8 + header.size());
  EXPECT_EQ(a.size_bytes, 4U);
  EXPECT_EQ(a.file, 0);
  const TensorInfo& b = parsed->tensors.at("b");
  EXPECT_EQ(b.dtype, DType::kBF16);
  EXPECT_THAT(b.shape, ElementsAre(2, 3));
  EXPECT_EQ(b.offset, 8 + header.size() + 4);
  EXPECT_EQ(b.size_bytes, 12U);
}

TEST(ParseSafetensors, AcceptsEmptyFilesAndEmptyTensors) {
  EXPECT_THAT(ParseHeader(File("{}", 0))->tensors, IsEmpty());
  const std::string empty = R"({"dtype":"F32","shape":[3,0],"data_offsets":[4,4]})";
  const std::string full = R"({"dtype":"U8","shape":[4],"data_offsets":[0,4]})";
  const std::string more = R"({"dtype":"U8","shape":[4],"data_offsets":[4,8]})";
  const auto parsed = ParseHeader(
      File("{\"z\":" + empty + ",\"a\":" + full + ",\"e\":" + empty + ",\"b\":" + more + "}", 8));
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  EXPECT_EQ(parsed->tensors.at("z").size_bytes, 0U);
}

TEST(ParseSafetensors, ChecksTheLengthOfTheHeader) {
  const std::string good = File("{}      ", 0);
  EXPECT_EQ(
      HeaderError(""),
      "x.st: a safetensors file begins with 8 bytes that give the length of its header, found a "
      "file of 0 bytes");
  EXPECT_THAT(HeaderError(good.substr(0, 7)), HasSubstr("found a file of 7 bytes"));
  EXPECT_EQ(
      HeaderError(good.substr(0, 15)),
      "x.st: the first 8 bytes give a safetensors header of 8 bytes; expected at most 100000000, "
      "in a file of 15 bytes");
  EXPECT_THAT(HeaderError(std::string(16, '\xFF')),
              HasSubstr("header of 18446744073709551615 bytes"));
  EXPECT_THAT(HeaderError(std::string(16, '\0')), HasSubstr("must begin with {, found \"\""));
}

TEST(ParseSafetensors, RefusesAHeaderBeyondTheLimit) {
  // 100 MB and one byte: a header that would otherwise be fine.
  EXPECT_EQ(HeaderError(File("{}" + std::string(99'999'998, ' '), 0)), "no error");
  EXPECT_THAT(HeaderError(File("{}" + std::string(99'999'999, ' '), 0)),
              HasSubstr("header of 100000001 bytes"));
}

TEST(ParseSafetensors, RefusesHeadersThatAreNoJsonObject) {
  EXPECT_THAT(HeaderError(File("[1, 2]", 0)), HasSubstr("must begin with {, found \"[1, 2]\""));
  EXPECT_THAT(HeaderError(File(" {}", 0)), HasSubstr("must begin with {, found \" {}\""));
  EXPECT_THAT(HeaderError(File("{\"a", 0)), HasSubstr("x.st: header: not valid JSON at byte 4: "));
  EXPECT_THAT(HeaderError(File("{}}", 0)), HasSubstr("expected end of input"));
  EXPECT_THAT(HeaderError(File("{\"\xFF\":1}", 0)), HasSubstr("ill-formed UTF-8"));
  EXPECT_THAT(HeaderError(File(R"({"a":)" + std::string(60'000, '['), 0)),
              HasSubstr("nested deeper"));
  EXPECT_EQ(HeaderError(File(R"({"a":{},"a":{}})", 0)), "x.st: header: key \"a\" appears twice");
}

TEST(ParseSafetensors, ChecksMetadata) {
  EXPECT_EQ(HeaderError(File(R"({"__metadata__":[]})", 0)),
            "x.st: \"__metadata__\" must be an object of strings, found []");
  EXPECT_EQ(HeaderError(File(R"({"__metadata__":{"k":1}})", 0)),
            "x.st: \"__metadata__\": the value of \"k\" must be a string, found 1");
}

TEST(ParseSafetensors, ChecksEachEntry) {
  EXPECT_EQ(EntryError(R"({"dtype":"F32","shape":[2,2],"data_offsets":[0,16]})"), "no error");
  EXPECT_EQ(EntryError("[]"),
            "x.st: tensor \"t\": expected an object with dtype, shape and data_offsets, found []");
  EXPECT_EQ(EntryError(R"({"dtype":"F32","shape":[2,2]})"),
            "x.st: tensor \"t\": \"data_offsets\" is missing");
  EXPECT_EQ(EntryError(R"({"dtype":"F32","shape":[4],"data_offsets":[0,16],"scale":2})",
                       StatusCode::kUnsupported),
            "x.st: tensor \"t\": expected dtype, shape and data_offsets, found also \"scale\"");
  // A tensor whose name would break the line of the message.
  EXPECT_EQ(HeaderError(File(R"({"a\nb\u001b":1})", 0)),
            "x.st: tensor \"a\\nb\\u001b\": expected an object with dtype, shape and data_offsets, "
            "found 1");
}

TEST(ParseSafetensors, ChecksTypes) {
  EXPECT_EQ(
      EntryError(R"({"dtype":"F33","shape":[4],"data_offsets":[0,16]})"),
      "x.st: tensor \"t\": element type \"F33\" is not supported; expected F64, F32, F16, BF16, an "
      "integer type or BOOL");
  EXPECT_THAT(EntryError(R"({"dtype":"F8_E4M3","shape":[16],"data_offsets":[0,16]})",
                         StatusCode::kUnsupported),
              HasSubstr("element type \"F8_E4M3\" is not supported"));
  EXPECT_EQ(EntryError(R"({"dtype":4,"shape":[4],"data_offsets":[0,16]})"),
            "x.st: tensor \"t\": \"dtype\" must be a string, found 4");
}

TEST(ParseSafetensors, ChecksShapes) {
  for (const std::string shape : {"[16.5,16]", "[-2,-2]", "\"2x2\"", "[\"4\"]", "[null]", "4",
                                  "[[4]]", "[4.0]", "[9223372036854775808]", "{\"0\":4}"}) {
    EXPECT_EQ(
        EntryError(R"({"dtype":"F32","shape":)" + shape + R"(,"data_offsets":[0,16]})"),
        "x.st: tensor \"t\": \"shape\" must be a list of integers of at least 0, found " + shape);
  }
  for (const std::string shape : {"[4294967296,4294967296,256]", "[4611686018427387968,4]",
                                  "[9223372036854775807]", "[4611686018427387904]"}) {
    EXPECT_EQ(EntryError(R"({"dtype":"F32","shape":)" + shape + R"(,"data_offsets":[0,16]})"),
              "x.st: tensor \"t\": shape " + shape + " of F32 does not fit in 64 bits");
  }
  EXPECT_EQ(
      EntryError(R"({"dtype":"F16","shape":[2,2],"data_offsets":[0,16]})"),
      "x.st: tensor \"t\": shape [2,2] of F16 needs 8 bytes, \"data_offsets\" [0,16] gives 16");
}

TEST(ParseSafetensors, ChecksOffsets) {
  for (const std::string offsets :
       {"[-16,0]", "[0]", "[0,8,16]", "[16,0]", "\"0,16\"", "[0,\"16\"]", "[0,16.0]", "{}"}) {
    EXPECT_EQ(
        EntryError(R"({"dtype":"F32","shape":[4],"data_offsets":)" + offsets + "}"),
        "x.st: tensor \"t\": \"data_offsets\" must be two integers, 0 <= begin <= end, found " +
            offsets);
  }
  EXPECT_EQ(
      EntryError(R"({"dtype":"F32","shape":[4],"data_offsets":[4,20]})"),
      "x.st: tensor \"t\": ends at byte 20 of the data, but the file has only 16 bytes of data");
  EXPECT_THAT(
      EntryError(
          R"({"dtype":"F32","shape":[4],"data_offsets":[18446744073709551600,18446744073709551615]})"),
      HasSubstr("ends at byte 18446744073709551615 of the data"));
}

TEST(ParseSafetensors, EveryByteBelongsToOneTensor) {
  const auto two = [](int a_begin, int a_end, int b_begin, int b_end, size_t data_bytes) {
    return HeaderError(
        File(Format(R"({{"a":{{"dtype":"U8","shape":[{}],"data_offsets":[{},{}]}},)"
                    R"("b":{{"dtype":"U8","shape":[{}],"data_offsets":[{},{}]}}}})",
                    a_end - a_begin, a_begin, a_end, b_end - b_begin, b_begin, b_end),
             data_bytes));
  };
  EXPECT_EQ(two(0, 8, 8, 16, 16), "no error");
  EXPECT_EQ(two(8, 16, 0, 8, 16), "no error");
  EXPECT_EQ(two(0, 8, 7, 16, 16),
            "x.st: tensors \"a\" and \"b\" overlap: one ends at byte 8 of the data, the other "
            "begins at byte 7");
  EXPECT_THAT(two(0, 16, 0, 16, 16), HasSubstr("tensors \"a\" and \"b\" overlap"));
  EXPECT_THAT(two(0, 16, 4, 8, 16), HasSubstr("tensors \"a\" and \"b\" overlap"));
  EXPECT_THAT(two(0, 16, 8, 8, 16),
              HasSubstr("tensors \"a\" and \"b\" overlap"));  // empty, but inside
  EXPECT_EQ(
      two(0, 8, 10, 16, 16),
      "x.st: expected tensor \"b\" to begin at byte 8 of the data, where the one before it ends, "
      "found 10");
  EXPECT_THAT(two(1, 8, 8, 16, 16), HasSubstr("expected tensor \"a\" to begin at byte 0"));
  EXPECT_EQ(two(0, 8, 8, 16, 17),
            "x.st: the tensors end at byte 16 of the data, but the file has 17 bytes of data");
  EXPECT_EQ(HeaderError(File("{}", 1)),
            "x.st: the tensors end at byte 0 of the data, but the file has 1 bytes of data");
}

// Random files are read; the same with one number changed never are.
TEST(ParseSafetensors, EveryNumberOfTheHeaderMatters) {
  struct Entry {
    std::string name;
    DType dtype = DType::kU8;
    Shape shape;
    int64_t begin = 0;
    int64_t end = 0;
  };
  std::mt19937 random(20240);
  const auto draw = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  for (int round = 0; round < 3000; ++round) {
    std::vector<Entry> entries(static_cast<size_t>(draw(1, 6)));
    int64_t offset = 0;
    for (size_t i = 0; i < entries.size(); ++i) {
      Entry& entry = entries[i];
      entry.name = Format("t{}", i);
      entry.dtype = static_cast<DType>(draw(0, 12));
      for (int rank = draw(0, 3); rank > 0; --rank) entry.shape.push_back(draw(1, 4));
      entry.begin = offset;
      offset += static_cast<int64_t>(
          DTypeBytes(entry.dtype, static_cast<uint64_t>(*NumElements(entry.shape))));
      entry.end = offset;
    }
    std::shuffle(entries.begin(), entries.end(), random);
    const auto read = [&] {
      std::string header;
      for (const Entry& entry : entries) {
        header += header.empty() ? "{" : ",";
        header += Format(R"("{}":{{"dtype":"{}","shape":{},"data_offsets":[{},{}]}})", entry.name,
                         DTypeName(entry.dtype), ShapeString(entry.shape), entry.begin, entry.end);
      }
      return ParseHeader(File(header + "}", static_cast<size_t>(offset)));
    };
    const auto good = read();
    ASSERT_TRUE(good.ok()) << good.status().message();
    ASSERT_EQ(good->tensors.size(), entries.size());

    Entry& entry = entries[static_cast<size_t>(draw(0, static_cast<int>(entries.size()) - 1))];
    const int64_t change = draw(0, 1) == 0 ? draw(1, 20) : -draw(1, 20);
    switch (draw(0, 3)) {
      case 0:
        entry.begin += change;
        break;
      case 1:
        entry.end += change;
        break;
      case 2:  // moved as a whole
        entry.begin += change;
        entry.end += change;
        break;
      default:
        entry.shape.push_back(draw(2, 5));
    }
    ASSERT_FALSE(read().ok()) << entry.name << " in round " << round;
  }
}

std::string Written(const std::vector<TensorToWrite>& tensors,
                    const SafetensorsMetadata& metadata = {}) {
  const ScratchFolder folder;
  const Status status = WriteSafetensors(folder.path() / "x", tensors, metadata);
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_THAT(folder.List(), ElementsAre("x"));
  return folder.Read("x");
}

TEST(WriteSafetensors, MatchesTheReferenceImplementation) {
  std::vector<std::byte> bytes(16);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>('a' + i);
  const std::span<const std::byte> all(bytes);
  // The header is what save() of the safetensors library (0.8.0) gives for the same tensors.
  const std::string expected = R"({"__metadata__":{"format":"pt"},)"
                               R"("u64":{"dtype":"U64","shape":[1],"data_offsets":[0,8]},)"
                               R"("i64":{"dtype":"I64","shape":[1],"data_offsets":[8,16]},)"
                               R"("f64":{"dtype":"F64","shape":[1],"data_offsets":[16,24]},)"
                               R"("f32":{"dtype":"F32","shape":[],"data_offsets":[24,28]},)"
                               R"("f32.b":{"dtype":"F32","shape":[2,2],"data_offsets":[28,44]},)"
                               R"("u32":{"dtype":"U32","shape":[1],"data_offsets":[44,48]},)"
                               R"("i32":{"dtype":"I32","shape":[1],"data_offsets":[48,52]},)"
                               R"("bf16":{"dtype":"BF16","shape":[3,1],"data_offsets":[52,58]},)"
                               R"("f16":{"dtype":"F16","shape":[0,5],"data_offsets":[58,58]},)"
                               R"("u16":{"dtype":"U16","shape":[1],"data_offsets":[58,60]},)"
                               R"("i16":{"dtype":"I16","shape":[1],"data_offsets":[60,62]},)"
                               R"("i8":{"dtype":"I8","shape":[1],"data_offsets":[62,63]},)"
                               R"("u8":{"dtype":"U8","shape":[1],"data_offsets":[63,64]},)"
                               R"("bool":{"dtype":"BOOL","shape":[1],"data_offsets":[64,65]}})";
  const std::string file = Written({{"bool", DType::kBool, {1}, all.first(1)},
                                    {"u8", DType::kU8, {1}, all.first(1)},
                                    {"i8", DType::kI8, {1}, all.first(1)},
                                    {"i16", DType::kI16, {1}, all.first(2)},
                                    {"u16", DType::kU16, {1}, all.first(2)},
                                    {"f16", DType::kF16, {0, 5}, {}},
                                    {"bf16", DType::kBF16, {3, 1}, all.first(6)},
                                    {"i32", DType::kI32, {1}, all.first(4)},
                                    {"u32", DType::kU32, {1}, all.first(4)},
                                    {"f32.b", DType::kF32, {2, 2}, all},
                                    {"f32", DType::kF32, {}, all.first(4)},
                                    {"f64", DType::kF64, {1}, all.first(8)},
                                    {"i64", DType::kI64, {1}, all.first(8)},
                                    {"u64", DType::kU64, {1}, all.first(8)}},
                                   {{"format", "pt"}});
  const std::string header = file.substr(8, file.size() - 8 - 65);
  EXPECT_EQ(header.substr(0, header.find_last_not_of(' ') + 1), expected);
  EXPECT_EQ(header.size() % 8, 0U);
  EXPECT_LT(header.size(), expected.size() + 8);
  EXPECT_EQ(file.substr(file.size() - 65),
            "abcdefghabcdefghabcdefghabcdabcdefghijklmnopabcdabcdabcdefababaaa");
}

TEST(WriteSafetensors, WhatIsWrittenIsRead) {
  const std::vector<float> floats = {1.5F, -2.0F, 3.25F, 0.0F, 5.0F, 6.0F};
  const std::vector<uint8_t> small = {1, 2, 3};
  const std::string strange = "\xC3\xA9\n\"\\\x01/ \x7F";
  const ScratchFolder folder;
  const auto path = folder.path() / "model.safetensors";
  const std::vector<TensorToWrite> tensors = {
      {strange, DType::kU8, {3}, std::as_bytes(std::span(small))},
      {"weight", DType::kF32, {2, 3}, std::as_bytes(std::span(floats))},
      {"", DType::kF32, {1, 0, 2}, {}}};
  const SafetensorsMetadata metadata = {{"a", "1"}, {strange, strange}};
  ASSERT_TRUE(WriteSafetensors(path, tensors, metadata).ok());
  const auto file = MappedFile::Open(path);
  ASSERT_TRUE(file.ok());
  const auto header = ParseSafetensorsHeader((*file)->bytes(), path.string());
  ASSERT_TRUE(header.ok()) << header.status().message();
  EXPECT_EQ(header->metadata, metadata);
  ASSERT_THAT(header->tensors, SizeIs(3));
  for (const TensorToWrite& tensor : tensors) {
    const TensorInfo& info = header->tensors.at(tensor.name);
    EXPECT_EQ(info.dtype, tensor.dtype);
    EXPECT_EQ(info.shape, tensor.shape);
    ASSERT_EQ(info.size_bytes, tensor.bytes.size());
    const auto read = (*file)->bytes().subspan(info.offset, info.size_bytes);
    EXPECT_TRUE(std::equal(read.begin(), read.end(), tensor.bytes.begin()));
  }
}

TEST(WriteSafetensors, CanWriteNoTensorAtAll) {
  EXPECT_EQ(Written({}), std::string("\x08\0\0\0\0\0\0\0", 8) + "{}      ");
}

TEST(WriteSafetensors, RefusesTensorsThatMakeNoFile) {
  const std::vector<std::byte> bytes(16);
  const std::span<const std::byte> all(bytes);
  const std::vector<std::pair<std::vector<TensorToWrite>, std::string>> cases = {
      {{{"a", DType::kF32, {3}, all}}, "tensor \"a\": 16 bytes do not make shape [3] of F32"},
      {{{"a", DType::kF32, {-4}, all}}, "shape [-4] of F32 cannot be written"},
      {{{"a", DType::kF32, {INT64_MAX, 2}, all}}, "cannot be written"},
      {{{"a", DType::kF64, {INT64_MAX}, all}}, "cannot be written"},
      {{{"a", DType::kU8, {16}, all}, {"b", DType::kU8, {16}, all}, {"a", DType::kF32, {4}, all}},
       "two tensors are named \"a\""},
      {{{"__metadata__", DType::kU8, {16}, all}},
       "\"__metadata__\" cannot be the name of a tensor"},
      {{{"\xFF", DType::kU8, {16}, all}}, "cannot be the name of a tensor"}};
  for (const auto& [tensors, expected] : cases) {
    const ScratchFolder folder;
    const Status status = WriteSafetensors(folder.path() / "x", tensors);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr("/x: "));
    EXPECT_THAT(status.message(), HasSubstr(expected));
    EXPECT_THAT(folder.List(), IsEmpty());
  }
  const ScratchFolder folder;
  EXPECT_THAT(WriteSafetensors(folder.path() / "x", {}, {{"k", "\xFF"}}).message(),
              HasSubstr("metadata \"k\" is not UTF-8"));
  EXPECT_EQ(WriteSafetensors(folder.path() / "no" / "x", {}).code(), StatusCode::kIoError);
}

TEST(SafetensorsWriter, DataComesInPieces) {
  const ScratchFolder folder;
  const std::vector<std::byte> bytes(16, std::byte{7});
  auto writer = SafetensorsWriter::Create(folder.path() / "x",
                                          {{"a", DType::kU8, {4}}, {"b", DType::kF32, {3}}});
  ASSERT_TRUE(writer.ok()) << writer.status().message();
  ASSERT_EQ(writer->order().size(), 2U);
  EXPECT_EQ(writer->order()[0].name, "b");  // larger elements first
  EXPECT_TRUE(writer->Append(std::span(bytes).first(13)).ok());
  EXPECT_THAT(writer->Append(bytes).message(), HasSubstr("16 bytes are more than the 3"));
  EXPECT_TRUE(writer->Append(std::span(bytes).first(3)).ok());
  ASSERT_TRUE((*std::move(writer)).Finish().ok());
  const std::vector<TensorToWrite> same = {{"a", DType::kU8, {4}, std::span(bytes).first(4)},
                                           {"b", DType::kF32, {3}, std::span(bytes).first(12)}};
  EXPECT_EQ(folder.Read("x"), Written(same));
}

TEST(SafetensorsWriter, NothingIsLeftOfAnIncompleteFile) {
  const ScratchFolder folder;
  {
    auto writer = SafetensorsWriter::Create(folder.path() / "x", {{"a", DType::kU8, {4}}});
    EXPECT_THAT((*std::move(writer)).Finish().message(), HasSubstr("lack 4 bytes"));
  }
  EXPECT_THAT(folder.List(), IsEmpty());
}

}  // namespace
}  // namespace moiety
