// moiety report: a page about a training run, or about what the experts of a model do.
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <system_error>

#include "base/format.h"
#include "cli/command.h"
#include "cli/terminal.h"
#include "cli/window_flags.h"
#include "format/replacing_file.h"
#include "io/mapped_file.h"
#include "study/expert_report.h"
#include "study/report_page.h"
#include "study/training_report.h"
#include "train/token_shards.h"

namespace moiety::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kValidShardEnd = ".valid.tokens";

struct ReportFlags {
  std::string what, out;
  std::vector<std::string> files;
  WindowFlags windows;
  ProfileOptions profile;
  bool json = false;
  EngineFlags engine;
};

// The part of a file's name before the first dot, if no other file has the same: NAME.valid.txt is
// the text NAME.
std::vector<std::string> TextNames(const std::vector<std::string>& files) {
  std::vector<std::string> names;
  for (const std::string& file : files) {
    const std::string name = fs::path(file).filename().string();
    names.push_back(name.substr(0, std::max<size_t>(1, name.find('.'))));
  }
  if (std::set<std::string>(names.begin(), names.end()).size() == names.size()) return names;
  for (size_t i = 0; i < files.size(); ++i) names[i] = fs::path(files[i]).filename().string();
  if (std::set<std::string>(names.begin(), names.end()).size() == names.size()) return names;
  return files;
}

Result<nlohmann::json> ReportRun(const fs::path& log_path) {
  MOIETY_ASSIGN_OR_RETURN(const std::string text, ReadFile(log_path, kMaxTrainingLogBytes));
  MOIETY_ASSIGN_OR_RETURN(const TrainingLog log, ParseTrainingLog(text, log_path.string()));
  return TrainingReport(log);
}

// What a model is to read.
struct ReportText {
  std::string name;
  std::string where;  // for messages
  std::vector<int32_t> ids;
};

Result<std::vector<ReportText>> TextsOfFiles(const Engine& engine, const ReportFlags& flags) {
  MOIETY_ASSIGN_OR_RETURN(const Tokenizer* const tokenizer, engine.tokenizer());
  const std::vector<std::string> names = TextNames(flags.files);
  std::vector<ReportText> texts;
  for (size_t i = 0; i < flags.files.size(); ++i) {
    MOIETY_ASSIGN_OR_RETURN(std::vector<int32_t> ids, EncodeFile(*tokenizer, flags.files[i]));
    texts.push_back({names[i], flags.files[i], std::move(ids)});
  }
  return texts;
}

// Of a run's own validation texts, which it has as tokens: as many as are asked for.
Result<std::vector<ReportText>> TextsOfRun(const std::vector<fs::path>& shards,
                                           const ReportFlags& flags) {
  std::vector<ReportText> texts;
  for (const fs::path& path : shards) {
    MOIETY_ASSIGN_OR_RETURN(const TokenShard shard, TokenShard::Open(path));
    std::vector<int32_t> ids(
        static_cast<size_t>(std::min(shard.num_tokens(), flags.profile.max_tokens)));
    shard.Read(0, ids);
    const std::string name = path.filename().string();
    texts.push_back(
        {name.substr(0, name.size() - kValidShardEnd.size()), path.string(), std::move(ids)});
  }
  return texts;
}

// Such files of a run, sorted; none if they were removed, or if there is no model yet.
std::vector<fs::path> ValidationShards(const fs::path& run) {
  std::vector<fs::path> shards;
  std::error_code error;
  if (!fs::exists(run / "model" / "config.json", error)) return shards;
  for (fs::directory_iterator it(run / "data", error), end; !error && it != end;
       it.increment(error)) {
    if (it->path().filename().string().ends_with(kValidShardEnd)) shards.push_back(it->path());
  }
  std::sort(shards.begin(), shards.end());
  return shards;
}

