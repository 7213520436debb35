// Which chat template a chat uses.
#ifndef MOIETY_CLI_TEMPLATE_FLAGS_H_
#define MOIETY_CLI_TEMPLATE_FLAGS_H_

#include <CLI/CLI.hpp>
#include <filesystem>
#include <optional>
#include <string>

#include "chat/chat_template.h"
#include "moiety/status.h"

namespace moiety::cli {

struct TemplateFlags {
  std::string file, name;
  bool plain = false;
};

void AddTemplateFlags(CLI::App& command, TemplateFlags& flags);

// The template that the flags name, else the model's; none for a model that has none, or if the
// user wants plain text. A template that cannot be used is an error.
Result<std::optional<ChatTemplate>> OpenTemplate(const TemplateFlags& flags,
                                                 const std::filesystem::path& model);

}  // namespace moiety::cli

#endif  // MOIETY_CLI_TEMPLATE_FLAGS_H_
