#include "cli/stream_report.h"

#include <nlohmann/json.hpp>

#include "base/format.h"

namespace moiety::cli {

StreamStats StreamedSince(const StreamStats& now, const StreamStats& before) {
  StreamStats since = now;
  since.bytes_read -= before.bytes_read;
  since.counts.hits -= before.counts.hits;
  since.counts.misses -= before.counts.misses;
  since.counts.evictions -= before.counts.evictions;
  since.wait_seconds -= before.wait_seconds;
  since.read_seconds -= before.read_seconds;
  return since;
}

std::string StreamText(const StreamStats& stats) {
  const double rate =
      stats.read_seconds > 0 ? static_cast<double>(stats.bytes_read) / stats.read_seconds : 0;
  return Format("hit {:.0f} %, {:.2f} GB/s, {} of {} experts resident",
                100 * stats.counts.hit_rate(), rate / 1e9, stats.num_slots, stats.num_experts);
}

std::string StreamLine(const Engine& engine) {
  const ExpertStreamer& streamer = engine.store().streamer();
  return streamer.streams() ? StreamText(streamer.stats()) : "";
}

std::string StreamSummary(const Engine& engine) {
  const ExpertStreamer& streamer = engine.store().streamer();
  if (!streamer.streams()) return "";
  return Format("experts     {}, {} read ({})\n", StreamText(streamer.stats()),
                FormatBytes(streamer.stats().bytes_read), streamer.reader()->name());
}

void AddStreamJson(const StreamStats& stats, nlohmann::json& document) {
  document["bytes_read"] = stats.bytes_read;
  document["hits"] = stats.counts.hits;
  document["misses"] = stats.counts.misses;
  document["evictions"] = stats.counts.evictions;
  document["read_seconds"] = stats.read_seconds;
  document["wait_seconds"] = stats.wait_seconds;
  document["experts_resident"] = stats.num_slots;
  document["experts_streamed"] = stats.num_experts;
}

void AddStreamJson(const Engine& engine, nlohmann::json& document) {
  const ExpertStreamer& streamer = engine.store().streamer();
  AddStreamJson(streamer.stats(), document);
  if (streamer.streams()) document["disk_reader"] = std::string(streamer.reader()->name());
}

}  // namespace moiety::cli
