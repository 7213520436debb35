#include "cli/window_flags.h"

#include <algorithm>

#include "base/format.h"
#include "base/utf8.h"

namespace moiety::cli {

WindowOptions WindowFlags::Options(int64_t context_length) const {
  WindowOptions options;
  options.window = window.value_or(std::min(options.window, context_length));
  options.stride = stride.value_or(options.window);
  return options;
}

void AddWindowFlag(CLI::App& command, WindowFlags& flags) {
  command.add_option(
      "--window", flags.window,
      "Tokens the model sees at once (default: 512, or the model's context if that is less)");
}

void AddWindowFlags(CLI::App& command, WindowFlags& flags) {
  AddWindowFlag(command, flags);
  command.add_option("--stride", flags.stride,
                     "Tokens from one window to the next; below the window, "
                     "each token is predicted once with at least "
                     "window - stride tokens before it (default: the "
                     "window, whose first token is then not predicted)");
}

Result<std::string> ReadUtf8Text(const std::string& file) {
  MOIETY_ASSIGN_OR_RETURN(std::string text, ReadText(file));
  if (const size_t valid = ValidUtf8Prefix(text); valid < text.size()) {
    return InvalidData(Format("{}: not UTF-8 at byte {}", file, valid));
  }
  return text;
}

Result<std::vector<int32_t>> EncodeFile(const Tokenizer& tokenizer, const std::string& file) {
  MOIETY_ASSIGN_OR_RETURN(const std::string text, ReadUtf8Text(file));
  return tokenizer.Encode(text);
}

}  // namespace moiety::cli
