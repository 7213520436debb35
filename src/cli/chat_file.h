// A saved chat: {"model": …, "parameters": {…}, "messages": [{"role": …, "content": …}, …]}. The
// messages are those of the OpenAI API.
#ifndef MOIETY_CLI_CHAT_FILE_H_
#define MOIETY_CLI_CHAT_FILE_H_

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "moiety/status.h"
#include "runtime/conversation.h"

namespace moiety::cli {

struct SavedChat {
  std::string model;  // may be empty
  nlohmann::json parameters = nlohmann::json::object();
  std::vector<ChatMessage> messages;
};

// Replaces the file only when all of it is written.
Status SaveChat(const std::filesystem::path& file, const SavedChat& chat);

// Checks the form of everything but the parameters, which chat_params.h reads, and the order of the
// messages, which the conversation checks. "model" and "parameters" may be missing.
Result<SavedChat> LoadChat(const std::filesystem::path& file);

}  // namespace moiety::cli

#endif  // MOIETY_CLI_CHAT_FILE_H_
