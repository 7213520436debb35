// moiety doctor: measures the machine, and says what limits a model on it.
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/cpu_features.h"
#include "base/format.h"
#include "base/system_memory.h"
#include "cli/command.h"
#include "cli/measured_machine.h"
#include "cli/terminal.h"
#include "io/range_reader.h"
#include "kernels/kernels.h"
#include "study/memory_plan.h"

namespace moiety::cli {
namespace {

struct DoctorFlags {
  std::string model;
  bool json = false;
  EngineFlags engine;
};

// The system's setting for large pages: "always", "madvise", "never"; empty if it has none.
std::string HugePages() {
  std::ifstream file("/sys/kernel/mm/transparent_hugepage/enabled");
  std::string word;
  while (file >> word) {
    if (word.size() > 2 && word.front() == '[') return word.substr(1, word.size() - 2);
  }
  return "";
}

struct Findings {
  std::string reader, huge_pages, limit;  // `limit`: what is the bottleneck
  MeasuredSpeeds speeds;
  MemoryPlan plan;
  uint64_t memory = 0;
  std::vector<std::string> advice;
};

// What bounds writing one text, and what would change that.
void Judge(const Engine& engine, Findings& f) {
  const MemoryPlan& p = f.plan;
  const StreamNeeds needs = engine.store().NeedsOfStreaming();
  const double memory_s = static_cast<double>(p.token_bytes) / f.speeds.memory;
  const double disk_s = static_cast<double>(p.token_disk_bytes) / f.speeds.disk;
  if (f.memory < p.least_bytes) {
    f.limit = "memory: too little for this model";
    f.advice.push_back(Format("the model needs {} at least", FormatBytes(p.least_bytes)));
  } else if (disk_s > memory_s) {
    f.limit = "disk";
    f.advice.push_back(Format(
        "with {} more memory nothing would be read from disk; otherwise a quantized model (moiety "
        "quantize) or a faster disk helps most",
        FormatBytes(needs.resident_bytes + needs.streamed_bytes + p.beside_bytes - f.memory)));
  } else {
    f.limit = "memory bandwidth";
    f.advice.push_back(
        "a quantized model (moiety quantize) reads less per token; several texts at once "
        "(--batch) share what is read");
  }
  if (p.streamed && f.reader.find("io_uring") == std::string::npos) {
    f.advice.push_back(
        "the system does not allow io_uring (containers often forbid it): threads read instead");
  }
  if (p.streamed && f.reader.find("direct") == std::string::npos) {
    f.advice.push_back(
        "the model's file system does not read past the page cache: a copy on a local disk is read "
        "faster");
  }
  if (f.huge_pages == "never") {
    f.advice.push_back(
        "large pages are off: /sys/kernel/mm/transparent_hugepage/enabled should be madvise");
  }
}

Result<Findings> Examine(DoctorFlags& flags, Engine& engine) {
  Findings f;
  MOIETY_ASSIGN_OR_RETURN(f.memory, MemoryLimit(flags.engine));
  MOIETY_ASSIGN_OR_RETURN(f.speeds, MeasureMachine(engine, flags.engine.read_method));
  MOIETY_ASSIGN_OR_RETURN(const std::unique_ptr<RangeReader> reader,
                          OpenRangeReader(engine.store().table().files, flags.engine.read_method));
  f.reader = reader->name();
  f.huge_pages = HugePages();
  f.plan = PlanMemory(engine.store().NeedsOfStreaming(), engine.model().info(), f.memory,
                      engine.least_beside_weights(), f.speeds);
  Judge(engine, f);
  return f;
}

nlohmann::json DoctorJson(Engine& engine, const Findings& f) {
  return {{"cpu", CpuModelName()},
          {"threads", engine.context().pool.num_threads()},
          {"kernels", engine.context().kernels.isa},
          {"memory_bytes", f.memory},
          {"memory_gb_per_s", f.speeds.memory / 1e9},
          {"disk_gb_per_s", f.speeds.disk / 1e9},
          {"disk_reader", f.reader},
          {"huge_pages", f.huge_pages},
          {"model", engine.path().string()},
          {"streamed", f.plan.streamed},
          {"tokens_per_s", f.plan.tokens_per_s},
          {"limit", f.limit},
          {"advice", f.advice}};
}

std::string DoctorText(Engine& engine, const Findings& f) {
  std::string text = Format(
      "processor  {}, {} threads, {} kernels\n"
      "memory     {} to use, read at {:.1f} GB/s; large pages: {}\n"
      "disk       {:.2f} GB/s ({})\n"
      "model      {}: {}, {:.1f} tokens/s at best\n"
      "limit      {}\n",
      OneLine(CpuModelName()), engine.context().pool.num_threads(), engine.context().kernels.isa,
      FormatBytes(f.memory), f.speeds.memory / 1e9, f.huge_pages.empty() ? "none" : f.huge_pages,
      f.speeds.disk / 1e9, f.reader, OneLine(engine.path().string()),
      f.plan.streamed ? Format("{} of {} experts in memory", f.plan.num_slots, f.plan.num_experts)
                      : "all in memory",
      f.plan.tokens_per_s, f.limit);
  for (const std::string& advice : f.advice) text += Format("advice     {}\n", advice);
  return text;
}

Status Doctor(DoctorFlags& flags) {
  std::filesystem::path path = flags.model;
  if (flags.model.empty()) {
    MOIETY_ASSIGN_OR_RETURN(path, BundledModel());
  }
  EngineFlags opening = flags.engine;
  opening.memory.clear();
  opening.no_repack = true;
  MOIETY_ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine, OpenEngine(path, opening));
  MOIETY_ASSIGN_OR_RETURN(const Findings findings, Examine(flags, *engine));
  return Print(flags.json ? JsonText(DoctorJson(*engine, findings))
                          : DoctorText(*engine, findings));
}

}  // namespace

Action AddDoctor(CLI::App& app) {
  CLI::App* command =
      AddCommand(app, "doctor", "Measure this machine, and say what limits a model on it",
                 "  moiety doctor\n"
                 "  moiety doctor path/to/model --memory 8G");
  auto flags = std::make_shared<DoctorFlags>();
  command
      ->add_option("MODEL", flags->model,
                   "Hugging Face folder or GGUF file (default: the bundled model)")
      ->type_name("");
  command->add_flag("--json", flags->json, "Print JSON");
  AddEngineFlags(*command, flags->engine);
  return [flags] { return Doctor(*flags); };
}

}  // namespace moiety::cli
