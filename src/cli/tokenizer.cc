// moiety tokenizer train: a tokenizer from texts.
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/format.h"
#include "base/utf8.h"
#include "cli/command.h"
#include "cli/terminal.h"
#include "format/replacing_file.h"
#include "io/mapped_file.h"
#include "tokenize/text_parts.h"
#include "tokenize/tokenizer_trainer.h"

namespace moiety::cli {
namespace {

namespace fs = std::filesystem;

// Texts are counted in parts of this size, which end with a line.
constexpr size_t kPartBytes = size_t{8} << 20;

struct TokenizerFlags {
  std::vector<std::string> files;
  std::string out, kind = "byte-fallback";
  TokenizerTrainerOptions options;
  bool json = false;
};

Status CountWords(const TokenizerFlags& flags, TokenizerTrainer& trainer, int64_t* num_bytes) {
  std::vector<std::shared_ptr<const MappedFile>> files;
  for (const std::string& path : flags.files) {
    MOIETY_ASSIGN_OR_RETURN(files.emplace_back(), MappedFile::Open(path));
    *num_bytes += static_cast<int64_t>(files.back()->bytes().size());
  }
  ProgressBar bar("counting words", *num_bytes, "bytes");
  int64_t done = 0;
  for (size_t i = 0; i < files.size(); ++i) {
    const std::span<const std::byte> bytes = files[i]->bytes();
    std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (const size_t valid = ValidUtf8Prefix(text); valid < text.size()) {
      return InvalidData(Format("{}: not UTF-8 at byte {}", flags.files[i], valid));
    }
    while (!text.empty()) {
      if (!GoesOn()) return Cancelled("interrupted: nothing was written");
      const size_t length = TextPartLength(text, kPartBytes);
      MOIETY_RETURN_IF_ERROR(trainer.Add(text.substr(0, length)));
      text.remove_prefix(length);
      done += static_cast<int64_t>(length);
      bar.Update(done);
    }
  }
  return OkStatus();
}

Status Train(TokenizerFlags& flags) {
  flags.options.kind =
      flags.kind == "byte-level" ? TokenizerKind::kByteLevel : TokenizerKind::kByteFallback;
  MOIETY_ASSIGN_OR_RETURN(TokenizerTrainer trainer, TokenizerTrainer::Create(flags.options));
  const fs::path folder = flags.out;
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return IoError(Format("{}: cannot create: {}", flags.out, error.message()));

  StopOnInterrupt();
  int64_t num_bytes = 0;
  MOIETY_RETURN_IF_ERROR(CountWords(flags, trainer, &num_bytes));
  nlohmann::ordered_json file;
  {
    ProgressBar bar("merging", flags.options.vocab_size, "tokens");
    auto trained = trainer.Train([&](int64_t num_tokens) {
      bar.Update(num_tokens);
      return GoesOn();
    });
    if (trained.status().code() == StatusCode::kCancelled) {
      return Cancelled("interrupted: nothing was written");
    }
    MOIETY_ASSIGN_OR_RETURN(file, std::move(trained));
  }
  MOIETY_RETURN_IF_ERROR(ReplaceFile(folder / "tokenizer.json", file.dump(2) + "\n"));
  MOIETY_RETURN_IF_ERROR(
      ReplaceFile(folder / "tokenizer_config.json", trainer.Config().dump(2) + "\n"));

  const size_t num_tokens = file["model"]["vocab"].size();
  const size_t num_merges = file["model"]["merges"].size();
  if (flags.json) {
    return Print(JsonText({{"tokenizer", (folder / "tokenizer.json").string()},
                           {"vocab_size", num_tokens},
                           {"merges", num_merges},
                           {"bytes", num_bytes},
                           {"words", trainer.num_words()}}));
  }
  std::string note;
  if (num_tokens < static_cast<size_t>(flags.options.vocab_size)) {
    note = Format("No more pairs occur {} times: the vocabulary has {} tokens instead of {}.\n",
                  flags.options.min_frequency, num_tokens, flags.options.vocab_size);
  }
  return Print(Format("{}{}: {} tokens, {} merges, from {} with {} different words\n", note,
                      (folder / "tokenizer.json").string(), num_tokens, num_merges,
                      FormatBytes(static_cast<uint64_t>(num_bytes)), trainer.num_words()));
}

}  // namespace

Action AddTokenizer(CLI::App& app) {
  CLI::App* command = AddCommand(
      app, "tokenizer", "Train a tokenizer",
      "  moiety tokenizer train books/*.txt -o my-tokenizer --vocab-size 32000\n"
      "  moiety tokenizer train code.txt -o my-tokenizer --type byte-level --vocab-size 50000");
  command->require_subcommand(1);
  CLI::App* train = command->add_subcommand(
      "train", "Learn a BPE vocabulary from texts; writes a tokenizer.json as Hugging Face has it");
  auto flags = std::make_shared<TokenizerFlags>();
  TokenizerFlags& f = *flags;
  train->add_option("FILE", f.files, "Texts, in UTF-8")->required()->type_name("");
  train->add_option("-o,--output", f.out, "Folder for tokenizer.json and tokenizer_config.json")
      ->required();
  train
      ->add_option("--type", f.kind,
                   "byte-fallback: characters, rare ones by byte (Llama 2, Mixtral); byte-level: "
                   "bytes, cut into words by a pattern (GPT-2, Qwen) (default: byte-fallback)")
      ->check(CLI::IsMember({"byte-fallback", "byte-level"}).description(""));
  train
      ->add_option("--vocab-size", f.options.vocab_size,
                   "Tokens, special ones included (default: 32000)")
      ->check(AtLeast(1));
  train
      ->add_option("--min-frequency", f.options.min_frequency,
                   "Merge no pair that occurs less often (default: 2)")
      ->check(AtLeast(1));
  train
      ->add_option("--character-coverage", f.options.character_coverage,
                   "byte-fallback: share of the text whose characters are tokens (default: 0.9995)")
      ->check(CLI::Range(0.0, 1.0).description(""));
  train
      ->add_option(
          "--special", f.options.special_tokens,
          "Special token, repeatable; replaces <unk> <s> </s> (unknown, begin and end come "
          "first), or <|endoftext|> (end of text comes first)")
      ->allow_extra_args(false);
  train->add_flag("--json", f.json, "Print the figures as JSON");
  return [flags] { return Train(*flags); };
}

}  // namespace moiety::cli
