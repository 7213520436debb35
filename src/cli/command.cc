#include "cli/command.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <system_error>

#include "base/format.h"
#include "ops/cache_type.h"

namespace moiety::cli {

CLI::App* AddCommand(CLI::App& app, const std::string& name, const std::string& description,
                     const std::string& examples) {
  CLI::App* command = app.add_subcommand(name, description);
  command->footer("Examples:\n" + examples);
  return command;
}

void AddEngineFlags(CLI::App& command, EngineFlags& flags) {
  command
      .add_option("-t,--threads", flags.options.num_threads,
                  "Threads to compute with (default: as many as the process may use)")
      ->check(CLI::Range(1, 1024).description(""));
  command
      .add_option(
          "--memory", flags.memory,
          "Hard limit of weights, KV cache and step buffers, such as 8G; experts that do not "
          "fit stay on disk and are read when they are needed (default: what is free)")
      ->check(kSizeValidator);
  command
      .add_option("--cache-policy", flags.cache_policy,
                  Format("Which expert goes when another is read: {} (default: {})",
                         CachePolicyNames(), kDefaultCachePolicy))
      ->check(CLI::Validator(
          [](const std::string& name) {
            for (const CachePolicyInfo& policy : CachePolicies()) {
              if (policy.name == name) return std::string();
            }
            return Format("expected one of {}, found \"{}\"", CachePolicyNames(), name);
          },
          ""));
  command
      .add_option("--disk-reader", flags.read_method,
                  "How experts are read: io_uring, threads, or auto (default: auto, io_uring where "
                  "the system allows it)")
      ->transform(CLI::CheckedTransformer(
                      std::map<std::string, ReadMethod>{{"auto", ReadMethod::kAuto},
                                                        {"io_uring", ReadMethod::kUring},
                                                        {"threads", ReadMethod::kThreads}})
                      .description(""));
  command
      .add_option(
          "--compute", flags.options.compute,
          "f32, or bf16: round activations to multiply bf16 weights faster, on processors "
          "with AVX-512 BF16 or AMX; the same bits only on one kind of kernels (default: f32)")
      ->transform(
          CLI::CheckedTransformer(std::map<std::string, ComputeType>{{"f32", ComputeType::kF32},
                                                                     {"bf16", ComputeType::kBF16}})
              .description(""));
  command
      .add_option("--cache-type-k", flags.key_type,
                  "-ctk: how keys are kept: f32 (exact, the default), f16 or q8_0")
      ->check(kCacheTypeValidator);
  command
      .add_option("--cache-type-v", flags.value_type,
                  "-ctv: how values are kept: f32 (exact, the default), f16 or q8_0")
      ->check(kCacheTypeValidator);
  command.add_flag("--no-mmap", flags.no_mmap,
                   "Copy the weights to memory instead of mapping the file");
  command
      .add_flag("--no-repack", flags.no_repack,
                "Read quantized weights as they lie in the file: starts sooner and needs no memory "
                "of its own, but computes slower")
      ->excludes("--no-mmap");
}

namespace {

// The user's folder for what programs can do without: empty if there is none.
std::filesystem::path CacheFolder() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache == '/') {
    return std::filesystem::path(cache) / "moiety";
  }
  const char* const home = std::getenv("HOME");
  if (home == nullptr || *home != '/') return {};
  return std::filesystem::path(home) / ".cache" / "moiety";
}

const EngineOptions& OptionsOf(EngineFlags& flags) {
  if (!flags.memory.empty()) ParseBytes(flags.memory, &flags.options.memory_limit_bytes);
  flags.options.key_type = CacheTypeFromName(flags.key_type).value_or(CacheType::kF32);
  flags.options.value_type = CacheTypeFromName(flags.value_type).value_or(CacheType::kF32);
  flags.options.residency = flags.no_mmap     ? Residency::kResident
                            : flags.no_repack ? Residency::kMapped
                                              : Residency::kRepacked;
  flags.options.streaming.policy = flags.cache_policy;
  flags.options.streaming.method = flags.read_method;
  if (flags.cache_policy == "learnt") flags.options.streaming.rates_folder = CacheFolder();
  return flags.options;
}

}  // namespace

