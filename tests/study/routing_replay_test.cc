#include "study/routing_replay.h"

#include <gmock/gmock.h>

#include <sstream>
#include <string>
#include <vector>

#include "ops/batch.h"
#include "study/trace.h"
#include "support/bits.h"
#include "support/loaded_model.h"
#include "support/scratch_folder.h"

namespace moiety {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

const std::string kReplayHeading =
    R"({"format":"moiety-trace","version":1,"model":"m","num_layers":3,"num_experts":4,"top_k":2})"
    "\n";

// Three layers, of which 0 and 2 have experts.
ModelInfo SmallModel() {
  ModelInfo info;
  info.architecture = "m";
  info.num_layers = 3;
  info.num_experts = 4;
  info.num_moe_layers = 2;
  return info;
}

std::string LayerLine(int layer, const std::string& experts, const std::string& weights) {
  return R"({"layer":)" + std::to_string(layer) + R"(,"experts":)" + experts + R"(,"weights":)" +
         weights + "}\n";
}
std::string StepOf(const std::string& rows, const std::string& experts,
                   const std::string& weights) {
  return R"({"rows":)" + rows + "}\n" + LayerLine(0, experts, weights) +
         LayerLine(2, experts, weights);
}

// Sequences 9 and 4 in turn: experts 0 and 1 are those of sequence 9.
const std::string kTwoSequences =
    kReplayHeading + StepOf("[[9,0,1],[4,0,1],[4,1,1]]", "[[0],[2,3],[]]", "[[1],[0.75,0.25],[]]") +
    StepOf("[[9,1,1],[4,2,1]]", "[[1],[3]]", "[[0.5],[1]]");

Result<std::unique_ptr<RoutingReplay>> ParseReplay(const std::string& text,
                                                   const ModelInfo& info = SmallModel()) {
  std::istringstream lines(text);
  return RoutingReplay::Parse(lines, "trace", info);
}

// The experts of each row.
std::vector<std::vector<int32_t>> Replayed(RoutingReplay& replay, int64_t layer,
                                           const std::vector<Segment>& segments) {
  Batch batch;
  batch.segments = segments;
  const int64_t num_rows = segments.back().begin + segments.back().count;
  RouterOutput routed;
  routed.routed = {{0, 3, 1}};  // what a router chose does not matter
  EXPECT_TRUE(replay.Edit(layer, batch, routed).ok());
  std::vector<std::vector<int32_t>> experts(static_cast<size_t>(num_rows));
  for (const RoutedToken& choice : routed.routed) {
    experts[static_cast<size_t>(choice.token)].push_back(choice.expert);
  }
  return experts;
}

TEST(RoutingReplay, SequencesFollowEachOther) {
  const auto replay = ParseReplay(kTwoSequences);
  ASSERT_TRUE(replay.ok()) << replay.status().message();
  EXPECT_EQ((*replay)->num_tokens(), 5);
  EXPECT_DOUBLE_EQ((*replay)->choices_per_token(), 1.0);
  EXPECT_EQ((*replay)->name(), "trace");
  using Rows = std::vector<std::vector<int32_t>>;
  for (const int64_t layer : {0, 2}) {
    // Those of sequence 4, those of 9, and around.
    EXPECT_EQ(Replayed(**replay, layer, {{.begin = 0, .count = 7, .pages = {}}}),
              (Rows{{2, 3}, {}, {3}, {0}, {1}, {2, 3}, {}}));
    EXPECT_EQ(Replayed(**replay, layer, {{.begin = 0, .count = 2, .position = 13, .pages = {}}}),
              (Rows{{0}, {1}}));
  }
}

TEST(RoutingReplay, EachSequenceHasItsPlace) {
  const auto replay = ParseReplay(kTwoSequences);
  ASSERT_TRUE(replay.ok());
  (*replay)->Place(7, 3);
  (*replay)->Place(8, 1'000'000'004);
  EXPECT_THAT(Replayed(**replay, 2,
                       {{.begin = 0, .count = 1, .position = 0, .sequence = 6, .pages = {}},
                        {.begin = 1, .count = 2, .position = 1, .sequence = 7, .pages = {}},
                        {.begin = 3, .count = 1, .position = 1, .sequence = 8, .pages = {}}}),
              ElementsAre(std::vector<int32_t>{2, 3}, std::vector<int32_t>{1},
                          std::vector<int32_t>{2, 3}, std::vector<int32_t>{2, 3}));
}

// The choices of the model itself: the same bits.
TEST(RoutingReplay, OfTheSameTextChangesNothing) {
  const ScratchFolder scratch;
  const auto engine = OpenOrFail(TinyModel(TinyMixtralConfig()));
  ASSERT_NE(engine, nullptr);
  const auto path = scratch.path() / "trace";
  const std::vector<int32_t> ids = SomeIds(20);
  std::vector<float> expected;
  {
    auto writer = *TraceWriter::Create(path, engine->model().info());
    Sequence sequence(engine->pages());
    expected = FeedLogits(*engine, sequence, ids, 7, writer.get());
    ASSERT_TRUE(writer->Close().ok());
  }
  const auto replay = RoutingReplay::Read(path, engine->model().info());
  ASSERT_TRUE(replay.ok()) << replay.status().message();
  EXPECT_EQ((*replay)->num_tokens(), 20);
  EXPECT_EQ((*replay)->choices_per_token(), 2);
  ASSERT_TRUE(engine->SetRouteEdits({replay->get()}).ok());
  EXPECT_TRUE(SameBits(AllLogits(*engine, ids), expected));
  Sequence elsewhere(engine->pages());
  (*replay)->Place(elsewhere.number(), 3);
  EXPECT_FALSE(SameBits(FeedLogits(*engine, elsewhere, ids), expected));
}

TEST(RoutingReplay, WhatDoesNotFitTheModel) {
  ModelInfo info = SmallModel();
  info.num_experts = 5;
  EXPECT_THAT(ParseReplay(kTwoSequences, info).status().message(),
              HasSubstr("trace: is of 3 layers of 4 experts, the model has 3 of 5"));
  info.num_experts = 0;
  EXPECT_THAT(ParseReplay(kTwoSequences, info).status().message(), HasSubstr("dense m model"));
  info = SmallModel();
  info.num_moe_layers = 3;
  EXPECT_THAT(ParseReplay(kTwoSequences, info).status().message(),
              HasSubstr("choices of 2 layers, the model has 3 with experts"));
  // As many layers, but others.
  const auto replay = ParseReplay(kTwoSequences);
  ASSERT_TRUE(replay.ok());
  RouterOutput routed;
  EXPECT_THAT((*replay)->Edit(1, {}, routed).message(), HasSubstr("no choices of layer 1"));
}

TEST(RoutingReplay, EveryStepMustBeWhole) {
  const auto error = [](const std::string& text) {
    const auto replay = ParseReplay(kReplayHeading + text);
    EXPECT_EQ(replay.status().code(), StatusCode::kInvalidData) << text;
    return std::string(replay.status().message());
  };
  const std::string rows = "{\"rows\":[[0,0,1]]}\n";
  const std::string zero = LayerLine(0, "[[1]]", "[[1]]");
  const std::string two = LayerLine(2, "[[1]]", "[[1]]");
  EXPECT_TRUE(ParseReplay(kReplayHeading + rows + zero + two).ok());
  EXPECT_THAT(error(""), HasSubstr("trace: has no tokens"));
  EXPECT_THAT(error(zero), HasSubstr("1 tokens after 0, expected 0 after 0"));
  EXPECT_THAT(error(rows + zero + zero), AllOf(HasSubstr("line 4"), HasSubstr("layer 0")));
  EXPECT_THAT(error(rows + LayerLine(0, "[[1],[2]]", "[[1],[1]]")), HasSubstr("2 tokens after 0"));
  EXPECT_THAT(error(rows + zero + two + rows + two),
              HasSubstr("ends without the choices of layer 0"));
  EXPECT_THAT(error(rows + zero + two + rows + two + rows),
              AllOf(HasSubstr("line 7"), HasSubstr("layer 0")));
  EXPECT_THAT(error(rows + zero + rows + zero + two), HasSubstr("layer 2"));
  EXPECT_THAT(error(rows + LayerLine(0, "[[1]]", "[[null]]")),
              HasSubstr("expert 1 of row 0 has no weight"));
  EXPECT_EQ(RoutingReplay::Read("/nowhere/trace", SmallModel()).status().code(),
            StatusCode::kNotFound);
}

}  // namespace
}  // namespace moiety
