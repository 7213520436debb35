// moiety bench.
#include <gmock/gmock.h>

#include <set>
#include <tuple>

#include "base/format.h"
#include "kernels/kernels.h"
#include "support/paths.h"
#include "support/process.h"
#include "support/scratch_folder.h"
#include "support/tiny_model.h"

namespace moiety {
namespace {

using nlohmann::json;
using testing::HasSubstr;

const std::string kShape = SourcePath("bench/shapes/mixtral_small.json").string();

// Bench with `more` flags, in little memory.
ProcessResult Bench(const std::vector<std::string>& more, const ProcessOptions& options = {}) {
  std::vector<std::string> arguments = {"bench", "--memory", "150M"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return Moiety(arguments, options);
}

void ExpectShare(const json& result, const char* name) {
  EXPECT_GT(result[name], 0) << name;
  EXPECT_LE(result[name], 1) << name;
}

TEST(Bench, JsonOfAShape) {
  const ProcessResult run = Bench({"--shape", kShape, "-p", "16,40", "-n", "3", "-d", "0,70",
                                   "--sequences", "1,3", "-r", "2", "--json", "--threads", "2"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.err, "") << "no progress in a pipe";
  const json found = json::parse(run.out);
  EXPECT_EQ(found["model"], kShape);
  EXPECT_EQ(found["random_weights"], true);
  EXPECT_EQ(found["architecture"], "mixtral");
  EXPECT_EQ(found["weight_bytes"], 2 * found["parameters"].get<int64_t>());
  EXPECT_LT(found["active_parameters"], found["parameters"]);
  EXPECT_EQ(found["repetitions"], 2);
  // The model's, not that of measuring the machine.
  EXPECT_GE(found["peak_memory_bytes"], found["weight_bytes"]);
  EXPECT_LE(found["peak_memory_bytes"], 30'000'000);
  const json& machine = found["machine"];
  EXPECT_EQ(machine["threads"], 2);
  EXPECT_GT(machine["gb_per_s"], 0);
  EXPECT_GT(machine["gflop_per_s"], 0);
  EXPECT_GT(machine["gb_per_s_measured_over_bytes"], 1 << 20);
  EXPECT_TRUE(machine["cpu"].is_string());
  EXPECT_TRUE(machine["kernels"].is_string());
  EXPECT_GT(found["decode_tokens_per_s"], 0);
  EXPECT_GT(found["prefill_tokens_per_s"], 0);
  EXPECT_GT(found["read_bandwidth_gb_s"], 0);
  EXPECT_GT(found["decode_share_of_limit"], 0);
  EXPECT_LE(found["decode_share_of_limit"], 1);
  std::set<std::tuple<std::string, int, int, int>> tests;
  for (const json& result : found["results"]) {
    const bool prefill = result["test"] == "prefill";
    const int tokens = result["tokens"];
    const int sequences = result["sequences"];
    tests.emplace(result["test"], tokens, result["depth"], sequences);
    EXPECT_EQ(result["seconds"].size(), 2U);
    EXPECT_GT(result["tokens_per_s"]["min"], 0);
    EXPECT_LE(result["tokens_per_s"]["min"], result["tokens_per_s"]["median"]);
    EXPECT_LE(result["tokens_per_s"]["median"], result["tokens_per_s"]["max"]);
    EXPECT_EQ(result["steps"], prefill ? 1 : tokens);
    for (const char* name : {"share", "gb_per_s_share", "gflop_per_s_share"}) {
      ExpectShare(result, name);
    }
    EXPECT_EQ(result["share"], result[prefill ? "gflop_per_s_share" : "gb_per_s_share"]);
    for (const char* name : {"barrier_share", "serial_share"}) {
      EXPECT_GE(result[name], 0) << name;
      EXPECT_LE(result[name], 1) << name;
    }
    for (const char* name : {"gb_per_s", "gb_per_s_limit", "gflop_per_s", "gflop_per_s_limit",
                             "weight_bytes", "kv_bytes", "flops"}) {
      EXPECT_GT(result[name], 0) << name;
    }
    // One row uses the two experts it chose; more rows more, up to all.
    const double experts = result["experts_per_layer"];
    if (!prefill && sequences == 1) {
      EXPECT_EQ(experts, 2);
    } else {
      EXPECT_GT(experts, 2);
      EXPECT_LE(experts, 8);
    }
  }
  const std::set<std::tuple<std::string, int, int, int>> expected = {
      {"prefill", 16, 0, 1}, {"prefill", 40, 0, 1}, {"prefill", 16, 70, 1}, {"prefill", 40, 70, 1},
      {"decode", 3, 0, 1},   {"decode", 3, 0, 3},   {"decode", 3, 70, 1},   {"decode", 3, 70, 3}};
  EXPECT_EQ(tests, expected);
}

// The functions of a forced instruction set count themselves: it computes, and no other.
TEST(Bench, TheForcedKernelsCompute) {
  for (const KernelTable* table : AvailableKernels()) {
    ProcessOptions options;
    options.environment["MOIETY_ISA"] = table->isa;
    const ProcessResult run =
        Bench({"--shape", kShape, "-p", "2", "-n", "1", "-r", "1", "--json"}, options);
    ASSERT_EQ(run.exit_code, 0) << run.err;
    const json found = json::parse(run.out);
    EXPECT_EQ(found["machine"]["kernels"], table->isa);
    EXPECT_EQ(found["machine"]["compute"], "f32");
    for (const auto& [isa, calls] : found["kernel_calls"].items()) {
      EXPECT_EQ(calls > 0, isa == table->isa) << isa << " ran under " << table->isa;
    }
  }
}

TEST(Bench, ComputesInBf16OrSaysWhyNot) {
  for (const KernelTable* table : AvailableKernels()) {
    ProcessOptions options;
    options.environment["MOIETY_ISA"] = table->isa;
    const ProcessResult run =
        Bench({"--shape", kShape, "-p", "40", "-n", "1", "-r", "1", "--compute", "bf16", "--json"},
              options);
    if (table->matmul_bf16 == nullptr) {
      EXPECT_EQ(run.exit_code, 1);
      EXPECT_THAT(run.err, HasSubstr("AVX-512 BF16 or AMX"));
      EXPECT_THAT(run.err, HasSubstr(table->isa));
      continue;
    }
    ASSERT_EQ(run.exit_code, 0) << run.err;
    EXPECT_EQ(json::parse(run.out)["machine"]["compute"], "bf16");
  }
  const ProcessResult wrong = Bench({"--shape", kShape, "--compute", "f8"});
  EXPECT_NE(wrong.exit_code, 0);
  EXPECT_THAT(wrong.err, HasSubstr("f8"));
}

TEST(Bench, AnEmptyShapeIsNoShape) {
  const ProcessResult run = Bench({"--shape", ""});
  EXPECT_NE(run.exit_code, 0);
  EXPECT_THAT(run.err, HasSubstr("must name a config.json"));
}

TEST(Bench, TableLinesUp) {
  const ProcessResult run =
      Bench({"--shape", kShape, "-p", "20", "-n", "2", "--sequences", "1,8", "-r", "1"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(run.err, "");
  for (const char* part : {"model    ", "of random weights", "machine  ", "limits   ",
                           "GB/s read over", "\nprefill 20 ", "\ndecode 2 "}) {
    EXPECT_THAT(run.out, HasSubstr(part));
  }
  std::vector<std::string> lines;
  for (size_t begin = run.out.find("test  "); begin < run.out.size();) {
    const size_t end = run.out.find('\n', begin);
    lines.push_back(run.out.substr(begin, end - begin));
    begin = end + 1;
  }
  ASSERT_EQ(lines.size(), 4U);
  for (const std::string& line : lines) EXPECT_EQ(line.size(), lines[0].size()) << line;
}

TEST(Bench, ModelsAndOneKindOfTest) {
  const json prefill =
      json::parse(Bench({Starter().string(), "-p", "8", "-n", "0", "-r", "1", "--json"}).out);
  EXPECT_EQ(prefill["random_weights"], false);
  EXPECT_EQ(prefill["model"], Starter().string());
  ASSERT_EQ(prefill["results"].size(), 1U);
  EXPECT_EQ(prefill["results"][0]["test"], "prefill");
  const std::string dense = SourcePath("tests/data/models/qwen2").string();
  const json decode = json::parse(Bench({dense, "-p", "0", "-n", "2", "-r", "1", "--json"}).out);
  ASSERT_EQ(decode["results"].size(), 1U);
  EXPECT_EQ(decode["results"][0]["test"], "decode");
  EXPECT_EQ(decode["results"][0]["experts_per_layer"], 0);
}

TEST(Bench, EveryTypeOfRandomWeights) {
  const ScratchFolder scratch;
  for (const auto& [dtype, bytes] : {std::pair("float32", 4), {"float16", 2}}) {
    json config = TinyMixtralConfig();
    config["dtype"] = dtype;
    const std::string path = scratch.Write("shape.json", config.dump()).string();
    const ProcessResult run = Bench({"--shape", path, "-p", "8", "-n", "2", "-r", "1", "--json"});
    ASSERT_EQ(run.exit_code, 0) << run.err;
    const json found = json::parse(run.out);
    EXPECT_EQ(found["weight_bytes"], bytes * found["parameters"].get<int>());
  }
}

TEST(Bench, WrongFlags) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"-p", "x"}, "--n-prompt: expected a whole number of at least 0, found \"x\""},
      {{"-n", "3,-1"}, "--n-gen: expected a whole number of at least 0, found \"-1\""},
      {{"-d", "1.5"}, "--n-depth: expected a whole number of at least 0"},
      {{"--sequences", "0"}, "--sequences: expected a whole number of at least 1, found \"0\""},
      {{"-r", "0"}, "--repetitions: expected a whole number of at least 1, found \"0\""},
      {{"--seed", "x"}, "--seed"},
      {{"--shape", kShape, "models/x"}, "excludes"},
      {{"--shape", kShape, "--no-mmap"}, "excludes"},
      {{"--threads", "0"}, "--threads"},
  };
  for (const auto& [flags, message] : cases) {
    const ProcessResult run = Bench(flags);
    ExpectError(run, 2);
    EXPECT_THAT(run.err, HasSubstr(message));
  }
}

TEST(Bench, Errors) {
  const ScratchFolder scratch;
  json config = TinyMixtralConfig();
  const std::string no_type = scratch.Write("no_type.json", config.dump()).string();
  config["dtype"] = "int4";
  const std::string int4 = scratch.Write("int4.json", config.dump()).string();
  config["dtype"] = "bfloat16";
  config["num_local_experts"] = 2'000'000'000;
  const std::string large = scratch.Write("large.json", config.dump()).string();
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"--shape", kShape, "-p", "0", "-n", "0"}, "nothing to measure"},
      {{"--shape", kShape, "-p", "1025"},
       "prefill of 1025 tokens at depth 0: the model's context has only 1024 tokens"},
      {{"--shape", kShape, "-p", "8", "-n", "8", "-d", "0,1020"}, "context has only 1024"},
      {{"--shape", kShape, "--sequences", "5000"}, "sequences must be from 1 to 4096"},
      {{"--shape", kShape, "-r", "2000000"}, "repetitions must be from 1 to 1000000"},
      {{"--shape", (scratch.path() / "none.json").string()}, "none.json"},
      {{"--shape", no_type}, "torch_dtype"},
      {{"--shape", int4}, "must be float32, float16 or bfloat16, found \"int4\""},
      {{"--shape", large}, "large.json: random weights"},
      {{(scratch.path() / "none").string()}, "none: no such folder"},
  };
  for (const auto& [flags, message] : cases) {
    for (const bool as_json : {false, true}) {
      std::vector<std::string> all = flags;
      if (as_json) all.emplace_back("--json");
      const ProcessResult run = Bench(all);
      ExpectError(run, 1);
      EXPECT_THAT(run.err, HasSubstr(message));
    }
  }
}

