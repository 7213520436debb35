#include "cli/template_flags.h"

#include <utility>

#include "cli/command.h"

namespace moiety::cli {

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
    MOIETY_ASSIGN_OR_RETURN(nlohmann::ordered_json tokens, OpenSpecialTokens(model));
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
