#include "study/disk_speed.h"

#include <gtest/gtest.h>

#include <string>

#include "support/paths.h"
#include "support/scratch_folder.h"

namespace moiety {
namespace {

TEST(DiskSpeed, IsMeasuredWithTheFilesThemselves) {
  const std::vector files = {*MappedFile::Open(Starter() / "model.safetensors"),
                             *MappedFile::Open(Starter() / "config.json")};
  for (const ReadMethod method : {ReadMethod::kAuto, ReadMethod::kThreads}) {
    const Result<double> speed = MeasureDisk(files, method);
    ASSERT_TRUE(speed.ok()) << speed.status().message();
    EXPECT_GT(*speed, 1e6);
  }
}

TEST(DiskSpeed, NothingToRead) {
  const ScratchFolder scratch;
  const std::vector files = {*MappedFile::Open(scratch.Write("empty", ""))};
  EXPECT_EQ(MeasureDisk(files).status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace moiety