// A trace of 12 tokens that all chose experts `experts` of the starter's layers.
std::string TraceOf(const std::string& experts, int num_layers = 4) {
  std::string text =
      Format(R"({{"format":"moiety-trace","version":1,"num_layers":{},"num_experts":8,"top_k":2}})"
             "\n",
             num_layers);
  for (int t = 0; t < 12; ++t) {
    text += Format(R"({{"rows":[[0,{},1]]}})"
                   "\n",
                   t);
    for (int layer = 0; layer < num_layers; ++layer) {
      text += Format(R"({{"layer":{},"experts":[[{}]],"weights":[[0.5,0.5]]}})"
                     "\n",
                     layer, experts);
    }
  }
  return text;
}

TEST(Bench, ReplaysRoutingOfModelsAndShapes) {
  const ScratchFolder scratch;
  const std::string trace = scratch.Write("trace", TraceOf("2,5")).string();
  const std::string shape = (Starter() / "config.json").string();
  for (const std::vector<std::string>& model :
       std::vector<std::vector<std::string>>{{Starter().string()}, {"--shape", shape}}) {
    std::vector<std::string> flags = model;
    flags.insert(flags.end(), {"--replay-routing", trace, "-p", "6", "-n", "3", "--sequences", "3",
                               "-r", "1", "--json"});
    const ProcessResult run = Bench(flags);
    ASSERT_EQ(run.exit_code, 0) << run.err;
    const json found = json::parse(run.out);
    EXPECT_EQ(found["replay"]["recorded_tokens"], 12);
    EXPECT_EQ(found["replay"]["choices_per_token"], 2);
    EXPECT_EQ(found["replay"]["trace"], trace);
    ASSERT_EQ(found["results"].size(), 2U);
    for (const json& result : found["results"]) EXPECT_EQ(result["experts_per_layer"], 2);
    EXPECT_EQ(found["results"][0]["replayed_tokens"], 18);
    EXPECT_EQ(found["results"][1]["replayed_tokens"], 27);
  }
}

