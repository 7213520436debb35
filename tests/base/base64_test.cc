#include "base/base64.h"

#include <gtest/gtest.h>

#include <utility>

namespace moiety {
namespace {

// RFC 4648, section 10.
TEST(Base64, VectorsOfTheStandard) {
  for (const auto& [bytes, text] :
       {std::pair{"", ""}, std::pair{"f", "Zg=="}, std::pair{"fo", "Zm8="},
        std::pair{"foo", "Zm9v"}, std::pair{"foob", "Zm9vYg=="}, std::pair{"fooba", "Zm9vYmE="},
        std::pair{"foobar", "Zm9vYmFy"}}) {
    EXPECT_EQ(EncodeBase64(bytes), text);
    EXPECT_EQ(DecodeBase64(text), bytes);
  }
}

TEST(Base64, ThereAndBack) {
  std::string bytes;
  for (int i = 0; i < 700; ++i) {
    EXPECT_EQ(DecodeBase64(EncodeBase64(bytes)), bytes);
    bytes += static_cast<char>(i * 37);
  }
}

TEST(Base64, NothingElse) {
  for (const char* text :
       {"Z", "Zg", "Zg=", "Zg==\n", "Zh==", "Zm9=", "Z===", "Zm-v", "Zm9v===="}) {
    EXPECT_EQ(DecodeBase64(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace moiety
