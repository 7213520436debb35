#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <string>

#include "support/process.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::HasSubstr;

TEST(Routers, ListsStrategiesAndWhatOpensThem) {
  const ProcessResult text = Moiety({"routers"});
  ASSERT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("sigmoid_bias"));
  const ProcessResult result = Moiety({"routers", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  json by_name;
  for (const json& row : json::parse(result.out)) by_name[row["name"].get<std::string>()] = row;
  EXPECT_EQ(by_name["topk"]["model_type"], (json{"mixtral", "qwen3_moe"}));
  EXPECT_EQ(by_name["switch"]["model_type"], (json{"moiety", "qwen3_moe"}));
  EXPECT_EQ(by_name["sigmoid_bias"]["model_type"], json::array({"moiety"}));
  EXPECT_EQ(by_name["gshard"]["options"], json::array({"capacity_factor"}));
  EXPECT_EQ(by_name["gshard"]["causal"], true);
}

}  // namespace
}  // namespace moiety
