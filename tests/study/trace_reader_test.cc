#include "study/trace_reader.h"

#include <gmock/gmock.h>

#include <string>

#include "runtime/engine.h"
#include "study/trace.h"
#include "support/loaded_model.h"
#include "support/scratch_folder.h"

namespace moiety {
namespace {

using testing::ElementsAre;

constexpr const char* kHeading =
    R"({"format":"moiety-trace","version":1,"model":"m","num_layers":2,"num_experts":4,"top_k":2})";

TEST(TraceReader, ReadsWhatWasWritten) {
  const ScratchFolder scratch;
  const auto path = scratch.Write(
      "trace", std::string(kHeading) + "\n" + R"({"step":0,"rows":[[0,0,5],[0,1,6]]})" + "\n" +
                   R"({"step":0,"layer":1,"experts":[[3,1],[1]],"weights":[[1,1],[1]]})" + "\n");
  const Result<ExpertTrace> trace = ReadExpertTrace(path);
  ASSERT_TRUE(trace.ok()) << trace.status().message();
  EXPECT_EQ(trace->model, "m");
  EXPECT_EQ(trace->num_steps, 1);
  EXPECT_EQ(trace->num_rows, 2);
  EXPECT_EQ(trace->num_moe_layers, 1);
  EXPECT_EQ(trace->num_experts(), 4);
  EXPECT_THAT(trace->layers, ElementsAre(1));
  EXPECT_THAT(trace->visits, ElementsAre(ElementsAre(5, 7)));
}

TEST(TraceReader, ReadsATraceOfAModel) {
  const ScratchFolder scratch;
  const auto engine = OpenOrFail(TinyModel(TinyMixtralConfig()));
  ASSERT_NE(engine, nullptr);
  const auto path = scratch.path() / "trace";
  auto writer = *TraceWriter::Create(path, engine->model().info());
  Sequence sequence(engine->pages());
  FeedLogits(*engine, sequence, SomeIds(10), 5, writer.get());
  ASSERT_TRUE(writer->Close().ok());
  const Result<ExpertTrace> trace = ReadExpertTrace(path);
  ASSERT_TRUE(trace.ok()) << trace.status().message();
  EXPECT_EQ(trace->num_steps, 2);
  EXPECT_EQ(trace->num_rows, 10);
  EXPECT_EQ(trace->visits.size(), 4U);
  EXPECT_EQ(trace->num_experts(), 6);
}

TEST(TraceReader, AFileThatIsNotThere) {
  const ScratchFolder scratch;
  EXPECT_EQ(ReadExpertTrace(scratch.path() / "none").status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace moiety
