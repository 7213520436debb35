#include "study/training_log.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/format.h"
#include "format/config_reader.h"
#include "format/json.h"

namespace moiety {
namespace {

using nlohmann::json;

constexpr double kNotLogged = std::numeric_limits<double>::quiet_NaN();

constexpr double kMaxLoggedLoad = 1e15;

class LogReader {
 public:
  explicit LogReader(const std::string& file) : file_(file) {}

  Status Read(std::string_view text) {
    while (!text.empty()) {
      const size_t end = text.find('\n');
      const bool complete = end != std::string_view::npos;
      const std::string_view line = text.substr(0, end);
      text.remove_prefix(complete ? end + 1 : text.size());
      ++number_;
      if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
      const std::string where = Format("{}:{}", file_, number_);
      Result<json> object = ParseJson(line, where);
      if (!object.ok() && !complete) {
        MOIETY_RETURN_IF_ERROR(Status(broken_));
        ++log_.num_cut_lines;
        return OkStatus();
      }
      if (!object.ok()) {
        MOIETY_RETURN_IF_ERROR(Status(broken_));
        broken_ = object.status();
        continue;
      }
      MOIETY_RETURN_IF_ERROR(ReadEvent(*object, where));
    }
    return broken_;
  }

  TrainingLog Take() && { return std::move(log_); }

 private:
  Status ReadEvent(const json& object, const std::string& where) {
    if (!object.is_object()) {
      return InvalidData(Format("{}: expected a JSON object, found {}", where, ShowJson(object)));
    }
    ConfigReader reader(object, where);
    const std::string event = reader.String("event");
    if (!broken_.ok()) {
      if (event != "resume") return broken_;
      broken_ = OkStatus();
      ++log_.num_cut_lines;
    }
    if (event == "step") {
      MOIETY_RETURN_IF_ERROR(ReadStep(object, reader));
    } else if (event == "validation") {
      ReadValidation(object, reader);
    } else if (event == "resume") {
      Resume(reader.Int("step", 0, INT64_MAX));
    }
    return reader.status();
  }

  Status ReadStep(const json& object, ConfigReader& reader) {
    TrainingLog::Step step = {};
    step.step = reader.Int("step", 0, INT64_MAX);
    step.loss = reader.FloatOr("loss", kNotLogged);
    step.learning_rate = reader.FloatOr("lr", kNotLogged);
    step.gradient_norm = reader.FloatOr("gradient_norm", kNotLogged);
    step.tokens = reader.FloatOr("tokens", kNotLogged);
    step.tokens_per_s = reader.FloatOr("tokens_per_s", kNotLogged);
    for (size_t i = 0; i < kRouterLosses.size(); ++i) {
      step.router_losses[i] = reader.FloatOr(std::string(kRouterLosses[i].name), kNotLogged);
    }
    step.skipped = !reader.Missing("skipped");
    step.skip_reason = reader.StringOr("skipped", "");
    if (!log_.steps.empty() && step.step <= log_.steps.back().step) {
      reader.Fail("step", Format("must be above {}, the step before, found {}",
                                 log_.steps.back().step, step.step));
    }
    MOIETY_RETURN_IF_ERROR(Status(reader.status()));
    log_.steps.push_back(std::move(step));
    if (reader.Missing("layers")) return OkStatus();
    const json& layers = object["layers"];
    if (!layers.is_array()) {
      reader.Fail("layers", Format("must be a list, found {}", ShowJson(layers)));
      return reader.status();
    }
    for (size_t i = 0; i < layers.size(); ++i) {
      ConfigReader of_layer(layers[i], Format("{}: layers[{}]", reader.where(), i));
      if (of_layer.status().ok()) ReadLayer(layers[i], of_layer);
      MOIETY_RETURN_IF_ERROR(Status(of_layer.status()));
    }
    return OkStatus();
  }

