// moiety logits: what the model computes, for comparing engines.
#include <algorithm>
#include <cstdio>
#include <list>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <vector>

#include "base/format.h"
#include "cli/choice_flags.h"
#include "cli/command.h"
#include "cli/stream_report.h"
#include "cli/terminal.h"
#include "format/config_reader.h"
#include "format/json.h"
#include "format/safetensors.h"
#include "io/mapped_file.h"
#include "routing/router_recorder.h"
#include "runtime/sampler.h"

namespace moiety::cli {
namespace {

constexpr uint64_t kMaxInputBytes = uint64_t{256} << 20;

struct LogitsFlags {
  std::string model, ids, out;
  bool router = false, json = false;
  int64_t greedy = 0;
  int64_t chunk = Engine::kDefaultChunk;
  ChoiceLimits choices;
  EngineFlags engine;
};

// Tensors being collected for the output file.
class Output {
 public:
  template <class T>
  std::vector<T>& Add(const std::string& name, DType dtype, Shape shape,
                      std::vector<T> values = {}) {
    auto& list = Lists<T>();
    list.push_back({name, dtype, std::move(shape), std::move(values)});
    return list.back().values;
  }
  Status Write(const std::string& path) {
    std::vector<TensorToWrite> tensors;
    const auto collect = [&](auto& list) {
      for (auto& t : list)
        tensors.push_back({t.name, t.dtype, t.shape, std::as_bytes(std::span(t.values))});
    };
    collect(floats_);
    collect(ints_);
    collect(longs_);
    return WriteSafetensors(path, tensors, {});
  }

 private:
  template <class T>
  struct Entry {
    std::string name;
    DType dtype;
    Shape shape;
    std::vector<T> values;
  };
  template <class T>
  auto& Lists() {
    if constexpr (std::is_same_v<T, float>) return floats_;
    if constexpr (std::is_same_v<T, int32_t>) return ints_;
    if constexpr (std::is_same_v<T, int64_t>) return longs_;
  }
  std::list<Entry<float>> floats_;
  std::list<Entry<int32_t>> ints_;
  std::list<Entry<int64_t>> longs_;
};

void AddRouting(const std::string& prompt, std::vector<LayerRouting> layers, Output& output) {
  for (LayerRouting& l : layers) {
    const std::string name = Format("{}.router.{}.", prompt, l.layer);
    output.Add(name + "logits", DType::kF32, {l.num_tokens, l.num_experts}, std::move(l.logits));
    output.Add(name + "experts", DType::kI32, {l.num_tokens, l.top_k}, std::move(l.experts));
    output.Add(name + "weights", DType::kF32, {l.num_tokens, l.top_k}, std::move(l.weights));
  }
}

Result<std::vector<std::vector<int32_t>>> ReadPrompts(const std::string& path,
                                                      const ModelInfo& info) {
  MOIETY_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxInputBytes));
  MOIETY_ASSIGN_OR_RETURN(const nlohmann::json document, ParseJson(text, path));
  if (!document.is_object() || !document.contains("prompts") || !document["prompts"].is_array()) {
    return InvalidData(Format("{}: expected an object with a list \"prompts\"", path));
  }
  std::vector<std::vector<int32_t>> prompts;
  for (const nlohmann::json& prompt : document["prompts"]) {
    ConfigReader reader(prompt, Format("{}: prompts[{}]", path, prompts.size()));
    const std::vector<int64_t> ids = reader.IntsOr("input_ids", {}, 0, info.vocab_size - 1);
    if (ids.empty()) reader.Fail("input_ids", "must be a list of at least one id");
    MOIETY_RETURN_IF_ERROR(Status(reader.status()));
    prompts.emplace_back(ids.begin(), ids.end());
  }
  return prompts;
}

