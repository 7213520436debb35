#include "study/trace.h"

#include <gmock/gmock.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "ops/batch.h"
#include "routing/router.h"
#include "routing/router_recorder.h"
#include "support/loaded_model.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

std::vector<json> ReadLines(const std::string& text) {
  EXPECT_TRUE(text.empty() || text.back() == '\n');
  std::vector<json> lines;
  std::istringstream stream(text);
  std::string line;
  while (std::getline(stream, line)) lines.push_back(json::parse(line));
  return lines;
}

// Passes on to a trace and a recorder what the same run shows.
class Both : public Observer {
 public:
  Both(Observer& a, Observer& b) : a_(a), b_(b) {}
  void OnStep(const Batch& batch) override {
    a_.OnStep(batch);
    b_.OnStep(batch);
  }
  void OnRoute(int64_t layer, const RouterOutput& routed) override {
    a_.OnRoute(layer, routed);
    b_.OnRoute(layer, routed);
  }

 private:
  Observer& a_;
  Observer& b_;
};

TEST(Trace, AgreesWithTheRecorder) {
  const auto engine = OpenOrFail(TinyModel(TinyMixtralConfig()));
  ASSERT_NE(engine, nullptr);
  const ScratchFolder folder;
  auto trace = TraceWriter::Create(folder.path() / "trace", engine->model().info());
  ASSERT_TRUE(trace.ok()) << trace.status().message();
  RouterRecorder recorder(2);
  Both both(**trace, recorder);
  const std::vector<int32_t> ids = SomeIds(30);
  Sequence sequence(engine->pages());
  FeedLogits(*engine, sequence, ids, 8, &both);
  ASSERT_TRUE((*trace)->Close().ok());
  const auto layers = recorder.Take();

  const std::vector<json> lines = ReadLines(folder.Read("trace"));
  ASSERT_EQ(lines.size(), 1U + 4 * (1 + 2)) << "heading; 4 steps of rows and two layers";
  EXPECT_EQ(
      lines[0],
      json::parse(R"({"format": "moiety-trace", "version": 1, "model": "mixtral", "num_layers": 2,
                                      "num_experts": 3, "top_k": 2})"));
  size_t position = 0;
  for (size_t step = 0; step < 4; ++step) {
    const json& rows = lines[1 + 3 * step];
    EXPECT_EQ(rows["step"], step);
    const size_t count = std::min<size_t>(8, 30 - position);
    ASSERT_EQ(rows["rows"].size(), count);
    for (size_t i = 0; i < count; ++i) {
      EXPECT_EQ(rows["rows"][i], (json{0, position + i, ids[position + i]}));
    }
    for (size_t l = 0; l < 2; ++l) {
      const json& line = lines[1 + 3 * step + 1 + l];
      EXPECT_EQ(line["step"], step);
      EXPECT_EQ(line["layer"], l);
      ASSERT_EQ(line["experts"].size(), count);
      ASSERT_EQ(line["weights"].size(), count);
      for (size_t i = 0; i < count; ++i) {
        const size_t at = 2 * (position + i);
        EXPECT_EQ(line["experts"][i], (json{layers[l].experts[at], layers[l].experts[at + 1]}));
        // They read back to the very f32.
        EXPECT_EQ(line["weights"][i][0].get<float>(), layers[l].weights[at]);
        EXPECT_EQ(line["weights"][i][1].get<float>(), layers[l].weights[at + 1]);
      }
    }
    position += count;
  }
}

// A batch of several sequences, and tokens that were dropped.
TEST(Trace, RowsOfSeveralSequencesAndDroppedTokens) {
  const ScratchFolder folder;
  ModelInfo info;
  info.architecture = "mixtral";
  auto trace = TraceWriter::Create(folder.path() / "trace", info);
  ASSERT_TRUE(trace.ok());
  const std::vector<int32_t> ids = {10, 11, 12};
  Batch batch;
  batch.ids = ids;
  batch.segments = {{.begin = 0, .count = 1, .position = 7, .sequence = 4, .pages = {}},
                    {.begin = 1, .count = 2, .position = 0, .sequence = 9, .pages = {}}};
  (*trace)->OnStep(batch);
  RouterOutput routed;
  routed.num_tokens = 3;
  routed.num_experts = 8;
  routed.routed = {{0, 5, 0.25F}, {2, 1, std::nanf("")}, {2, 1, 1e-30F}};
  (*trace)->OnRoute(3, routed);
  ASSERT_TRUE((*trace)->Close().ok());
  const std::vector<json> lines = ReadLines(folder.Read("trace"));
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[1], json::parse(R"({"step": 0, "rows": [[4, 7, 10], [9, 0, 11], [9, 1, 12]]})"));
  EXPECT_EQ(lines[2]["experts"], json::parse("[[5], [], [1, 1]]"));
  EXPECT_EQ(lines[2]["weights"][0][0], 0.25);
  EXPECT_EQ(lines[2]["weights"][1], json::array());
  EXPECT_EQ(lines[2]["weights"][2][0], nullptr) << "JSON has no NaN";
  EXPECT_EQ(lines[2]["weights"][2][1].get<float>(), 1e-30F);
}

TEST(Trace, FullDiskIsAnError) {
  ModelInfo info;
  auto trace = TraceWriter::Create("/dev/full", info);
  ASSERT_TRUE(trace.ok());
  const std::vector<int32_t> ids(1000, 1);
  Batch batch;
  batch.ids = ids;
  batch.segments = {{.begin = 0, .count = 1000, .position = 0, .sequence = 0, .pages = {}}};
  for (int i = 0; i < 20; ++i) (*trace)->OnStep(batch);  // more than any buffer holds
  const Status status = (*trace)->Close();
  EXPECT_EQ(status.code(), StatusCode::kIoError);
  EXPECT_THAT(status.message(),
              AllOf(HasSubstr("/dev/full"), HasSubstr("No space left on device")));
}

TEST(Trace, ShortOneOnAFullDiskIsAnErrorToo) {
  auto trace = TraceWriter::Create("/dev/full", ModelInfo());
  ASSERT_TRUE(trace.ok());
  EXPECT_THAT((*trace)->Close().message(), HasSubstr("No space left on device"));
}

TEST(Trace, FileThatCannotBeCreated) {
  const ScratchFolder folder;
  const auto trace = TraceWriter::Create(folder.path() / "no" / "folder", ModelInfo());
  EXPECT_EQ(trace.status().code(), StatusCode::kIoError);
  EXPECT_THAT(trace.status().message(),
              AllOf(HasSubstr("no/folder"), HasSubstr("No such file or directory")));
}

TEST(Trace, NotClosedIsNotACrash) {
  const ScratchFolder folder;
  { EXPECT_TRUE(TraceWriter::Create(folder.path() / "trace", ModelInfo()).ok()); }
  EXPECT_EQ(ReadLines(folder.Read("trace")).size(), 1U);
}

}  // namespace
}  // namespace moiety