Result<nlohmann::json> ReportModel(const fs::path& model, const std::vector<fs::path>& shards,
                                   ReportFlags& flags) {
  MOIETY_ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine, OpenEngine(model, flags.engine));
  MOIETY_ASSIGN_OR_RETURN(const std::vector<ReportText> texts, flags.files.empty()
                                                                   ? TextsOfRun(shards, flags)
                                                                   : TextsOfFiles(*engine, flags));
  ProfileOptions options = flags.profile;
  options.window = flags.windows.Options(engine->model().info().context_length).window;
  ExpertProfile profile;
  for (const ReportText& text : texts) {
    ProgressBar bar(text.name, std::min(static_cast<int64_t>(text.ids.size()), options.max_tokens),
                    "tokens");
    MOIETY_RETURN_IF_ERROR(
        profile.Read(*engine, text.name, text.ids, options, [&](int64_t done) { bar.Update(done); })
            .WithContext(text.where));
  }
  return ExpertReport(profile, engine->model().info());
}

Status Report(ReportFlags& flags) {
  const fs::path what = flags.what;
  const fs::path log = what / "log.jsonl";
  std::error_code error;
  const bool is_run = fs::is_directory(what, error) && fs::exists(log, error);
  if (!is_run && flags.files.empty()) {
    return InvalidArgument(Format(
        "{}: has no log.jsonl, so it is a model, whose report needs text files", flags.what));
  }
  const fs::path model = is_run ? what / "model" : what;
  if (is_run && !flags.files.empty() && !fs::exists(model, error)) {
    return NotFound(Format("{}: there is no model yet to read the texts with", model.string()));
  }
  nlohmann::json training;
  nlohmann::json experts;
  if (is_run) {
    MOIETY_ASSIGN_OR_RETURN(training, ReportRun(log));
  }
  std::vector<fs::path> shards;
  if (is_run && flags.files.empty()) shards = ValidationShards(what);
  if (!flags.files.empty() || !shards.empty()) {
    MOIETY_ASSIGN_OR_RETURN(experts, ReportModel(model, shards, flags));
  }
  const fs::path named = (what.has_filename() ? what : what.parent_path()).filename();
  const nlohmann::json document =
      ReportDocument(named.string(), MOIETY_VERSION, std::move(training), std::move(experts));
  if (!flags.json && flags.out.empty()) flags.out = "report.html";
  if (!flags.out.empty()) {
    const std::string page = ReportPage(document);
    MOIETY_RETURN_IF_ERROR(ReplaceFile(flags.out, page));
    if (!flags.json) {
      return Print(Format("{}: {}\n", OneLine(flags.out), FormatBytes(page.size())));
    }
  }
  return Print(JsonText(document, -1));
}

}  // namespace

Action AddReport(CLI::App& app) {
  CLI::App* command =
      AddCommand(app, "report", "Draw a training run, or what a model's experts do, as a web page",
                 "  moiety report runs/tiny\n"
                 "  moiety report runs/tiny data/de.valid.txt data/en.valid.txt -o tiny.html\n"
                 "  moiety report path/to/model prose.txt program.py\n"
                 "  moiety report path/to/model prose.txt --json");
  auto flags = std::make_shared<ReportFlags>();
  command
      ->add_option("RUN|MODEL", flags->what,
                   "Folder of a training run (with log.jsonl), or Hugging Face folder or GGUF file")
      ->required()
      ->type_name("");
  command
      ->add_option(
          "FILE", flags->files,
          "Text files (UTF-8) for the model to read, one for each kind of text (default, of a "
          "run: its validation texts)")
      ->type_name("");
  command->add_option("-o,--output", flags->out,
                      "Page to write (default: report.html; with --json: none)");
  command
      ->add_option("--tokens", flags->profile.max_tokens,
                   "Tokens to read of each text, from its beginning (default: 16384)")
      ->check(AtLeast(2));
  command
      ->add_option("--passage", flags->profile.passage_tokens,
                   "Tokens of each text to show by expert (default: 320)")
      ->check(AtLeast(0));
  AddWindowFlag(*command, flags->windows);
  command->add_flag("--json", flags->json, "Print the numbers of the page as JSON");
  AddEngineFlags(*command, flags->engine);
  return [flags] { return Report(*flags); };
}

}  // namespace moiety::cli