Result<std::unique_ptr<Engine>> OpenEngine(const std::filesystem::path& model, EngineFlags& flags) {
  const EngineOptions& options = OptionsOf(flags);
  Result<std::unique_ptr<Engine>> engine = Engine::Open(model, options);
  const bool streams = engine.ok() && (*engine)->store().residency() == Residency::kStreamed;
  if (streams && flags.memory.empty()) {  // who sets a limit knows
    const WeightStore& store = (*engine)->store();
    std::fputs(Format("moiety: {}: {} of experts stay on disk, as memory would not hold them; what "
                      "is needed is read ({})\n",
                      model.string(), FormatBytes(store.streamed_bytes()),
                      store.streamer().reader()->name())
                   .c_str(),
               stderr);
  } else if (!streams && engine.ok() && (*engine)->store().residency() != options.residency) {
    std::fputs(
        Format(
            "moiety: {}: {} of weights stay in the file, as memory would not hold them repacked: "
            "computing is slower\n",
            model.string(), FormatBytes((*engine)->store().mapped_bytes()))
            .c_str(),
        stderr);
  }
  return engine;
}

Result<std::unique_ptr<Engine>> OpenShape(const std::filesystem::path& config, EngineFlags& flags,
                                          uint64_t seed) {
  return Engine::OpenShape(config, OptionsOf(flags), seed);
}

Result<std::filesystem::path> BundledModel() {
  std::error_code error;
  const std::filesystem::path binary = std::filesystem::read_symlink("/proc/self/exe", error);
  for (const char* place : {"../../../models", "../share/moiety/models"}) {
    const std::filesystem::path model =
        (binary.parent_path() / place / "polyglot" / "model.gguf").lexically_normal();
    if (!error && std::filesystem::exists(model, error)) return model;
  }
  return NotFound("the bundled model is not beside this binary: name a model");
}

namespace {

Result<std::string> ReadAll(int fd, const std::string& name) {
  std::string text;
  char buffer[65536];
  while (true) {
    const ssize_t got = read(fd, buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return IoError(Format("{}: cannot read: {}", name, std::strerror(errno)));
    if (got == 0) return text;
    text.append(buffer, static_cast<size_t>(got));
  }
}

}  // namespace

Result<std::string> ReadStandardInput() { return ReadAll(STDIN_FILENO, "standard input"); }

Result<std::string> ReadText(const std::string& file) {
  const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return NotFound(Format("{}: cannot open: {}", file, std::strerror(errno)));
  Result<std::string> text = ReadAll(fd, file);
  close(fd);
  return text;
}

const CLI::Validator kSizeValidator(
    [](std::string& text) {
      uint64_t bytes = 0;
      return ParseBytes(text, &bytes)
                 ? ""
                 : Format("expected a size such as 8G or 512M, found \"{}\"", text);
    },
    "");

const CLI::Validator kCacheTypeValidator(
    [](std::string& text) {
      return CacheTypeFromName(text).has_value()
                 ? ""
                 : Format("expected one of {}, found \"{}\"", CacheTypeNames(), text);
    },
    "");

CLI::Validator AtLeast(int64_t min) {
  return CLI::Validator(
      [min](const std::string& text) {
        int64_t value = 0;
        const char* const end = text.data() + text.size();
        const auto [last, error] = std::from_chars(text.data(), end, value);
        return error == std::errc() && last == end && value >= min
                   ? ""
                   : Format("expected a whole number of at least {}, found \"{}\"", min, text);
      },
      "");
}

std::string JsonText(const nlohmann::json& document, int indent) {
  return document.dump(indent, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

double TokensPerSecond(int64_t tokens, double seconds) {
  return seconds > 0 ? static_cast<double>(tokens) / seconds : 0;
}

Status Print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) {
    return OkStatus();
  }
  return IoError(Format("standard output: cannot write: {}", std::strerror(errno)));
}

}  // namespace moiety::cli
