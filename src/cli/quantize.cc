// moiety quantize: a model in few bits, as a GGUF file.
#include <memory>

#include "base/format.h"
#include "cli/command.h"
#include "cli/gguf_job.h"

namespace moiety::cli {
namespace {

struct QuantizeFlags {
  std::string model, out, type;
  GgufJob job;
};

Status Quantize(QuantizeFlags& flags) {
  flags.job.mix = FindTypeMix(flags.type);
  flags.job.out = flags.out;
  MOIETY_ASSIGN_OR_RETURN(const GgufInput input, OpenGgufInput(flags.model));
  return RunGgufJob(input, flags.job);
}

const CLI::Validator kTypeValidator(
    [](std::string& text) {
      return FindTypeMix(text) != nullptr
                 ? ""
                 : Format("expected one of {}, found \"{}\"", TypeMixNames(), text);
    },
    "");

}  // namespace

Action AddQuantize(CLI::App& app) {
  CLI::App* command = AddCommand(
      app, "quantize", "Write a model with few bits per weight, as a GGUF file",
      "  moiety quantize path/to/model model-Q4_K_M.gguf --type Q4_K_M\n"
      "  moiety quantize model-BF16.gguf small.gguf --type IQ4_XS --imatrix imatrix.gguf\n"
      "  moiety quantize path/to/model out.gguf --type Q4_K_M "
      "--tensor-type 'ffn_down_exps=Q5_K'");
  auto flags = std::make_shared<QuantizeFlags>();
  QuantizeFlags& f = *flags;
  command->add_option("MODEL", f.model, "Hugging Face folder or GGUF file")
      ->required()
      ->type_name("");
  command->add_option("OUT", f.out, "GGUF file to write")->required()->type_name("");
  command
      ->add_option("--type", f.type,
                   "Type or mix of types: " + TypeMixNames() +
                       ". S, M and L are mixes that keep more bits where they pay")
      ->required()
      ->check(kTypeValidator);
  command->add_flag("--pure", f.job.pure, "One type for all matrices, without a mix");
  command
      ->add_option("--tensor-type", f.job.tensor_types,
                   "PATTERN=TYPE, repeatable: tensors whose name has a match of the regular "
                   "expression get this type; the first that matches decides")
      ->allow_extra_args(false);
  command->add_option("--imatrix", f.job.imatrix,
                      "Importance matrix (GGUF): errors count more in columns that matter");
  command->add_flag("--allow-requantize", f.job.allow_requantize,
                    "Quantize blocks again, which loses twice");
  command
      ->add_option("--split-max-size", f.job.split_max_size,
                   "Write parts of at most this size, such as 4G")
      ->check(kSizeValidator);
  command
      ->add_option("-t,--threads", f.job.num_threads,
                   "Threads to compute with (default: as many as the process may use)")
      ->check(CLI::Range(1, 1024).description(""));
  command->add_flag("--json", f.job.json, "Print the report as JSON, with every tensor");
  return [flags] { return Quantize(*flags); };
}

}  // namespace moiety::cli
