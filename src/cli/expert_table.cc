#include "cli/expert_table.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <vector>

#include "base/format.h"
#include "cli/terminal.h"

namespace moiety::cli {
namespace {

// Experts that fit a terminal line side by side.
constexpr size_t kMaxColumns = 16;
constexpr size_t kBusiest = 8;

std::string Percent(double share) { return Format("{:4.0f} %", 100 * share); }

}  // namespace

std::string ExpertTable(const ExpertStats& stats, bool colours) {
  const auto paint = [&](const std::string& text, int64_t expert) {
    return colours ? InExpertColour(text, expert) : text;
  };
  std::string out;
  if (stats.layers().empty()) return out;
  const size_t num_experts = stats.layers().front().load.size();
  const bool all = num_experts <= kMaxColumns;
  out += all ? "layer" : Format("layer  the {} busiest of {} experts", kBusiest, num_experts);
  if (all) {
    for (size_t e = 0; e < num_experts; ++e) {
      out += "  " + paint(Format("{:>6}", Format("e{}", e)), static_cast<int64_t>(e));
    }
    out += "   balance";
  }
  out += "\n";
  for (const ExpertStats::Layer& layer : stats.layers()) {
    out += Format("{:>5}", layer.layer);
    std::vector<int64_t> order(layer.load.size());
    std::iota(order.begin(), order.end(), 0);
    if (!all) {
      std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
        return layer.load[static_cast<size_t>(a)] > layer.load[static_cast<size_t>(b)];
      });
      order.resize(kBusiest);
    }
    for (const int64_t e : order) {
      const std::string share = Percent(layer.share(e));
      out += "  " + paint(all ? share : Format("{:>4}:{}", Format("e{}", e), share), e);
    }
    out += Format("{}{:.2f}\n", all ? "      " : "   balance ", layer.balance());
  }
  return out;
}

nlohmann::json ExpertJson(const ExpertStats& stats) {
  nlohmann::json layers = nlohmann::json::array();
  for (const ExpertStats::Layer& layer : stats.layers()) {
    nlohmann::json shares = nlohmann::json::array();
    for (size_t e = 0; e < layer.load.size(); ++e)
      shares.push_back(layer.share(static_cast<int64_t>(e)));
    layers.push_back({{"layer", layer.layer},
                      {"load", layer.load},
                      {"share", shares},
                      {"load_cv", layer.load_cv()},
                      {"balance", layer.balance()}});
  }
  return layers;
}

}  // namespace moiety::cli
