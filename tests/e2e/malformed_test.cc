// Broken model folders: refused with one line that names the file, at once, and without ever taking
// memory that the files are not worth.
#include <gmock/gmock.h>

#include <filesystem>
#include <ostream>

#include "support/golden.h"
#include "support/paths.h"
#include "support/process.h"

namespace moiety {
namespace {

struct MalformedCase {
  std::string id, path, expect, what_is_wrong;
};
void PrintTo(const MalformedCase& one, std::ostream* out) {
  *out << one.id << ": " << one.what_is_wrong;
}

std::vector<MalformedCase> ModelFolders() {
  std::vector<MalformedCase> cases;
  if (!HasShared()) return cases;
  const auto manifest = ReadJson(SharedPath("conformance/malformed/manifest.json"));
  for (const auto& one : manifest["cases"]) {
    if (one["kind"] == "model_dir")
      cases.push_back({one["id"], one["path"], one["expect"], one["what_is_wrong"]});
  }
  return cases;
}

class MalformedModel : public testing::TestWithParam<MalformedCase> {};

TEST_P(MalformedModel, IsHandled) {
  const MalformedCase& one = GetParam();
  const std::filesystem::path folder = SharedPath("conformance/malformed/" + one.path);
  ASSERT_TRUE(std::filesystem::exists(folder));
  const ProcessResult result = Moiety({"inspect", folder.string()});
  if (one.expect == "ok") {
    EXPECT_EQ(result.exit_code, 0) << result.err;
  } else if (one.expect == "error" || result.exit_code != 0) {
    ExpectError(result, 1);
    EXPECT_THAT(result.err, testing::HasSubstr(folder.string()));
  } else {
    EXPECT_EQ(one.expect, "error_or_ok");
    EXPECT_EQ(result.exit_code, 0);
  }
  EXPECT_LT(result.seconds, 1);
  // The files have some kB; the program itself, with its thread pool, a few MB.
  EXPECT_LT(result.max_rss_bytes, 200'000'000);
}

INSTANTIATE_TEST_SUITE_P(Folders, MalformedModel, testing::ValuesIn(ModelFolders()),
                         [](const auto& one) { return one.param.id; });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(MalformedModel);

TEST(MalformedModels, AreAllHere) {
  if (!HasShared()) GTEST_SKIP() << kNoShared;
  EXPECT_GE(ModelFolders().size(), 70U);
}

}  // namespace
}  // namespace moiety
