#include "tokenize/unicode_normalizers.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

// What they do to texts is compared with the reference in tokenizer_parts_test.cc.
namespace moiety {
namespace {

TEST(UnicodeNormalizers, Errors) {
  const auto error = [](NormalizerResult (*make)(const Component&), const char* text) {
    const nlohmann::json document = nlohmann::json::parse(text);
    return make({document, "f"}).status().message();
  };
  for (const auto make :
       {&MakeNfc, &MakeNfd, &MakeNfkc, &MakeNfkd, &MakeLowercase, &MakeStripAccents, &MakeNmt}) {
    EXPECT_EQ(error(make, R"({"type": "T", "x": 1})"), "f: field \"x\" is not supported, found 1");
  }
  EXPECT_EQ(error(&MakeStrip, R"({"strip_left": true})"), "f: \"strip_right\" is missing");
  EXPECT_EQ(error(&MakeStrip, R"({"strip_left": 3, "strip_right": true})"),
            "f: \"strip_left\" must be true or false, found 3");
}

// No text may grow by more than Growth() says: the characters that grow most.
TEST(UnicodeNormalizers, GrowthIsABound) {
  for (const auto make : {&MakeNfc, &MakeNfd, &MakeNfkc, &MakeNfkd, &MakeLowercase}) {
    const nlohmann::json document = {{"type", "T"}};
    const auto normalizer = make({document, "f"});
    ASSERT_TRUE(normalizer.ok());
    for (const char* character : {"\ufdfa", "\u0390", "\uac01", "\U0001d160", "\u1f82", "\u023a",
                                  "\u0130", "\U0001f240", "\ufb2c", "\u3300"}) {
      std::string text = character;
      ASSERT_TRUE((*normalizer)->Apply(text).ok());
      EXPECT_LE(static_cast<double>(text.size()),
                static_cast<double>(std::string(character).size()) * (*normalizer)->Growth())
          << character;
    }
  }
}

}  // namespace
}  // namespace moiety
