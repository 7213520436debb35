#include "tokenize/vocabulary.h"

#include <gtest/gtest.h>

#include "tokenize/merge_table.h"

namespace moiety {
namespace {

TEST(Vocabulary, FindsPiecesAndIds) {
  Vocabulary vocabulary(4);
  ASSERT_TRUE(vocabulary.Add("b", 7).ok());
  ASSERT_TRUE(vocabulary.Add("a", 0).ok());
  ASSERT_TRUE(vocabulary.Add("", 3).ok());
  ASSERT_TRUE(vocabulary.Add("▁the", 4).ok());
  EXPECT_EQ(vocabulary.Find("b"), 7);
  EXPECT_EQ(vocabulary.Find("a"), 0);
  EXPECT_EQ(vocabulary.Find(""), 3);
  EXPECT_EQ(vocabulary.Find("▁th"), Vocabulary::kNone);
  EXPECT_EQ(vocabulary.Piece(4), "▁the");
  EXPECT_EQ(vocabulary.Piece(3), "");
  EXPECT_TRUE(vocabulary.Contains(3));
  for (const int32_t absent : {-1, 1, 6, 8, INT32_MAX, INT32_MIN}) {
    EXPECT_FALSE(vocabulary.Contains(absent)) << absent;
    EXPECT_EQ(vocabulary.Piece(absent), "") << absent;
  }
  EXPECT_EQ(vocabulary.end_id(), 8);
}

TEST(Vocabulary, RefusesIdsOutOfBoundsAndDuplicates) {
  Vocabulary vocabulary(3);
  ASSERT_TRUE(vocabulary.Add("a", 1).ok());
  EXPECT_EQ(vocabulary.Add("b", -1).message(),
            "token \"b\" must have an id from 0 to 65727, found -1");
  EXPECT_FALSE(vocabulary.Add("b", int64_t{1} << 40).ok());
  EXPECT_FALSE(vocabulary.Add("b", TokenIdLimit(3)).ok());
  EXPECT_EQ(vocabulary.Add("b", 1).message(), "tokens \"a\" and \"b\" must not share the id 1");
  EXPECT_EQ(vocabulary.Add("a", 2).message(), "token \"a\" must have one id, found 1 and 2");
  EXPECT_TRUE(vocabulary.Add("b", TokenIdLimit(3) - 1).ok());
}

TEST(Vocabulary, EmptyOneFindsNothing) {
  const Vocabulary vocabulary(0);
  EXPECT_EQ(vocabulary.Find("a"), Vocabulary::kNone);
  EXPECT_EQ(vocabulary.end_id(), 0);
}

TEST(Vocabulary, IdLimitIsInProportionAndBounded) {
  EXPECT_EQ(TokenIdLimit(0), 65536);
  EXPECT_EQ(TokenIdLimit(SIZE_MAX), 1 << 24);
}

TEST(MergeTable, KeepsWhatIsSetWhileItGrows) {
  MergeTable table;
  for (int32_t left = 0; left < 60; ++left) {
    for (int32_t right = 0; right < 60; right += 2) {
      table.Set(left, right, static_cast<uint32_t>(100 * left + right));
    }
  }
  table.Set(7, 8, MergeTable::kNoMerge);
  for (int32_t left = 0; left < 60; ++left) {
    for (int32_t right = 0; right < 60; ++right) {
      const uint32_t expected = left == 7 && right == 8 ? MergeTable::kNoMerge
                                : right % 2 == 1        ? MergeTable::kNoPair
                                                        : static_cast<uint32_t>(100 * left + right);
      EXPECT_EQ(table.Rank(left, right), expected) << left << " " << right;
    }
  }
}

}  // namespace
}  // namespace moiety
