#include "study/training_report.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "study/report_number.h"

namespace moiety {
namespace {

using nlohmann::json;

constexpr double kNoNumber = std::numeric_limits<double>::quiet_NaN();
// Digits of shares of load, which are the most numbers of a page.
constexpr int kShareDigits = 3;

int64_t PerPoint(size_t count, int64_t max_points) {
  return std::max<int64_t>(1, (static_cast<int64_t>(count) + max_points - 1) / max_points);
}

// fold(values of a point that are numbers) for each point; NaN for a point without numbers.
template <class Fold>
std::vector<double> ThinOut(std::span<const double> values, int64_t per_point, const Fold& fold) {
  std::vector<double> points;
  std::vector<double> of_point;
  for (size_t begin = 0; begin < values.size(); begin += static_cast<size_t>(per_point)) {
    of_point.clear();
    const size_t end = std::min(values.size(), begin + static_cast<size_t>(per_point));
    for (size_t i = begin; i < end; ++i) {
      if (!std::isnan(values[i])) of_point.push_back(values[i]);
    }
    points.push_back(of_point.empty() ? kNoNumber : fold(of_point));
  }
  return points;
}

double MeanOf(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}
double SmallestOf(const std::vector<double>& values) { return *std::ranges::min_element(values); }
double LargestOf(const std::vector<double>& values) { return *std::ranges::max_element(values); }
double SumOf(const std::vector<double>& values) {
  return MeanOf(values) * static_cast<double>(values.size());
}

double MedianOf(std::vector<double> values) {
  std::erase_if(values, [](double value) { return std::isnan(value); });
  if (values.empty()) return kNoNumber;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

// The mean of up to `steps` values around each.
std::vector<double> Smooth(std::span<const double> values, int64_t steps) {
  // Of what comes before each, so that a mean costs the same for any number of steps.
  std::vector<double> sums = {0};
  std::vector<int64_t> counts = {0};
  for (const double value : values) {
    sums.push_back(sums.back() + (std::isnan(value) ? 0 : value));
    counts.push_back(counts.back() + (std::isnan(value) ? 0 : 1));
  }
  const auto half = static_cast<size_t>(steps / 2);
  std::vector<double> smoothed;
  for (size_t i = 0; i < values.size(); ++i) {
    // As many on either side: a slope is not bent at the ends.
    const size_t reach = std::min({half, i, values.size() - 1 - i});
    const size_t begin = i - reach;
    const size_t end = i + reach + 1;
    const int64_t count = counts[end] - counts[begin];
    smoothed.push_back(count == 0 ? kNoNumber
                                  : (sums[end] - sums[begin]) / static_cast<double>(count));
  }
  return smoothed;
}

json CurvesOf(const TrainingLog& log, int64_t smoothing_steps) {
  const int64_t per_point = PerPoint(log.steps.size(), kMaxCurvePoints);
  const auto column = [&](const auto& of_step) {
    std::vector<double> values;
    values.reserve(log.steps.size());
    for (const TrainingLog::Step& step : log.steps) values.push_back(of_step(step));
    return values;
  };
  const auto of = [&](const std::vector<double>& values, const auto& fold) {
    return ReportNumbers(ThinOut(values, per_point, fold));
  };
  const auto loss = column([](const auto& s) { return s.skipped ? kNoNumber : s.loss; });
  const auto norm = column([](const auto& s) { return s.gradient_norm; });
  json steps = json::array();
  for (size_t i = 0; i < log.steps.size(); i += static_cast<size_t>(per_point)) {
    steps.push_back(
        log.steps[std::min(i + static_cast<size_t>(per_point), log.steps.size()) - 1].step);
  }
  json curves = {
      {"steps_per_point", per_point},
      {"step", steps},
      {"loss", of(loss, MeanOf)},
      {"loss_min", of(loss, SmallestOf)},
      {"loss_max", of(loss, LargestOf)},
      {"loss_smoothed", of(Smooth(loss, smoothing_steps), MeanOf)},
      {"learning_rate", of(column([](const auto& s) { return s.learning_rate; }), MeanOf)},
      {"gradient_norm", of(norm, MeanOf)},
      {"gradient_norm_max", of(norm, LargestOf)},
      {"tokens_per_s", of(column([](const auto& s) { return s.tokens_per_s; }), MeanOf)},
      {"skipped", of(column([](const auto& s) { return s.skipped ? 1.0 : 0.0; }), SumOf)}};
  for (size_t i = 0; i < kRouterLosses.size(); ++i) {
    const auto losses = column([&](const auto& s) { return s.router_losses[i]; });
    if (std::ranges::all_of(losses, [](double l) { return std::isnan(l); })) continue;
    curves[std::string(kRouterLosses[i].name)] = of(losses, MeanOf);
  }
  return curves;
}

// The load of each point over all of it: a list of shares per point.
json LoadShares(const TrainingLog::Layer& layer, int64_t per_point) {
  const auto experts = static_cast<size_t>(layer.num_experts);
  json points = json::array();
  std::vector<double> sums(experts);
  for (size_t begin = 0; begin < layer.at.size(); begin += static_cast<size_t>(per_point)) {
    const size_t end = std::min(layer.at.size(), begin + static_cast<size_t>(per_point));
    std::ranges::fill(sums, 0);
    double total = 0;
    for (size_t i = begin * experts; i < end * experts; ++i) {
      sums[i % experts] += layer.load[i];
      total += layer.load[i];
    }
    for (double& sum : sums) sum = total > 0 ? sum / total : kNoNumber;
    points.push_back(ReportNumbers(sums, kShareDigits));
  }
  return points;
}

json LayersOf(const TrainingLog& log) {
  int64_t num_experts = 1;
  for (const TrainingLog::Layer& layer : log.layers) num_experts += layer.num_experts;
  const int64_t max_points =
      std::clamp(kMaxLoadNumbers / num_experts, kMinLayerPoints, kMaxLayerPoints);
  json layers = json::array();
  for (const TrainingLog::Layer& layer : log.layers) {
    const int64_t per_point = PerPoint(layer.at.size(), max_points);
    const auto of = [&](const std::vector<double>& values) {
      return ReportNumbers(ThinOut(values, per_point, MeanOf));
    };
    std::vector<double> dropped;
    json steps = json::array();
    for (size_t i = 0; i < layer.at.size(); ++i) {
      const TrainingLog::Step& step = log.steps[layer.at[i]];
      dropped.push_back(step.tokens > 0 ? layer.dropped[i] / step.tokens : kNoNumber);
      if ((i + 1) % static_cast<size_t>(per_point) == 0 || i + 1 == layer.at.size()) {
        steps.push_back(step.step);
      }
    }
    layers.push_back({{"layer", layer.layer},
                      {"num_experts", layer.num_experts},
                      {"num_steps", layer.at.size()},
                      {"steps_per_point", per_point},
                      {"step", steps},
                      {"cv", of(layer.cv)},
                      {"max_violation", of(layer.max_violation)},
                      {"gate_entropy", of(layer.gate_entropy)},
                      {"expert_entropy", of(layer.expert_entropy)},
                      {"dropped_share", of(dropped)},
                      {"load_share", LoadShares(layer, per_point)}});
  }
  return layers;
}

// All of them: runs validate seldom.
json ValidationOf(const TrainingLog& log) {
  std::set<std::string> names;
  for (const auto& validation : log.validations) {
    for (const auto& [name, loss] : validation.domains) names.insert(name);
  }
  json steps = json::array();
  json losses = json::array();
  json domains = json::object();
  for (const std::string& name : names) domains[name] = json::array();
  for (const auto& validation : log.validations) {
    steps.push_back(validation.step);
    losses.push_back(ReportNumber(validation.loss));
    for (const std::string& name : names) {
      const auto found = validation.domains.find(name);
      domains[name].push_back(found == validation.domains.end() ? json()
                                                                : ReportNumber(found->second));
    }
  }
  return {{"step", steps}, {"loss", losses}, {"domains", domains}};
}

}  // namespace

json TrainingReport(const TrainingLog& log) {
  // A curve of a few dozen features, whatever its length.
  const int64_t smoothing_steps =
      std::clamp<int64_t>(static_cast<int64_t>(log.steps.size()) / 50, 5, 501);
  double tokens = 0;
  std::vector<double> speeds;
  int64_t num_skipped = 0;
  json skipped = json::array();
  for (const TrainingLog::Step& step : log.steps) {
    if (!std::isnan(step.tokens)) tokens += step.tokens;
    speeds.push_back(step.tokens_per_s);
    if (step.skipped && num_skipped++ < kMaxListedSkips) {
      skipped.push_back({{"step", step.step}, {"why", step.skip_reason}});
    }
  }
  std::vector<double> last;
  const size_t end = log.steps.size();
  for (size_t i = end - std::min(end, static_cast<size_t>(smoothing_steps)); i < end; ++i) {
    if (!log.steps[i].skipped && !std::isnan(log.steps[i].loss)) last.push_back(log.steps[i].loss);
  }
  json best;
  for (const auto& validation : log.validations) {
    if (std::isnan(validation.loss)) continue;
    if (best.is_null() || ReportNumber(validation.loss) < best["loss"]) {
      best = {{"step", validation.step}, {"loss", ReportNumber(validation.loss)}};
    }
  }
  return {{"first_step", log.steps.empty() ? json() : json(log.steps.front().step)},
          {"last_step", log.steps.empty() ? json() : json(log.steps.back().step)},
          {"num_steps", log.steps.size()},
          {"tokens", ReportNumber(tokens, 15)},
          {"tokens_per_s", ReportNumber(MedianOf(std::move(speeds)))},
          {"num_skipped", num_skipped},
          {"skipped", skipped},
          {"resumes", log.resumes},
          {"num_superseded", log.num_superseded},
          {"num_cut_lines", log.num_cut_lines},
          {"smoothing_steps", smoothing_steps},
          {"final_loss", last.empty() ? json() : ReportNumber(MeanOf(last))},
          {"curves", CurvesOf(log, smoothing_steps)},
          {"validation", ValidationOf(log)},
          {"best_validation", best},
          {"layers", LayersOf(log)}};
}

}  // namespace moiety
