// moiety template: the text that a chat template makes of a conversation.
#include <algorithm>
#include <charconv>
#include <ctime>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/format.h"
#include "chat/chat_template.h"
#include "cli/command.h"
#include "cli/terminal.h"
#include "format/gguf_model.h"
#include "format/json.h"
#include "tokenize/tokenizer.h"

namespace moiety::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

struct TemplateCommandFlags {
  std::string model, messages, tools, name = "default";
  bool add_prompt = false, no_prompt = false, json = false, tokens = false;
};

// What test cases carry beside the conversation.
constexpr const char* kIgnored[] = {"id",        "template", "template_inline", "expected", "error",
                                    "tokenizer", "ids"};

bool IsOneOf(const std::string& name, std::span<const char* const> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Result<ordered_json> ReadJson(const std::string& file) {
  const bool from_stdin = file == "-";
  MOIETY_ASSIGN_OR_RETURN(const std::string text,
                          from_stdin ? ReadStandardInput() : ReadText(file));
  // An integer that turned into a float would be another text to the model.
  return ParseOrderedJson(text, from_stdin ? "standard input" : file, BigIntegers::kRefuse);
}

// "2024-07-26T13:37:09".
std::optional<std::tm> ParseTime(const std::string& text) {
  std::tm time = {};
  const char* const rest = strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &time);
  if (rest == nullptr || *rest != '\0') return std::nullopt;
  return time;
}

// A conversation as the user gave it.
struct Conversation {
  ChatInput input;
  ordered_json special_tokens = ordered_json::object();  // of the file; they win over the model's
};

class ConversationReader {
 public:
  ConversationReader(std::string where, Conversation& out) : where_(std::move(where)), out_(out) {}

  Status Read(ordered_json document) {
    out_.input.add_generation_prompt = false;  // as apply_chat_template has it
    if (document.is_array()) {
      out_.input.messages = std::move(document);
      return OkStatus();
    }
    if (!document.is_object() || !document.contains("messages")) {
      return InvalidData(
          Format("{}: expected a list of messages, or an object with \"messages\", found {}",
                 where_, ShowJson(document)));
    }
    for (auto& [name, value] : document.get_ref<ordered_json::object_t&>()) {
      MOIETY_RETURN_IF_ERROR(ReadField(name, value));
    }
    return OkStatus();
  }

 private:
  Status Expected(const std::string& name, const char* what, const ordered_json& found) {
    return InvalidData(
        Format("{}: \"{}\": expected {}, found {}", where_, name, what, ShowJson(found)));
  }

  Status ReadField(const std::string& name, ordered_json& value) {
    ChatInput& input = out_.input;
    if (name == "messages") {
      if (!value.is_array()) return Expected(name, "a list", value);
      input.messages = std::move(value);
    } else if (name == "tools" || name == "documents") {
      if (!value.is_array() && !value.is_null()) return Expected(name, "a list", value);
      (name == "tools" ? input.tools : input.documents) = std::move(value);
    } else if (name == "add_generation_prompt") {
      if (!value.is_boolean()) return Expected(name, "true or false", value);
      input.add_generation_prompt = value.get<bool>();
    } else if (name == "kwargs") {
      if (value.is_null()) return OkStatus();
      if (!value.is_object()) return Expected(name, "an object", value);
      input.variables = std::move(value);
    } else if (name == "now") {
      if (value.is_null()) return OkStatus();
      if (value.is_string()) input.now = ParseTime(value.get<std::string>());
      if (!input.now) return Expected(name, "a time as 2024-07-26T13:37:09", value);
    } else if (name == "special_tokens") {
      if (!value.is_object()) return Expected(name, "an object", value);
      out_.special_tokens.update(value);
    } else if (IsOneOf(name, SpecialTokenNames())) {
      if (value.is_null()) return OkStatus();
      if (!value.is_string()) return Expected(name, "a text", value);
      out_.special_tokens[name] = std::move(value);
    } else if (!IsOneOf(name, kIgnored)) {
      return InvalidData(
          Format("{}: unknown field \"{}\" (further variables of a template go into \"kwargs\")",
                 where_, name));
    }
    return OkStatus();
  }

  std::string where_;
  Conversation& out_;
};

Result<ChatTemplate> OpenTemplate(const TemplateCommandFlags& flags, bool is_model) {
  if (is_model) return OpenChatTemplate(flags.model, flags.name);
  MOIETY_ASSIGN_OR_RETURN(const std::string source, ReadText(flags.model));
  return ChatTemplate::Parse(source, flags.model, ordered_json::object());
}

