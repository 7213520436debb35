// moiety bench: how fast a model runs here, and how close that is to what the machine can do.
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/cpu_features.h"
#include "base/format.h"
#include "cli/choice_flags.h"
#include "cli/command.h"
#include "cli/stream_report.h"
#include "cli/terminal.h"
#include "kernels/kernels.h"
#include "study/disk_speed.h"
#include "study/routing_replay.h"
#include "study/speed.h"

namespace moiety::cli {
namespace {

using nlohmann::json;

struct BenchFlags {
  std::string model, shape, replay;
  std::vector<int64_t> prompts = {512}, generations = {64}, depths = {0}, sequences = {1};
  SpeedOptions speed;
  bool json = false;
  ChoiceLimits choices;
  EngineFlags engine;
};

// Every combination, prompts before decoding; 0 tokens are no test.
std::vector<SpeedTest> Tests(const BenchFlags& flags) {
  std::vector<SpeedTest> tests;
  for (const int64_t depth : flags.depths) {
    for (const int64_t tokens : flags.prompts) {
      if (tokens > 0) tests.push_back({SpeedTest::Kind::kPrefill, tokens, depth, 1});
    }
    for (const int64_t tokens : flags.generations) {
      for (const int64_t sequences : flags.sequences) {
        if (tokens > 0) tests.push_back({SpeedTest::Kind::kDecode, tokens, depth, sequences});
      }
    }
  }
  return tests;
}

// Under a limit that weights do not fit, measuring takes little from the experts.
constexpr uint64_t kStreamedReadBytes = uint64_t{128} << 20;

// What most of the model's products are of.
Product MainProduct(Engine& engine) {
  if (engine.context().compute == ComputeType::kBF16) return Product::kBF16;
  uint64_t block_bytes = 0;
  uint64_t bytes = 0;
  for (const Weight& weight : engine.store().weights()) {
    const uint64_t size =
        DTypeBytes(weight.dtype, static_cast<uint64_t>(*NumElements(weight.shape)));
    bytes += size;
    if (IsBlockFormat(weight.dtype)) block_bytes += size;
  }
  return block_bytes > bytes / 2 ? Product::kInt8 : Product::kF32;
}

const char* ProductName(Product product) {
  return product == Product::kBF16 ? "bf16" : product == Product::kInt8 ? "int8" : "f32";
}

// What was called proves what computed.
json KernelCalls() {
  json calls = json::object();
  for (const KernelTable* table : AvailableKernels()) calls[table->isa] = NumCalls(*table);
  return calls;
}

const char* KindName(SpeedTest::Kind kind) {
  return kind == SpeedTest::Kind::kPrefill ? "prefill" : "decode";
}

// One for each repetition.
json FiguresJson(const SpeedResult& result, double SpeedRepetition::*figure, double unit = 1) {
  json figures = json::array();
  for (const SpeedRepetition& repetition : result.repetitions) {
    figures.push_back(repetition.*figure / unit);
  }
  return figures;
}

json ResultJson(const SpeedResult& r, const ModelInfo& info) {
  const bool prefill = r.test.kind == SpeedTest::Kind::kPrefill;
  return {{"test", KindName(r.test.kind)},
          {"tokens", r.test.num_tokens},
          {"depth", r.test.depth},
          {"sequences", r.test.num_sequences},
          {"seconds", FiguresJson(r, &SpeedRepetition::seconds)},
          {"gb_per_s_limits", FiguresJson(r, &SpeedRepetition::read_limit, 1e9)},
          {"gflop_per_s_limits", FiguresJson(r, &SpeedRepetition::multiply_limit, 1e9)},
          {"tokens_per_s",
           {{"median", r.tokens_per_s()},
            {"min", r.worst_tokens_per_s()},
            {"max", r.best_tokens_per_s()}}},
          {"steps", r.costs.num_steps},
          {"weight_bytes", r.costs.weight_bytes},
          {"kv_bytes", r.costs.kv_bytes},
          {"flops", r.costs.flops},
          {"experts_per_layer", r.experts_per_layer(info)},
          {"gb_per_s", r.bytes_per_s() / 1e9},
          {"gb_per_s_limit", r.read_limit() / 1e9},
          {"gb_per_s_share", r.read_share()},
          {"gflop_per_s", r.flops_per_s() / 1e9},
          {"gflop_per_s_limit", r.multiply_limit() / 1e9},
          {"gflop_per_s_share", r.multiply_share()},
          {"share", prefill ? r.multiply_share() : r.read_share()},
          {"barrier_share", r.barrier_share},
          {"serial_share", r.serial_share}};
}

json DocumentJson(Engine& engine, const MachineLimits& limits, const BenchFlags& flags) {
  const ModelInfo& m = engine.model().info();
  return {{"model", engine.path().string()},
          {"random_weights", engine.store().random().has_value()},
          {"architecture", m.architecture},
          {"parameters", m.parameters},
          {"active_parameters", m.active_parameters},
          {"weight_bytes", engine.store().declared_bytes()},
          {"repetitions", flags.speed.repetitions},
          {"machine",
           {{"cpu", CpuModelName()},
            {"threads", engine.context().pool.num_threads()},
            {"kernels", engine.context().kernels.isa},
            {"compute", ProductName(limits.product())},
            {"gb_per_s", limits.read_bytes_per_s() / 1e9},
            {"gb_per_s_measured_over_bytes", limits.read_bytes()},
            {"gflop_per_s", limits.flops_per_s() / 1e9}}},
          {"peak_memory_bytes", engine.context().budget.peak_bytes()},
          {"results", json::array()}};
}

// The figures by which engines are compared, where they were measured: the first decoding of one
// sequence and the first prompt.
void AddHeadline(const SpeedResult& r, json& document) {
  if (r.test.kind == SpeedTest::Kind::kPrefill) {
    if (!document.contains("prefill_tokens_per_s")) {
      document["prefill_tokens_per_s"] = r.tokens_per_s();
    }
  } else if (r.test.num_sequences == 1 && !document.contains("decode_tokens_per_s")) {
    document["decode_tokens_per_s"] = r.tokens_per_s();
    document["decode_share_of_limit"] = r.read_share();
    document["read_bandwidth_gb_s"] = r.read_limit() / 1e9;
  }
}

// The trace that choices come from.
json ReplayJson(const RoutingReplay& replay) {
  return {{"trace", replay.name()},
          {"recorded_tokens", replay.num_tokens()},
          {"choices_per_token", replay.choices_per_token()}};
}
std::string ReplayText(const RoutingReplay* replay) {
  if (replay == nullptr) return "";
  return Format("routing  {}: {} recorded tokens, {:.2f} choices each\n", OneLine(replay->name()),
                replay->num_tokens(), replay->choices_per_token());
}
// How often a test goes around the trace; empty if it does not reach its end.
std::string WrapText(const RoutingReplay& replay, int64_t num_tokens) {
  if (num_tokens <= replay.num_tokens()) return "";
  return Format("  {} tokens replay {} recorded ones: {:.1f} times around\n", num_tokens,
                replay.num_tokens(),
                static_cast<double>(num_tokens) / static_cast<double>(replay.num_tokens()));
}

std::string HeadText(Engine& engine, const MachineLimits& limits, const RoutingReplay* replay) {
  const ModelInfo& m = engine.model().info();
  return Format(
      "model    {}: {}, {} parameters, {} active, {}{}\n"
      "machine  {}, {} threads, {} kernels\n"
      "limits   {:.1f} GB/s read over {}, {:.1f} GFLOP/s {}\n{}\n"
      "{:<14} {:>6} {:>5} {:>9} {:>19} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>7}\n",
      OneLine(engine.path().string()), m.architecture, FormatCount(m.parameters),
      FormatCount(m.active_parameters), FormatBytes(engine.store().declared_bytes()),
      engine.store().random().has_value() ? " of random weights" : "", CpuModelName(),
      engine.context().pool.num_threads(), engine.context().kernels.isa,
      limits.read_bytes_per_s() / 1e9, FormatBytes(limits.read_bytes()), limits.flops_per_s() / 1e9,
      ProductName(limits.product()), ReplayText(replay), "test", "depth", "seqs", "tokens/s",
      "lowest to highest", "experts", "GB/s", "of limit", "GFLOP/s", "of limit", "barrier",
      "serial");
}

std::string RowText(const SpeedResult& r, const ModelInfo& info) {
  return Format(
      "{:<14} {:>6} {:>5} {:>9.1f} {:>19} {:>8.2f} {:>8.2f} {:>6.1f} % {:>8.1f} {:>6.1f} % "
      "{:>6.1f} "
      "% {:>5.1f} %\n",
      Format("{} {}", KindName(r.test.kind), r.test.num_tokens), r.test.depth, r.test.num_sequences,
      r.tokens_per_s(), Format("{:.1f} to {:.1f}", r.worst_tokens_per_s(), r.best_tokens_per_s()),
      r.experts_per_layer(info), r.bytes_per_s() / 1e9, 100 * r.read_share(), r.flops_per_s() / 1e9,
      100 * r.multiply_share(), 100 * r.barrier_share, 100 * r.serial_share);
}

Result<std::unique_ptr<Engine>> OpenModel(BenchFlags& flags) {
  if (!flags.shape.empty()) return OpenShape(flags.shape, flags.engine, flags.speed.seed);
  std::filesystem::path path = flags.model;
  if (flags.model.empty()) {
    MOIETY_ASSIGN_OR_RETURN(path, BundledModel());
  }
  return OpenEngine(path, flags.engine);
}

Status Bench(BenchFlags& flags) {
  const std::vector<SpeedTest> tests = Tests(flags);
  if (tests.empty()) {
    return InvalidArgument("nothing to measure: --n-prompt and --n-gen are both 0");
  }
  MOIETY_ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine, OpenModel(flags));
  const ModelInfo& info = engine->model().info();
  std::unique_ptr<RoutingReplay> replay;
  if (!flags.replay.empty()) {
    MOIETY_ASSIGN_OR_RETURN(replay, RoutingReplay::Read(flags.replay, info));
  }
  flags.speed.replay = replay.get();
  MOIETY_ASSIGN_OR_RETURN(const std::unique_ptr<ChoiceLimiter> limiter,
                          LimitChoices(*engine, flags.choices, replay.get()));
  // All of them before the first is measured: an error after an hour would be late.
  for (const SpeedTest& test : tests) {
    MOIETY_RETURN_IF_ERROR(CheckSpeedTest(info, test, flags.speed));
  }
  const WeightStore& store = engine->store();
  MOIETY_ASSIGN_OR_RETURN(
      MachineLimits limits,
      MachineLimits::Create(
          engine->context(), MainProduct(*engine), store.mapped_bytes(),
          store.streamer().streams() ? kStreamedReadBytes : MachineLimits::kReadBytes));
  double disk_bytes_per_s = 0;
  if (store.streamer().streams()) {
    MOIETY_ASSIGN_OR_RETURN(disk_bytes_per_s,
                            MeasureDisk(store.table().files, flags.engine.read_method));
  }
  json results = json::array();
  json headline = json::object();
  Status status;
  for (const SpeedTest& test : tests) {
    ProgressBar bar(test.Name(), TokensOf(test, flags.speed), "tokens");
    int64_t done = 0;
    const StreamStats before = store.streamer().stats();
    if (limiter != nullptr) limiter->ResetCounts();
    const Result<SpeedResult> result = MeasureSpeed(
        *engine, limits, test, flags.speed,
        [&](int64_t num_tokens) { bar.Update(done += num_tokens, StreamLine(*engine)); });
    bar.Clear();
    status = result.status();
    if (!status.ok()) break;
    if (flags.json) {
      results.push_back(ResultJson(*result, info));
      if (store.streamer().streams()) {
        AddStreamJson(StreamedSince(store.streamer().stats(), before), results.back());
      }
      AddChoiceJson(limiter.get(), results.back());
      if (replay != nullptr) results.back()["replayed_tokens"] = TokensOf(test, flags.speed);
      AddHeadline(*result, headline);
      continue;
    }
    // The heading waits for the first result: an error has nothing on standard output.
    if (&test == &tests.front())
      MOIETY_RETURN_IF_ERROR(Print(HeadText(*engine, limits, replay.get())));
    MOIETY_RETURN_IF_ERROR(Print(RowText(*result, info)));
    if (replay != nullptr) {
      MOIETY_RETURN_IF_ERROR(Print(WrapText(*replay, TokensOf(test, flags.speed))));
    }
    if (limiter != nullptr) {
      MOIETY_RETURN_IF_ERROR(Print(Format("  {}\n", ChoiceText(*limiter))));
    }
    if (store.streamer().streams()) {
      const StreamStats stats = StreamedSince(store.streamer().stats(), before);
      MOIETY_RETURN_IF_ERROR(
          Print(Format("  {}; disk {:.2f} GB/s\n", StreamText(stats), disk_bytes_per_s / 1e9)));
    }
  }
  if (!flags.json || results.empty()) return status;
  json document = DocumentJson(*engine, limits, flags);
  document["results"] = std::move(results);  // those before an error, too
  document["kernel_calls"] = KernelCalls();
  AddStreamJson(*engine, document);
  if (replay != nullptr) document["replay"] = ReplayJson(*replay);
  if (store.streamer().streams()) document["disk_gb_per_s"] = disk_bytes_per_s / 1e9;
  document.update(headline);
  MOIETY_RETURN_IF_ERROR(Print(JsonText(document)));
  return status;
}

}  // namespace

