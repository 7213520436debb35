#include "format/score_merges.h"

#include <gmock/gmock.h>

namespace moiety {
namespace {

using testing::ElementsAre;
using testing::Pair;

TEST(MergesOfScores, EachCutByFallingScore) {
  const ScoredPiece pieces[] = {{"a", -9, true},   {"b", -9, true},  {"c", -9, true},
                                {"abc", -2, true}, {"bc", -1, true}, {"ab", -3, true}};
  EXPECT_THAT(MergesOfScores(pieces),
              ElementsAre(Pair("b", "c"), Pair("ab", "c"), Pair("a", "bc"), Pair("a", "b")));
}

TEST(MergesOfScores, OtherTokensAreNoParts) {
  const ScoredPiece pieces[] = {{"a", 0, true}, {"b", 0, false}, {"ab", 0, true}, {"aa", 0, true}};
  EXPECT_THAT(MergesOfScores(pieces), ElementsAre(Pair("a", "a")));
}

TEST(MergesOfScores, CharactersAreNotCut) {
  const ScoredPiece pieces[] = {{"ä", 0, true}, {"\xC3", 0, true}, {"ää", 0, true}};
  EXPECT_THAT(MergesOfScores(pieces), ElementsAre(Pair("ä", "ä")));
}

}  // namespace
}  // namespace moiety
