#include "tokenize/piece_trie.h"

#include <gmock/gmock.h>

#include <random>
#include <string>

namespace moiety {
namespace {

Vocabulary VocabularyOf(const std::vector<std::string>& pieces) {
  Vocabulary vocabulary(pieces.size());
  for (size_t i = 0; i < pieces.size(); ++i) {
    EXPECT_TRUE(vocabulary.Add(pieces[i], static_cast<int64_t>(i)).ok());
  }
  return vocabulary;
}

int32_t Find(const PieceTrie& trie, std::string_view text) {
  PieceTrie::Node node = PieceTrie::kRoot;
  for (const char byte : text) {
    node = trie.Child(node, static_cast<uint8_t>(byte));
    if (node == PieceTrie::kNoNode) return Vocabulary::kNone;
  }
  return trie.Id(node);
}

TEST(PieceTrie, FindsPiecesAndNothingElse) {
  const std::vector<std::string> pieces = {"abc", "", "a", "é", "ab", "\xFF", std::string("\0", 1)};
  const auto trie = PieceTrie::Build(VocabularyOf(pieces));
  ASSERT_TRUE(trie.ok());
  for (size_t i = 0; i < pieces.size(); ++i) {
    EXPECT_EQ(Find(*trie, pieces[i]), pieces[i].empty() ? Vocabulary::kNone : int32_t(i));
  }
  for (const char* text : {"b", "abcd", "\xC3", "ac", "\xFE"}) {
    EXPECT_EQ(Find(*trie, text), Vocabulary::kNone) << text;
  }
}

TEST(PieceTrie, OfNoPieces) {
  const auto trie = PieceTrie::Build(Vocabulary(0));
  ASSERT_TRUE(trie.ok());
  EXPECT_EQ(Find(*trie, ""), Vocabulary::kNone);
  EXPECT_EQ(Find(*trie, "a"), Vocabulary::kNone);
}

TEST(PieceTrie, AgreesWithTheVocabulary) {
  std::mt19937 random(1);
  const auto word = [&] {
    std::string text(1 + random() % 6, 'a');
    for (char& c : text) c = static_cast<char>(random() % 3 * 127);
    return text;
  };
  Vocabulary vocabulary(200);
  for (int64_t id = 0; id < 200; ++id) {
    const std::string piece = word();
    if (vocabulary.Find(piece) != Vocabulary::kNone) continue;
    ASSERT_TRUE(vocabulary.Add(piece, id).ok());
  }
  const auto trie = PieceTrie::Build(vocabulary);
  ASSERT_TRUE(trie.ok());
  for (int i = 0; i < 2000; ++i) {
    const std::string text = word();
    EXPECT_EQ(Find(*trie, text), vocabulary.Find(text));
  }
}

TEST(PieceTrie, RefusesLongPieces) {
  const auto status = [](size_t length) {
    return PieceTrie::Build(VocabularyOf({std::string(length, 'a')})).status();
  };
  EXPECT_TRUE(status(PieceTrie::kMaxPieceBytes).ok());
  EXPECT_EQ(status(PieceTrie::kMaxPieceBytes + 1).code(), StatusCode::kUnsupported);
  EXPECT_THAT(status(PieceTrie::kMaxPieceBytes + 1).message(),
              testing::HasSubstr("must have at most 1024 bytes, found 1025"));
}

}  // namespace
}  // namespace moiety
