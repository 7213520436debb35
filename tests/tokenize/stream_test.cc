// Tokenizer::Stream: the same text as Decode, in parts that are final and whole.
#include <gtest/gtest.h>

#include <random>

#include "base/utf8.h"
#include "tiny_tokenizer.h"

namespace moiety {
namespace {

using nlohmann::json;

// Every decoder that holds text back, and a special token in between.
json StreamJson() {
  json file = ByteFallbackJson();
  file["added_tokens"] = json::array({AddedTokenJson(300, "<s>")});
  file["model"]["vocab"]["▁"] = 301;
  file["model"]["vocab"]["▁é"] = 302;
  file["decoder"] = json::parse(R"({"type": "Sequence", "decoders": [
      {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
      {"type": "Fuse"}, {"type": "Replace", "pattern": {"String": "abab"}, "content": "é"},
      {"type": "Strip", "content": " ", "start": 2, "stop": 1}]})");
  return file;
}

// Ids that are often bytes of "é" or of nothing.
Ids RandomIds(std::mt19937& random) {
  const Ids some = {1,        2,       3,        4,   5,   6 + 0xC3, 6 + 0xA9, 6 + 0xC3,
                    6 + 0xA9, 6 + ' ', 6 + 0xFF, 300, 301, 302,      -1,       400};
  Ids ids(random() % 12);
  for (int32_t& id : ids) id = some[random() % some.size()];
  return ids;
}

TEST(Stream, JoinedPartsEqualDecode) {
  const auto tokenizer = Load(StreamJson());
  std::mt19937 random(3);
  for (int round = 0; round < 20000; ++round) {
    const Ids ids = RandomIds(random);
    const bool skip_special = random() % 2 == 0;
    Tokenizer::Stream stream(*tokenizer, skip_special);
    std::string joined;
    for (const int32_t id : ids) {
      const std::string part = stream.Next(id);
      EXPECT_TRUE(IsUtf8(part));
      joined += part;
    }
    joined += stream.Finish();
    ASSERT_EQ(joined, tokenizer->Decode(ids, skip_special)) << testing::PrintToString(ids);
  }
}

// The longest common beginning in whole characters is what the prompt has shown.
TEST(Stream, AfterAPromptTheRestIsHandedOut) {
  const auto tokenizer = Load(StreamJson());
  std::mt19937 random(4);
  for (int round = 0; round < 20000; ++round) {
    const Ids prompt = RandomIds(random);
    const Ids ids = RandomIds(random);
    Ids both = prompt;
    both.insert(both.end(), ids.begin(), ids.end());
    Tokenizer::Stream stream(*tokenizer);
    stream.Prime(prompt);
    std::string joined;
    for (const int32_t id : ids) joined += stream.Next(id);
    joined += stream.Finish();

    const std::string shown = tokenizer->Decode(prompt);
    const std::string all = tokenizer->Decode(both);
    size_t same = 0;
    while (same < shown.size() && same < all.size() && shown[same] == all[same]) ++same;
    while (!IsUtf8(shown.substr(0, same)) || !IsUtf8(all.substr(0, same))) --same;
    ASSERT_EQ(joined, all.substr(same))
        << testing::PrintToString(prompt) << testing::PrintToString(ids);
  }
}

TEST(Stream, HandsOutTextAtOnceAndCharactersWhole) {
  json file = StreamJson();
  file["decoder"]["decoders"].erase(3);
  file["decoder"]["decoders"][3]["stop"] = 0;
  const auto tokenizer = Load(file);
  Tokenizer::Stream stream(*tokenizer);
  EXPECT_EQ(stream.Next(300), "");   // special
  EXPECT_EQ(stream.Next(302), "é");  // "▁é", stripped of its space at the start
  EXPECT_EQ(stream.Next(302), " é");
  EXPECT_EQ(stream.Next(6 + 0xC3), "");
  EXPECT_EQ(stream.Next(6 + 0xA9),
            "");  // a byte that is no UTF-8 would still make it "\uFFFD\uFFFD"
  EXPECT_EQ(stream.Next(1), "éa");
  EXPECT_EQ(stream.Next(6 + 0xC3), "");
  EXPECT_EQ(stream.Finish(), "\uFFFD");
}

TEST(Stream, PrimeMakesTheFirstIdAContinuation) {
  json file = StreamJson();
  const auto tokenizer = Load(file);
  Tokenizer::Stream stream(*tokenizer);
  stream.Prime(Ids{300, 301, 301, 3});
  EXPECT_EQ(stream.Next(302), " é");
}

// A million ids; were the cost of an id in proportion to those before, this would take hours.
TEST(Stream, CostDoesNotGrowWithTheSequence) {
  const auto tokenizer = Load(StreamJson());
  Tokenizer::Stream stream(*tokenizer);
  std::string joined;
  const int num_ids = 500000;
  for (int i = 0; i < num_ids; ++i) joined += stream.Next(3);
  for (int i = 0; i < num_ids; ++i) joined += stream.Next(6 + 'x');  // held back: one run of bytes
  joined += stream.Finish();
  EXPECT_EQ(joined, std::string(num_ids, 'c') + std::string(num_ids, 'x'));
}

}  // namespace
}  // namespace moiety
