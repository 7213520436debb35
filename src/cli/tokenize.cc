// moiety tokenize: text to token ids.
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/format.h"
#include "cli/command.h"
#include "cli/terminal.h"
#include "tokenize/tokenizer.h"

namespace moiety::cli {
namespace {

struct TokenizeFlags {
  std::string model, text;
  bool from_stdin = false, no_special = false, ids = false, json = false;
};

std::string Join(const std::vector<int32_t>& ids) {
  std::string out;
  for (const int32_t id : ids) out += Format("{}{}", out.empty() ? "" : ", ", id);
  return out;
}

Status Tokenize(const CLI::App& command, TokenizeFlags& flags) {
  MOIETY_ASSIGN_OR_RETURN(const auto tokenizer, OpenTokenizer(flags.model));
  if (command.count("TEXT") == 0) {
    MOIETY_ASSIGN_OR_RETURN(flags.text, ReadStandardInput());
  }
  MOIETY_ASSIGN_OR_RETURN(const std::vector<int32_t> ids,
                          tokenizer->Encode(flags.text, !flags.no_special));
  if (flags.ids) return Print(Format("[{}]\n", Join(ids)));
  if (flags.json) {
    nlohmann::json pieces = nlohmann::json::array();
    for (const int32_t id : ids) pieces.push_back(tokenizer->Piece(id));
    const nlohmann::json document = {{"ids", ids}, {"pieces", std::move(pieces)}};
    return Print(JsonText(document, -1));
  }
  std::string out;
  for (const int32_t id : ids) out += Format("{:>8}  {}\n", id, OneLine(tokenizer->Piece(id)));
  return Print(out);
}

}  // namespace

Action AddTokenize(CLI::App& app) {
  CLI::App* command =
      AddCommand(app, "tokenize", "Show the tokens of a text",
                 "  moiety tokenize models/polyglot/model.gguf \"Il était une fois\"\n"
                 "  moiety tokenize models/polyglot/model.gguf --stdin --json < book.txt");
  auto flags = std::make_shared<TokenizeFlags>();
  command->add_option("MODEL", flags->model, "Model folder with a tokenizer.json")
      ->required()
      ->type_name("");
  CLI::Option* text =
      command->add_option("TEXT", flags->text, "The text (default: standard input)")->type_name("");
  command->add_flag("--stdin", flags->from_stdin, "Read standard input, every byte of it")
      ->excludes(text);
  command->add_flag("--no-special", flags->no_special, "Do not add special tokens (such as <s>)");
  CLI::Option* ids = command->add_flag("--ids", flags->ids, "Print the ids only: [1, 825, 1199]");
  command->add_flag("--json", flags->json, "Print {\"ids\": […], \"pieces\": […]}")->excludes(ids);
  return [command, flags] { return Tokenize(*command, *flags); };
}

}  // namespace moiety::cli
