#include "cli/template_flags.h"

#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "cli/command.h"
#include "format/json.h"
#include "io/mapped_file.h"

namespace moiety::cli {
namespace {

constexpr uint64_t kMaxConfigBytes = uint64_t{64} << 20;

// The model's "bos_token", "eos_token", …, which templates write: texts, or {"content": text}.
Result<nlohmann::ordered_json> SpecialTokens(const std::filesystem::path& model) {
  nlohmann::ordered_json tokens = nlohmann::ordered_json::object();
  const std::filesystem::path path = model / "tokenizer_config.json";
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return tokens;
  MOIETY_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxConfigBytes));
  MOIETY_ASSIGN_OR_RETURN(const nlohmann::json config, ParseJson(text, path.string()));
  if (!config.is_object()) return tokens;
  for (const auto& [name, value] : config.items()) {
    if (!name.ends_with("_token")) continue;
    const auto content = value.is_object() ? value.find("content") : value.end();
    const nlohmann::json& token = value.is_object() && content != value.end() ? *content : value;
    if (token.is_string()) tokens[name] = token.get<std::string>();
  }
  return tokens;
}

}  // namespace

void AddTemplateFlags(CLI::App& command, TemplateFlags& flags) {
  CLI::Option* file = command.add_option("--template", flags.file,
                                         "Chat template (Jinja) to use instead of the model's");
  CLI::Option* name =
      command
          .add_option("--template-name", flags.name,
                      "Which of the model's chat templates (default: the one called default)")
          ->excludes(file);
  command
      .add_flag("--plain", flags.plain, "Continue a text, even if the model has a chat template")
      ->excludes(file)
      ->excludes(name);
}

Result<std::optional<ChatTemplate>> OpenTemplate(const TemplateFlags& flags,
                                                 const std::filesystem::path& model) {
  if (flags.plain) return std::optional<ChatTemplate>();
  if (!flags.file.empty()) {
    MOIETY_ASSIGN_OR_RETURN(const std::string source, ReadText(flags.file));
    MOIETY_ASSIGN_OR_RETURN(nlohmann::ordered_json tokens, SpecialTokens(model));
    MOIETY_ASSIGN_OR_RETURN(ChatTemplate parsed,
                            ChatTemplate::Parse(source, flags.file, std::move(tokens)));
    return std::optional<ChatTemplate>(std::move(parsed));
  }
  Result<ChatTemplate> own =
      flags.name.empty() ? OpenChatTemplate(model) : OpenChatTemplate(model, flags.name);
  if (own.ok()) return std::optional<ChatTemplate>(*std::move(own));
  if (own.status().code() == StatusCode::kNotFound && flags.name.empty()) {
    return std::optional<ChatTemplate>();
  }
  return std::move(own).status();
}

}  // namespace moiety::cli
