// moiety imatrix: an importance matrix from what a model's weights meet in texts.
#include <memory>
#include <nlohmann/json.hpp>

#include "base/format.h"
#include "cli/command.h"
#include "cli/terminal.h"
#include "cli/window_flags.h"
#include "study/imatrix_collector.h"
#include "study/perplexity.h"

namespace moiety::cli {
namespace {

struct ImatrixFlags {
  std::string model, out;
  std::vector<std::string> files;
  WindowFlags windows;
  std::optional<int64_t> chunks;
  bool json = false;
  EngineFlags engine;
};

// The experts that no token met: quantizing has nothing to go by for them.
struct Uncovered {
  std::string tensor;
  std::vector<int64_t> experts;
};
std::vector<Uncovered> FindUncovered(const Imatrix& imatrix) {
  std::vector<Uncovered> found;
  for (const auto& [name, sums] : imatrix.of) {
    Uncovered tensor = {name, {}};
    for (int64_t m = 0; m < sums.num_matrices(); ++m) {
      if (sums.counts[static_cast<size_t>(m)] == 0) tensor.experts.push_back(m);
    }
    if (!tensor.experts.empty()) found.push_back(std::move(tensor));
  }
  return found;
}

struct Collected {
  Imatrix imatrix;
  double perplexity = 0;
  int64_t num_tokens = 0;
};

Result<Collected> Collect(Engine& engine, const ImatrixFlags& flags) {
  MOIETY_ASSIGN_OR_RETURN(const GgufInput input, OpenGgufInput(flags.model));
  MOIETY_ASSIGN_OR_RETURN(const auto collector, ImatrixCollector::Create(engine.store(), input));
  MOIETY_ASSIGN_OR_RETURN(const Tokenizer* const tokenizer, engine.tokenizer());
  const WindowOptions windows = flags.windows.Options(engine.model().info().context_length);
  std::vector<std::vector<int32_t>> texts;
  int64_t chunks_left = flags.chunks.value_or(INT64_MAX);
  int64_t total = 0;
  for (const std::string& file : flags.files) {
    MOIETY_ASSIGN_OR_RETURN(std::vector<int32_t> ids, EncodeFile(*tokenizer, file));
    const auto size = static_cast<int64_t>(ids.size());
    const int64_t chunks = std::min(std::max<int64_t>(size / windows.window, 1), chunks_left);
    if (chunks == 0) break;
    chunks_left -= chunks;
    ids.resize(static_cast<size_t>(std::min(size, chunks * windows.window)));
    total += static_cast<int64_t>(ids.size());
    texts.push_back(std::move(ids));
  }

  Collected result;
  PerplexityResult sum;
  ProgressBar bar("imatrix", total, "tokens");
  for (const std::vector<int32_t>& ids : texts) {
    MOIETY_ASSIGN_OR_RETURN(
        const PerplexityResult of_text,
        ComputePerplexity(engine, ids, windows, collector.get(), nullptr,
                          [&](int64_t done, const PerplexityResult& so_far) {
                            bar.Update(result.num_tokens + done,
                                       Format("perplexity {:.4f}", so_far.perplexity()));
                          }));
    result.num_tokens += static_cast<int64_t>(ids.size());
    sum.num_windows += of_text.num_windows;
    sum.num_predicted += of_text.num_predicted;
    sum.nll_sum += of_text.nll_sum;
  }
  result.imatrix = collector->Collected();
  result.imatrix.datasets = flags.files;
  result.imatrix.chunk_count = static_cast<uint32_t>(sum.num_windows);
  result.imatrix.chunk_size = static_cast<uint32_t>(windows.window);
  result.perplexity = sum.perplexity();
  return result;
}

Status RunImatrix(ImatrixFlags& flags) {
  MOIETY_ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine,
                          OpenEngine(flags.model, flags.engine));
  MOIETY_ASSIGN_OR_RETURN(const Collected result, Collect(*engine, flags));
  MOIETY_RETURN_IF_ERROR(WriteImatrix(flags.out, result.imatrix));
  const std::vector<Uncovered> uncovered = FindUncovered(result.imatrix);
  if (flags.json) {
    nlohmann::json document = {{"file", flags.out},
                               {"tensors", result.imatrix.of.size()},
                               {"chunks", result.imatrix.chunk_count},
                               {"window", result.imatrix.chunk_size},
                               {"tokens", result.num_tokens},
                               {"perplexity", result.perplexity},
                               {"uncovered", nlohmann::json::object()}};
    for (const Uncovered& tensor : uncovered) document["uncovered"][tensor.tensor] = tensor.experts;
    return Print(JsonText(document));
  }
  std::string text =
      Format("{}: {} tensors, {} chunks of {} tokens, perplexity {:.4f}\n", OneLine(flags.out),
             result.imatrix.of.size(), result.imatrix.chunk_count, result.imatrix.chunk_size,
             result.perplexity);
  if (!uncovered.empty()) {
    text += "\nno token met these experts; quantizing will count all their errors the same:\n";
    for (const Uncovered& tensor : uncovered) {
      text += Format("  {}: experts", OneLine(tensor.tensor));
      for (const int64_t expert : tensor.experts) text += Format(" {}", expert);
      text += "\n";
    }
  }
  return Print(text);
}

}  // namespace

Action AddImatrix(CLI::App& app) {
  CLI::App* command =
      AddCommand(app, "imatrix", "Measure which columns of a model's weights matter, for quantize",
                 "  moiety imatrix path/to/model calibration.txt -o imatrix.gguf\n"
                 "  moiety quantize path/to/model small.gguf --type Q3_K_M --imatrix imatrix.gguf");
  auto flags = std::make_shared<ImatrixFlags>();
  command->add_option("MODEL", flags->model, "Hugging Face folder or GGUF file")
      ->required()
      ->type_name("");
  command->add_option("FILE", flags->files, "Text files (UTF-8)")->required()->type_name("");
  command->add_option("-o,--output", flags->out, "File to write (default: imatrix.gguf)")
      ->default_str("imatrix.gguf");
  AddWindowFlag(*command, flags->windows);
  command->add_option("--chunks", flags->chunks, "Windows to read (default: all of the texts)")
      ->check(AtLeast(1));
  command->add_flag("--json", flags->json, "Print the report as JSON");
  AddEngineFlags(*command, flags->engine);
  flags->out = "imatrix.gguf";
  return [flags] { return RunImatrix(*flags); };
}

}  // namespace moiety::cli
