#include "base/check.h"

#include <gmock/gmock.h>

namespace moiety {
namespace {

TEST(CheckDeathTest, SaysWhereAndWhat) {
  EXPECT_DEATH(MOIETY_CHECK(1 + 1 == 3),
               "moiety: internal error: .*check_test.cc:[0-9]+: 1 \\+ 1 == 3");
}

TEST(Check, EvaluatesOnce) {
  int count = 0;
  MOIETY_CHECK(++count == 1);
  EXPECT_EQ(count, 1);
}

}  // namespace
}  // namespace moiety
