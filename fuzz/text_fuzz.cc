// The first byte chooses a tokenizer, the others are a text: it goes to ids and back.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/utf8.h"
#include "io/mapped_file.h"
#include "tokenize/tokenizer.h"
#include "tokenize/tokenizer_trainer.h"

namespace {

namespace fs = std::filesystem;
using moiety::Tokenizer;

constexpr uint64_t kMaxBytes = 16 << 20;

// Ends the run with a report if a promise of the header is broken.
void Require(bool condition) {
  if (!condition) std::abort();
}

struct Subject {
  std::unique_ptr<const Tokenizer> tokenizer;
  bool reversible;  // decoding gives the text again
};

Subject Load(std::string_view json, bool reversible) {
  auto tokenizer = Tokenizer::FromJson(json, "tokenizer.json");
  if (!tokenizer.ok()) std::fprintf(stderr, "%s\n", tokenizer.status().message().c_str());
  Require(tokenizer.ok());
  return {*std::move(tokenizer), reversible};
}

Subject Train(moiety::TokenizerKind kind) {
  moiety::TokenizerTrainerOptions options;
  options.kind = kind;
  options.vocab_size = 600;
  auto trainer = moiety::TokenizerTrainer::Create(options);
  Require(trainer.ok());
  const auto text = moiety::ReadFile(MOIETY_SOURCE_DIR "/tests/data/eval/text.txt", kMaxBytes);
  Require(text.ok() && trainer->Add(*text).ok());
  const auto file = trainer->Train([](int64_t) { return true; });
  Require(file.ok());
  return Load(file->dump(), true);
}

// One of every kind: those with goldens and the two that moiety trains.
std::vector<Subject> LoadAll() {
  std::vector<Subject> subjects;
  subjects.push_back(Train(moiety::TokenizerKind::kByteLevel));
  subjects.push_back(Train(moiety::TokenizerKind::kByteFallback));
  for (const auto& entry : fs::directory_iterator(MOIETY_SOURCE_DIR "/tests/data/tokenizers")) {
    if (!entry.is_directory()) continue;
    const auto json = moiety::ReadFile(entry.path() / "tokenizer.json", kMaxBytes);
    Require(json.ok());
    subjects.push_back(Load(*json, false));
  }
  return subjects;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::vector<Subject> subjects = LoadAll();
  if (size == 0) return 0;
  const Subject& subject = subjects[data[0] % subjects.size()];
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  const Tokenizer& tokenizer = *subject.tokenizer;

  const auto ids = tokenizer.Encode(text, /*add_special=*/false);
  Require(ids.ok());
  for (const int32_t id : *ids) Require(!tokenizer.Piece(id).empty());
  const std::string decoded = tokenizer.Decode(*ids, /*skip_special=*/false);
  Require(moiety::IsUtf8(decoded));
  Tokenizer::Stream stream(tokenizer, /*skip_special=*/false);
  std::string joined;
  for (const int32_t id : *ids) {
    const std::string part = stream.Next(id);
    Require(moiety::IsUtf8(part));
    joined += part;
  }
  Require(joined + stream.Finish() == decoded);

  if (!subject.reversible) return 0;
  // A special token that is spelled out takes the mark of a space with it.
  for (const int32_t id : *ids) {
    if (tokenizer.IsSpecial(id)) return 0;
  }
  std::string expected = moiety::ToValidUtf8(text);
  // The mark of a space cannot be told from a space.
  for (size_t at = 0; (at = expected.find("▁", at)) != std::string::npos; ++at) {
    if (tokenizer.IdOf("<unk>").has_value()) expected.replace(at, 3, " ");
  }
  Require(decoded == expected);
  return 0;
}
