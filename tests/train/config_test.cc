#include "train/config.h"

#include <gmock/gmock.h>

#include <string>

#include "train/presets.h"

namespace moiety {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

std::string ReadError(const std::string& text) {
  TrainConfig config;
  const std::string before = ToToml(config);
  const Status status = ReadTrainConfig(text, "c.toml", config);
  EXPECT_EQ(ToToml(config), before) << "an error changes nothing";
  EXPECT_TRUE(status.ok() || status.message().starts_with("c.toml: "));
  return status.message();
}

TEST(TrainConfig, ReadsKeysAndKeepsTheOthers) {
  TrainConfig config;
  const Status status = ReadTrainConfig(R"(
    [model]
    d_model = 64  # a comment
    dense = true
    [optimizer]
    lr = 1
    [schedule]
    name = "wsd"
    [data]
    paths = ["a.txt", 'b\c']
    weights = {en = 2, "a b" = 0.5}
    [loop]
    seed = 0x10
  )",
                                        "c.toml", config);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(config.model.d_model, 64);
  EXPECT_TRUE(config.model.dense);
  EXPECT_EQ(config.model.num_layers, TrainConfig().model.num_layers);
  EXPECT_EQ(config.optimizer.lr, 1);
  EXPECT_EQ(config.schedule.name, "wsd");
  EXPECT_THAT(config.data.paths, ElementsAre("a.txt", "b\\c"));
  EXPECT_THAT(config.data.weights, ElementsAre(Pair("a b", 0.5), Pair("en", 2)));
  EXPECT_EQ(config.loop.seed, 16);
  EXPECT_EQ(ReadError(""), "");
}

TEST(TrainConfig, RefusesUnknownKeysWithTheNearest) {
  EXPECT_EQ(ReadError("[optimizer]\nlearning_rat = 1"),
            "c.toml: unknown key \"optimizer.learning_rat\"; did you mean \"optimizer.lr\"?");
  EXPECT_EQ(ReadError("[model]\ntopk = 1"),
            "c.toml: unknown key \"model.topk\"; did you mean \"model.top_k\"?");
  EXPECT_EQ(ReadError("[model]\nlr = 1"),
            "c.toml: unknown key \"model.lr\"; did you mean \"optimizer.lr\"?");
  EXPECT_EQ(ReadError("lr = 1"), "c.toml: unknown key \"lr\"; did you mean \"optimizer.lr\"?");
  EXPECT_EQ(ReadError("d_modle = 1"),
            "c.toml: unknown key \"d_modle\"; did you mean \"model.d_model\"?");
  EXPECT_EQ(ReadError("[modle]\nd_model = 1"),
            "c.toml: unknown section \"modle\"; did you mean [model]?");
  EXPECT_EQ(ReadError("model = 1"), "c.toml: model must be a section [model], found 1");
}

TEST(TrainConfig, RefusesWrongTypesAndRanges) {
  EXPECT_EQ(ReadError("[model]\nd_model = \"64\""),
            "c.toml: model.d_model must be an integer from 1 to 16777216, found \"64\"");
  EXPECT_EQ(ReadError("[model]\nd_model = 64.0"),
            "c.toml: model.d_model must be an integer from 1 to 16777216, found 64");
  EXPECT_EQ(ReadError("[model]\nd_model = 0"),
            "c.toml: model.d_model must be an integer from 1 to 16777216, found 0");
  EXPECT_EQ(ReadError("[optimizer]\nbeta1 = 1"),
            "c.toml: optimizer.beta1 must be a number from 0 to 0.999999, found 1");
  EXPECT_EQ(ReadError("[optimizer]\nlr = nan"),
            "c.toml: optimizer.lr must be a number from 0 to 1000000, found nan");
  EXPECT_EQ(ReadError("[optimizer]\nlr = 2020-01-01"),
            "c.toml: optimizer.lr must be a number from 0 to 1000000, found a date or time");
  EXPECT_EQ(ReadError("[model]\ndense = 1"), "c.toml: model.dense must be true or false, found 1");
  EXPECT_EQ(ReadError("[router]\nname = true"), "c.toml: router.name must be a string, found true");
  EXPECT_EQ(ReadError("[precision]\nhead = \"f16\""),
            "c.toml: precision.head must be \"f32\" or \"bf16\", found \"f16\"");
  EXPECT_EQ(ReadError("[data]\npaths = \"x\""),
            "c.toml: data.paths must be a list of strings, found \"x\"");
  EXPECT_EQ(ReadError("[data]\npaths = [\"x\", {}]"),
            "c.toml: data.paths must be a list of strings, found a table");
  EXPECT_EQ(ReadError("[data]\nweights = []"),
            "c.toml: data.weights must be a table of numbers, found a list");
  EXPECT_EQ(ReadError("[data.weights]\nen = -1"),
            "c.toml: data.weights.\"en\" must be a number from 0 to 1e+30, found -1");
}

TEST(TrainConfig, RefusesWhatIsNotToml) {
  EXPECT_THAT(ReadError("[model]\nd_model = \n"), HasSubstr("not valid TOML at line 2, column "));
  EXPECT_THAT(ReadError("[model]\nd_model = 1\nd_model = 2"),
              HasSubstr("not valid TOML at line 3"));
}

