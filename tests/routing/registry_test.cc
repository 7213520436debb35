#include <gmock/gmock.h>

#include <utility>

#include "routing/router.h"

namespace moiety {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(Routers, NameTheirOptions) {
  EXPECT_THAT(FindRouter("topk")->OptionNames(),
              testing::ElementsAre("renormalize", "capacity_factor"));
  EXPECT_TRUE(FindRouter("soft")->OptionNames().empty());
  EXPECT_FALSE(FindRouter("tpk").ok());
}

TEST(MakeRouter, FindsStrategiesByName) {
  const auto router = MakeRouter("topk", {.num_experts = 8, .top_k = 2});
  ASSERT_TRUE(router.ok());
  EXPECT_NE(*router, nullptr);
}

TEST(MakeRouter, PassesTheErrorOfTheStrategyOn) {
  const auto router = MakeRouter("topk", {.num_experts = 8, .top_k = 9});
  ASSERT_FALSE(router.ok());
  EXPECT_EQ(router.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(router.status().message(), AllOf(HasSubstr("topk"), HasSubstr("9"), HasSubstr("8")));
}

TEST(MakeRouter, UnknownNameNamesTheNearest) {
  for (const auto& [name, nearest] :
       {std::pair("topk2", "topk"), std::pair("sigmoid-bias", "sigmoid_bias")}) {
    const auto router = MakeRouter(name, {.num_experts = 8, .top_k = 2});
    ASSERT_FALSE(router.ok()) << name;
    EXPECT_EQ(router.status().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(router.status().message(), AllOf(HasSubstr(name), HasSubstr(nearest)));
  }
}

}  // namespace
}  // namespace moiety
