#include "format/gguf_tokenizer_writer.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "format/gguf_tokenizer.h"
#include "io/mapped_file.h"
#include "support/paths.h"
#include "support/scratch_folder.h"
#include "tokenize/tokenizer.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

json JsonFrom(const std::filesystem::path& path) { return json::parse(*ReadFile(path, 1 << 24)); }

// A tokenizer to be changed, and its metadata.
struct Case {
  json document;
  json config = json::object();
  GenerationConfig generation;
  std::string chat_template;
  int64_t vocab_size = 0;
  GgufPairs metadata;

  Status Add() {
    metadata = {};
    return AddGgufTokenizer({document, config, generation, chat_template, "t.json"}, vocab_size,
                            metadata);
  }
  GgufValue Value(const std::string& key) const {
    for (const auto& pair : metadata.pairs()) {
      if (pair.key == key) {
        return {pair.type, pair.element, pair.count, std::as_bytes(std::span(pair.bytes))};
      }
    }
    ADD_FAILURE() << "there is no " << key;
    return {GgufType::kU8, GgufType::kU8, 0, {}};
  }
};

Case Conformance(const std::string& kind, int64_t vocab_size) {
  const auto folder = SharedPath("conformance/tokenizers/" + kind);
  Case tokenizer;
  tokenizer.document = JsonFrom(folder / "tokenizer.json");
  tokenizer.config = JsonFrom(folder / "tokenizer_config.json");
  tokenizer.vocab_size = vocab_size;
  return tokenizer;
}

TEST(GgufTokenizerWriter, ByteLevelKindsAndTheirNames) {
  if (!HasShared()) GTEST_SKIP() << kNoShared;
  for (const auto& [kind, pre] :
       {std::pair{"gpt2", "gpt-2"}, std::pair{"qwen2", "qwen2"}, std::pair{"o200k", "gpt-4o"},
        std::pair{"deepseek_v2", "deepseek-llm"}, std::pair{"deepseek_v3", "deepseek-v3"}}) {
    SCOPED_TRACE(kind);
    Case tokenizer = Conformance(kind, 800);
    const Status status = tokenizer.Add();
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(tokenizer.Value("tokenizer.ggml.model").String(), "gpt2");
    EXPECT_EQ(tokenizer.Value("tokenizer.ggml.pre").String(), pre);
    EXPECT_EQ(tokenizer.Value("tokenizer.ggml.merges").count,
              tokenizer.document["model"]["merges"].size());
    const GgufValue tokens = tokenizer.Value("tokenizer.ggml.tokens");
    const auto types = *tokenizer.Value("tokenizer.ggml.token_type").Integers();
    const auto texts = *tokens.Strings();
    ASSERT_EQ(texts.size(), 800U);
    EXPECT_EQ(texts[799], "[PAD799]");
    EXPECT_EQ(types[799], 5);
    for (const auto& [text, id] : tokenizer.document["model"]["vocab"].items()) {
      EXPECT_EQ(texts[id.get<size_t>()], text);
      EXPECT_EQ(types[id.get<size_t>()], 1);
    }
    for (const json& added : tokenizer.document["added_tokens"]) {
      EXPECT_EQ(texts[added["id"].get<size_t>()], added["content"].get<std::string>());
      EXPECT_EQ(types[added["id"].get<size_t>()], added["special"].get<bool>() ? 3 : 4);
    }
    EXPECT_FALSE(tokenizer.metadata.Contains("tokenizer.ggml.scores"));
    EXPECT_EQ(tokenizer.Value("tokenizer.chat_template").String(),
              tokenizer.config["chat_template"].get<std::string>());
  }
}

