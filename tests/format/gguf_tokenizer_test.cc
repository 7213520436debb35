#include "format/gguf_tokenizer.h"

#include <gmock/gmock.h>

#include <map>

#include "io/mapped_file.h"
#include "support/gguf_bytes.h"
#include "support/paths.h"
#include "tokenize/reference_cases.h"

namespace moiety {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Strings = std::vector<std::string>;

constexpr int32_t kNormal = 1;
constexpr int32_t kUnknown = 2;
constexpr int32_t kControl = 3;
constexpr int32_t kUserDefined = 4;
constexpr int32_t kUnused = 5;
constexpr int32_t kByte = 6;

Result<GgufTokenizer> ReadTokenizer(const std::string& file) {
  MOIETY_ASSIGN_OR_RETURN(const GgufHeader header,
                          ParseGgufHeader(std::as_bytes(std::span(file)), "a.gguf"));
  return ReadGgufTokenizer(header, "a.gguf");
}

std::string Error(const std::string& file) {
  const auto tokenizer = ReadTokenizer(file);
  if (!tokenizer.ok()) return tokenizer.status().message();
  const auto built = Tokenizer::FromDocument(tokenizer->document, "a.gguf");
  return built.ok() ? "ok" : built.status().message();
}

std::unique_ptr<const Tokenizer> Build(const Result<GgufTokenizer>& tokenizer) {
  if (!tokenizer.ok()) {
    ADD_FAILURE() << tokenizer.status().message();
    return nullptr;
  }
  auto built = Tokenizer::FromDocument(tokenizer->document, "a.gguf");
  if (!built.ok()) {
    ADD_FAILURE() << built.status().message();
    return nullptr;
  }
  return *std::move(built);
}

// --- Conversion of the tokenizers that have reference ids

// The token types and texts of a tokenizer.json. `byte` tokens are spelled "<0x0A>".
struct TokenLists {
  Strings texts;
  std::vector<int32_t> types;
};
TokenLists ListTokens(const json& file) {
  std::map<int64_t, std::pair<std::string, int32_t>> by_id;
  const json& model = file["model"];
  const bool unigram = model["type"] == "Unigram";
  for (const auto& [key, value] : model["vocab"].items()) {
    const std::string text = unigram ? value[0].get<std::string>() : key;
    const int64_t id = unigram ? std::stoll(key) : value.get<int64_t>();
    const bool is_byte = text.size() == 6 && text.starts_with("<0x");
    by_id[id] = {text, is_byte ? kByte : kNormal};
  }
  for (const json& token : file["added_tokens"]) {
    const std::string text = token["content"];
    const bool unknown = text == "<unk>";
    by_id[token["id"]] = {text, unknown                        ? kUnknown
                                : token["special"].get<bool>() ? kControl
                                                               : kUserDefined};
  }
  TokenLists lists;
  for (const auto& [id, token] : by_id) {
    while (static_cast<int64_t>(lists.texts.size()) < id) {
      lists.texts.push_back("[PAD" + std::to_string(lists.texts.size()) + "]");
      lists.types.push_back(kUnused);
    }
    lists.texts.push_back(token.first);
    lists.types.push_back(token.second);
  }
  return lists;
}

Strings MergesOf(const json& model) {
  Strings merges;
  for (const json& merge : model["merges"]) {
    merges.push_back(merge.is_string()
                         ? merge.get<std::string>()
                         : merge[0].get<std::string>() + " " + merge[1].get<std::string>());
  }
  return merges;
}

// A piece is the better the earlier a merge makes it; added tokens have the score that llama.cpp's
// converter gives them.
std::vector<float> ScoresOf(const json& model, const TokenLists& lists) {
  std::map<std::string, float> scores;
  if (model["type"] == "Unigram") {
    for (const json& entry : model["vocab"]) {
      scores[entry[0]] = static_cast<float>(entry[1].get<double>());
    }
  } else {
    float rank = 0;
    for (std::string merge : MergesOf(model)) {
      scores.emplace(merge.erase(merge.find(' '), 1), rank--);
    }
  }
  std::vector<float> list;
  for (size_t id = 0; id < lists.texts.size(); ++id) {
    const auto it = scores.find(lists.texts[id]);
    const bool added = lists.types[id] != kNormal;
    list.push_back(added || it == scores.end() ? -1000.0F : it->second);
  }
  return list;
}

// What llama.cpp's converter would write for a tokenizer of ../shared.
PairBytes Convert(const fs::path& folder, const char* kind, const char* pre) {
  const json file = json::parse(ReadWhole(folder / "tokenizer.json"));
  const json config = json::parse(ReadWhole(folder / "tokenizer_config.json"));
  const TokenLists lists = ListTokens(file);
  PairBytes pairs;
  pairs.Set("tokenizer.ggml.model", kind).Set("tokenizer.ggml.pre", pre);
  pairs.Set("tokenizer.ggml.tokens", lists.texts).Set("tokenizer.ggml.token_type", lists.types);
  if (std::string_view(kind) == "gpt2") {
    pairs.Set("tokenizer.ggml.merges", MergesOf(file["model"]));
  } else {
    pairs.Set("tokenizer.ggml.scores", ScoresOf(file["model"], lists));
  }
  const std::map<std::string, std::string> ids = {{"bos_token", "bos"},
                                                  {"eos_token", "eos"},
                                                  {"unk_token", "unknown"},
                                                  {"pad_token", "padding"}};
  for (const auto& [field, name] : ids) {
    const auto token = std::find(lists.texts.begin(), lists.texts.end(),
                                 config.contains(field) && config[field].is_string()
                                     ? config[field].get<std::string>()
                                     : "(none)");
    if (token == lists.texts.end()) continue;
    pairs.Set("tokenizer.ggml." + name + "_token_id",
              static_cast<uint32_t>(token - lists.texts.begin()));
  }
  for (const char* field : {"add_bos_token", "add_eos_token"}) {
    if (config.contains(field)) {
      pairs.Set(std::string("tokenizer.ggml.") + field, config[field].get<bool>());
    }
  }
  if (config.contains("chat_template")) {
    pairs.Set("tokenizer.chat_template", config["chat_template"].get<std::string>());
  }
  return pairs;
}

std::vector<uint8_t> FromBase64(const std::string& text) {
  const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::vector<uint8_t> bytes;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    if (c == '=') break;
    bits = bits << 6 | static_cast<uint32_t>(digits.find(c));
    count += 6;
    if (count >= 8) bytes.push_back(static_cast<uint8_t>(bits >> (count -= 8)));
  }
  return bytes;
}

