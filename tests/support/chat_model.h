// Copies of the bundled model for chats: with a template, or another context.
#ifndef MOIETY_TESTS_SUPPORT_CHAT_MODEL_H_
#define MOIETY_TESTS_SUPPORT_CHAT_MODEL_H_

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "support/paths.h"
#include "support/process.h"
#include "support/scratch_folder.h"

namespace moiety {

// <|role|>content and a line break for each message.
inline constexpr const char* kChatTemplate =
    "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}";

// The bundled model under another name; no template if it is empty.
inline std::filesystem::path ChatModel(const ScratchFolder& scratch, const std::string& name,
                                       const std::string& chat_template = kChatTemplate,
                                       int64_t context_length = 1024) {
  const std::filesystem::path folder = scratch.path() / name;
  std::filesystem::create_directory(folder);
  for (const char* file :
       {"model.safetensors", "tokenizer.json", "tokenizer_config.json", "generation_config.json"}) {
    std::filesystem::create_symlink(Starter() / file, folder / file);
  }
  std::ifstream original(Starter() / "config.json");
  nlohmann::json config = nlohmann::json::parse(original);
  config["max_position_embeddings"] = context_length;
  std::ofstream(folder / "config.json") << config;
  if (!chat_template.empty()) std::ofstream(folder / "chat_template.jinja") << chat_template;
  return folder;
}

// `moiety chat` through a pipe.
inline ProcessResult PipedChat(const std::string& input,
                               const std::vector<std::string>& arguments) {
  std::vector<std::string> all = {"chat"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  ProcessOptions options;
  options.input = input;
  return Moiety(all, options);
}

}  // namespace moiety

#endif  // MOIETY_TESTS_SUPPORT_CHAT_MODEL_H_