TEST(Bench, ReplayedRoutingWithinMemory) {
  const ScratchFolder scratch;
  const std::string trace = scratch.Write("trace", TraceOf("2,5")).string();
  const ProcessResult run = Moiety({"bench", Starter().string(), "--memory", "16M",
                                    "--replay-routing", trace, "-p", "4", "-n", "6", "-r", "1"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("\nrouting  "));
  EXPECT_THAT(run.out, HasSubstr(": 12 recorded tokens, 2.00 choices each\n\ntest "));
  EXPECT_THAT(run.out, HasSubstr("  18 tokens replay 12 recorded ones: 1.5 times around\n"));
  EXPECT_EQ(run.out.find("  12 tokens replay"), std::string::npos) << "that is not around";
  // Two experts of each layer are all there is to keep.
  EXPECT_THAT(run.out, HasSubstr("  hit 100 %, "));
  const json few = json::parse(Bench({Starter().string(), "--replay-routing", trace, "-p", "0",
                                      "-n", "2", "-r", "1", "--experts-per-token", "1", "--json"})
                                   .out);
  EXPECT_EQ(few["results"][0]["experts_per_layer"], 1) << "limits come behind";
}

TEST(Bench, TracesThatCannotBeReplayed) {
  const ScratchFolder scratch;
  const std::string trace = scratch.Write("trace", TraceOf("2,5", 3)).string();
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{Starter().string(), "--replay-routing", trace},
       "trace: is of 3 layers of 8 experts, the model has 4 of 8"},
      {{Starter().string(), "--replay-routing", (scratch.path() / "none").string()},
       "none: cannot open"},
      {{Starter().string(), "--replay-routing", (Starter() / "config.json").string()},
       "config.json: line 1"},
      {{SourcePath("tests/data/models/qwen2").string(), "--replay-routing", trace},
       "dense qwen2 model"},
  };
  for (const auto& [flags, message] : cases) {
    const ProcessResult run = Bench(flags);
    ExpectError(run, 1);
    EXPECT_THAT(run.err, HasSubstr(message));
  }
}

}  // namespace
}  // namespace moiety
