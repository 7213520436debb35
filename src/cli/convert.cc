// moiety convert: a model folder as a GGUF file, and the other way.
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/format.h"
#include "base/parallel.h"
#include "cli/command.h"
#include "cli/gguf_job.h"
#include "cli/terminal.h"
#include "convert/folder_output.h"
#include "format/gguf_model.h"

namespace moiety::cli {
namespace {

using nlohmann::json;

struct ConvertFlags {
  std::string model, out, type;
  GgufJob job;
};

// The type of most of the weights' matrices is that of the embedding.
std::string TypeOf(const GgufInput& input) {
  for (const GgufSourceTensor& tensor : input.tensors) {
    const DType dtype = tensor.pieces[0].dtype;
    if (tensor.shape.size() >= 2 && !IsBlockFormat(dtype)) return std::string(DTypeName(dtype));
  }
  return "F16";
}

Status ToGguf(ConvertFlags& flags) {
  MOIETY_ASSIGN_OR_RETURN(const GgufInput input, OpenGgufInput(flags.model));
  flags.job.mix = FindTypeMix(flags.type.empty() ? TypeOf(input) : flags.type);
  if (flags.job.mix == nullptr) flags.job.mix = FindTypeMix("F16");
  flags.job.out = flags.out;
  flags.job.allow_requantize = true;  // to numbers: nothing is lost a second time
  return RunGgufJob(input, flags.job);
}

std::string ToText(const FolderReport& report, const ConvertFlags& flags, const char* type) {
  std::string text = Format("{}: {}, {} parameters in {} tensors, {} from {}\n", OneLine(flags.out),
                            type, FormatCount(report.parameters), report.num_tensors,
                            FormatBytes(report.bytes), FormatBytes(report.source_bytes));
  for (const auto& file : report.files) text += Format("  {}\n", OneLine(file.string()));
  for (const std::string& note : report.notes) text += Format("note: {}\n", OneLine(note));
  return text;
}

Status ToFolder(ConvertFlags& flags) {
  if (!flags.job.split_max_size.empty()) {
    return InvalidArgument("--split-max-size is for GGUF files");
  }
  MOIETY_ASSIGN_OR_RETURN(const GgufModel model, OpenGgufModel(flags.model));
  FolderOutputOptions options;
  const char* const type = flags.type.empty() ? "BF16" : flags.type.c_str();
  options.dtype = FindTypeMix(type)->base;
  StopOnInterrupt();
  ThreadPool pool(flags.job.num_threads > 0 ? flags.job.num_threads : UsableCpus());
  std::optional<FolderReport> report;
  {
    std::optional<ProgressBar> bar;
    MOIETY_ASSIGN_OR_RETURN(
        report, WriteFolder(flags.out, model, options, pool, [&](uint64_t done, uint64_t total) {
          if (!bar) bar.emplace("writing", static_cast<int64_t>(total), "bytes");
          bar->Update(static_cast<int64_t>(done));
          return GoesOn();
        }));
  }
  if (!flags.job.json) return Print(ToText(*report, flags, DTypeName(options.dtype).data()));
  json document = {{"type", DTypeName(options.dtype)},
                   {"parameters", report->parameters},
                   {"num_tensors", report->num_tensors},
                   {"source_bytes", report->source_bytes},
                   {"bytes", report->bytes},
                   {"files", json::array()},
                   {"notes", report->notes}};
  for (const auto& file : report->files) document["files"].push_back(file.string());
  return Print(JsonText(document));
}

}  // namespace

Action AddConvert(CLI::App& app) {
  CLI::App* command = AddCommand(app, "convert", "Turn a model folder into a GGUF file, or back",
                                 "  moiety convert path/to/model model.gguf\n"
                                 "  moiety convert path/to/model model.gguf --type F16\n"
                                 "  moiety convert model-Q4_K_M.gguf path/to/folder");
  auto flags = std::make_shared<ConvertFlags>();
  ConvertFlags& f = *flags;
  command->add_option("MODEL", f.model, "Hugging Face folder or GGUF file")
      ->required()
      ->type_name("");
  command
      ->add_option("OUT", f.out,
                   "A name that ends with .gguf: a GGUF file; any other: a new folder, from a "
                   "GGUF file")
      ->required()
      ->type_name("");
  command
      ->add_option("--type,--dtype", f.type,
                   "F32, F16 or BF16 (default: for a file as the model is, for a folder BF16); "
                   "moiety quantize has types of fewer bits")
      ->check(CLI::IsMember({"F32", "F16", "BF16"}, CLI::ignore_case).description(""));
  command
      ->add_option("--split-max-size", f.job.split_max_size,
                   "Write parts of a GGUF file of at most this size, such as 4G")
      ->check(kSizeValidator);
  command
      ->add_option("-t,--threads", f.job.num_threads,
                   "Threads to compute with (default: as many as the process may use)")
      ->check(CLI::Range(1, 1024).description(""));
  command->add_flag("--json", f.job.json, "Print the report as JSON");
  return [flags] {
    return std::filesystem::path(flags->out).extension() == ".gguf" ? ToGguf(*flags)
                                                                    : ToFolder(*flags);
  };
}

}  // namespace moiety::cli
