#include "tokenize/tokenizer.h"

#include <gmock/gmock.h>

#include "tiny_tokenizer.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

// Normalizer, added tokens, template and decoder together.
json FullJson() {
  json file = ByteFallbackJson();
  auto& vocab = file["model"]["vocab"];
  vocab["▁"] = 300;
  vocab["▁ab"] = 301;
  file["model"]["merges"].push_back("▁ ab");
  file["added_tokens"] = json::array({AddedTokenJson(302, "<s>"), AddedTokenJson(303, "<n>")});
  file["added_tokens"][1]["special"] = false;
  file["normalizer"] = json::parse(R"({"type": "Sequence", "normalizers": [
      {"type": "Prepend", "prepend": "▁"},
      {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]})");
  file["post_processor"] = json::parse(R"({"type": "TemplateProcessing", "single": [
      {"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
      "pair": [], "special_tokens": {"<s>": {"id": "<s>", "ids": [302], "tokens": ["<s>"]}}})");
  file["decoder"] = json::parse(R"({"type": "Sequence", "decoders": [
      {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
      {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]})");
  return file;
}

TEST(Tokenizer, WholePipeline) {
  const auto tokenizer = Load(FullJson());
  EXPECT_THAT(Encode(*tokenizer, "ab ab"), ElementsAre(302, 301, 301));
  EXPECT_THAT(Encode(*tokenizer, "ab ab", /*add_special=*/false), ElementsAre(301, 301));
  EXPECT_THAT(Encode(*tokenizer, ""), ElementsAre(302));
  // Each text between added tokens is normalized by itself.
  const Ids ids = Encode(*tokenizer, "ab<s>ab<n>c", /*add_special=*/false);
  EXPECT_EQ(ids, (Ids{301, 302, 301, 303, 300, 3}));
  EXPECT_EQ(tokenizer->Decode(ids), "ab ab<n> c");
  EXPECT_EQ(tokenizer->Decode(ids, /*skip_special=*/false), "ab<s> ab<n> c");
}

TEST(Tokenizer, InvalidUtf8IsReadAsReplacementCharacters) {
  const auto tokenizer = Load(FullJson());
  EXPECT_EQ(Encode(*tokenizer, "a\xFF\xE2\x82z"), Encode(*tokenizer, "a\uFFFD\uFFFDz"));
}

TEST(Tokenizer, UnknownIdsDecodeToNothing) {
  const auto tokenizer = Load(FullJson());
  EXPECT_EQ(tokenizer->Decode(Ids{-1, 1, 280, 304, INT32_MAX, INT32_MIN, 2}), "ab");
  EXPECT_EQ(tokenizer->Decode({}), "");
  for (const int32_t id : {-1, 280, 304, INT32_MAX, INT32_MIN}) {
    EXPECT_EQ(tokenizer->Piece(id), "");
    EXPECT_FALSE(tokenizer->IsSpecial(id));
  }
}

TEST(Tokenizer, PiecesAndIds) {
  const auto tokenizer = Load(FullJson());
  EXPECT_EQ(tokenizer->vocab_size(), 304);
  EXPECT_EQ(tokenizer->IdOf("▁ab"), 301);
  EXPECT_EQ(tokenizer->IdOf("<n>"), 303);
  EXPECT_EQ(tokenizer->IdOf("x"), std::nullopt);
  EXPECT_EQ(tokenizer->Piece(301), "▁ab");
  EXPECT_EQ(tokenizer->Piece(6 + 10), "<0x0A>");
  EXPECT_TRUE(tokenizer->IsSpecial(302));
  EXPECT_FALSE(tokenizer->IsSpecial(303));
}

TEST(Tokenizer, TruncationAndPaddingDoNotApply) {
  json file = FullJson();
  file["truncation"] = {{"max_length", 1}};
  file["padding"] = {{"pad_id", 0}};
  EXPECT_THAT(Encode(*Load(file), "ab ab"), ElementsAre(302, 301, 301));
}

TEST(Tokenizer, EmptyVocabulary) {
  json file = TinyJson();
  file["model"] = {{"type", "BPE"}, {"vocab", json::object()}, {"merges", json::array()}};
  const auto tokenizer = Load(file);
  EXPECT_EQ(tokenizer->vocab_size(), 0);
  EXPECT_EQ(Encode(*tokenizer, "abc"), Ids());
}

TEST(Tokenizer, Errors) {
  const auto error = [](const char* pointer, const json& value) {
    json file = FullJson();
    file[json::json_pointer(pointer)] = value;
    return LoadStatus(file).message();
  };
  EXPECT_EQ(error("/version", "2.0"), "tokenizer.json: \"version\" must be \"1.0\", found \"2.0\"");
  EXPECT_EQ(error("/spell", 3), "tokenizer.json: field \"spell\" is not supported, found 3");
  EXPECT_THAT(error("/pre_tokenizer", {{"type", "Blender"}}),
              HasSubstr("pre_tokenizer: type \"Blender\" is not supported"));
  EXPECT_THAT(error("/post_processor/special_tokens/<s>/ids/0", 304),
              HasSubstr("must have ids of the vocabulary, found 304"));
  EXPECT_THAT(error("/post_processor/special_tokens/<s>/ids/0", int64_t{1} << 32),
              HasSubstr("must have ids of the vocabulary"));
  EXPECT_EQ(error("/model", nullptr), "tokenizer.json: model must be an object, found null");
  EXPECT_EQ(LoadStatus(json::array()).message(), "tokenizer.json must be an object, found []");
  EXPECT_EQ(LoadStatus(json::object()).message(), "tokenizer.json: \"model\" is missing");
  EXPECT_FALSE(Tokenizer::FromJson("", "tokenizer.json").ok());
  EXPECT_FALSE(Tokenizer::FromJson("{\"model\":", "tokenizer.json").ok());
}

}  // namespace
}  // namespace moiety
