#include "study/windows.h"

#include <gmock/gmock.h>

namespace moiety {
namespace {

using testing::HasSubstr;

std::vector<std::vector<int64_t>> Cut(int64_t num_ids, int64_t window, int64_t stride) {
  const auto windows = CutWindows(num_ids, 100, {.window = window, .stride = stride});
  EXPECT_TRUE(windows.ok()) << windows.status().message();
  std::vector<std::vector<int64_t>> rows;
  for (const Window& w : *windows) rows.push_back({w.begin, w.size, w.first_new});
  return rows;
}

TEST(CutWindows, Cuts) {
  using Rows = std::vector<std::vector<int64_t>>;
  EXPECT_EQ(Cut(25, 10, 10), (Rows{{0, 10, 1}, {10, 10, 1}}));
  EXPECT_EQ(Cut(25, 10, 4), (Rows{{0, 10, 1}, {4, 10, 6}, {8, 10, 6}, {12, 10, 6}}));
  EXPECT_EQ(Cut(7, 10, 10), (Rows{{0, 7, 1}}));
}

TEST(CutWindows, Refuses) {
  const auto message = [](int64_t num_ids, int64_t window, int64_t stride) {
    return CutWindows(num_ids, 100, {.window = window, .stride = stride}).status().message();
  };
  EXPECT_THAT(message(500, 101, 5), HasSubstr("from 2 to the model's context of 100, found 101"));
  EXPECT_THAT(message(500, 1, 1), HasSubstr("window must be"));
  EXPECT_THAT(message(500, 10, 11), HasSubstr("stride must be from 1 to the window of 10"));
  EXPECT_THAT(message(500, 10, 0), HasSubstr("stride must be"));
  EXPECT_THAT(message(1, 10, 10), HasSubstr("too short"));
}

}  // namespace
}  // namespace moiety
