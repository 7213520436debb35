// moiety study: experiments on what was recorded.
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/format.h"
#include "cli/command.h"
#include "cli/terminal.h"
#include "study/cache_study.h"
#include "study/trace_reader.h"

namespace moiety::cli {
namespace {

struct StudyFlags {
  std::string trace;
  std::vector<double> shares = {6.25, 12.5, 25, 37.5, 50, 62.5, 75, 87.5};  // percent
  bool json = false;
};

nlohmann::json StudyJson(const StudyFlags& flags, const ExpertTrace& trace,
                         const CacheStudy& study) {
  nlohmann::json document = {{"trace", flags.trace},
                             {"model", trace.model},
                             {"steps", trace.num_steps},
                             {"rows", trace.num_rows},
                             {"experts", study.num_experts},
                             {"visits", study.num_visits},
                             {"sizes", nlohmann::json::array()}};
  for (const CacheStudyRow& row : study.rows) {
    nlohmann::json size = {{"slots", row.num_slots}};
    for (size_t i = 0; i < study.policies.size(); ++i) {
      size["hit_rates"][study.policies[i]] = row.counts[i].hit_rate();
    }
    document["sizes"].push_back(std::move(size));
  }
  return document;
}

std::string StudyText(const ExpertTrace& trace, const CacheStudy& study) {
  std::string text = Format(
      "{}: {} experts, {} steps of {} rows; hit rates over the second half\n\n{:>7} {:>7}",
      OneLine(trace.model), study.num_experts, trace.num_steps, trace.num_rows, "slots", "share");
  for (const std::string& policy : study.policies) text += Format(" {:>8}", policy);
  for (const CacheStudyRow& row : study.rows) {
    text +=
        Format("\n{:>7} {:>5.1f} %", row.num_slots,
               100 * static_cast<double>(row.num_slots) / static_cast<double>(study.num_experts));
    for (const CacheCounts& counts : row.counts) {
      text += Format(" {:>6.1f} %", 100 * counts.hit_rate());
    }
  }
  return text + "\n";
}

Status StudyCacheCommand(StudyFlags& flags) {
  MOIETY_ASSIGN_OR_RETURN(const ExpertTrace trace, ReadExpertTrace(flags.trace));
  for (double& share : flags.shares) share /= 100;
  MOIETY_ASSIGN_OR_RETURN(const CacheStudy study, StudyCache(trace, flags.shares));
  return Print(flags.json ? JsonText(StudyJson(flags, trace, study)) : StudyText(trace, study));
}

}  // namespace

Action AddStudy(CLI::App& app) {
  CLI::App* command =
      AddCommand(app, "study", "Experiments on what was recorded",
                 "  moiety run models/polyglot/model.gguf -f text.txt --trace trace.jsonl\n"
                 "  moiety study cache trace.jsonl");
  command->require_subcommand(1);
  auto flags = std::make_shared<StudyFlags>();
  CLI::App* cache = AddCommand(
      *command, "cache", "Hit rates of all cache policies over a trace, beside Belady's bound",
      "  moiety study cache trace.jsonl\n"
      "  moiety study cache trace.jsonl --share 10,20,30 --json");
  cache->add_option("TRACE", flags->trace, "A file that --trace wrote")->required()->type_name("");
  cache
      ->add_option("--share", flags->shares,
                   "Sizes of the cache in percent of all experts, separated by commas (default: "
                   "6.25 to 87.5)")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Range(0.0, 100.0).description(""));
  cache->add_flag("--json", flags->json, "Print JSON");
  return [flags] { return StudyCacheCommand(*flags); };
}

}  // namespace moiety::cli
