#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <string>

#include "support/paths.h"
#include "support/process.h"
#include "support/scratch_folder.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::HasSubstr;

TEST(Plan, SaysWhatIsStreamed) {
  const ProcessResult part = Moiety({"plan", Starter().string(), "--memory", "9M", "--json"});
  ASSERT_EQ(part.exit_code, 0) << part.err;
  const json plan = json::parse(part.out);
  EXPECT_EQ(plan["streamed"], true);
  EXPECT_EQ(plan["experts"], 32);
  EXPECT_GT(plan["experts_resident"], 2);
  EXPECT_LT(plan["experts_resident"], 32);
  EXPECT_GT(plan["tokens_per_s"], 0);
  const ProcessResult whole = Moiety({"plan", Starter().string()});
  EXPECT_THAT(whole.out, HasSubstr("all weights fit"));
  const ProcessResult none = Moiety({"plan", Starter().string(), "--memory", "1M"});
  EXPECT_THAT(none.out, HasSubstr("too little"));
}

TEST(Plan, TakesHitsFromATrace) {
  const ScratchFolder scratch;
  const std::string trace = (scratch.path() / "trace").string();
  ASSERT_EQ(
      Moiety({"run", Starter().string(), "-p", "Il", "-n", "40", "--seed", "1", "--trace", trace})
          .exit_code,
      0);
  const auto rate = [](const ProcessResult& result) {
    return json::parse(result.out)["hit_rate"].get<double>();
  };
  EXPECT_NE(
      rate(Moiety({"plan", Starter().string(), "--memory", "9M", "--json", "--trace", trace})),
      rate(Moiety({"plan", Starter().string(), "--memory", "9M", "--json"})));
  ExpectError(Moiety({"plan", Starter().string(), "--memory", "9M", "--trace", "nowhere"}), 1);
}

}  // namespace
}  // namespace moiety
