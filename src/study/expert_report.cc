#include "study/expert_report.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "routing/load_measures.h"
#include "study/report_number.h"

namespace moiety {
namespace {

using nlohmann::json;

constexpr int kWeightDigits = 3;

// name_information and what to hold it against.
void AddInformation(const std::string& name, const CountTable& table, json& layer) {
  const double information = MutualInformation(table);
  const double most = std::min(Entropy(table.RowSums()), Entropy(table.ColumnSums()));
  layer[name + "_information"] = ReportNumber(information);
  layer[name + "_information_share"] = most > 0 ? ReportNumber(information / most) : json();
  layer[name + "_information_by_chance"] = ReportNumber(InformationByChance(table));
}

void AddPairs(const ExpertProfile::Layer& layer, json& document) {
  const CountTable& pairs = layer.pairs;
  const int64_t n = pairs.rows;
  const std::vector<double> lift = PairLift(pairs, layer.load);
  const auto lift_of = [&](int64_t a, int64_t b) {
    return ReportNumber(lift[static_cast<size_t>(a * n + b)], kWeightDigits);
  };
  std::vector<std::pair<int64_t, int64_t>> strongest;
  for (int64_t a = 0; a < n; ++a) {
    for (int64_t b = a + 1; b < n; ++b) {
      if (pairs.at(a, b) > 0) strongest.emplace_back(a, b);
    }
  }
  std::ranges::stable_sort(strongest, [&](const auto& a, const auto& b) {
    return pairs.at(a.first, a.second) > pairs.at(b.first, b.second);
  });
  if (strongest.size() > kMaxListedPairs) strongest.resize(kMaxListedPairs);
  json list = json::array();
  for (const auto& [a, b] : strongest) {
    list.push_back({{"experts", {a, b}}, {"count", pairs.at(a, b)}, {"lift", lift_of(a, b)}});
  }
  document["strongest_pairs"] = std::move(list);
  document["pairs"] = nullptr;
  if (n == 0 || n > kMaxPairTableExperts) return;
  json counts = json::array();
  json lifts = json::array();
  for (int64_t a = 0; a < n; ++a) {
    json& count_row = counts.emplace_back(json::array());
    json& lift_row = lifts.emplace_back(json::array());
    for (int64_t b = 0; b < n; ++b) {
      count_row.push_back(pairs.at(std::min(a, b), std::max(a, b)));
      lift_row.push_back(lift_of(a, b));
    }
  }
  document["pairs"] = {{"count", std::move(counts)}, {"lift", std::move(lifts)}};
}

json LayerReport(const ExpertProfile::Layer& layer) {
  json classes = json::array();
  for (int64_t c = 0; c < layer.class_load.cols; ++c) {
    json& row = classes.emplace_back(json::array());
    for (int64_t e = 0; e < layer.num_experts; ++e) row.push_back(layer.class_load.at(e, c));
  }
  json document = {{"layer", layer.layer},
                   {"num_experts", layer.num_experts},
                   {"num_tokens", layer.num_tokens},
                   {"num_dropped", layer.num_dropped},
                   {"load", layer.load},
                   {"cv", ReportNumber(LoadCv(layer.load))},
                   {"max_violation", ReportNumber(MaxViolation(layer.load))},
                   {"expert_entropy", ReportNumber(Entropy(layer.load))},
                   {"gate_entropy", ReportNumber(layer.gate_entropy())},
                   {"text_load", layer.text_load},
                   {"class_load", std::move(classes)}};
  AddInformation("text", layer.TextTable(), document);
  AddInformation("class", layer.class_load, document);
  AddPairs(layer, document);
  return document;
}

// Tokens of each passage that are shown.
size_t PassageLength(const ExpertProfile& profile) {
  size_t choices = 1;  // of a token at one place of all passages, at most
  size_t longest = 0;
  for (const ExpertProfile::Layer& layer : profile.layers()) {
    for (const auto& passage : layer.passages) {
      size_t most = 0;
      for (const auto& token : passage) most = std::max(most, token.size());
      choices += most;
      longest = std::max(longest, passage.size());
    }
  }
  return std::min(longest, static_cast<size_t>(kMaxPassageChoices) / choices);
}

json PassageReport(const ExpertProfile& profile, size_t text, size_t length) {
  json tokens = json::array();
  json classes = json::array();
  const std::vector<TextToken>& passage = profile.texts()[text].passage;
  for (size_t i = 0; i < std::min(length, passage.size()); ++i) {
    tokens.push_back(passage[i].text);
    classes.push_back(static_cast<int>(passage[i].token_class));
  }
  json layers = json::array();
  for (const ExpertProfile::Layer& layer : profile.layers()) {
    json experts = json::array();
    json weights = json::array();
    const auto& choices = layer.passages[text];
    for (size_t i = 0; i < std::min(length, choices.size()); ++i) {
      json& ids = experts.emplace_back(json::array());
      json& of_ids = weights.emplace_back(json::array());
      for (const ExpertProfile::Choice& choice : choices[i]) {
        ids.push_back(choice.expert);
        of_ids.push_back(ReportNumber(choice.weight, kWeightDigits));
      }
    }
    layers.push_back(
        {{"layer", layer.layer}, {"experts", std::move(experts)}, {"weights", std::move(weights)}});
  }
  return {{"tokens", std::move(tokens)},
          {"classes", std::move(classes)},
          {"layers", std::move(layers)}};
}

}  // namespace

json ExpertReport(const ExpertProfile& profile, const ModelInfo& info) {
  const size_t length = PassageLength(profile);
  json texts = json::array();
  for (size_t t = 0; t < profile.texts().size(); ++t) {
    const ExpertProfile::Text& text = profile.texts()[t];
    texts.push_back({{"name", text.name},
                     {"num_tokens", text.num_tokens},
                     {"num_read", text.num_read},
                     {"class_counts", text.class_counts},
                     {"passage", PassageReport(profile, t, length)}});
  }
  json layers = json::array();
  for (const ExpertProfile::Layer& layer : profile.layers()) layers.push_back(LayerReport(layer));
  return {{"model",
           {{"architecture", info.architecture},
            {"num_layers", info.num_layers},
            {"num_experts", info.num_experts},
            {"top_k", info.top_k},
            {"router", info.router},
            {"parameters", info.parameters},
            {"active_parameters", info.active_parameters}}},
          {"classes", kTokenClassNames},
          {"texts", std::move(texts)},
          {"layers", std::move(layers)}};
}

}  // namespace moiety
