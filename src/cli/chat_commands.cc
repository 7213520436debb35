#include "cli/chat_commands.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include "base/format.h"
#include "cli/chat_file.h"
#include "cli/chat_params.h"
#include "cli/terminal.h"

namespace moiety::cli {
namespace {

constexpr std::string_view kBlanks = " \t\n";

struct Command {
  const char* name;
  const char* argument;  // "": it takes none
  const char* help;
  Status (*run)(ChatSession& session, const std::string& argument);
};

std::string Trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return "";
  return std::string(text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1));
}

// "~/…" is the user's own folder, as in a shell.
Result<std::filesystem::path> FileNamed(const std::string& argument) {
  if (argument.empty()) return InvalidArgument("name a file");
  const char* home = std::getenv("HOME");
  if (argument.starts_with("~/") && home != nullptr) {
    return std::filesystem::path(home) / argument.substr(2);
  }
  return std::filesystem::path(argument);
}

Status Help(ChatSession& session, const std::string&);

Status Reset(ChatSession& session, const std::string&) {
  MOIETY_RETURN_IF_ERROR(session.Restart([](Conversation& conversation) {
    conversation.Reset();
    return OkStatus();
  }));
  session.Note(session.conversation().system().empty()
                   ? "a new conversation"
                   : "a new conversation, with the same system prompt");
  return OkStatus();
}

Status System(ChatSession& session, const std::string& argument) {
  if (argument.empty()) {
    const std::string text = session.conversation().system();
    session.Show(text.empty() ? "no system prompt\n" : text + "\n");
    return OkStatus();
  }
  const std::string text = argument == "-" ? "" : argument;
  MOIETY_RETURN_IF_ERROR(
      session.Restart([&](Conversation& conversation) { return conversation.SetSystem(text); }));
  session.Note(text.empty() ? "a new conversation, without a system prompt"
                            : "a new conversation, with this system prompt");
  return OkStatus();
}

Status Save(ChatSession& session, const std::string& argument) {
  MOIETY_ASSIGN_OR_RETURN(const std::filesystem::path file, FileNamed(argument));
  // A slip of the keyboard must not cost a file of another kind: a model's config.json, for one.
  std::string in_place;
  if (std::error_code error; std::filesystem::is_regular_file(file, error)) {
    const Result<SavedChat> existing = LoadChat(file);
    if (!existing.ok()) {
      return InvalidArgument(
          Format("{}: there is a file that is not a saved chat, and it is kept", file.string()));
    }
    in_place = Format(", in place of a chat of {} messages", existing->messages.size());
  }
  const std::vector<ChatMessage>& messages = session.conversation().messages();
  MOIETY_RETURN_IF_ERROR(SaveChat(file, {.model = session.engine().path().string(),
                                         .parameters = ParameterJson(session.generation()),
                                         .messages = messages}));
  session.Note(
      Format("{} messages saved in {}{}", messages.size(), OneLine(file.string()), in_place));
  return OkStatus();
}

Status Load(ChatSession& session, const std::string& argument) {
  MOIETY_ASSIGN_OR_RETURN(const std::filesystem::path file, FileNamed(argument));
  MOIETY_ASSIGN_OR_RETURN(SavedChat chat, LoadChat(file));
  GenerationOptions generation = session.generation();
  MOIETY_RETURN_IF_ERROR(ReadParameterJson(chat.parameters, file.string(),
                                           session.engine().model().info().vocab_size, generation));
  const size_t count = chat.messages.size();
  MOIETY_RETURN_IF_ERROR(session.Restart([&](Conversation& conversation) {
    return conversation.SetMessages(std::move(chat.messages)).WithContext(file.string());
  }));
  session.generation() = std::move(generation);
  const bool other = !chat.model.empty() && chat.model != session.engine().path().string();
  session.Note(Format("{} messages loaded{}", count,
                      other ? ", saved with the model " + chat.model : std::string()));
  return OkStatus();
}

Status Regen(ChatSession& session, const std::string&) { return session.AnswerAgain(); }

