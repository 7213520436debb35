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

TEST(Study, CacheOfATraceOfTheStarter) {
  const ScratchFolder scratch;
  const std::string trace = (scratch.path() / "trace.jsonl").string();
  ASSERT_EQ(Moiety({"run", Starter().string(), "-p", "Il était une fois", "-n", "30", "--seed", "1",
                    "--trace", trace})
                .exit_code,
            0);
  const ProcessResult text = Moiety({"study", "cache", trace});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("belady"));
  const ProcessResult as_json = Moiety({"study", "cache", trace, "--share", "25,100", "--json"});
  ASSERT_EQ(as_json.exit_code, 0) << as_json.err;
  const json document = json::parse(as_json.out);
  EXPECT_EQ(document["experts"], 32);
  ASSERT_EQ(document["sizes"].size(), 2U);
  EXPECT_EQ(document["sizes"][0]["slots"], 8);
  for (const auto& [policy, rate] : document["sizes"][0]["hit_rates"].items()) {
    EXPECT_LE(rate, document["sizes"][0]["hit_rates"]["belady"]) << policy;
  }
}

TEST(Study, Refusals) {
  ExpectError(Moiety({"study", "cache", "no/such/file"}), 1);
  ExpectError(Moiety({"study"}), 2);
  ExpectError(Moiety({"study", "cache", "x", "--share", "200"}), 2);
}

}  // namespace
}  // namespace moiety