Status Logits(LogitsFlags& flags) {
  if (std::filesystem::is_directory(flags.out)) {  // better now than after the work
    return InvalidArgument(Format("{}: is a folder, expected a file to write", flags.out));
  }
  MOIETY_ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine,
                          OpenEngine(flags.model, flags.engine));
  MOIETY_ASSIGN_OR_RETURN(const std::unique_ptr<ChoiceLimiter> limiter,
                          LimitChoices(*engine, flags.choices));
  const ModelInfo& info = engine->model().info();
  MOIETY_ASSIGN_OR_RETURN(const auto prompts, ReadPrompts(flags.ids, info));
  Output output;
  ProgressBar bar("logits", static_cast<int64_t>(prompts.size()), "prompts");
  for (size_t i = 0; i < prompts.size(); ++i) {
    bar.Update(static_cast<int64_t>(i), StreamLine(*engine));
    const std::string name = Format("p{}", i);
    const auto num_tokens = static_cast<int64_t>(prompts[i].size());
    std::vector<float>& logits =
        output.Add<float>(name + ".logits", DType::kF32, {num_tokens, info.vocab_size});
    RouterRecorder recorder(info.top_k);
    Sequence sequence(engine->pages());
    SamplingOptions greedy;
    greedy.temperature = 0;
    Sampler sampler(greedy);
    int32_t next = 0;
    MOIETY_RETURN_IF_ERROR(engine->Feed(
        sequence, prompts[i], LogitRows::kAll,
        [&](int64_t, const Matrix& rows) {
          logits.insert(logits.end(), rows.data, rows.data + rows.size());
          return OkStatus();
        },
        flags.router ? &recorder : nullptr, flags.chunk));
    if (flags.router) AddRouting(name, recorder.Take(), output);
    if (flags.greedy == 0) continue;
    const auto choose = [&](std::span<const float> row) -> Status {
      MOIETY_ASSIGN_OR_RETURN(next, sampler.Sample(row));
      return OkStatus();
    };
    const auto vocab_size = static_cast<size_t>(info.vocab_size);
    MOIETY_RETURN_IF_ERROR(choose(std::span<const float>(logits).last(vocab_size)));
    std::vector<int64_t>& ids =
        output.Add<int64_t>(name + ".greedy_ids", DType::kI64, {flags.greedy});
    ids.push_back(next);
    while (static_cast<int64_t>(ids.size()) < flags.greedy) {
      const int32_t id = next;
      MOIETY_RETURN_IF_ERROR(
          engine->Feed(sequence, {&id, 1}, LogitRows::kLast, [&](int64_t, const Matrix& rows) {
            return choose({rows.data, vocab_size});
          }));
      ids.push_back(next);
    }
  }
  MOIETY_RETURN_IF_ERROR(output.Write(flags.out));
  bar.Clear();
  if (!flags.json) {
    std::fputs(ChoiceSummary(limiter.get()).c_str(), stderr);
    return OkStatus();
  }
  nlohmann::json document = {{"model", flags.model},
                             {"prompts", prompts.size()},
                             {"peak_memory_bytes", engine->context().budget.peak_bytes()}};
  AddStreamJson(*engine, document);
  AddChoiceJson(limiter.get(), document);
  return Print(JsonText(document));
}

}  // namespace

Action AddLogits(CLI::App& app) {
  CLI::App* command = AddCommand(
      app, "logits", "Write the logits of prompts to a file, to compare engines",
      "  moiety logits models/polyglot/model.gguf --ids in.json --out out.safetensors --router "
      "--greedy 24\n"
      "\n"
      "in.json is {\"prompts\": [{\"input_ids\": [1, 825, 1199]}, …]}. The file holds, for prompt "
      "i,\n"
      "  p<i>.logits                     [tokens, vocabulary] f32\n"
      "  p<i>.router.<layer>.logits      [tokens, experts] f32, before softmax\n"
      "  p<i>.router.<layer>.experts     [tokens, top_k] i32, in selection order, -1: dropped\n"
      "  p<i>.router.<layer>.weights     [tokens, top_k] f32\n"
      "  p<i>.greedy_ids                 [N] i64, end-of-text tokens not heeded");
  auto flags = std::make_shared<LogitsFlags>();
  command->add_option("MODEL", flags->model, "Hugging Face folder or GGUF file")
      ->required()
      ->type_name("");
  command->add_option("--ids", flags->ids, "JSON file with the prompts' token ids")->required();
  command->add_option("--out", flags->out, "Safetensors file to write")->required();
  command->add_flag("--router", flags->router,
                    "Also write what the routers decided (a dense model has none)");
  command
      ->add_option("--greedy", flags->greedy,
                   "Also continue each prompt greedily by this many tokens")
      ->check(AtLeast(0));
  command
      ->add_option("--chunk", flags->chunk,
                   "Rows per forward step; changes no bit of the result (default: 512)")
      ->check(AtLeast(1));
  command->add_flag("--json", flags->json, "Print figures of memory and reading as JSON");
  AddChoiceFlags(*command, flags->choices);
  AddEngineFlags(*command, flags->engine);
  return [flags] { return Logits(*flags); };
}

}  // namespace moiety::cli
