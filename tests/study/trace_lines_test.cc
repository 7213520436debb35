#include "study/trace_lines.h"

#include <gmock/gmock.h>

#include <cmath>
#include <sstream>
#include <string>
#include <vector>

namespace moiety {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

const std::string kTraceHeading =
    R"({"format":"moiety-trace","version":1,"model":"m","num_layers":2,"num_experts":4,"top_k":2})"
    "\n";

struct Lines {
  TraceHeading heading;
  std::vector<TraceLine> lines;
  Status status;
};
Lines LinesOf(const std::string& text) {
  Lines out;
  std::istringstream stream(text);
  out.status = ReadTraceLines(
      stream, "trace",
      [&](const TraceHeading& heading) {
        out.heading = heading;
        return OkStatus();
      },
      [&](const TraceLine& line) {
        out.lines.push_back(line);
        return OkStatus();
      });
  return out;
}

TEST(TraceLines, RowsAndChoices) {
  const Lines found = LinesOf(kTraceHeading + R"({"step":0,"rows":[[7,0,5],[0,1,6],[7,1,6]]})" +
                              "\n" + R"({"step":0,"layer":1,"experts":[[3,1],[],[1]],)" +
                              R"("weights":[[0.25,null],[],[1e300]]})" + "\n" +
                              R"({"step":0,"layer":0,"experts":[[2]]})");
  ASSERT_TRUE(found.status.ok()) << found.status.message();
  EXPECT_EQ(found.heading.model, "m");
  EXPECT_EQ(found.heading.shape.num_layers, 2);
  EXPECT_EQ(found.heading.shape.num_experts, 4);
  ASSERT_EQ(found.lines.size(), 3U);
  EXPECT_EQ(found.lines[0].layer, -1);
  EXPECT_THAT(found.lines[0].sequences, ElementsAre(7, 0, 7));
  const TraceLine& layer = found.lines[1];
  EXPECT_EQ(layer.layer, 1);
  EXPECT_EQ(layer.num_rows, 3);
  ASSERT_EQ(layer.choices.size(), 3U);
  EXPECT_EQ(layer.choices[0].expert, 3);
  EXPECT_EQ(layer.choices[0].weight, 0.25F);
  EXPECT_EQ(layer.choices[1].token, 0);
  EXPECT_TRUE(std::isnan(layer.choices[1].weight));
  EXPECT_EQ(layer.choices[2].token, 2);
  EXPECT_TRUE(std::isnan(layer.choices[2].weight)) << "no f32";
  EXPECT_TRUE(std::isnan(found.lines[2].choices[0].weight)) << "no weights at all";
}

TEST(TraceLines, ErrorsNameTheLine) {
  const auto error = [&](const std::string& text) {
    const Status status = LinesOf(text).status;
    EXPECT_EQ(status.code(), StatusCode::kInvalidData) << text;
    return status.message();
  };
  const std::string& heading = kTraceHeading;
  EXPECT_THAT(error(""), HasSubstr("empty"));
  EXPECT_THAT(error("{\"format\":\"other\"}"), AllOf(HasSubstr("line 1"), HasSubstr("format")));
  EXPECT_THAT(error(heading + "{\"layer\":"), HasSubstr("line 2"));
  EXPECT_THAT(error(heading + "[]"), HasSubstr("line 2"));
  EXPECT_THAT(error(heading + R"({"layer":2,"experts":[]})"), HasSubstr("layer"));
  EXPECT_THAT(error(heading + R"({"layer":"a","experts":[]})"), HasSubstr("layer"));
  EXPECT_THAT(error(heading + R"({"experts":[]})"), HasSubstr("layer"));
  EXPECT_THAT(error(heading + R"({"layer":0})"), HasSubstr("experts"));
  EXPECT_THAT(error(heading + R"({"layer":0,"experts":[3]})"), HasSubstr("list of lists"));
  EXPECT_THAT(error(heading + R"({"layer":0,"experts":[[4]]})"), HasSubstr("expert 4"));
  EXPECT_THAT(error(heading + R"({"layer":0,"experts":[[-1]]})"), HasSubstr("expert -1"));
  EXPECT_THAT(error(heading + R"({"rows":3})"), HasSubstr("must be a list"));
  EXPECT_THAT(error(heading + R"({"rows":[[]]})"), HasSubstr("row [] has no sequence"));
  EXPECT_THAT(error(heading + R"({"rows":[[-1,0,0]]})"), HasSubstr("has no sequence"));
  for (const char* weights : {"3", "[3]", "[[]]", "[[1,1]]", "[[\"a\"]]", "[[],[1]]", "[[1],[]]"}) {
    EXPECT_THAT(error(heading + R"({"layer":0,"experts":[[1]],"weights":)" + weights + "}"),
                AllOf(HasSubstr("line 2"), HasSubstr("a number for each expert")))
        << weights;
  }
}

TEST(TraceLines, CallersEndTheReading) {
  std::istringstream stream(kTraceHeading + "{\"rows\":[]}\n{\"rows\":[]}\n");
  int lines = 0;
  const Status status = ReadTraceLines(
      stream, "trace", [](const TraceHeading&) { return OkStatus(); },
      [&](const TraceLine&) {
        ++lines;
        return InvalidArgument("enough");
      });
  EXPECT_EQ(lines, 1);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("line 2"), HasSubstr("enough")));
}

}  // namespace
}  // namespace moiety
