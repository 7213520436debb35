// moiety compare: how far one model's predictions are from another's.
#include <memory>
#include <nlohmann/json.hpp>

#include "base/format.h"
#include "cli/command.h"
#include "cli/terminal.h"
#include "cli/window_flags.h"
#include "study/divergence.h"

namespace moiety::cli {
namespace {

struct CompareFlags {
  std::string base, model;
  std::vector<std::string> files;
  WindowFlags windows;
  bool json = false;
  EngineFlags engine;
};

nlohmann::json ToJson(const std::string& file, const Divergence& d) {
  return {{"file", file},
          {"predicted", d.num_predicted},
          {"base_perplexity", d.p_perplexity()},
          {"perplexity", d.q_perplexity()},
          {"kl_mean", d.mean_kl()},
          {"kl_mean_error", d.mean_kl_error()},
          {"kl_median", d.KlQuantile(0.5)},
          {"kl_90", d.KlQuantile(0.9)},
          {"kl_99", d.KlQuantile(0.99)},
          {"kl_max", d.KlQuantile(1)},
          {"same_top", d.same_top_share()},
          {"probability_rms", d.rms_probability()}};
}

// Ids of a file that both models read alike.
Result<std::vector<int32_t>> SharedIds(Engine& base, Engine& model, const std::string& file) {
  MOIETY_ASSIGN_OR_RETURN(const Tokenizer* const tokenizer, base.tokenizer());
  MOIETY_ASSIGN_OR_RETURN(const Tokenizer* const other, model.tokenizer());
  MOIETY_ASSIGN_OR_RETURN(const std::string text, ReadUtf8Text(file));
  MOIETY_ASSIGN_OR_RETURN(std::vector<int32_t> ids, tokenizer->Encode(text));
  MOIETY_ASSIGN_OR_RETURN(const std::vector<int32_t> other_ids, other->Encode(text));
  if (ids != other_ids) {
    return InvalidArgument(Format("{}: the tokenizers of {} and {} read it differently", file,
                                  base.path().string(), model.path().string()));
  }
  return ids;
}

Status Compare(CompareFlags& flags) {
  MOIETY_ASSIGN_OR_RETURN(const std::unique_ptr<Engine> base, OpenEngine(flags.base, flags.engine));
  MOIETY_ASSIGN_OR_RETURN(const std::unique_ptr<Engine> model,
                          OpenEngine(flags.model, flags.engine));
  const WindowOptions windows = flags.windows.Options(
      std::min(base->model().info().context_length, model->model().info().context_length));
  nlohmann::json documents = nlohmann::json::array();
  for (const std::string& file : flags.files) {
    MOIETY_ASSIGN_OR_RETURN(const std::vector<int32_t> ids, SharedIds(*base, *model, file));
    const std::string name = std::filesystem::path(file).filename().string();
    ProgressBar bar(name, static_cast<int64_t>(ids.size()), "tokens");
    MOIETY_ASSIGN_OR_RETURN(
        const Divergence d,
        ComputeDivergence(*base, *model, ids, windows, [&](int64_t done, const Divergence& so_far) {
          bar.Update(done, Format("KL {:.5f}", so_far.mean_kl()));
        }));
    bar.Clear();
    if (flags.json) {
      documents.push_back(ToJson(file, d));
      continue;
    }
    // The heading waits for the first result: an error has nothing on standard output.
    if (&file == &flags.files.front()) {
      MOIETY_RETURN_IF_ERROR(
          Print(Format("{:<24} {:>9} {:>11} {:>11} {:>9} {:>9} {:>9} {:>9}\n", "file", "predicted",
                       "ppl base", "ppl", "KL", "+-", "KL 99 %", "same top")));
    }
    MOIETY_RETURN_IF_ERROR(
        Print(Format("{:<24} {:>9} {:>11.4f} {:>11.4f} {:>9.5f} {:>9.5f} {:>9.5f} {:>7.2f} %\n",
                     name, d.num_predicted, d.p_perplexity(), d.q_perplexity(), d.mean_kl(),
                     d.mean_kl_error(), d.KlQuantile(0.99), 100 * d.same_top_share())));
  }
  if (flags.json) return Print(JsonText(documents.size() == 1 ? documents[0] : documents));
  return OkStatus();
}

}  // namespace

Action AddCompare(CLI::App& app) {
  CLI::App* command =
      AddCommand(app, "compare",
                 "Measure what quantizing a model changed: perplexity, KL divergence, top token",
                 "  moiety compare path/to/model model-Q4_K_M.gguf book.txt\n"
                 "  moiety compare model-BF16.gguf model-IQ4_XS.gguf a.txt b.txt --json");
  auto flags = std::make_shared<CompareFlags>();
  command->add_option("BASE", flags->base, "The measure: a Hugging Face folder or GGUF file")
      ->required()
      ->type_name("");
  command->add_option("MODEL", flags->model, "What is measured, of the same vocabulary")
      ->required()
      ->type_name("");
  command->add_option("FILE", flags->files, "Text files (UTF-8)")->required()->type_name("");
  AddWindowFlags(*command, flags->windows);
  command->add_flag("--json", flags->json, "Print JSON: an object, or a list for several files");
  AddEngineFlags(*command, flags->engine);
  return [flags] { return Compare(*flags); };
}

}  // namespace moiety::cli