TEST(GgufTokenizerWriter, SpecialIds) {
  if (!HasShared()) GTEST_SKIP() << kNoShared;
  Case tokenizer = Conformance("deepseek_v3", 728);
  tokenizer.generation.eos_token_ids = {722, 721, 724};
  ASSERT_TRUE(tokenizer.Add().ok());
  EXPECT_EQ(tokenizer.Value("tokenizer.ggml.bos_token_id").Integer(), 720);
  EXPECT_EQ(tokenizer.Value("tokenizer.ggml.eos_token_id").Integer(), 721);
  EXPECT_EQ(tokenizer.Value("tokenizer.ggml.eot_token_id").Integer(), 722);
  EXPECT_EQ(tokenizer.Value("tokenizer.ggml.eom_token_id").Integer(), 724);
  EXPECT_EQ(tokenizer.Value("tokenizer.ggml.padding_token_id").Integer(), 721);
  EXPECT_EQ(tokenizer.Value("tokenizer.ggml.add_bos_token").Bool(), true);
  EXPECT_EQ(tokenizer.Value("tokenizer.ggml.add_eos_token").Bool(), false);
  tokenizer.generation.eos_token_ids = {722, 721, 724, 725};
  EXPECT_THAT(tokenizer.Add().message(), HasSubstr("4 tokens end a text"));
  tokenizer.generation.eos_token_ids = {728};
  EXPECT_THAT(tokenizer.Add().message(), HasSubstr("token id 728 is not below 728"));
}

// What llama.cpp's converter made of sentencepiece's own file for this tokenizer.
TEST(GgufTokenizerWriter, ScoresOfSentencepiece) {
  if (!HasShared()) GTEST_SKIP() << kNoShared;
  Case tokenizer = Conformance("llama_bpe", 860);
  const Status status = tokenizer.Add();
  ASSERT_TRUE(status.ok()) << status.message();
  const auto file = MappedFile::Open(SharedPath("conformance/gguf/mixtral_q4_k_m/model.gguf"));
  ASSERT_TRUE(file.ok());
  const auto header = ParseGgufHeader((*file)->bytes(), "reference");
  ASSERT_TRUE(header.ok());
  for (const auto& [key, expected] : header->metadata) {
    if (!key.starts_with("tokenizer.")) continue;
    const GgufValue found = tokenizer.Value(key);
    EXPECT_EQ(found.type, expected.type) << key;
    EXPECT_EQ(found.element, expected.element) << key;
    ASSERT_EQ(found.count, expected.count) << key;
    if (found.element == GgufType::kF32) {
      EXPECT_EQ(*found.Numbers(), *expected.Numbers()) << key;
    } else {
      EXPECT_TRUE(std::equal(found.bytes.begin(), found.bytes.end(), expected.bytes.begin(),
                             expected.bytes.end()))
          << key;
    }
  }
  EXPECT_EQ(tokenizer.Value("tokenizer.ggml.add_space_prefix").Bool(), true);
  EXPECT_FALSE(tokenizer.metadata.Contains("tokenizer.ggml.merges"));
}

Case TinyByteFallback() {
  Case tokenizer;
  tokenizer.document = json::parse(R"({
      "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
      "added_tokens": [{"id": 0, "content": "<unk>", "special": true},
                       {"id": 7, "content": "<x>", "special": false}],
      "model": {"type": "BPE", "byte_fallback": true, "unk_token": "<unk>",
                "vocab": {"<unk>": 0, "a": 1, "b": 2, "c": 3, "ab": 4, "bc": 5, "abc": 6},
                "merges": ["b c", "a b", "a bc"]}})");
  tokenizer.vocab_size = 9;
  return tokenizer;
}

