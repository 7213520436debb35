// moiety detokenize: token ids to text.
#include <charconv>
#include <memory>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/format.h"
#include "cli/command.h"
#include "tokenize/tokenizer.h"

namespace moiety::cli {
namespace {

struct DetokenizeFlags {
  std::string model;
  std::vector<int32_t> ids;
  bool keep_special = false;
};

Result<std::vector<int32_t>> ParseIds(std::string_view text) {
  // Numbers apart from each other by anything a list may have: blanks, commas, brackets.
  std::vector<int32_t> ids;
  const char* next = text.data();
  const char* const end = text.data() + text.size();
  while (next != end) {
    if (std::string_view(" \t\r\n,[]").find(*next) != std::string_view::npos) {
      ++next;
      continue;
    }
    int32_t id = 0;
    const std::from_chars_result number = std::from_chars(next, end, id);
    if (number.ec != std::errc() || id < 0) {
      constexpr size_t kShown = 20;
      return InvalidArgument(Format("standard input: expected token ids, found \"{}\"",
                                    std::string_view(next, end).substr(0, kShown)));
    }
    ids.push_back(id);
    next = number.ptr;
  }
  return ids;
}

Status Detokenize(const CLI::App& command, DetokenizeFlags& flags) {
  MOIETY_ASSIGN_OR_RETURN(const auto tokenizer, OpenTokenizer(flags.model));
  if (command.count("ID") == 0) {
    MOIETY_ASSIGN_OR_RETURN(const std::string text, ReadStandardInput());
    MOIETY_ASSIGN_OR_RETURN(flags.ids, ParseIds(text));
  }
  for (const int32_t id : flags.ids) {
    if (id < 0 || id >= tokenizer->vocab_size()) {
      return InvalidArgument(
          Format("token id {} is outside the vocabulary of {}", id, tokenizer->vocab_size()));
    }
  }
  return Print(tokenizer->Decode(flags.ids, !flags.keep_special) + "\n");
}

}  // namespace

Action AddDetokenize(CLI::App& app) {
  CLI::App* command = AddCommand(
      app, "detokenize", "Show the text of token ids",
      "  moiety detokenize models/polyglot/model.gguf 825 1199 793\n"
      "  echo \"[1, 825, 1199]\" | moiety detokenize models/polyglot/model.gguf --special");
  auto flags = std::make_shared<DetokenizeFlags>();
  command->add_option("MODEL", flags->model, "Model folder with a tokenizer.json")
      ->required()
      ->type_name("");
  command->add_option("ID", flags->ids, "Token ids (default: standard input)")->type_name("");
  command->add_flag("--special", flags->keep_special, "Show special tokens too");
  return [command, flags] { return Detokenize(*command, *flags); };
}

}  // namespace moiety::cli
