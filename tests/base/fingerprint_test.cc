#include "base/fingerprint.h"

#include <gtest/gtest.h>

#include <bit>
#include <set>
#include <string>
#include <vector>

namespace moiety {
namespace {

Fingerprint Of(const std::vector<std::string>& parts) {
  Fingerprinter fingerprinter;
  for (const std::string& part : parts) fingerprinter.Add(std::string_view(part));
  return fingerprinter.Finish();
}

TEST(Fingerprint, TellsContentsApart) {
  const std::vector<std::vector<std::string>> contents = {
      {},
      {""},
      {"", ""},
      {"a"},
      {"b"},
      {"ab", "c"},
      {"a", "bc"},
      {"abc"},
      {std::string(1, '\0')},
      {std::string(8, '\0')},
      {std::string(9, '\0')},
      {"12345678"},
      {"87654321"},
      {"1234567812345678"},
  };
  std::set<Fingerprint> seen;
  for (const auto& parts : contents) EXPECT_TRUE(seen.insert(Of(parts)).second);
  EXPECT_EQ(Of({"abc"}), Of({"abc"}));
}

TEST(Fingerprint, ChangesHalfOfItsBitsWithOneOfTheContents) {
  std::string text(100, 'x');
  const Fingerprint before = Of({text});
  for (size_t bit = 0; bit < 8 * text.size(); ++bit) {
    text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << (bit % 8)));
    const Fingerprint after = Of({text});
    text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << (bit % 8)));
    const int changed = std::popcount(before[0] ^ after[0]) + std::popcount(before[1] ^ after[1]);
    EXPECT_GT(changed, 36) << bit;
    EXPECT_LT(changed, 92) << bit;
  }
}

}  // namespace
}  // namespace moiety
