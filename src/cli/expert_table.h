// Expert shares as a table for people and as JSON for machines.
#ifndef MOIETY_CLI_EXPERT_TABLE_H_
#define MOIETY_CLI_EXPERT_TABLE_H_

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "study/expert_stats.h"

namespace moiety::cli {

// A row per layer, a column per expert (many experts: the eight busiest of each layer), and how
// even the load is.
std::string ExpertTable(const ExpertStats& stats, bool colours);

// [{"layer": 0, "load": […], "share": […], "load_cv": …, "balance": …}, …]
nlohmann::json ExpertJson(const ExpertStats& stats);

}  // namespace moiety::cli

#endif  // MOIETY_CLI_EXPERT_TABLE_H_