  void ReadLayer(const json& object, ConfigReader& reader) {
    const int64_t number = reader.Int("layer", 0, kMaxLoggedLayers - 1);
    const std::vector<double> load = reader.FloatsOr("load", {});
    const double cv = reader.FloatOr("cv", kNotLogged);
    const double max_violation = reader.FloatOr("max_vio", kNotLogged);
    const double gate_entropy = reader.FloatOr("gate_entropy", kNotLogged);
    const double expert_entropy = reader.FloatOr("expert_entropy", kNotLogged);
    const double dropped = reader.FloatOr("dropped", kNotLogged);
    const auto num_experts = static_cast<int64_t>(load.size());
    if (!reader.status().ok()) return;
    if (num_experts < 1 || num_experts > kMaxLoggedExperts ||
        std::ranges::any_of(load, [](double n) { return n < 0 || n > kMaxLoggedLoad; })) {
      reader.Fail("load", Format("must be 1 to {} counts of tokens, found {}", kMaxLoggedExperts,
                                 object.contains("load") ? ShowJson(object["load"]) : "none"));
      return;
    }
    auto at = std::ranges::lower_bound(log_.layers, number, {}, &TrainingLog::Layer::layer);
    if (at == log_.layers.end() || at->layer != number) {
      at = log_.layers.emplace(at);
      at->layer = number;
      at->num_experts = num_experts;
    }
    if (at->num_experts != num_experts) {
      reader.Fail("load", Format("must be of {} experts as before, found {}", at->num_experts,
                                 num_experts));
      return;
    }
    const size_t step = log_.steps.size() - 1;
    if (!at->at.empty() && at->at.back() == step) {
      reader.Fail("layer", Format("{} is there twice", number));
      return;
    }
    at->at.push_back(step);
    for (const double n : load) at->load.push_back(static_cast<float>(n));
    at->cv.push_back(cv);
    at->max_violation.push_back(max_violation);
    at->gate_entropy.push_back(gate_entropy);
    at->expert_entropy.push_back(expert_entropy);
    at->dropped.push_back(dropped);
  }

  void ReadValidation(const json& object, ConfigReader& reader) {
    TrainingLog::Validation validation = {};
    validation.step = reader.Int("step", 0, INT64_MAX);
    validation.loss = reader.FloatOr("loss", kNotLogged);
    if (std::optional<ConfigReader> domains = reader.Object("domains"); domains.has_value()) {
      for (const auto& [name, domain] : object["domains"].items()) {
        std::optional<ConfigReader> of_domain = domains->Object(name);
        if (!of_domain.has_value()) continue;
        validation.domains[name] = of_domain->FloatOr("loss", kNotLogged);
      }
    }
    if (!reader.status().ok()) return;
    if (!log_.validations.empty() && validation.step < log_.validations.back().step) {
      reader.Fail("step", Format("must be at least {}, that of the validation before, found {}",
                                 log_.validations.back().step, validation.step));
      return;
    }
    // Validated again at the step that was resumed from.
    if (!log_.validations.empty() && validation.step == log_.validations.back().step) {
      log_.validations.pop_back();
    }
    log_.validations.push_back(std::move(validation));
  }

  void Resume(int64_t step) {
    log_.resumes.push_back(step);
    const auto later = std::ranges::upper_bound(log_.steps, step, {}, &TrainingLog::Step::step);
    const auto kept = static_cast<size_t>(later - log_.steps.begin());
    log_.num_superseded += static_cast<int64_t>(log_.steps.size() - kept);
    log_.steps.erase(later, log_.steps.end());
    for (TrainingLog::Layer& layer : log_.layers) {
      const auto size =
          static_cast<size_t>(std::ranges::lower_bound(layer.at, kept) - layer.at.begin());
      layer.at.resize(size);
      layer.load.resize(size * static_cast<size_t>(layer.num_experts));
      for (std::vector<double>* values : {&layer.cv, &layer.max_violation, &layer.gate_entropy,
                                          &layer.expert_entropy, &layer.dropped}) {
        values->resize(size);
      }
    }
    while (!log_.validations.empty() && log_.validations.back().step > step) {
      log_.validations.pop_back();
    }
  }

  const std::string& file_;
  int64_t number_ = 0;
  Status broken_;  // of a line that only a resume behind it excuses
  TrainingLog log_;
};

}  // namespace

Result<TrainingLog> ParseTrainingLog(std::string_view text, const std::string& where) {
  LogReader reader(where);
  MOIETY_RETURN_IF_ERROR(reader.Read(text));
  return std::move(reader).Take();
}

}  // namespace moiety