TEST(GgufTokenizerWriter, MergesThatScoresDoNotSay) {
  Case tokenizer = TinyByteFallback();
  ASSERT_TRUE(tokenizer.Add().ok());
  EXPECT_THAT(*tokenizer.Value("tokenizer.ggml.tokens").Strings(),
              ElementsAre("<unk>", "a", "b", "c", "ab", "bc", "abc", "<x>", "[PAD8]"));
  EXPECT_THAT(*tokenizer.Value("tokenizer.ggml.token_type").Integers(),
              ElementsAre(2, 1, 1, 1, 1, 1, 1, 4, 5));
  EXPECT_THAT(*tokenizer.Value("tokenizer.ggml.scores").Numbers(),
              ElementsAre(0, -3, -4, -5, -1, 0, -2, 0, 0));
  // Scores would also join "ab" and "c".
  EXPECT_THAT(*tokenizer.Value("tokenizer.ggml.merges").Strings(),
              ElementsAre("b c", "a b", "a bc"));
  EXPECT_EQ(tokenizer.Value("tokenizer.ggml.add_space_prefix").Bool(), false);
  tokenizer.document["model"]["merges"] =
      json::parse(R"([["b","c"],["a","b"],["a","bc"],["ab","c"]])");
  EXPECT_EQ(tokenizer.Add().message(), "");
  EXPECT_FALSE(tokenizer.metadata.Contains("tokenizer.ggml.merges"));
  // The order of ways to make one piece matters where they can meet: a|aa|a.
  tokenizer.document["model"]["vocab"] = {{"<unk>", 0}, {"a", 1}, {"aa", 2}, {"aaa", 3}};
  tokenizer.document["model"]["merges"] = {"a a", "aa a", "a aa"};
  EXPECT_EQ(tokenizer.Add().message(), "");
  EXPECT_FALSE(tokenizer.metadata.Contains("tokenizer.ggml.merges"));
  tokenizer.document["model"]["merges"] = {"a a", "a aa", "aa a"};
  EXPECT_EQ(tokenizer.Add().message(), "");
  EXPECT_TRUE(tokenizer.metadata.Contains("tokenizer.ggml.merges"));
}

TEST(GgufTokenizerWriter, Unigram) {
  if (!HasShared()) GTEST_SKIP() << kNoShared;
  Case tokenizer = Conformance("unigram_t5", 770);
  const Status status = tokenizer.Add();
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(tokenizer.Value("tokenizer.ggml.model").String(), "t5");
  const auto scores = *tokenizer.Value("tokenizer.ggml.scores").Numbers();
  EXPECT_EQ(scores[100], tokenizer.document["model"]["vocab"][100][1].get<float>());
  EXPECT_EQ(tokenizer.Value("tokenizer.ggml.precompiled_charsmap").type, GgufType::kArray);
  EXPECT_GT(tokenizer.Value("tokenizer.ggml.precompiled_charsmap").count, 10000U);
  EXPECT_EQ(tokenizer.Value("tokenizer.ggml.remove_extra_whitespaces").Bool(), true);
  EXPECT_EQ(tokenizer.Value("tokenizer.ggml.add_space_prefix").Bool(), true);
  EXPECT_EQ(tokenizer.Value("tokenizer.ggml.unknown_token_id").Integer(), 2);
  EXPECT_EQ(tokenizer.Value("tokenizer.ggml.add_eos_token").Bool(), true);
  EXPECT_EQ((*tokenizer.Value("tokenizer.ggml.token_type").Integers())[2], 2);
}

TEST(GgufTokenizerWriter, ChatTemplates) {
  Case tokenizer = TinyByteFallback();
  tokenizer.config["chat_template"] = json::parse(
      R"([{"name": "default", "template": "D"}, {"name": "tool_use", "template": "T"}])");
  ASSERT_TRUE(tokenizer.Add().ok());
  EXPECT_EQ(tokenizer.Value("tokenizer.chat_template").String(), "D");
  EXPECT_EQ(tokenizer.Value("tokenizer.chat_template.tool_use").String(), "T");
  EXPECT_THAT(*tokenizer.Value("tokenizer.chat_templates").Strings(), ElementsAre("tool_use"));
  tokenizer.chat_template = "F";
  ASSERT_TRUE(tokenizer.Add().ok());
  EXPECT_EQ(tokenizer.Value("tokenizer.chat_template").String(), "F");
}

