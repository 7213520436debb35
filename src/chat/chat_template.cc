#include "chat/chat_template.h"

#include <system_error>
#include <utility>

#include "base/format.h"
#include "format/gguf_model.h"
#include "format/gguf_tokenizer.h"
#include "format/json.h"
#include "io/mapped_file.h"
#include "jinja/template.h"

namespace moiety {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr uint64_t kMaxTemplateBytes = uint64_t{4} << 20;
constexpr uint64_t kMaxConfigBytes = uint64_t{64} << 20;
constexpr const char* kTemplateFile = "chat_template.jinja";
constexpr const char* kMoreTemplates = "additional_chat_templates";
constexpr const char* kConfigFile = "tokenizer_config.json";
constexpr const char* kDefault = "default";
constexpr const char* kSpecialTokens[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                          "pad_token", "cls_token", "mask_token"};

// A broken symbolic link counts as there: reading it says what is wrong.
bool IsThere(const fs::path& path) {
  std::error_code error;
  return fs::symlink_status(path, error).type() != fs::file_type::not_found;
}

// "<s>", or {"content": "<s>", …}; anything else is no token.
Result<ordered_json> ReadSpecialTokens(const ordered_json& config, const std::string& where) {
  ordered_json tokens = ordered_json::object();
  for (const char* name : kSpecialTokens) {
    const auto it = config.find(name);
    if (it == config.end() || it->is_null()) continue;
    const ordered_json* text = &*it;
    if (it->is_object() && it->contains("content")) text = &(*it)["content"];
    if (!text->is_string()) {
      return InvalidData(
          Format("{}: \"{}\": expected a text, found {}", where, name, ShowJson(*it)));
    }
    tokens[name] = *text;
  }
  return tokens;
}

// The template of that name in the config; kNotFound if there is none.
Result<std::string> TemplateOfConfig(const ordered_json& config, const std::string& where,
                                     const std::string& name) {
  const auto missing = [&](const std::string& why) {
    return NotFound(Format("{}: {}", where, why));
  };
  const auto it = config.find("chat_template");
  if (it == config.end() || it->is_null()) return missing("the model has no chat template");
  if (it->is_string()) {
    if (name == kDefault) return it->get<std::string>();
    return missing(Format("there is no chat template {}, only one without a name", ShowJson(name)));
  }
  if (!it->is_array()) {
    return InvalidData(
        Format("{}: \"chat_template\": expected a text or a list, found {}", where, ShowJson(*it)));
  }
  std::string names;
  for (const ordered_json& entry : *it) {
    const bool is_entry = entry.is_object() && entry.contains("name") &&
                          entry["name"].is_string() && entry.contains("template") &&
                          entry["template"].is_string();
    if (!is_entry) {
      return InvalidData(
          Format("{}: \"chat_template\": expected {{\"name\": …, \"template\": …}}, found {}",
                 where, ShowJson(entry)));
    }
    if (entry["name"] == name) return entry["template"].get<std::string>();
    names += (names.empty() ? "" : ", ") + ShowJson(entry["name"]);
  }
  return missing(Format("there is no chat template {}, only {}", ShowJson(name),
                        names.empty() ? "an empty list" : names));
}

// The file that holds the template of that name, or an empty path.
Result<fs::path> TemplateFile(const fs::path& model, const std::string& name) {
  if (name == kDefault) {
    fs::path file = model / kTemplateFile;
    return IsThere(file) ? file : fs::path();
  }
  // The name becomes one of a file: it must not lead out of the folder.
  if (name.empty() || name.find_first_of("/\\") != std::string::npos ||
      name.find('\0') != std::string::npos) {
    return InvalidArgument(Format("{} is no name of a chat template", ShowJson(name)));
  }
  fs::path file = model / kMoreTemplates / (name + ".jinja");
  return IsThere(file) ? file : fs::path();
}

// What a model says in tokenizer_config.json (an empty object where it has none), and where.
struct Config {
  std::string where;
  ordered_json config = ordered_json::object();
};
Result<Config> OpenConfig(const fs::path& model) {
  if (IsGgufPath(model)) {
    MOIETY_ASSIGN_OR_RETURN(GgufTokenizer tokenizer, OpenGgufTokenizer(model));
    return Config{model.string(), std::move(tokenizer.config)};
  }
  const fs::path path = model / kConfigFile;
  Config found = {path.string()};
  if (!IsThere(path)) return found;
  MOIETY_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxConfigBytes));
  MOIETY_ASSIGN_OR_RETURN(found.config, ParseOrderedJson(text, found.where));
  if (!found.config.is_object()) {
    return InvalidData(
        Format("{}: expected an object, found {}", found.where, ShowJson(found.config)));
  }
  return found;
}

}  // namespace

