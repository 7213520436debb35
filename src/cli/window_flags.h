// What commands share that walk a text in windows: eval, compare, imatrix.
#ifndef MOIETY_CLI_WINDOW_FLAGS_H_
#define MOIETY_CLI_WINDOW_FLAGS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/command.h"
#include "study/windows.h"

namespace moiety::cli {

struct WindowFlags {
  std::optional<int64_t> window, stride;

  // With the defaults for a model of that context.
  WindowOptions Options(int64_t context_length) const;
};
void AddWindowFlags(CLI::App& command, WindowFlags& flags);
// --window alone.
void AddWindowFlag(CLI::App& command, WindowFlags& flags);

// A text file. Fails with kInvalidData on what is not UTF-8: a tokenizer would read other encodings
// as U+FFFD, and what follows would mean nothing.
Result<std::string> ReadUtf8Text(const std::string& file);
Result<std::vector<int32_t>> EncodeFile(const Tokenizer& tokenizer, const std::string& file);

}  // namespace moiety::cli

#endif  // MOIETY_CLI_WINDOW_FLAGS_H_