TEST(GgufTokenizerWriter, WhatCannotBeSaid) {
  const auto message = [](auto change) {
    Case tokenizer = TinyByteFallback();
    change(tokenizer);
    const Status status = tokenizer.Add();
    return status.ok() ? std::string("ok") : status.message();
  };
  EXPECT_THAT(message([](Case& t) { t.document = 1; }), HasSubstr("expected an object"));
  EXPECT_THAT(message([](Case& t) { t.document["model"]["type"] = "WordPiece"; }),
              HasSubstr("\"WordPiece\""));
  EXPECT_THAT(message([](Case& t) { t.document["model"]["byte_fallback"] = false; }),
              HasSubstr("without byte fallback"));
  EXPECT_THAT(message([](Case& t) {
                t.document["normalizer"] = {{"type", "Lowercase"}};
              }),
              HasSubstr("normalizer"));
  EXPECT_THAT(message([](Case& t) {
                t.document["pre_tokenizer"] = {{"type", "Whitespace"}};
              }),
              HasSubstr("pre_tokenizer"));
  EXPECT_THAT(message([](Case& t) { t.document["model"]["vocab"]["d"] = 9; }),
              HasSubstr("expected an id below 9, the rows of the model, found 9"));
  EXPECT_THAT(message([](Case& t) { t.document["model"]["vocab"]["d"] = "1"; }),
              HasSubstr("found \"1\""));
  EXPECT_THAT(message([](Case& t) { t.document["model"]["vocab"] = 1; }), HasSubstr("model.vocab"));
  EXPECT_THAT(message([](Case& t) { t.document["model"]["merges"] = {1}; }),
              HasSubstr("expected two pieces"));
  EXPECT_THAT(message([](Case& t) { t.document["added_tokens"] = {1}; }),
              HasSubstr("added_tokens"));
  EXPECT_THAT(message([](Case& t) {
                t.document["post_processor"] = {{"type", "BertProcessing"}};
              }),
              HasSubstr("post_processor"));
  EXPECT_THAT(message([](Case& t) {
                t.document["post_processor"] = json::parse(
                    R"({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<x>"}},
                {"SpecialToken": {"id": "<unk>"}}, {"Sequence": {"id": "A"}}]})");
              }),
              HasSubstr("puts other tokens around a text"));
  EXPECT_THAT(message([](Case& t) {
                t.document["normalizer"] = nullptr;
                t.document["pre_tokenizer"] = json::parse(
                    R"({"type": "Sequence", "pretokenizers": [{"type": "Split",
                        "pattern": {"Regex": "x"}, "behavior": "Isolated"},
                        {"type": "ByteLevel", "use_regex": false}]})");
              }),
              HasSubstr("has no name that moiety knows"));
}

// Folder to file and back to a document: the same ids for every text of the reference, and the same
// text for the ids.
TEST(GgufTokenizerWriter, TextsAreCutAsBefore) {
  if (!HasShared()) GTEST_SKIP() << kNoShared;
  for (const auto& entry :
       std::filesystem::directory_iterator(SharedPath("conformance/tokenizers"))) {
    const std::string kind = entry.path().filename().string();
    SCOPED_TRACE(kind);
    Case tokenizer = Conformance(kind, 900);
    ASSERT_EQ(tokenizer.Add().message(), "");
    const ScratchFolder folder;
    auto writer = GgufWriter::Create(folder.path() / "t.gguf", tokenizer.metadata, {});
    ASSERT_TRUE(writer.ok()) << writer.status().message();
    ASSERT_TRUE((*std::move(writer)).Finish().ok());
    const auto file = MappedFile::Open(folder.path() / "t.gguf");
    const auto header = ParseGgufHeader((*file)->bytes(), "t.gguf");
    ASSERT_TRUE(header.ok()) << header.status().message();
    const auto read = ReadGgufTokenizer(*header, "t.gguf");
    ASSERT_TRUE(read.ok()) << read.status().message();
    const auto made = Tokenizer::FromDocument(read->document, "t.gguf");
    ASSERT_TRUE(made.ok()) << made.status().message();
    const json cases = JsonFrom(entry.path() / "cases.json");
    ASSERT_FALSE(cases["cases"].empty());
    for (const json& text : cases["cases"]) {
      const auto ids = (*made)->Encode(text["text"].get<std::string>());
      ASSERT_TRUE(ids.ok()) << ids.status().message();
      EXPECT_EQ(*ids, text["ids_special"].get<std::vector<int32_t>>()) << text["text"];
      EXPECT_EQ((*made)->Decode(*ids), text["decoded_skip_special"].get<std::string>())
          << text["text"];
    }
  }
}

}  // namespace
}  // namespace moiety
