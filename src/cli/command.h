// What the sub-commands share. Each command is one file: it adds its flags to the command line and
// returns what to do when it was chosen.
#ifndef MOIETY_CLI_COMMAND_H_
#define MOIETY_CLI_COMMAND_H_

#include <CLI/CLI.hpp>
#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "moiety/status.h"
#include "runtime/engine.h"

namespace moiety::cli {

using Action = std::function<Status()>;

// In the order in which --help lists them.
Action AddRun(CLI::App& app);
Action AddChat(CLI::App& app);
Action AddEval(CLI::App& app);
Action AddBench(CLI::App& app);
Action AddLogits(CLI::App& app);
Action AddInspect(CLI::App& app);
Action AddTokenize(CLI::App& app);
Action AddDetokenize(CLI::App& app);
Action AddTokenizer(CLI::App& app);
Action AddTrain(CLI::App& app);
Action AddRouters(CLI::App& app);
Action AddTemplate(CLI::App& app);
Action AddConvert(CLI::App& app);
Action AddQuantize(CLI::App& app);
Action AddImatrix(CLI::App& app);
Action AddCompare(CLI::App& app);
Action AddStudy(CLI::App& app);
Action AddReport(CLI::App& app);
Action AddPlan(CLI::App& app);
Action AddDoctor(CLI::App& app);

// A sub-command with a description, and examples that --help ends with.
CLI::App* AddCommand(CLI::App& app, const std::string& name, const std::string& description,
                     const std::string& examples);

// llama.cpp's names of some flags have one dash and several letters, which CLI11 would read as
// several flags: main() puts the long name in their place.
struct ShortName {
  std::string_view name, long_name;
};
inline constexpr ShortName kShortNames[] = {
    {"-ctk", "--cache-type-k"}, {"-ctv", "--cache-type-v"}, {"-np", "--parallel"}};

// Flags of every command that computes with a model.
struct EngineFlags {
  EngineOptions options;
  std::string memory;
  std::string key_type = "f32", value_type = "f32";  // of the KV cache
  bool no_mmap = false;
  bool no_repack = false;
  std::string cache_policy = std::string(kDefaultCachePolicy);
  ReadMethod read_method = ReadMethod::kAuto;
};
void AddEngineFlags(CLI::App& command, EngineFlags& flags);
Result<std::unique_ptr<Engine>> OpenEngine(const std::filesystem::path& model, EngineFlags& flags);
// The same with random weights for a config.json; see Engine::OpenShape.
Result<std::unique_ptr<Engine>> OpenShape(const std::filesystem::path& config, EngineFlags& flags,
                                          uint64_t seed);

// The model that comes with moiety: models/polyglot/model.gguf beside the sources, or
// share/moiety/models/polyglot/model.gguf of an installation.
Result<std::filesystem::path> BundledModel();

// All of standard input, or of a file, which may be a pipe.
Result<std::string> ReadStandardInput();
Result<std::string> ReadText(const std::string& file);

// A value that CLI11 refuses while parsing: a size such as 8G.
extern const CLI::Validator kSizeValidator;
// The same for a type of the KV cache.
extern const CLI::Validator kCacheTypeValidator;
// The same for a whole number that is at least `min`.
CLI::Validator AtLeast(int64_t min);

// 0 where nothing was measured.
double TokensPerSecond(int64_t tokens, double seconds);

// Writes text to standard output; an error when nobody reads it any more or the disk is full.
Status Print(std::string_view text);

// A document and a line break. Names of files may be no UTF-8; JSON has U+FFFD for such bytes.
std::string JsonText(const nlohmann::json& document, int indent = 2);

}  // namespace moiety::cli

#endif  // MOIETY_CLI_COMMAND_H_