Status Params(ChatSession& session, const std::string& argument) {
  if (argument.empty()) {
    session.Show(ParameterTable(session.generation()));
    return OkStatus();
  }
  const size_t blank = argument.find_first_of(kBlanks);
  if (blank == std::string::npos) return InvalidArgument("expected /params NAME VALUE");
  const std::string name = argument.substr(0, blank);
  const std::string value = Trimmed(argument.substr(blank));
  MOIETY_RETURN_IF_ERROR(
      SetParameter(name, value, session.engine().model().info().vocab_size, session.generation()));
  session.Note(Format("{} is {}", name, value));
  return OkStatus();
}

Status Experts(ChatSession& session, const std::string& argument) {
  if (argument == "on" || argument == "off") {
    MOIETY_RETURN_IF_ERROR(session.ShowExperts(argument == "on"));
    session.Note(argument == "on" ? "each token has the colour of its strongest expert"
                                  : "no colours");
    return OkStatus();
  }
  if (!argument.empty()) {
    return InvalidArgument(Format("expected /experts, on or off, found \"{}\"", argument));
  }
  MOIETY_ASSIGN_OR_RETURN(const std::string table, session.ExpertShares());
  session.Show(table);
  return OkStatus();
}

Status Exit(ChatSession& session, const std::string&) {
  session.End();
  return OkStatus();
}

constexpr std::array<Command, 10> kCommands = {{
    {"/help", "", "this list", Help},
    {"/reset", "", "start a new conversation; the system prompt stays", Reset},
    {"/system", "[TEXT]", "show the system prompt; start again with this one, with none: -",
     System},
    {"/save", "FILE", "write messages and parameters as JSON", Save},
    {"/load", "FILE", "go on with a saved chat", Load},
    {"/regen", "", "drop the last answer and give another", Regen},
    {"/params", "[NAME VALUE]", "show the parameters, or set one", Params},
    {"/experts", "[on|off]", "shares of the experts in this conversation; colour each token",
     Experts},
    {"/exit", "", "end, as Ctrl-D", Exit},
    {"/quit", "", "the same", Exit},
}};

Status Help(ChatSession& session, const std::string&) {
  std::string text;
  for (const Command& command : kCommands) {
    text += Format("  {:<24} {}\n", Format("{} {}", command.name, command.argument), command.help);
  }
  text +=
      "A line that ends in \\ goes on in the next; \"\"\" begins a block that ends with \"\"\".\n"
      "Ctrl-C stops an answer; what came of it is kept.\n";
  const int64_t context_length = session.engine().model().info().context_length;
  text += session.conversation().is_plain()
              ? Format(
                    "The model has no chat template: it continues the text, to which each line "
                    "is added as typed.\nAn empty line goes on. When its context of {} tokens "
                    "is full, the beginning of the text is left out.\n",
                    context_length)
              : Format(
                    "When the model's context of {} tokens is full, the oldest messages after "
                    "the system prompt are left out\nof what the model sees, and you are told "
                    "how many.\n",
                    context_length);
  session.Show(text);
  return OkStatus();
}

}  // namespace

std::vector<std::string> ChatCommandNames() {
  std::vector<std::string> names(kCommands.size());
  std::transform(kCommands.begin(), kCommands.end(), names.begin(),
                 [](const Command& command) { return command.name; });
  return names;
}

Status RunChatCommand(ChatSession& session, std::string_view line) {
  const size_t end = std::min(line.find_first_of(kBlanks), line.size());
  const std::string_view name = line.substr(0, end);
  const std::string argument = Trimmed(line.substr(end));
  for (const Command& command : kCommands) {
    if (name != command.name) continue;
    if (!argument.empty() && *command.argument == '\0') {
      return InvalidArgument(Format("{} takes no argument, found \"{}\"", name, argument));
    }
    return command.run(session, argument).WithContext(command.name);
  }
  std::string names;
  for (const Command& command : kCommands) {
    names += (names.empty() ? "" : ", ") + std::string(command.name);
  }
  return InvalidArgument(
      Format("there is no command {}; there are {} (a message that begins like one goes in \"\"\")",
             name, names));
}

}  // namespace moiety::cli
