#include "study/training_log.h"

#include <gmock/gmock.h>

#include <cmath>

namespace moiety {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

TrainingLog ParseOrFail(const std::string& text) {
  auto log = ParseTrainingLog(text, "log.jsonl");
  EXPECT_TRUE(log.ok()) << log.status().message();
  return log.ok() ? *std::move(log) : TrainingLog{};
}

TEST(TrainingLog, ReadsEveryField) {
  const TrainingLog log = ParseOrFail(
      R"({"event":"start","seed":1}
{"event":"step","step":1,"loss":5.5,"lr":1e-3,"gradient_norm":1.25,"tokens":4096,"tokens_per_s":5000.0,"balance_loss":2.0,"z_loss":0.1,"mutual_information_loss":-0.5,"new":[1],"layers":[{"layer":2,"load":[1,3],"cv":0.5,"max_vio":0.5,"gate_entropy":0.6,"expert_entropy":0.7,"dropped":4},{"layer":0,"load":[5]}]}

{"event":"step","step":2,"loss":null,"skipped":"layer 2: gradient is not a number"}
{"event":"step","step":4,"layers":[{"layer":2,"load":[2,2]}]}
{"event":"validation","step":4,"loss":2.1,"domains":{"de":{"loss":2.0,"tokens":10000},"en":{}}}
)");
  ASSERT_EQ(log.steps.size(), 3U);
  const TrainingLog::Step& first = log.steps[0];
  EXPECT_EQ(first.step, 1);
  EXPECT_EQ(first.loss, 5.5);
  EXPECT_EQ(first.learning_rate, 1e-3);
  EXPECT_EQ(first.gradient_norm, 1.25);
  EXPECT_EQ(first.tokens, 4096);
  EXPECT_EQ(first.tokens_per_s, 5000);
  EXPECT_THAT(first.router_losses, ElementsAre(2, 0.1, testing::IsNan(), testing::IsNan(),
                                               testing::IsNan(), -0.5, testing::IsNan()));
  EXPECT_FALSE(first.skipped);
  EXPECT_TRUE(log.steps[1].skipped);
  EXPECT_EQ(log.steps[1].skip_reason, "layer 2: gradient is not a number");
  EXPECT_TRUE(std::isnan(log.steps[1].loss));
  EXPECT_TRUE(std::isnan(log.steps[2].learning_rate));
  ASSERT_EQ(log.layers.size(), 2U);
  EXPECT_EQ(log.layers[0].layer, 0);
  EXPECT_EQ(log.layers[0].num_experts, 1);
  EXPECT_TRUE(std::isnan(log.layers[0].cv[0]));
  const TrainingLog::Layer& layer = log.layers[1];
  EXPECT_EQ(layer.layer, 2);
  EXPECT_THAT(layer.at, ElementsAre(0, 2));
  EXPECT_THAT(layer.load, ElementsAre(1, 3, 2, 2));
  EXPECT_EQ(layer.cv[0], 0.5);
  EXPECT_EQ(layer.max_violation[0], 0.5);
  EXPECT_EQ(layer.gate_entropy[0], 0.6);
  EXPECT_EQ(layer.expert_entropy[0], 0.7);
  EXPECT_EQ(layer.dropped[0], 4);
  EXPECT_TRUE(std::isnan(layer.dropped[1]));
  ASSERT_EQ(log.validations.size(), 1U);
  EXPECT_EQ(log.validations[0].loss, 2.1);
  EXPECT_THAT(log.validations[0].domains,
              ElementsAre(Pair("de", 2.0), Pair("en", testing::IsNan())));
  EXPECT_TRUE(ParseOrFail("").steps.empty());
  EXPECT_TRUE(ParseOrFail("\n \n").steps.empty());
}

std::string StepLine(int64_t step) {
  const std::string number = std::to_string(step);
  return R"({"event":"step","step":)" + number + R"(,"loss":)" + number +
         R"(,"layers":[{"layer":0,"load":[)" + number + ",1],\"cv\":" + number + "}]}\n";
}
std::string ResumeLine(int64_t step) {
  return R"({"event":"resume","step":)" + std::to_string(step) + "}\n";
}

TEST(TrainingLog, AResumeTakesBackWhatIsComputedAgain) {
  const TrainingLog log = ParseOrFail(StepLine(1) +
                                      R"({"event":"validation","step":1,"loss":9})"
                                      "\n" +
                                      StepLine(2) + StepLine(3) +
                                      R"({"event":"validation","step":3,"loss":8})"
                                      "\n" +
                                      ResumeLine(1) +
                                      R"({"event":"validation","step":1,"loss":7})"
                                      "\n" +
                                      StepLine(2) + ResumeLine(5) + StepLine(6));
  ASSERT_EQ(log.steps.size(), 3U);
  EXPECT_EQ(log.steps[1].step, 2);
  EXPECT_EQ(log.steps[2].step, 6);
  EXPECT_THAT(log.layers[0].at, ElementsAre(0, 1, 2));
  EXPECT_THAT(log.layers[0].load, ElementsAre(1, 1, 2, 1, 6, 1));
  EXPECT_THAT(log.layers[0].cv, ElementsAre(1, 2, 6));
  ASSERT_EQ(log.validations.size(), 1U);
  EXPECT_EQ(log.validations[0].loss, 7);
  EXPECT_THAT(log.resumes, ElementsAre(1, 5));
  EXPECT_EQ(log.num_superseded, 2);
  EXPECT_EQ(log.num_cut_lines, 0);
}

TEST(TrainingLog, CutLinesAreCounted) {
  // Wherever the last line is cut.
  const std::string last = StepLine(2).substr(0, StepLine(2).size() - 1);
  for (size_t cut = 1; cut < last.size(); ++cut) {
    const TrainingLog log = ParseOrFail(StepLine(1) + last.substr(0, cut));
    EXPECT_EQ(log.steps.size(), 1U);
    EXPECT_EQ(log.num_cut_lines, 1);
  }
  EXPECT_EQ(ParseOrFail(StepLine(1) + last).steps.size(), 2U) << "only the line end is missing";
  const TrainingLog resumed =
      ParseOrFail(StepLine(1) + "{\"event\":\"st\n\n" + ResumeLine(1) + StepLine(2) + "{");
  EXPECT_EQ(resumed.steps.size(), 2U);
  EXPECT_EQ(resumed.num_cut_lines, 2);
}

TEST(TrainingLog, ErrorsNameTheLine) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {StepLine(1) + "{\n" + StepLine(2), "log.jsonl:2: "},
      {StepLine(1) + "{\n", "log.jsonl:2: "},
      {StepLine(1) + "{\n{", "log.jsonl:2: "},
      {StepLine(1) + "{\n{\n" + ResumeLine(1), "log.jsonl:2: "},
      {"[]\n", "log.jsonl:1: expected a JSON object, found []"},
      {"{}\n", "log.jsonl:1: \"event\" is missing"},
      {"\n{\"event\":1}\n", "log.jsonl:2: \"event\" must be a string, found 1"},
      {R"({"event":"step"})", "\"step\" is missing"},
      {R"({"event":"step","step":-1})", "\"step\" must be an integer from 0"},
      {R"({"event":"step","step":1,"loss":"NaN"})", "\"loss\" must be a finite number"},
      {R"({"event":"step","step":1,"skipped":true})", "\"skipped\" must be a string"},
      {R"({"event":"step","step":1,"layers":{}})", "\"layers\" must be a list, found {}"},
      {R"({"event":"step","step":1,"layers":[1]})", "layers[0]: expected a JSON object"},
      {R"({"event":"step","step":1,"layers":[{"load":[1]}]})", "layers[0]: \"layer\" is missing"},
      {R"({"event":"step","step":1,"layers":[{"layer":0}]})", "found none"},
      {R"({"event":"step","step":1,"layers":[{"layer":0,"load":[]}]})", "found []"},
      {R"({"event":"step","step":1,"layers":[{"layer":0,"load":[-1]}]})", "found [-1]"},
      {R"({"event":"step","step":1,"layers":[{"layer":0,"load":[1e16]}]})", "counts of tokens"},
      {R"({"event":"step","step":1,"layers":[{"layer":65536,"load":[1]}]})", "from 0 to 65535"},
      {R"({"event":"step","step":1,"layers":[{"layer":0,"load":[1]},{"layer":0,"load":[1]}]})",
       "layers[1]: \"layer\" 0 is there twice"},
      {StepLine(1) + R"({"event":"step","step":2,"layers":[{"layer":0,"load":[1]}]})",
       "log.jsonl:2: layers[0]: \"load\" must be of 2 experts as before, found 1"},
      {StepLine(3) + StepLine(3), "log.jsonl:2: \"step\" must be above 3"},
      {R"({"event":"validation","step":3,"loss":1})"
       "\n"
       R"({"event":"validation","step":2,"loss":1})",
       "log.jsonl:2: \"step\" must be at least 3"},
      {R"({"event":"validation","step":3,"domains":[]})", "\"domains\" must be an object"},
      {R"({"event":"validation","step":3,"domains":{"de":1}})", "\"domains.de\" must be an object"},
      {R"({"event":"resume"})", "\"step\" is missing"},
  };
  for (const auto& [text, message] : cases) {
    const auto log = ParseTrainingLog(text, "log.jsonl");
    ASSERT_FALSE(log.ok()) << text;
    EXPECT_EQ(log.status().code(), StatusCode::kInvalidData);
    EXPECT_THAT(log.status().message(), HasSubstr(message));
    EXPECT_THAT(log.status().message(), testing::StartsWith("log.jsonl:"));
  }
}

}  // namespace
}  // namespace moiety
