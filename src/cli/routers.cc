// moiety routers: the routing strategies, and what opens models that have them.
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/format.h"
#include "cli/command.h"
#include "cli/terminal.h"
#include "routing/router.h"
#include "train/architecture.h"
#include "train/presets.h"

namespace moiety::cli {
namespace {

// The model_type that an export with experts in every layer has.
Result<std::string> ExportedType(std::string_view name, bool qk_norm) {
  TrainConfig config;
  config.model.qk_norm = qk_norm;
  MOIETY_RETURN_IF_ERROR(SetRouter(name, config));
  MOIETY_ASSIGN_OR_RETURN(const nlohmann::json exported, HfConfigOf(config, 1, {}));
  return exported.at("model_type").get<std::string>();
}

Result<nlohmann::ordered_json> Describe(const RouterInfo& router) {
  nlohmann::ordered_json row = {{"name", router.name},
                                {"summary", router.summary},
                                {"reference", router.reference},
                                {"causal", router.causal},
                                {"needs_whole_sequences", router.needs_whole_sequences}};
  row["options"] = router.OptionNames();
  row["model_type"] = nlohmann::json::array();
  for (const bool qk_norm : {false, true}) {
    MOIETY_ASSIGN_OR_RETURN(const std::string type, ExportedType(router.name, qk_norm));
    if (row["model_type"].empty() || row["model_type"].back() != type) {
      row["model_type"].push_back(type);
    }
  }
  return row;
}

std::string Joined(const nlohmann::ordered_json& texts) {
  std::string joined;
  for (const auto& text : texts) joined += (joined.empty() ? "" : ", ") + text.get<std::string>();
  return joined;
}

Status ListRouters(bool as_json) {
  nlohmann::ordered_json rows = nlohmann::json::array();
  for (const RouterInfo& router : Routers()) {
    MOIETY_ASSIGN_OR_RETURN(nlohmann::ordered_json row, Describe(router));
    rows.push_back(std::move(row));
  }
  if (as_json) return Print(rows.dump(2) + "\n");
  std::string text = Format("{:<14} {:<6} {}\n", "router", "causal", "exported as");
  for (const auto& row : rows) {
    text += Format("{:<14} {:<6} {:<20} {}\n", row["name"].get<std::string>(),
                   row["causal"].get<bool>() ? "yes" : "no", Joined(row["model_type"]),
                   row["summary"].get<std::string>());
    text += Format("{:<42} {}\n", "", row["reference"].get<std::string>());
    if (!row["options"].empty()) text += Format("{:<42} router.{}\n", "", Joined(row["options"]));
  }
  return Print(text +
               "\nTypes other than moiety open in transformers; with model.qk_norm the second. "
               "--router NAME of\nmoiety train takes a strategy, --set router.OPTION=VALUE sets an "
               "option.\n");
}

}  // namespace

Action AddRouters(CLI::App& app) {
  CLI::App* command = AddCommand(app, "routers", "List the routing strategies",
                                 "  moiety routers\n"
                                 "  moiety train --preset tiny --router switch --data input.txt "
                                 "--out runs/switch");
  auto as_json = std::make_shared<bool>(false);
  command->add_flag("--json", *as_json, "Print JSON");
  return [as_json] { return ListRouters(*as_json); };
}

}  // namespace moiety::cli
