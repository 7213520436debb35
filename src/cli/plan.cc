// moiety plan: what of a model would be in memory, and how fast it would be.
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/format.h"
#include "base/system_memory.h"
#include "cli/command.h"
#include "cli/measured_machine.h"
#include "cli/terminal.h"
#include "study/memory_plan.h"
#include "study/trace_reader.h"

namespace moiety::cli {
namespace {

struct PlanFlags {
  std::string model, trace;
  bool json = false;
  EngineFlags engine;
};

// What a cache of that many experts hits over a recorded trace, -1 without one.
Result<double> HitRate(const PlanFlags& flags, const ModelInfo& info, int64_t num_slots) {
  if (flags.trace.empty() || num_slots == 0) return -1;
  MOIETY_ASSIGN_OR_RETURN(const ExpertTrace trace, ReadExpertTrace(flags.trace));
  if (trace.shape.num_layers != info.num_layers || trace.shape.num_experts != info.num_experts) {
    return InvalidArgument(Format("{}: is of {} layers of {} experts, the model has {} of {}",
                                  flags.trace, trace.shape.num_layers, trace.shape.num_experts,
                                  info.num_layers, info.num_experts));
  }
  MOIETY_ASSIGN_OR_RETURN(std::unique_ptr<CachePolicy> policy,
                          MakeCachePolicy(flags.engine.cache_policy, trace.shape));
  return SimulateCache(trace.shape, trace.layers, trace.visits, num_slots, std::move(policy))
      .hit_rate();
}

nlohmann::json PlanJson(const PlanFlags& flags, uint64_t limit, const MemoryPlan& p,
                        const MeasuredSpeeds& speeds) {
  return {{"model", flags.model},
          {"memory_bytes", limit},
          {"works", limit >= p.least_bytes},
          {"least_bytes", p.least_bytes},
          {"streamed", p.streamed},
          {"resident_bytes", p.resident_bytes},
          {"streamed_bytes", p.streamed_bytes},
          {"beside_weights_bytes", p.beside_bytes},
          {"experts", p.num_experts},
          {"experts_resident", p.num_slots},
          {"hit_rate", p.hit_rate},
          {"bytes_per_token", p.token_bytes},
          {"disk_bytes_per_token", p.token_disk_bytes},
          {"tokens_per_s", p.tokens_per_s},
          {"memory_gb_per_s", speeds.memory / 1e9},
          {"disk_gb_per_s", speeds.disk / 1e9}};
}

std::string PlanText(const PlanFlags& flags, uint64_t limit, const MemoryPlan& p,
                     const MeasuredSpeeds& speeds) {
  std::string text = Format("memory     {}; the least that works is {}\n", FormatBytes(limit),
                            FormatBytes(p.least_bytes));
  if (limit < p.least_bytes) return text + "this is too little\n";
  text += Format("resident   {} of weights, {} at least for the KV cache and buffers\n",
                 FormatBytes(p.resident_bytes), FormatBytes(p.beside_bytes));
  if (p.streamed) {
    text += Format(
        "streamed   {} in {} experts, {} of them in memory at once\n"
        "hits       {:.0f} % of experts ({})\n",
        FormatBytes(p.streamed_bytes), p.num_experts, p.num_slots, 100 * p.hit_rate,
        flags.trace.empty() ? "if all are chosen alike, the worst case; --trace knows better"
                            : "over the trace");
  } else {
    text += "streamed   nothing: all weights fit\n";
  }
  return text +
         Format(
             "a token    {} read, {} of them from disk\n"
             "speed      {:.1f} tokens/s at best, with {:.1f} GB/s of memory and {:.2f} GB/s "
             "of disk\n",
             FormatBytes(p.token_bytes), FormatBytes(p.token_disk_bytes), p.tokens_per_s,
             speeds.memory / 1e9, speeds.disk / 1e9);
}

Status Plan(PlanFlags& flags) {
  MOIETY_ASSIGN_OR_RETURN(const uint64_t limit, MemoryLimit(flags.engine));
  // Nothing is loaded: weights stay where they are, and are not looked at.
  EngineFlags opening = flags.engine;
  opening.memory.clear();
  opening.no_repack = true;
  MOIETY_ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine, OpenEngine(flags.model, opening));
  const ModelInfo& info = engine->model().info();
  MOIETY_ASSIGN_OR_RETURN(const MeasuredSpeeds speeds,
                          MeasureMachine(*engine, flags.engine.read_method));
  const StreamNeeds needs = engine->store().NeedsOfStreaming();
  const uint64_t beside = engine->least_beside_weights();
  MemoryPlan plan = PlanMemory(needs, info, limit, beside, speeds);
  if (plan.streamed) {
    MOIETY_ASSIGN_OR_RETURN(const double hit_rate, HitRate(flags, info, plan.num_slots));
    plan = PlanMemory(needs, info, limit, beside, speeds, hit_rate);
  }
  return Print(flags.json ? JsonText(PlanJson(flags, limit, plan, speeds))
                          : PlanText(flags, limit, plan, speeds));
}

}  // namespace

Action AddPlan(CLI::App& app) {
  CLI::App* command =
      AddCommand(app, "plan", "Say what of a model would be in memory, and how fast it would be",
                 "  moiety plan path/to/model\n"
                 "  moiety plan path/to/model --memory 8G --trace trace.jsonl");
  auto flags = std::make_shared<PlanFlags>();
  command->add_option("MODEL", flags->model, "Hugging Face folder or GGUF file")
      ->required()
      ->type_name("");
  command->add_option("--trace", flags->trace,
                      "Expect the hits of this trace, which run --trace wrote with the model");
  command->add_flag("--json", flags->json, "Print JSON");
  AddEngineFlags(*command, flags->engine);
  return [flags] { return Plan(*flags); };
}

}  // namespace moiety::cli
