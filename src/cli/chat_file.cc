#include "cli/chat_file.h"

#include <string_view>
#include <utility>

#include "base/format.h"
#include "format/json.h"
#include "format/replacing_file.h"
#include "io/mapped_file.h"

namespace moiety::cli {
namespace {

using nlohmann::json;

constexpr uint64_t kMaxFileBytes = uint64_t{256} << 20;

Result<ChatMessage> ReadMessage(const json& message, const std::string& where) {
  if (!message.is_object()) {
    return InvalidData(Format("{} must be an object, found {}", where, ShowJson(message)));
  }
  ChatMessage read;
  for (const auto& [key, value] : message.items()) {
    if (key != "role" && key != "content") {
      return Unsupported(Format("{}: \"{}\" is not known here", where, key));
    }
    if (!value.is_string()) {
      return InvalidData(Format("{}: {} must be a text, found {}", where, key, ShowJson(value)));
    }
    (key == "role" ? read.role : read.content) = value.get<std::string>();
  }
  for (const char* key : {"role", "content"}) {
    if (!message.contains(key)) return InvalidData(Format("{} has no \"{}\"", where, key));
  }
  return read;
}

}  // namespace

Status SaveChat(const std::filesystem::path& file, const SavedChat& chat) {
  nlohmann::ordered_json document;
  document["model"] = chat.model;
  document["parameters"] = chat.parameters;
  document["messages"] = json::array();
  for (const ChatMessage& message : chat.messages) {
    nlohmann::ordered_json entry;
    entry["role"] = message.role;
    entry["content"] = message.content;
    document["messages"].push_back(std::move(entry));
  }
  const std::string text = document.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
  return ReplaceFile(file, text);
}

Result<SavedChat> LoadChat(const std::filesystem::path& file) {
  const std::string where = file.string();
  MOIETY_ASSIGN_OR_RETURN(const std::string text, ReadFile(file, kMaxFileBytes));
  MOIETY_ASSIGN_OR_RETURN(const json document, ParseJson(text, where));
  if (!document.is_object()) {
    return InvalidData(
        Format("{}: a saved chat is an object, found {}", where, ShowJson(document)));
  }
  for (const auto& [key, value] : document.items()) {
    if (key != "model" && key != "parameters" && key != "messages") {
      return Unsupported(Format("{}: \"{}\" is not known here", where, key));
    }
  }
  SavedChat chat;
  const json model = document.value("model", json(""));
  if (!model.is_string()) {
    return InvalidData(Format("{}: model must be a text, found {}", where, ShowJson(model)));
  }
  chat.model = model.get<std::string>();
  chat.parameters = document.value("parameters", json::object());
  if (!document.contains("messages")) return InvalidData(Format("{} has no \"messages\"", where));
  const json& messages = document["messages"];
  if (!messages.is_array()) {
    return InvalidData(Format("{}: messages must be a list, found {}", where, ShowJson(messages)));
  }
  for (size_t i = 0; i < messages.size(); ++i) {
    MOIETY_ASSIGN_OR_RETURN(ChatMessage message,
                            ReadMessage(messages[i], Format("{}: message {}", where, i + 1)));
    chat.messages.push_back(std::move(message));
  }
  return chat;
}

}  // namespace moiety::cli
