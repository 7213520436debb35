#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <string>

#include "support/paths.h"
#include "support/process.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::HasSubstr;

TEST(Doctor, MeasuresAndJudges) {
  const ProcessResult text = Moiety({"doctor", Starter().string()});
  ASSERT_EQ(text.exit_code, 0) << text.err;
  for (const char* part : {"processor", "GB/s", "limit      memory bandwidth", "advice"}) {
    EXPECT_THAT(text.out, HasSubstr(part));
  }
  const ProcessResult small = Moiety(
      {"doctor", Starter().string(), "--memory", "7M", "--json", "--disk-reader", "threads"});
  ASSERT_EQ(small.exit_code, 0) << small.err;
  const json found = json::parse(small.out);
  EXPECT_EQ(found["limit"], "disk");
  EXPECT_EQ(found["streamed"], true);
  EXPECT_GT(found["memory_gb_per_s"], 0);
  EXPECT_GT(found["disk_gb_per_s"], 0);
  EXPECT_THAT(found["disk_reader"].get<std::string>(), HasSubstr("16 threads"));
  const ProcessResult none = Moiety({"doctor", Starter().string(), "--memory", "1M"});
  EXPECT_THAT(none.out, HasSubstr("too little for this model"));
}

}  // namespace
}  // namespace moiety
