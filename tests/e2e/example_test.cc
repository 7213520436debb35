// examples/generate.cc, if it was built.
#include <gmock/gmock.h>

#include <filesystem>

#include "support/paths.h"
#include "support/process.h"

namespace moiety {
namespace {

TEST(Example, GenerateWritesText) {
  const std::string program =
      (std::filesystem::path(MOIETY_BINARY).parent_path() / "example_generate").string();
  if (!std::filesystem::exists(program)) GTEST_SKIP() << "the examples are not built";
  const ProcessResult result = RunProcess({program, Starter().string(), "Il était une fois"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  EXPECT_TRUE(result.out.starts_with("Il était une fois")) << result.out;
  EXPECT_GT(result.out.size(), 40U);

  const ProcessResult missing = RunProcess({program, "/no/such/folder", "text"});
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_THAT(missing.err, testing::HasSubstr("/no/such/folder: no such folder"));
  EXPECT_EQ(RunProcess({program}).exit_code, 2);
}

}  // namespace
}  // namespace moiety
