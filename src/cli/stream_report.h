// What is told of experts that are read from disk.
#ifndef MOIETY_CLI_STREAM_REPORT_H_
#define MOIETY_CLI_STREAM_REPORT_H_

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "runtime/engine.h"
#include "store/expert_streamer.h"

namespace moiety::cli {

// What was counted between two looks.
StreamStats StreamedSince(const StreamStats& now, const StreamStats& before);

// "hit 83 %, 1.2 GB/s, 212 of 512 experts resident"
std::string StreamText(const StreamStats& stats);
// The same of an engine so far, for a line that is drawn again and again; empty if nothing streams.
std::string StreamLine(const Engine& engine);
// "experts     hit 83 %, …\n", or empty.
std::string StreamSummary(const Engine& engine);

// bytes_read, hits, misses, evictions, …: zeros if nothing streams.
void AddStreamJson(const StreamStats& stats, nlohmann::json& document);
void AddStreamJson(const Engine& engine, nlohmann::json& document);

}  // namespace moiety::cli

#endif  // MOIETY_CLI_STREAM_REPORT_H_
