#include "study/trace_reader.h"

#include <gmock/gmock.h>

#include <string>

#include "runtime/engine.h"
#include "study/trace.h"
#include "support/loaded_model.h"
#include "support/scratch_folder.h"

namespace moiety {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

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

TEST(TraceReader, ErrorsNameTheLine) {
  const ScratchFolder scratch;
  const auto error = [&](const std::string& text) {
    const Status status = ReadExpertTrace(scratch.Write("trace", text)).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidData) << text;
    return status.message();
  };
  const std::string heading = std::string(kHeading) + "\n";
  EXPECT_THAT(error(""), HasSubstr("empty"));
  EXPECT_THAT(error("{\"format\":\"other\"}"), AllOf(HasSubstr("line 1"), HasSubstr("format")));
  EXPECT_THAT(error(heading + "{\"layer\":"), HasSubstr("line 2"));
  EXPECT_THAT(error(heading + "[]"), HasSubstr("line 2"));
  EXPECT_THAT(error(heading + R"({"layer":2,"experts":[]})"), HasSubstr("layer"));
  EXPECT_THAT(error(heading + R"({"experts":[]})"), HasSubstr("layer"));
  EXPECT_THAT(error(heading + R"({"layer":0})"), HasSubstr("experts"));
  EXPECT_THAT(error(heading + R"({"layer":0,"experts":[3]})"), HasSubstr("list of lists"));
  EXPECT_THAT(error(heading + R"({"layer":0,"experts":[[4]]})"), HasSubstr("expert 4"));
  EXPECT_THAT(error(heading + R"({"layer":0,"experts":[[-1]]})"), HasSubstr("expert -1"));
  EXPECT_EQ(ReadExpertTrace(scratch.path() / "none").status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace moiety
