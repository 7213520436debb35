// The commands of a chat: lines that start with a slash.
#ifndef MOIETY_CLI_CHAT_COMMANDS_H_
#define MOIETY_CLI_CHAT_COMMANDS_H_

#include <string>
#include <string_view>
#include <vector>

#include "cli/chat_session.h"
#include "moiety/status.h"

namespace moiety::cli {

// "/help", "/reset", …
std::vector<std::string> ChatCommandNames();

// Runs "/name argument". Unknown commands are an error that lists those there are.
Status RunChatCommand(ChatSession& session, std::string_view line);

}  // namespace moiety::cli

#endif  // MOIETY_CLI_CHAT_COMMANDS_H_
