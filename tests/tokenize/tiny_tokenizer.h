// Tokenizers small enough to work out by hand.
#ifndef MOIETY_TESTS_TOKENIZE_TINY_TOKENIZER_H_
#define MOIETY_TESTS_TOKENIZE_TINY_TOKENIZER_H_

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "tokenize/component.h"
#include "tokenize/tokenizer.h"

namespace moiety {

using Ids = std::vector<int32_t>;

// Ids 0 … 5 are "<unk>", "a", "b", "c", "ab", "abc"; nothing else in the pipeline.
inline nlohmann::json TinyJson() {
  return nlohmann::json::parse(R"({
    "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
    "pre_tokenizer": null, "post_processor": null, "decoder": {"type": "Fuse"},
    "model": {"type": "BPE", "vocab": {"<unk>": 0, "a": 1, "b": 2, "c": 3, "ab": 4, "abc": 5},
              "merges": [["a", "b"], ["ab", "c"]], "unk_token": "<unk>"}})");
}

inline nlohmann::json AddedTokenJson(int64_t id, const std::string& content) {
  return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", true}};
}

inline Status LoadStatus(const nlohmann::json& json) {
  return Tokenizer::FromJson(json.dump(), "tokenizer.json").status();
}

// Null after a test failure.
inline std::unique_ptr<const Tokenizer> Load(const std::string& json) {
  auto tokenizer = Tokenizer::FromJson(json, "tokenizer.json");
  if (!tokenizer.ok()) {
    ADD_FAILURE() << tokenizer.status().message();
    return nullptr;
  }
  return *std::move(tokenizer);
}
inline std::unique_ptr<const Tokenizer> Load(const nlohmann::json& json) {
  return Load(json.dump());
}

// Empty after a test failure.
inline Ids Encode(const Tokenizer& tokenizer, std::string_view text, bool add_special = true) {
  auto ids = tokenizer.Encode(text, add_special);
  EXPECT_TRUE(ids.ok()) << ids.status().message();
  return ids.ok() ? *std::move(ids) : Ids();
}

// A tokenizer.json with the six of TinyJson() and byte tokens: byte b has the id 6 + b.
inline nlohmann::json ByteFallbackJson() {
  nlohmann::json json = TinyJson();
  const char* digits = "0123456789ABCDEF";
  for (int b = 0; b < 256; ++b) {
    json["model"]["vocab"][std::string("<0x") + digits[b / 16] + digits[b % 16] + ">"] = 6 + b;
  }
  json["model"]["byte_fallback"] = true;
  json["decoder"] = nlohmann::json::parse(
      R"({"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]})");
  return json;
}

inline std::filesystem::path SharedFolder() {
  return std::filesystem::path(MOIETY_SOURCE_DIR) / ".." / "shared";
}

}  // namespace moiety

#endif  // MOIETY_TESTS_TOKENIZE_TINY_TOKENIZER_H_