TEST(TrainConfig, SetsOneKey) {
  TrainConfig config;
  const auto set = [&](const std::string& setting) {
    const Status status = ApplySetting(config, setting);
    EXPECT_TRUE(status.ok() || status.code() == StatusCode::kInvalidArgument);
    return status.message();
  };
  EXPECT_EQ(set("optimizer.lr=1e-3"), "");
  EXPECT_EQ(config.optimizer.lr, 1e-3);
  EXPECT_EQ(set("optimizer.lr=2"), "");
  EXPECT_EQ(config.optimizer.lr, 2);
  EXPECT_EQ(set("model.dense=true"), "");
  EXPECT_TRUE(config.model.dense);
  EXPECT_EQ(set("router.name=switch"), "");
  EXPECT_EQ(config.router.name, "switch");
  EXPECT_EQ(set("data.tokenizer=\"a=b.json\""), "");
  EXPECT_EQ(config.data.tokenizer, "a=b.json");
  EXPECT_EQ(set("data.tokenizer="), "");
  EXPECT_EQ(config.data.tokenizer, "");
  EXPECT_EQ(set("data.paths=a b.txt"), "");
  EXPECT_THAT(config.data.paths, ElementsAre("a b.txt"));
  EXPECT_EQ(set("data.paths=[\"a\", \"b\"]"), "");
  EXPECT_THAT(config.data.paths, ElementsAre("a", "b"));
  EXPECT_EQ(set("data.weights.en=2"), "");
  EXPECT_EQ(set("data.weights.a.b=0.5"), "");
  EXPECT_EQ(set("data.weights.en=3"), "");
  EXPECT_THAT(config.data.weights, ElementsAre(Pair("a.b", 0.5), Pair("en", 3)));
  EXPECT_EQ(set("data.weights={fr = 1}"), "");
  EXPECT_THAT(config.data.weights, ElementsAre(Pair("fr", 1)));

  const std::string before = ToToml(config);
  EXPECT_EQ(set("optimizer.lrr=1"),
            "setting \"optimizer.lrr=1\": unknown key \"optimizer.lrr\"; did you mean "
            "\"optimizer.lr\"?");
  EXPECT_THAT(set("lr=1"), HasSubstr("did you mean \"optimizer.lr\"?"));
  EXPECT_THAT(set("optimiser.lr=1"), HasSubstr("did you mean \"optimizer.lr\"?"));
  EXPECT_THAT(set("model.d_model.x=1"), HasSubstr("unknown key \"model.d_model.x\""));
  EXPECT_EQ(set("optimizer.lr"), "setting \"optimizer.lr\": expected section.key=value");
  EXPECT_THAT(set("optimizer.lr=fast"), HasSubstr("not valid TOML"));
  EXPECT_THAT(set("model.d_model=1e3"), HasSubstr("must be an integer"));
  EXPECT_THAT(set("model.d_model=1\nx=2"), HasSubstr("expected one value"));
  EXPECT_THAT(set("schedule.name=step"), HasSubstr("\"cosine\" or \"linear\" or"));
  EXPECT_THAT(set("=\xFF"), HasSubstr("unknown key"));
  EXPECT_EQ(ToToml(config), before);
}

TEST(TrainConfig, WritesEveryKeyBack) {
  for (const PresetInfo& preset : Presets()) {
    const auto config = Preset(preset.name);
    ASSERT_TRUE(config.ok());
    TrainConfig read;
    const Status status = ReadTrainConfig(ToToml(*config), "c.toml", read);
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(ToToml(read), ToToml(*config));
  }
  TrainConfig config;
  config.optimizer.lr = 0.1 + 0.2;
  config.optimizer.eps = 5e-324;
  config.loop.seed = INT64_MAX;
  config.data.paths = {"", "\"\\\n\t\x01\x7F\xC3\xA9\xF0\x9F\x98\x80", "b"};
  config.data.weights = {{"en", 1}, {"\xC3\xA9 .\"", 0.25}, {"", 3}};
  TrainConfig read;
  const Status status = ReadTrainConfig(ToToml(config), "c.toml", read);
  ASSERT_TRUE(status.ok()) << status.message() << "\n" << ToToml(config);
  EXPECT_EQ(read.optimizer.lr, config.optimizer.lr);
  EXPECT_EQ(read.optimizer.eps, config.optimizer.eps);
  EXPECT_EQ(read.loop.seed, config.loop.seed);
  EXPECT_EQ(read.data.paths, config.data.paths);
  EXPECT_EQ(read.data.weights, config.data.weights);
}

// A key that the table forgets would be a member that cannot be set: as many keys as members.
TEST(TrainConfig, ShowsWhatKeysMean) {
  const std::string text = ToToml(TrainConfig());
  EXPECT_THAT(text, AllOf(HasSubstr("[model]\nvocab_size = 0  # 0: that of the tokenizer\n"),
                          HasSubstr("\n[optimizer]\nname = \"adamw\"\nlr = 0.001  # "),
                          HasSubstr("rope_theta = 10000.0\n"), HasSubstr("eps = 1e-08\n"),
                          HasSubstr("\n[data.weights]  # ")));
  const auto count = [&](const std::string& part) {
    int lines = 0;
    for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) ++lines;
    return lines;
  };
  // 20 of the model, 22 of routers, 8 of optimizers, 4 of schedules, 5 of data beside the weights,
  // 8 of the loop, 4 of precision.
  EXPECT_EQ(count(" = "), 71);
}

}  // namespace
}  // namespace moiety
