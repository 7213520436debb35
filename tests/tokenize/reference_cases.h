// Compares a tokenizer with what the published implementation made of a list of texts and ids.
#ifndef MOIETY_TESTS_TOKENIZE_REFERENCE_CASES_H_
#define MOIETY_TESTS_TOKENIZE_REFERENCE_CASES_H_

#include <string>

#include "io/mapped_file.h"
#include "tiny_tokenizer.h"

namespace moiety {

inline std::string ReadWhole(const std::filesystem::path& path) {
  constexpr uint64_t kMaxBytes = 64 << 20;
  auto text = ReadFile(path, kMaxBytes);
  EXPECT_TRUE(text.ok()) << text.status().message();
  return text.ok() ? *std::move(text) : "";
}

inline std::string FromHex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

// Decodes with a Stream; must be the same as Decode.
inline std::string DecodeInParts(const Tokenizer& tokenizer, const Ids& ids, bool skip_special) {
  Tokenizer::Stream stream(tokenizer, skip_special);
  std::string text;
  for (const int32_t id : ids) text += stream.Next(id);
  return text + stream.Finish();
}

// `folder` has the cases.json of a tokenizer.
inline void ExpectEqualsCases(const Tokenizer* tokenizer, const std::filesystem::path& folder) {
  const nlohmann::json cases = nlohmann::json::parse(ReadWhole(folder / "cases.json"));
  EXPECT_EQ(tokenizer->vocab_size(), cases["vocab_size"]);
  for (const nlohmann::json& one : cases["cases"]) {
    const std::string text = one["text"];
    const Ids ids = one["ids"];
    const Ids ids_special = one["ids_special"];
    EXPECT_EQ(Encode(*tokenizer, text, /*add_special=*/false), ids) << one["text"];
    EXPECT_EQ(Encode(*tokenizer, text), ids_special) << one["text"];
    EXPECT_EQ(tokenizer->Decode(ids, /*skip_special=*/false), one["decoded"]) << one["text"];
    EXPECT_EQ(tokenizer->Decode(ids_special), one["decoded_skip_special"]) << one["text"];
    EXPECT_EQ(DecodeInParts(*tokenizer, ids_special, true), one["decoded_skip_special"]);
  }
  for (const nlohmann::json& one : cases["decode_cases"]) {
    const Ids ids = one["ids"];
    EXPECT_EQ(tokenizer->Decode(ids, /*skip_special=*/false), one["decoded"]) << one["ids"];
    EXPECT_EQ(tokenizer->Decode(ids), one["decoded_skip_special"]) << one["ids"];
    EXPECT_EQ(DecodeInParts(*tokenizer, ids, false), one["decoded"]) << one["ids"];
    EXPECT_EQ(DecodeInParts(*tokenizer, ids, true), one["decoded_skip_special"]) << one["ids"];
  }
  for (const nlohmann::json& one : cases["invalid_utf8"]) {
    const Ids ids = one["ids"];
    EXPECT_EQ(Encode(*tokenizer, FromHex(one["hex"]), /*add_special=*/false), ids) << one["hex"];
  }
}

// `folder` has a tokenizer.json and its cases.json.
inline void ExpectEqualsReference(const std::filesystem::path& folder) {
  const auto tokenizer = Load(ReadWhole(folder / "tokenizer.json"));
  ASSERT_NE(tokenizer, nullptr);
  ExpectEqualsCases(tokenizer.get(), folder);
}

}  // namespace moiety

#endif  // MOIETY_TESTS_TOKENIZE_REFERENCE_CASES_H_
