// moiety eval: perplexity of a text.
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/format.h"
#include "cli/choice_flags.h"
#include "cli/command.h"
#include "cli/expert_table.h"
#include "cli/route_watch.h"
#include "cli/stream_report.h"
#include "cli/terminal.h"
#include "cli/window_flags.h"
#include "study/perplexity.h"

namespace moiety::cli {
namespace {

constexpr double kNatsPerBit = 0.69314718055994530942;

struct EvalFlags {
  std::string model, trace;
  std::vector<std::string> files;
  WindowFlags windows;
  bool experts = false, json = false;
  ChoiceLimits choices;
  EngineFlags engine;
};

struct FileResult {
  int64_t num_ids = 0;
  PerplexityResult perplexity;
  double bits_per_byte = 0;
  double seconds = 0;
  StreamStats streamed;
  // With limits of choices: the same text without them. What differs in the perplexity is what they
  // cost.
  std::optional<PerplexityResult> unlimited;
  double cost() const { return perplexity.perplexity() - unlimited->perplexity(); }
};

// The perplexity of ids, with a bar. `predicted` (may be null) gets those that were predicted.
Result<PerplexityResult> Measure(Engine& engine, const std::string& name,
                                 const std::vector<int32_t>& ids, const WindowOptions& windows,
                                 Observer* observer, std::vector<int32_t>* predicted) {
  ProgressBar bar(name, static_cast<int64_t>(ids.size()), "tokens");
  return ComputePerplexity(
      engine, ids, windows, observer,
      [&](int64_t position, double) {
        if (predicted != nullptr) predicted->push_back(ids[static_cast<size_t>(position)]);
      },
      [&](int64_t done, const PerplexityResult& so_far) {
        const std::string streamed = StreamLine(engine);
        bar.Update(done, Format("perplexity {:.4f}{}{}", so_far.perplexity(),
                                streamed.empty() ? "" : ", ", streamed));
      });
}

Result<FileResult> EvalFile(Engine& engine, const std::string& file, const WindowOptions& windows,
                            ChoiceLimiter* limiter, RouteWatch& watch) {
  MOIETY_ASSIGN_OR_RETURN(const Tokenizer* const tokenizer, engine.tokenizer());
  MOIETY_ASSIGN_OR_RETURN(const std::vector<int32_t> ids, EncodeFile(*tokenizer, file));
  FileResult result;
  result.num_ids = static_cast<int64_t>(ids.size());
  const std::string name = std::filesystem::path(file).filename().string();
  if (limiter != nullptr) {
    MOIETY_RETURN_IF_ERROR(engine.SetRouteEdits({}));
    MOIETY_ASSIGN_OR_RETURN(result.unlimited, Measure(engine, name + " without limits", ids,
                                                      windows, nullptr, nullptr));
    MOIETY_RETURN_IF_ERROR(engine.SetRouteEdits({limiter}));
    limiter->ResetCounts();
  }
  watch.ResetStats();
  std::vector<int32_t> predicted;  // bits are per byte of the text that these stand for
  const ExpertStreamer& streamer = engine.store().streamer();
  const StreamStats before = streamer.stats();
  const auto start = std::chrono::steady_clock::now();
  MOIETY_ASSIGN_OR_RETURN(result.perplexity,
                          Measure(engine, name, ids, windows, watch.observer(), &predicted));
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  result.streamed = StreamedSince(streamer.stats(), before);
  const size_t bytes = tokenizer->Decode(predicted).size();
  if (bytes > 0)
    result.bits_per_byte = result.perplexity.nll_sum / kNatsPerBit / static_cast<double>(bytes);
  return result;
}

// What the limits of choices did to a text.
std::string LimitsText(const FileResult& r, const ChoiceLimiter& limiter) {
  return Format("  {}: {:+.4f} perplexity ({:+.2f} %), {:.4f} without\n", ChoiceText(limiter),
                r.cost(), 100 * r.cost() / r.unlimited->perplexity(), r.unlimited->perplexity());
}

Status Eval(EvalFlags& flags) {
  MOIETY_ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine,
                          OpenEngine(flags.model, flags.engine));
  const WindowOptions windows = flags.windows.Options(engine->model().info().context_length);
  MOIETY_ASSIGN_OR_RETURN(const std::unique_ptr<ChoiceLimiter> limiter,
                          LimitChoices(*engine, flags.choices));
  MOIETY_ASSIGN_OR_RETURN(const std::unique_ptr<RouteWatch> watch,
                          RouteWatch::Create(*engine, flags.experts, flags.trace));
  const std::string heading =
      Format("{:<24} {:>9} {:>9} {:>11} {:>9} {:>10} {:>9}\n", "file", "tokens", "predicted",
             "perplexity", "nll", "bits/byte", "tokens/s");
  nlohmann::json documents = nlohmann::json::array();
  for (const std::string& file : flags.files) {
    MOIETY_ASSIGN_OR_RETURN(const FileResult r,
                            EvalFile(*engine, file, windows, limiter.get(), *watch));
    const double rate = static_cast<double>(r.perplexity.num_predicted) / r.seconds;
    if (flags.json) {
      nlohmann::json document = {{"file", file},
                                 {"ids", r.num_ids},
                                 {"window", windows.window},
                                 {"stride", windows.stride},
                                 {"windows", r.perplexity.num_windows},
                                 {"predicted", r.perplexity.num_predicted},
                                 {"nll", r.perplexity.nll()},
                                 {"perplexity", r.perplexity.perplexity()},
                                 {"bits_per_byte", r.bits_per_byte},
                                 {"seconds", r.seconds},
                                 {"tokens_per_s", rate},
                                 {"peak_memory_bytes", engine->context().budget.peak_bytes()}};
      AddStreamJson(*engine, document);
      AddStreamJson(r.streamed, document);  // of this file alone
      AddChoiceJson(limiter.get(), document);
      if (r.unlimited) {
        document["unlimited"] = {{"nll", r.unlimited->nll()},
                                 {"perplexity", r.unlimited->perplexity()}};
        document["perplexity_cost"] = r.cost();
      }
      if (flags.experts) document["experts"] = ExpertJson(watch->stats());
      documents.push_back(std::move(document));
      continue;
    }
    // The heading waits for the first result: an error has nothing on standard output.
    if (&file == &flags.files.front()) MOIETY_RETURN_IF_ERROR(Print(heading));
    MOIETY_RETURN_IF_ERROR(Print(Format(
        "{:<24} {:>9} {:>9} {:>11.4f} {:>9.6f} {:>10.4f} {:>9.0f}\n",
        std::filesystem::path(file).filename().string(), r.num_ids, r.perplexity.num_predicted,
        r.perplexity.perplexity(), r.perplexity.nll(), r.bits_per_byte, rate)));
    if (limiter != nullptr) MOIETY_RETURN_IF_ERROR(Print(LimitsText(r, *limiter)));
    if (flags.experts)
      MOIETY_RETURN_IF_ERROR(Print(ExpertTable(watch->stats(), ShowsColours(stdout))));
  }
  MOIETY_RETURN_IF_ERROR(watch->Close());
  if (flags.json) return Print(JsonText(documents.size() == 1 ? documents[0] : documents));
  return OkStatus();
}

}  // namespace

Action AddEval(CLI::App& app) {
  CLI::App* command =
      AddCommand(app, "eval", "Measure the perplexity of texts",
                 "  moiety eval models/polyglot/model.gguf book.txt\n"
                 "  moiety eval path/to/model a.txt b.txt --window 1024 --stride 512 --experts\n"
                 "  moiety eval path/to/model a.txt --json");
  auto flags = std::make_shared<EvalFlags>();
  command->add_option("MODEL", flags->model, "Hugging Face folder or GGUF file")
      ->required()
      ->type_name("");
  command->add_option("FILE", flags->files, "Text files (UTF-8)")->required()->type_name("");
  AddWindowFlags(*command, flags->windows);
  command->add_flag("--experts", flags->experts, "Add a table of expert shares");
  command->add_option("--trace", flags->trace,
                      "Write every routing decision to this file (JSON lines)");
  command->add_flag("--json", flags->json, "Print JSON: an object, or a list for several files");
  AddChoiceFlags(*command, flags->choices);
  AddEngineFlags(*command, flags->engine);
  return [flags] { return Eval(*flags); };
}

}  // namespace moiety::cli