struct ChatTemplate::Impl {
  std::string source;
  jinja::Template jinja;
  ordered_json special_tokens;
};

ChatTemplate::ChatTemplate(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
ChatTemplate::~ChatTemplate() = default;
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;

Result<ChatTemplate> ChatTemplate::Parse(std::string_view source, const std::string& where,
                                         ordered_json special_tokens) {
  if (source.size() > kMaxTemplateBytes) {
    return InvalidData(Format("{}: larger than {}", where, FormatBytes(kMaxTemplateBytes)));
  }
  MOIETY_ASSIGN_OR_RETURN(jinja::Template parsed, jinja::Template::Parse(source, where));
  auto impl = std::make_unique<Impl>(
      Impl{std::string(source), std::move(parsed), std::move(special_tokens)});
  return ChatTemplate(std::move(impl));
}

Result<std::string> ChatTemplate::Render(const ChatInput& input) const {
  const ordered_json add_generation_prompt = input.add_generation_prompt;
  jinja::Template::Variables variables;
  const auto add_all = [&variables](const ordered_json& object) {
    if (!object.is_object()) return;
    for (const auto& [name, value] : object.get_ref<const ordered_json::object_t&>()) {
      variables.emplace_back(name, &value);
    }
  };
  add_all(impl_->special_tokens);
  variables.emplace_back("messages", &input.messages);
  variables.emplace_back("tools", &input.tools);
  variables.emplace_back("documents", &input.documents);
  variables.emplace_back("add_generation_prompt", &add_generation_prompt);
  add_all(input.variables);
  jinja::Template::Options options;
  options.now = input.now;
  return impl_->jinja.Render(variables, options);
}

const std::string& ChatTemplate::source() const { return impl_->source; }

std::span<const char* const> SpecialTokenNames() { return kSpecialTokens; }

Result<ordered_json> OpenSpecialTokens(const fs::path& model) {
  MOIETY_ASSIGN_OR_RETURN(const Config found, OpenConfig(model));
  return ReadSpecialTokens(found.config, found.where);
}

Result<ChatTemplate> OpenChatTemplate(const fs::path& model, const std::string& name) {
  std::error_code error;
  if (!fs::is_directory(model, error) && !IsGgufPath(model)) {
    return NotFound(Format("{}: no such folder", model.string()));
  }
  MOIETY_ASSIGN_OR_RETURN(const Config found, OpenConfig(model));
  MOIETY_ASSIGN_OR_RETURN(const fs::path file, TemplateFile(model, name));
  if (!file.empty()) {
    MOIETY_ASSIGN_OR_RETURN(ordered_json tokens, ReadSpecialTokens(found.config, found.where));
    MOIETY_ASSIGN_OR_RETURN(const std::string source, ReadFile(file, kMaxTemplateBytes));
    return ChatTemplate::Parse(source, file.string(), std::move(tokens));
  }
  return ReadChatTemplate(found.config, found.where, name);
}

Result<ChatTemplate> ReadChatTemplate(const ordered_json& config, const std::string& where,
                                      const std::string& name) {
  MOIETY_ASSIGN_OR_RETURN(ordered_json tokens, ReadSpecialTokens(config, where));
  MOIETY_ASSIGN_OR_RETURN(const std::string source, TemplateOfConfig(config, where, name));
  return ChatTemplate::Parse(source, where + ": chat_template", std::move(tokens));
}

}  // namespace moiety
