#include "format/gguf.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "io/mapped_file.h"
#include "support/gguf_bytes.h"
#include "support/paths.h"

namespace moiety {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Result<GgufHeader> Parse(const std::string& text) {
  return ParseGgufHeader(std::as_bytes(std::span(text)), "x.gguf");
}

TEST(Gguf, EveryTypeOfValue) {
  GgufBytes file = GgufHead(0, 16);
  file.String("u8").Add<uint32_t>(0).Add<uint8_t>(200);
  file.String("i8").Add<uint32_t>(1).Add<int8_t>(-7);
  file.String("u16").Add<uint32_t>(2).Add<uint16_t>(60000);
  file.String("i16").Add<uint32_t>(3).Add<int16_t>(-300);
  file.String("u32").Add<uint32_t>(4).Add<uint32_t>(4000000000U);
  file.String("i32").Add<uint32_t>(5).Add<int32_t>(-70000);
  file.String("f32").Add<uint32_t>(6).Add<float>(0.5F);
  file.String("bool").Add<uint32_t>(7).Add<uint8_t>(1);
  file.String("string").Add<uint32_t>(8).String("Öl");
  file.String("u64").Add<uint32_t>(10).Add<uint64_t>(UINT64_MAX);
  file.String("i64").Add<uint32_t>(11).Add<int64_t>(-5);
  file.String("f64").Add<uint32_t>(12).Add<double>(0.25);
  file.String("strings").Add<uint32_t>(9).Add<uint32_t>(8).Add<uint64_t>(3);
  file.String("a").String("").String("bc");
  file.String("integers").Add<uint32_t>(9).Add<uint32_t>(5).Add<uint64_t>(2);
  file.Add<int32_t>(1).Add<int32_t>(-2);
  file.String("numbers").Add<uint32_t>(9).Add<uint32_t>(6).Add<uint64_t>(1).Add<float>(-1.5F);
  file.String("none").Add<uint32_t>(9).Add<uint32_t>(8).Add<uint64_t>(0);
  const Result<GgufHeader> header = Parse(file.text());
  ASSERT_TRUE(header.ok()) << header.status().message();
  EXPECT_EQ(header->version, 3U);
  EXPECT_EQ(header->alignment, 32U);
  ASSERT_EQ(header->metadata.size(), 16U);
  const auto at = [&](const char* key) -> const GgufValue& { return *header->Find(key); };
  EXPECT_EQ(at("u8").Integer(), 200);
  EXPECT_EQ(at("i8").Integer(), -7);
  EXPECT_EQ(at("u16").Integer(), 60000);
  EXPECT_EQ(at("i16").Integer(), -300);
  EXPECT_EQ(at("u32").Integer(), 4000000000);
  EXPECT_EQ(at("i32").Integer(), -70000);
  EXPECT_EQ(at("i32").Number(), -70000.0);
  EXPECT_EQ(at("f32").Number(), 0.5);
  EXPECT_EQ(at("f32").Integer(), std::nullopt);
  EXPECT_EQ(at("bool").Bool(), true);
  EXPECT_EQ(at("bool").Integer(), std::nullopt);
  EXPECT_EQ(at("string").String(), "Öl");
  EXPECT_EQ(at("string").Number(), std::nullopt);
  EXPECT_EQ(at("string").Strings(), std::nullopt);
  EXPECT_EQ(at("u64").Integer(), std::nullopt);
  EXPECT_EQ(at("i64").Integer(), -5);
  EXPECT_EQ(at("f64").Number(), 0.25);
  EXPECT_THAT(*at("strings").Strings(), ElementsAre("a", "", "bc"));
  EXPECT_EQ(at("strings").String(), std::nullopt);
  EXPECT_EQ(at("strings").Integers(), std::nullopt);
  EXPECT_THAT(*at("integers").Integers(), ElementsAre(1, -2));
  EXPECT_THAT(*at("integers").Numbers(), ElementsAre(1.0, -2.0));
  EXPECT_EQ(at("integers").Integer(), std::nullopt);
  EXPECT_THAT(*at("numbers").Numbers(), ElementsAre(-1.5));
  EXPECT_TRUE(at("none").Strings()->empty());
  EXPECT_EQ(header->Find("u9"), nullptr);
}

TEST(Gguf, TensorsLieWhereTheFileSays) {
  GgufBytes file = GgufHead(2, 1, 2);
  file.String("general.alignment").Add<uint32_t>(4).Add<uint32_t>(64);
  AddTensor(file, "b", {512, 3}, 12, 64);  // Q4_K
  AddTensor(file, "a", {5}, 0, 0);
  file.AlignTo(64);
  const size_t data = file.text().size();
  file.Zeros(64 + 3 * 2 * 144);
  const Result<GgufHeader> header = Parse(file.text());
  ASSERT_TRUE(header.ok()) << header.status().message();
  EXPECT_EQ(header->alignment, 64U);
  const TensorInfo& a = header->tensors.at("a");
  EXPECT_EQ(a.shape, (Shape{5}));
  EXPECT_EQ(a.dtype, DType::kF32);
  EXPECT_EQ(a.offset, data);
  EXPECT_EQ(a.size_bytes, 20U);
  const TensorInfo& b = header->tensors.at("b");
  EXPECT_EQ(b.shape, (Shape{3, 512}));
  EXPECT_EQ(b.dtype, DType::kQ4_K);
  EXPECT_EQ(b.offset, data + 64);
  EXPECT_EQ(b.size_bytes, 864U);
}

TEST(Gguf, WrongFilesAreRefused) {
  const auto with_tensor = [](std::initializer_list<uint64_t> dims, uint32_t type,
                              uint64_t offset) {
    GgufBytes file = GgufHead(1, 0);
    return AddTensor(file, "t", dims, type, offset).AlignTo(32).Zeros(64).text();
  };
  const std::vector<std::tuple<std::string, std::string, StatusCode>> cases = {
      {"", "not a GGUF file", StatusCode::kInvalidData},
      {"GGML", "not a GGUF file", StatusCode::kInvalidData},
      {"GGUF", "the version needs 4 bytes at byte 4, but the file has only 0 more",
       StatusCode::kInvalidData},
      {GgufHead(0, 0, 1).text(), "GGUF version 1; expected 2 or 3", StatusCode::kUnsupported},
      {GgufHead(0, 0, 0x03000000).text(), "big-endian", StatusCode::kUnsupported},
      {GgufHead(0, 0, 9).text(), "expected GGUF version 2 or 3, found 9", StatusCode::kInvalidData},
      {GgufHead(0, uint64_t{1} << 63).text(), "do not fit the 24 bytes", StatusCode::kInvalidData},
      {GgufHead(uint64_t{1} << 62, 0).text(), "do not fit the 24 bytes", StatusCode::kInvalidData},
      {GgufHead(0, 1).Add<uint64_t>(UINT64_MAX).Zeros(9).text(), "key 0 needs",
       StatusCode::kInvalidData},
      {GgufHead(0, 1).String("k").Add<uint32_t>(13).Zeros(9).text(), "expected a type from 0 to 12",
       StatusCode::kInvalidData},
      {GgufHead(0, 1)
           .String("k")
           .Add<uint32_t>(9)
           .Add<uint32_t>(4)
           .Add<uint64_t>(1ULL << 62)
           .text(),
       "elements of 4 bytes", StatusCode::kInvalidData},
      {GgufHead(0, 1).String("k").Add<uint32_t>(9).Add<uint32_t>(9).Zeros(8).text(),
       "an array of arrays", StatusCode::kUnsupported},
      {GgufHead(0, 2)
           .String("k")
           .Add<uint32_t>(0)
           .Zeros(1)
           .String("k")
           .Add<uint32_t>(0)
           .Zeros(1)
           .text(),
       "key \"k\" is there twice", StatusCode::kInvalidData},
      {GgufHead(0, 1).String("\xFF\xFE").Add<uint32_t>(0).Zeros(1).text(), "not UTF-8",
       StatusCode::kInvalidData},
      {GgufHead(0, 1).String("general.alignment").Add<uint32_t>(4).Add<uint32_t>(24).text(),
       "expected a power of two up to 2^30, found 24", StatusCode::kInvalidData},
      {GgufHead(0, 1).String("general.alignment").Add<uint32_t>(8).String("32").text(),
       "found string", StatusCode::kInvalidData},
      {with_tensor({1, 1, 1, 1, 1}, 0, 0), "expected 1 to 4 dimensions, found 5",
       StatusCode::kInvalidData},
      {with_tensor({0}, 0, 0), "a dimension of 0", StatusCode::kInvalidData},
      {with_tensor({1ULL << 40, 1ULL << 40}, 0, 0), "does not fit in 64 bits",
       StatusCode::kInvalidData},
      {with_tensor({16}, 12, 0), "rows of 16 values, but Q4_K has blocks of 256",
       StatusCode::kInvalidData},
      {with_tensor({4}, 200, 0), "unknown type 200", StatusCode::kInvalidData},
      {with_tensor({4}, 4, 0), "type Q4_2 (removed) is not supported", StatusCode::kUnsupported},
      {with_tensor({4}, 0, 8), "offset 8 is not a multiple of the alignment 32",
       StatusCode::kInvalidData},
      {with_tensor({4}, 0, 64), "16 bytes at byte 64 of the data, but the file has only 64",
       StatusCode::kInvalidData},
      {with_tensor({4}, 0, UINT64_MAX - 31), "of the data", StatusCode::kInvalidData},
  };
  for (const auto& [text, message, code] : cases) {
    const Result<GgufHeader> header = Parse(text);
    ASSERT_FALSE(header.ok()) << message;
    EXPECT_THAT(std::string(header.status().message()), HasSubstr(message));
    EXPECT_EQ(header.status().code(), code) << message;
  }
  GgufBytes overlap = GgufHead(2, 0);
  AddTensor(overlap, "a", {16}, 0, 0);
  AddTensor(overlap, "b", {4}, 0, 32);
  EXPECT_THAT(std::string(Parse(overlap.AlignTo(32).Zeros(64).text()).status().message()),
              HasSubstr("tensors \"a\" and \"b\" overlap"));
  GgufBytes twice = GgufHead(2, 0);
  AddTensor(twice, "a", {4}, 0, 0);
  AddTensor(twice, "a", {4}, 0, 32);
  EXPECT_THAT(std::string(Parse(twice.AlignTo(32).Zeros(64).text()).status().message()),
              HasSubstr("tensor \"a\" is there twice"));
}

// Wherever a file ends, there is a message and no crash.
TEST(Gguf, CutFiles) {
  GgufBytes file = GgufHead(1, 2);
  file.String("general.architecture").Add<uint32_t>(8).String("llama");
  file.String("list").Add<uint32_t>(9).Add<uint32_t>(8).Add<uint64_t>(2).String("x").String("yz");
  AddTensor(file, "t", {32}, 8, 0);
  const size_t end = file.text().size();
  file.AlignTo(32).Zeros(34);
  ASSERT_TRUE(Parse(file.text()).ok());
  for (size_t size = 0; size < end; ++size) {
    EXPECT_FALSE(Parse(file.text().substr(0, size)).ok()) << size;
  }
}

TEST(Gguf, TypesOfGgml) {
  EXPECT_EQ(GgmlTypeOf(DType::kQ4_K), 12U);
  EXPECT_EQ(GgmlTypeOf(DType::kBool), std::nullopt);
  EXPECT_EQ(DTypeOfGgml(39), DType::kMXFP4);
  EXPECT_EQ(DTypeOfGgml(16), std::nullopt);
  EXPECT_EQ(DTypeOfGgml(77), std::nullopt);
}

TEST(Gguf, FilesOfOthers) {
  if (!HasShared()) GTEST_SKIP() << kNoShared;
  for (const char* name : {"deepseek2_q5_k_m", "mixtral_q4_k_m", "qwen3moe_q3_k_m"}) {
    const auto path = SharedPath("conformance/gguf") / name / "model.gguf";
    const auto file = MappedFile::Open(path);
    ASSERT_TRUE(file.ok());
    const auto header = ParseGgufHeader((*file)->bytes(), path.string());
    ASSERT_TRUE(header.ok()) << header.status().message();
    EXPECT_TRUE(header->Find("general.architecture")->String().has_value());
    EXPECT_TRUE(header->Find("tokenizer.ggml.tokens")->Strings().has_value());
    EXPECT_TRUE(header->tensors.contains("token_embd.weight"));
  }
}

// What is wrong with these is in the file itself; the others need a model to be wrong.
TEST(Gguf, MalformedFiles) {
  if (!HasShared()) GTEST_SKIP() << kNoShared;
  const std::set<std::string> by_model = {
      "gguf_no_architecture",    "gguf_architecture_unknown", "gguf_no_block_count",
      "gguf_block_count_string", "gguf_block_count_more",     "gguf_used_over_count",
      "gguf_missing_tensor",     "gguf_wrong_shape",          "gguf_too_few_tokens"};
  const auto folder = SharedPath("conformance/malformed");
  const auto manifest = nlohmann::json::parse(*ReadFile(folder / "manifest.json", 1 << 20));
  int count = 0;
  for (const auto& c : manifest["cases"]) {
    if (c["kind"] != "gguf" || by_model.contains(c["id"])) continue;
    SCOPED_TRACE(c["id"]);
    const auto file = MappedFile::Open(folder / std::string(c["path"]));
    ASSERT_TRUE(file.ok());
    const auto header = ParseGgufHeader((*file)->bytes(), "x");
    if (c["expect"] != "error_or_ok") {
      EXPECT_EQ(header.ok(), c["expect"] == "ok");
    }
    ++count;
  }
  EXPECT_GT(count, 30);
}

}  // namespace
}  // namespace moiety