Status Template(TemplateCommandFlags& flags) {
  std::error_code error;
  const bool is_model = fs::is_directory(flags.model, error) || IsGgufPath(flags.model);
  if (flags.tokens && !is_model) {
    return InvalidArgument("--tokens needs a model, whose tokenizer makes them");
  }
  MOIETY_ASSIGN_OR_RETURN(const ChatTemplate chat, OpenTemplate(flags, is_model));
  Conversation conversation;
  MOIETY_ASSIGN_OR_RETURN(ordered_json document, ReadJson(flags.messages));
  const std::string where = flags.messages == "-" ? "standard input" : flags.messages;
  MOIETY_RETURN_IF_ERROR(ConversationReader(where, conversation).Read(std::move(document)));
  ChatInput& input = conversation.input;
  if (!flags.tools.empty()) {
    MOIETY_ASSIGN_OR_RETURN(input.tools, ReadJson(flags.tools));
    if (!input.tools.is_array()) {
      return InvalidData(
          Format("{}: expected a list of tools, found {}", flags.tools, ShowJson(input.tools)));
    }
  }
  if (flags.add_prompt) input.add_generation_prompt = true;
  if (flags.no_prompt) input.add_generation_prompt = false;
  // Tokens of the file hide those of the model, and kwargs hide both.
  for (const auto& [name, value] : conversation.special_tokens.items()) {
    if (!input.variables.contains(name)) input.variables[name] = value;
  }
  MOIETY_ASSIGN_OR_RETURN(const std::string text, chat.Render(input));
  if (!flags.json && !flags.tokens) return Print(text);

  std::unique_ptr<const Tokenizer> tokenizer;
  if (is_model &&
      (IsGgufPath(flags.model) || fs::exists(fs::path(flags.model) / "tokenizer.json", error))) {
    MOIETY_ASSIGN_OR_RETURN(tokenizer, OpenTokenizer(flags.model));
  } else if (flags.tokens) {
    return NotFound(Format("{}: has no tokenizer.json", flags.model));
  }
  // The template spells out the special tokens that it wants.
  std::vector<int32_t> ids;
  if (tokenizer != nullptr) {
    MOIETY_ASSIGN_OR_RETURN(ids, tokenizer->Encode(text, /*add_special=*/false));
  }
  if (flags.json) {
    nlohmann::json result = {{"text", text}};
    if (tokenizer != nullptr) result["ids"] = ids;
    return Print(JsonText(result, -1));
  }
  std::string out;
  for (const int32_t id : ids) out += Format("{:>8}  {}\n", id, OneLine(tokenizer->Piece(id)));
  return Print(out);
}

}  // namespace

Action AddTemplate(CLI::App& app) {
  CLI::App* command = AddCommand(
      app, "template", "Show the text that a chat template makes of a conversation",
      "  moiety template path/to/model --messages chat.json --add-generation-prompt\n"
      "  moiety template chat_template.jinja --messages chat.json --tools tools.json\n"
      "  echo '[{\"role\": \"user\", \"content\": \"Hi\"}]' | moiety template path/to/model "
      "--messages - --tokens");
  auto flags = std::make_shared<TemplateCommandFlags>();
  TemplateCommandFlags& f = *flags;
  command->add_option("MODEL", f.model, "Model folder with a chat template, or a file with one")
      ->required()
      ->type_name("");
  command
      ->add_option("-m,--messages", f.messages,
                   "JSON file: a list of messages, or an object with \"messages\" and any of "
                   "\"tools\", \"documents\", \"add_generation_prompt\", \"kwargs\" (further "
                   "variables), \"now\", \"special_tokens\"; - for standard input")
      ->required();
  command->add_option("--tools", f.tools, "JSON file with a list of tools");
  CLI::Option* add =
      command->add_flag("--add-generation-prompt", f.add_prompt,
                        "End with what opens the answer (default: what the file says, else not)");
  command->add_flag("--no-generation-prompt", f.no_prompt, "End after the last message")
      ->excludes(add);
  command->add_option("--name", f.name, "Which of a model's templates (default: default)");
  CLI::Option* tokens =
      command->add_flag("--tokens", f.tokens, "List the token ids of the text instead");
  command
      ->add_flag("--json", f.json,
                 "Print {\"text\": …, \"ids\": […]}, ids if MODEL has a tokenizer")
      ->excludes(tokens);
  return [flags] { return Template(*flags); };
}

}  // namespace moiety::cli
