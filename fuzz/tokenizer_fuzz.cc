// The bytes are a tokenizer.json. If it loads, text goes through it in both directions.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/utf8.h"
#include "tokenize/tokenizer.h"

namespace {

// Ends the run with a report if a promise of the header is broken.
void Require(bool condition) {
  if (!condition) std::abort();
}

void Exercise(const moiety::Tokenizer& tokenizer, std::string_view text) {
  const auto encoded = tokenizer.Encode(text);
  if (!encoded.ok()) {
    Require(encoded.status().code() == moiety::StatusCode::kResourceExhausted);
    return;
  }
  const std::vector<int32_t>& ids = *encoded;
  for (const int32_t id : ids) Require(id >= 0 && id < tokenizer.vocab_size());
  for (const bool skip_special : {false, true}) {
    const std::string decoded = tokenizer.Decode(ids, skip_special);
    Require(moiety::IsUtf8(decoded));
    moiety::Tokenizer::Stream stream(tokenizer, skip_special);
    std::string joined;
    for (const int32_t id : ids) {
      const std::string part = stream.Next(id);
      Require(moiety::IsUtf8(part));
      joined += part;
    }
    Require(joined + stream.Finish() == decoded);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view json(reinterpret_cast<const char*>(data), size);
  const auto tokenizer = moiety::Tokenizer::FromJson(json, "tokenizer.json");
  if (!tokenizer.ok()) {
    Require(!tokenizer.status().message().empty());
    return 0;
  }
  Exercise(**tokenizer, "The quick  brown fox,\n\tété 日本語 🙂 <s></s><unk>\xFF\xC3 1234");
  Exercise(**tokenizer, json.substr(0, 2000));  // text with the tokens of this very file
  // Every piece, also those that no text leads to.
  std::vector<int32_t> ids;
  for (int32_t id = -1; id <= (*tokenizer)->vocab_size() && ids.size() < 2000; ++id) {
    ids.push_back(id);
    const std::string_view piece = (*tokenizer)->Piece(id);
    Require(piece.empty() || (*tokenizer)->IdOf(piece) == id);
  }
  Require(moiety::IsUtf8((*tokenizer)->Decode(ids, false)));
  return 0;
}