Action AddBench(CLI::App& app) {
  CLI::App* command =
      AddCommand(app, "bench", "Measure speed, beside what the machine can do",
                 "  moiety bench path/to/model\n"
                 "  moiety bench path/to/model -p 128,2048 -n 64 -d 0,4096 --sequences 1,4,16\n"
                 "  moiety bench --shape bench/shapes/mixtral_1b_active.json --json\n"
                 "  moiety bench path/to/model --memory 8G --replay-routing trace.jsonl");
  auto flags = std::make_shared<BenchFlags>();
  BenchFlags& f = *flags;
  CLI::Option* model =
      command
          ->add_option("MODEL", f.model,
                       "Hugging Face folder or GGUF file (default: the bundled model)")
          ->type_name("");
  CLI::Option* shape =
      command
          ->add_option("--shape", f.shape,
                       "Instead of a model: a config.json, which gets random weights of its dtype")
          ->check(CLI::Validator(
              [](const std::string& path) {
                return std::string(path.empty() ? "must name a config.json" : "");
              },
              ""))
          ->excludes(model);
  const auto add_list = [&](const char* name, std::vector<int64_t>& list, int64_t min,
                            const char* description) {
    command->add_option(name, list, description)
        ->delimiter(',')
        ->allow_extra_args(false)
        ->check(AtLeast(min));
  };
  add_list("-p,--n-prompt", f.prompts, 0,
           "Lengths of prompts to measure, separated by commas; 0: none (default: 512)");
  add_list("-n,--n-gen", f.generations, 0,
           "Numbers of tokens to decode, separated by commas; 0: none (default: 64)");
  add_list("-d,--n-depth", f.depths, 0,
           "Tokens that a sequence has before, separated by commas (default: 0)");
  add_list("--sequences", f.sequences, 1,
           "Numbers of sequences to decode together, separated by commas (default: 1)");
  command->add_option("-r,--repetitions", f.speed.repetitions, "Timed runs of each (default: 5)")
      ->check(AtLeast(1));
  command->add_option("--seed", f.speed.seed,
                      "Of token ids, and of weights with --shape (default: 1)");
  command->add_option("--replay-routing", f.replay,
                      "Send tokens to the experts that this file (of --trace) recorded, instead of "
                      "those that routers choose");
  command->add_flag("--json", f.json, "Print one JSON object instead of a table");
  AddChoiceFlags(*command, f.choices);
  AddEngineFlags(*command, f.engine);
  command->get_option("--no-mmap")->excludes(shape);
  return [flags] { return Bench(*flags); };
}

}  // namespace moiety::cli