struct Conversion {
  const char* folder;
  const char* kind;
  const char* pre;
};
class GgufTokenizerConformance : public testing::TestWithParam<Conversion> {};

TEST_P(GgufTokenizerConformance, SameIdsAndTexts) {
  if (!HasShared()) GTEST_SKIP() << kNoShared;
  const auto& [name, kind, pre] = GetParam();
  const fs::path folder = SharedPath("conformance/tokenizers") / name;
  PairBytes pairs = Convert(folder, kind, pre);
  if (std::string_view(kind) == "t5") {
    const json file = json::parse(ReadWhole(folder / "tokenizer.json"));
    pairs.Set("tokenizer.ggml.precompiled_charsmap",
              FromBase64(file["normalizer"]["precompiled_charsmap"]));
    pairs.Set("tokenizer.ggml.add_space_prefix", true);
    pairs.Set("tokenizer.ggml.remove_extra_whitespaces", true);
  }
  const auto read = ReadTokenizer(pairs.File());
  const auto tokenizer = Build(read);
  ASSERT_NE(tokenizer, nullptr);
  ExpectEqualsCases(tokenizer.get(), folder);

  const json config = json::parse(ReadWhole(folder / "tokenizer_config.json"));
  for (const char* field : {"bos_token", "eos_token", "chat_template"}) {
    if (!config.contains(field) || config[field].is_null()) continue;
    EXPECT_EQ(read->config[field].get<std::string>(), config[field].get<std::string>()) << field;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, GgufTokenizerConformance,
    testing::Values(Conversion{"llama_bpe", "llama", "default"},
                    Conversion{"qwen2", "gpt2", "qwen2"}, Conversion{"gpt2", "gpt2", "gpt-2"},
                    Conversion{"deepseek_v2", "gpt2", "deepseek-llm"},
                    Conversion{"deepseek_v3", "gpt2", "deepseek-v3"},
                    Conversion{"o200k", "gpt2", "gpt-4o"}, Conversion{"unigram_t5", "t5", ""}),
    [](const auto& conversion) { return std::string(conversion.param.folder); });

// Files that another program wrote.
class GgufModelTokenizer : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(GgufModelTokenizer, SameIdsAndTexts) {
  if (!HasShared()) GTEST_SKIP() << kNoShared;
  const auto& [model, kind] = GetParam();
  const fs::path folder = SharedPath("conformance/gguf") / model;
  const auto file = MappedFile::Open(folder / "model.gguf");
  ASSERT_TRUE(file.ok());
  const auto header = ParseGgufHeader((*file)->bytes(), "a.gguf");
  ASSERT_TRUE(header.ok());
  const auto read = ReadGgufTokenizer(*header, "a.gguf");
  const auto tokenizer = Build(read);
  ASSERT_NE(tokenizer, nullptr);
  ExpectEqualsCases(tokenizer.get(), SharedPath("conformance/tokenizers") / kind);

  const json golden = json::parse(ReadWhole(folder / "golden.json"));
  int num_texts = 0;
  for (const json& prompt : golden["prompts"]) {
    if (!prompt.contains("text")) continue;
    ++num_texts;
    EXPECT_EQ(Encode(*tokenizer, prompt["text"].get<std::string>()),
              prompt["input_ids"].get<Ids>());
    EXPECT_EQ(tokenizer->Decode(prompt["greedy_ids"].get<Ids>()), prompt["greedy_text"]);
  }
  EXPECT_EQ(num_texts, 2);
  EXPECT_TRUE(read->config["chat_template"].is_string());
  if (std::string_view(kind) == "llama_bpe") {
    const json published =
        json::parse(ReadWhole(SharedPath("conformance/tokenizers") / kind / "tokenizer.json"));
    // Merges with the same result stand in the order of their parts' lengths, which no text sees.
    EXPECT_THAT(MergesOf(read->document["model"]),
                testing::UnorderedElementsAreArray(MergesOf(published["model"])));
    EXPECT_EQ(read->document["normalizer"], published["normalizer"]);
    EXPECT_EQ(read->document["decoder"], published["decoder"]);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GgufModelTokenizer,
                         testing::Values(std::pair("deepseek2_q5_k_m", "deepseek_v3"),
                                         std::pair("mixtral_q4_k_m", "llama_bpe"),
                                         std::pair("qwen3moe_q3_k_m", "qwen2")),
                         [](const auto& pair) { return std::string(pair.param.first); });

// --- Small ones by hand

PairBytes BytePairs() {
  PairBytes pairs;
  pairs.Set("tokenizer.ggml.model", "gpt2").Set("tokenizer.ggml.pre", "gpt-2");
  pairs.Set("tokenizer.ggml.tokens",
            Strings{"a", "b", "ab", "Ġ", "<s>", "<n>", "[PAD6]", "#", "##"});
  pairs.Set("tokenizer.ggml.token_type",
            std::vector<int32_t>{1, 1, 1, 1, kControl, kUserDefined, kUnused, 1, 1});
  pairs.Set("tokenizer.ggml.merges", Strings{"# #", "a b"});
  pairs.Set("tokenizer.ggml.bos_token_id", 4U).Set("tokenizer.ggml.eos_token_id", 4U);
  return pairs;
}

PairBytes PiecePairs() {
  PairBytes pairs;
  pairs.Set("tokenizer.ggml.model", "llama");
  pairs.Set("tokenizer.ggml.tokens", Strings{"<unk>", "<s>", "</s>", "<0x61>", "a", "b", "▁", "ab",
                                             "▁ab", "bab", "[PAD10]"});
  pairs.Set("tokenizer.ggml.token_type",
            std::vector<int32_t>{kUnknown, kControl, kControl, kByte, 1, 1, 1, 1, 1, 1, kUnused});
  pairs.Set("tokenizer.ggml.scores", std::vector<float>{0, 0, 0, 0, -9, -9, -9, -1, -2, -1, -1000});
  return pairs;
}

PairBytes UnigramPairs() {
  PairBytes pairs;
  pairs.Set("tokenizer.ggml.model", "t5");
  pairs.Set("tokenizer.ggml.tokens",
            Strings{"<pad>", "</s>", "<unk>", "▁", "a", "[PAD5]", "▁a", "<extra>", "[PAD8]"});
  pairs.Set("tokenizer.ggml.token_type", std::vector<int32_t>{kControl, kControl, kUnknown, 1, 1,
                                                              kUnused, 1, kControl, kUnused});
  pairs.Set("tokenizer.ggml.scores", std::vector<float>{0, 0, 0, -3, -4, -10000, -2, -1000, -1000});
  return pairs;
}

TEST(GgufTokenizer, ByteLevel) {
  const auto read = ReadTokenizer(BytePairs().File());
  const auto tokenizer = Build(read);
  ASSERT_NE(tokenizer, nullptr);
  EXPECT_THAT(Encode(*tokenizer, "ab<s>a<n>b"), ElementsAre(2, 4, 0, 5, 1));
  EXPECT_THAT(Encode(*tokenizer, "##"), ElementsAre(8));
  EXPECT_EQ(tokenizer->Decode(Ids{2, 3, 4, 5, 6, 0}), "ab <n>a");
  EXPECT_TRUE(tokenizer->IsSpecial(4));
  EXPECT_FALSE(tokenizer->IsSpecial(5));
  EXPECT_EQ(tokenizer->Piece(6), "");  // a filler
  EXPECT_EQ(read->config.dump(),
            R"({"bos_token":"<s>","eos_token":"<s>","add_bos_token":false,"add_eos_token":false})");
  EXPECT_THAT(read->stop_ids, ElementsAre(4));
}

TEST(GgufTokenizer, TokensAroundTheText) {
  PairBytes pairs = BytePairs();
  const auto ids = [&] {
    const auto tokenizer = Build(ReadTokenizer(pairs.File()));
    return tokenizer == nullptr ? Ids{-1} : Encode(*tokenizer, "ab");
  };
  EXPECT_THAT(ids(), ElementsAre(2));
  pairs.Set("tokenizer.ggml.add_eos_token", true);
  EXPECT_THAT(ids(), ElementsAre(2, 4));
  pairs.Set("tokenizer.ggml.pre", "llama-bpe");
  EXPECT_THAT(ids(), ElementsAre(4, 2, 4));
  pairs.Set("tokenizer.ggml.add_bos_token", false);
  EXPECT_THAT(ids(), ElementsAre(2, 4));
  pairs.Erase("tokenizer.ggml.eos_token_id");
  EXPECT_EQ(Error(pairs.File()),
            "a.gguf: texts are to have the eos token, but tokenizer.ggml.eos_token_id is missing");
}

TEST(GgufTokenizer, SentencePiece) {
  PairBytes pairs = PiecePairs();
  const auto read = ReadTokenizer(pairs.File());
  const auto tokenizer = Build(read);
  ASSERT_NE(tokenizer, nullptr);
  // By score; of one score those with longer parts.
  EXPECT_EQ(read->document["model"]["merges"].dump(), R"([["b","ab"],["a","b"],["▁","ab"]])");
  EXPECT_THAT(Encode(*tokenizer, "ab ab"), ElementsAre(1, 8, 8));
  EXPECT_EQ(tokenizer->Decode(Ids{1, 8, 8, 3}), "ab aba");
  EXPECT_THAT(Encode(*tokenizer, "a  z"), ElementsAre(1, 6, 4, 6, 6, 0));
  EXPECT_EQ(read->config.dump(), R"({"bos_token":"<s>","eos_token":"</s>","unk_token":"<unk>",)"
                                 R"("add_bos_token":true,"add_eos_token":false})");
  EXPECT_THAT(read->stop_ids, ElementsAre(2));

  pairs.Set("tokenizer.ggml.add_space_prefix", false);
  pairs.Set("tokenizer.ggml.remove_extra_whitespaces", true);
  const auto bare = Build(ReadTokenizer(pairs.File()));
  ASSERT_NE(bare, nullptr);
  EXPECT_THAT(Encode(*bare, " ab  ab "), ElementsAre(1, 7, 8));
  EXPECT_EQ(bare->Decode(Ids{8, 7}), " abab");
}

TEST(GgufTokenizer, Unigram) {
  PairBytes pairs = UnigramPairs();
  const auto read = ReadTokenizer(pairs.File());
  const auto tokenizer = Build(read);
  ASSERT_NE(tokenizer, nullptr);
  EXPECT_EQ(read->document["model"]["vocab"].dump(),
            R"([["<pad>",0.0],["</s>",0.0],["<unk>",0.0],["▁",-3.0],["a",-4.0],["[PAD5]",-4.0],)"
            R"(["▁a",-2.0],["<extra>",0.0]])");
  EXPECT_THAT(Encode(*tokenizer, "a a<extra>z"), ElementsAre(4, 6, 7, 2, 1));
  pairs.Set("tokenizer.ggml.add_space_prefix", true);
  EXPECT_THAT(Encode(*Build(ReadTokenizer(pairs.File())), "a  a"), ElementsAre(6, 3, 6, 1));
  pairs.Set("tokenizer.ggml.remove_extra_whitespaces", true);
  EXPECT_THAT(Encode(*Build(ReadTokenizer(pairs.File())), " a  a "), ElementsAre(6, 6, 1));
  pairs.Set("tokenizer.ggml.add_space_prefix", false);
  EXPECT_THAT(Encode(*Build(ReadTokenizer(pairs.File())), " a  a "), ElementsAre(4, 6, 1));
}

TEST(GgufTokenizer, StopIds) {
  PairBytes pairs = BytePairs();
  EXPECT_THAT(ReadTokenizer(pairs.File())->stop_ids, ElementsAre(4));
  pairs.Set("tokenizer.ggml.eot_token_id", 5U).Set("tokenizer.ggml.eom_token_id", 4U);
  EXPECT_THAT(ReadTokenizer(pairs.File())->stop_ids, ElementsAre(4, 5));
  pairs.Erase("tokenizer.ggml.eos_token_id").Erase("tokenizer.ggml.eot_token_id");
  pairs.Erase("tokenizer.ggml.eom_token_id");
  EXPECT_THAT(ReadTokenizer(pairs.File())->stop_ids, IsEmpty());
  // By name, where they are control tokens.
  const std::vector<int32_t> types = {1, 1, 1, 1, kControl, kControl, kControl, kControl, 1};
  pairs.Set("tokenizer.ggml.token_type", types);
  pairs.Set("tokenizer.ggml.tokens",
            Strings{"a", "b", "ab", "Ġ", "<|end|>", "<|im_end|>", "c", "#", "<|eot_id|>"});
  pairs.Set("tokenizer.ggml.merges", Strings{"a b"});
  EXPECT_THAT(ReadTokenizer(pairs.File())->stop_ids, ElementsAre(5, 4));
  pairs.Set("tokenizer.ggml.tokens",
            Strings{"a", "b", "ab", "Ġ", "<|end|>", "<|im_end|>", "<|return|>", "#", "##"});
  EXPECT_THAT(ReadTokenizer(pairs.File())->stop_ids, ElementsAre(5));
}

TEST(GgufTokenizer, ChatTemplates) {
  PairBytes pairs = BytePairs();
  EXPECT_FALSE(ReadTokenizer(pairs.File())->config.contains("chat_template"));
  pairs.Set("tokenizer.chat_template", "{{ bos_token }}");
  EXPECT_EQ(ReadTokenizer(pairs.File())->config["chat_template"], "{{ bos_token }}");
  pairs.Set("tokenizer.chat_templates", Strings{"tools"});
  EXPECT_EQ(Error(pairs.File()), "a.gguf: tokenizer.chat_template.tools is missing");
  pairs.Set("tokenizer.chat_template.tools", "{{ tools }}");
  EXPECT_EQ(ReadTokenizer(pairs.File())->config["chat_template"].dump(),
            R"([{"name":"default","template":"{{ bos_token }}"},)"
            R"({"name":"tools","template":"{{ tools }}"}])");
  pairs.Set("tokenizer.chat_template", "\xFF");
  EXPECT_THAT(Error(pairs.File()), HasSubstr("tokenizer.chat_template: expected UTF-8, found"));
}

TEST(GgufTokenizer, MetadataThatCannotBe) {
  const auto bytes = [](const std::string& key, const auto& value) {
    return Error(BytePairs().Set("tokenizer." + key, value).File());
  };
  const auto pieces = [](const std::string& key, const auto& value) {
    return Error(PiecePairs().Set("tokenizer." + key, value).File());
  };
  const auto without = [](PairBytes pairs, const std::string& key) {
    return Error(pairs.Erase("tokenizer.ggml." + key).File());
  };
  EXPECT_EQ(without(BytePairs(), "model"), "a.gguf: tokenizer.ggml.model is missing");
  EXPECT_EQ(bytes("ggml.model", "gears"),
            "a.gguf: tokenizer.ggml.model is \"gears\", which is not one of the supported gpt2, "
            "llama, t5");
  EXPECT_EQ(bytes("ggml.model", 3U), "a.gguf: tokenizer.ggml.model: expected a string, found u32");
  EXPECT_EQ(bytes("ggml.pre", "\xFFgears"),
            "a.gguf: tokenizer.ggml.pre: the pre-tokenizer \"\uFFFDgears\" is not known");
  EXPECT_THAT(without(BytePairs(), "pre"), HasSubstr("a.gguf: tokenizer.ggml.pre is missing"));
  EXPECT_EQ(without(BytePairs(), "tokens"), "a.gguf: tokenizer.ggml.tokens is missing");
  EXPECT_EQ(bytes("ggml.tokens", Strings{}), "a.gguf: tokenizer.ggml.tokens is empty");
  EXPECT_EQ(bytes("ggml.tokens", std::vector<int32_t>{1}),
            "a.gguf: tokenizer.ggml.tokens: expected a list of strings, found a list of i32");
  EXPECT_EQ(bytes("ggml.tokens", Strings{"a"}),
            "a.gguf: tokenizer.ggml.token_type: expected 1 elements, one for each token, found 9");
  EXPECT_EQ(without(BytePairs(), "token_type"), "a.gguf: tokenizer.ggml.token_type is missing");
  EXPECT_EQ(bytes("ggml.token_type", std::vector<float>{1}),
            "a.gguf: tokenizer.ggml.token_type: expected a list of integers, found a list of f32");
  EXPECT_EQ(bytes("ggml.token_type", std::vector<int32_t>{1, 1, 1, 1, 1, 1, 1, 1, 7}),
            "a.gguf: tokenizer.ggml.token_type[8]: expected a type from 1 to 6, found 7");
  EXPECT_EQ(bytes("ggml.tokens", Strings{"a", "b", "ab", "Ġ", "<s>", "<n>", "b", "#", "##"}),
            "a.gguf: tokenizer.ggml.tokens[6]: \"b\" is token 1 already");
  EXPECT_EQ(bytes("ggml.tokens", Strings{"a", "b", "ab", "Ġ", "<s>", "<n>", "\xC3", "#", "##"}),
            "a.gguf: tokenizer.ggml.tokens[6]: expected UTF-8, found \"\uFFFD\"");
  EXPECT_EQ(without(BytePairs(), "merges"), "a.gguf: tokenizer.ggml.merges is missing");
  EXPECT_EQ(bytes("ggml.merges", Strings{"a b", " b"}),
            "a.gguf: tokenizer.ggml.merges[1]: expected two pieces and a space between, found "
            "\" b\"");
  EXPECT_THAT(bytes("ggml.merges", Strings{"b b"}), HasSubstr("must result in a token"));
  EXPECT_THAT(bytes("ggml.merges", Strings{"a c"}), HasSubstr("\"merges\"[0]"));
  EXPECT_EQ(
      bytes("ggml.bos_token_id", 9U),
      "a.gguf: tokenizer.ggml.bos_token_id: expected the id of a token, found 9; there are 9");
  EXPECT_THAT(bytes("ggml.eos_token_id", 6U), HasSubstr("expected the id of a token, found 6"));
  EXPECT_THAT(bytes("ggml.eot_token_id", 4294967295U), HasSubstr("found 4294967295"));
  EXPECT_EQ(bytes("ggml.padding_token_id", 4294967295U), "ok");
  EXPECT_EQ(bytes("ggml.add_bos_token", 1U),
            "a.gguf: tokenizer.ggml.add_bos_token: expected true or false, found u32");
  EXPECT_EQ(without(PiecePairs(), "scores"), "a.gguf: tokenizer.ggml.scores is missing");
  EXPECT_EQ(pieces("ggml.scores", std::vector<float>{1, 2}),
            "a.gguf: tokenizer.ggml.scores: expected 11 elements, one for each token, found 2");
  EXPECT_THAT(pieces("ggml.scores", std::vector<float>{0, 0, NAN, 0, 0, 0, 0, 0, 0, 0, 0}),
              HasSubstr("tokenizer.ggml.scores[2]: expected a number, found"));
  EXPECT_EQ(pieces("ggml.tokens", Strings{"<unk>", "<s>", "</s>", "<0x61>", std::string(1025, 'a'),
                                          "b", "▁", "ab", "▁ab", "bab", "[PAD10]"}),
            "a.gguf: tokenizer.ggml.tokens[4] has 1025 bytes; pieces of up to 1024 are supported");
  EXPECT_EQ(Error(UnigramPairs().Set("tokenizer.ggml.precompiled_charsmap", "map").File()),
            "a.gguf: tokenizer.ggml.precompiled_charsmap: expected a list of integers, found "
            "string");
  EXPECT_THAT(Error(UnigramPairs()
                        .Set("tokenizer.ggml.precompiled_charsmap", std::vector<int32_t>{1})
                        .File()),
              HasSubstr("precompiled_charsmap: expected bytes, found i32"));
  EXPECT_THAT(Error(UnigramPairs()
                        .Set("tokenizer.ggml.precompiled_charsmap", std::vector<uint8_t>{1, 2})
                        .File()),
              HasSubstr("precompiled_charsmap"));
}

TEST(GgufTokenizer, AsManyTokensAsTheEmbeddingHasRows) {
  const auto error = [](uint64_t rows) {
    GgufBytes tensor;
    AddTensor(tensor, "token_embd.weight", {4, rows}, 0, 0);
    // The data begin at the next multiple of 32, wherever that is.
    std::string file = BytePairs().File(1, tensor.text());
    file.append(4 * rows * sizeof(float), '\0');
    return Error(file);
  };
  EXPECT_EQ(error(9), "ok");
  EXPECT_EQ(error(8),
            "a.gguf: tokenizer.ggml.tokens has 9 elements, but token_embd.weight has 8 rows");
}

}  // namespace
}  // namespace moiety
