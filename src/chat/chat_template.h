// Chat templates: a conversation becomes the text that a model was trained on. The template is
// Jinja (src/jinja), shipped with the model.
#ifndef MOIETY_CHAT_CHAT_TEMPLATE_H_
#define MOIETY_CHAT_CHAT_TEMPLATE_H_

#include <ctime>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "moiety/status.h"

namespace moiety {

// What a template sees. JSON objects keep the order of their keys: templates print them.
struct ChatInput {
  nlohmann::ordered_json messages = nlohmann::ordered_json::array();  // {"role", "content", …}
  nlohmann::ordered_json tools;                                       // null: none
  nlohmann::ordered_json documents;                                   // null: none
  bool add_generation_prompt = true;
  nlohmann::ordered_json variables = nlohmann::ordered_json::object();  // further ones, by name
  std::optional<std::tm> now;  // what strftime_now formats; default: the local time
};

// Immutable; Render may be called from any thread.
class ChatTemplate {
 public:
  // `where` starts every message ("dir/chat_template.jinja"). `special_tokens`: name → text
  // ("bos_token": "<s>"), which the template sees as variables. Fails with kInvalidData and the
  // line for what is no Jinja (or is larger than 4 MB), with kUnsupported for what moiety does not
  // know of it.
  static Result<ChatTemplate> Parse(std::string_view source, const std::string& where,
                                    nlohmann::ordered_json special_tokens);
  ~ChatTemplate();
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;

  // Variables of `input` hide special tokens of the same name. What the template refuses
  // (raise_exception) is a kInvalidArgument with exactly its words. What it does wrong
  // (kInvalidData), what moiety does not know (kUnsupported), and too much time or memory
  // (kResourceExhausted) have the template's name and line.
  Result<std::string> Render(const ChatInput& input) const;

  const std::string& source() const;

 private:
  struct Impl;
  explicit ChatTemplate(std::unique_ptr<const Impl> impl);
  std::unique_ptr<const Impl> impl_;
};

// "bos_token" and the like: the special tokens that a template sees as variables.
std::span<const char* const> SpecialTokenNames();

// The template of a model folder: chat_template.jinja (of another `name` than "default":
// additional_chat_templates/NAME.jinja), else "chat_template" of tokenizer_config.json (a text, or
// a list of {"name", "template"}), with that file's special tokens. kNotFound where the model has
// none of that name; kInvalidData or kUnsupported as Parse.
Result<ChatTemplate> OpenChatTemplate(const std::filesystem::path& model,
                                      const std::string& name = "default");

// The template of that name in `config`, the contents of a tokenizer_config.json, with its special
// tokens; `where` starts every message.
Result<ChatTemplate> ReadChatTemplate(const nlohmann::ordered_json& config,
                                      const std::string& where,
                                      const std::string& name = "default");

// The special tokens of a model folder by name, for a template from elsewhere; none where the
// folder does not say.
Result<nlohmann::ordered_json> OpenSpecialTokens(const std::filesystem::path& model);

}  // namespace moiety

#endif  // MOIETY_CHAT_CHAT_TEMPLATE_H_
