#include "base/nearest_name.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace moiety {
namespace {

TEST(EditDistance, CountsEdits) {
  EXPECT_EQ(EditDistance("", ""), 0U);
  EXPECT_EQ(EditDistance("", "abc"), 3U);
  EXPECT_EQ(EditDistance("abc", ""), 3U);
  EXPECT_EQ(EditDistance("top_k", "top_k"), 0U);
  EXPECT_EQ(EditDistance("top_k", "topk"), 1U);
  EXPECT_EQ(EditDistance("topk", "tokp"), 1U);  // neighbours swapped
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3U);
  EXPECT_EQ(EditDistance("ca", "abc"), 3U);  // nothing goes between letters that were swapped
}

TEST(NearestName, IsTheFirstOfTheNearest) {
  constexpr std::array<std::string_view, 4> kNames = {"d_model", "d_expert", "top_k", "top_p"};
  EXPECT_EQ(NearestName("dmodel", kNames), "d_model");
  EXPECT_EQ(NearestName("topk", kNames), "top_k");
  EXPECT_EQ(NearestName("top_x", kNames), "top_k");
  EXPECT_EQ(NearestName("", kNames), "top_k");
  EXPECT_EQ(NearestName(std::string(1'000'000, 'd'), kNames), "d_model");
}

}  // namespace
}  // namespace moiety
