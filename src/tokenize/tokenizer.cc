#include "tokenize/tokenizer.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/format.h"
#include "base/utf8.h"
#include "format/config_reader.h"
#include "format/json.h"
#include "tokenize/added_tokens.h"
#include "tokenize/component.h"
#include "tokenize/decoder.h"
#include "tokenize/model.h"
#include "tokenize/normalizer.h"
#include "tokenize/post_processor.h"
#include "tokenize/pre_tokenizer.h"

namespace moiety {

using nlohmann::json;

struct Tokenizer::Impl {
  // One row per id; ids may have gaps.
  struct Token {
    std::string_view piece;
    std::string_view decoded;  // what decoders get: of an added token its normalized form
    bool present = false;
    bool special = false;
  };

  const Token* Find(int32_t id) const {
    const bool inside = id >= 0 && static_cast<size_t>(id) < tokens.size();
    return inside && tokens[static_cast<size_t>(id)].present ? &tokens[static_cast<size_t>(id)]
                                                             : nullptr;
  }

  void ListTokens() {
    const Vocabulary& vocabulary = model->vocabulary();
    int32_t end_id = vocabulary.end_id();
    for (const AddedToken& token : added.tokens()) end_id = std::max(end_id, token.id + 1);
    tokens.resize(static_cast<size_t>(end_id));
    for (int32_t id = 0; id < vocabulary.end_id(); ++id) {
      if (!vocabulary.Contains(id)) continue;
      const std::string_view piece = vocabulary.Piece(id);
      tokens[static_cast<size_t>(id)] = {piece, piece, true, false};
    }
    for (const AddedToken& token : added.tokens()) {
      tokens[static_cast<size_t>(token.id)] = {token.content, token.normalized_content, true,
                                               token.special};
    }
  }

  // The rest of the pipeline for text between added tokens.
  Status EncodeText(std::string text, bool starts_text, std::vector<int32_t>& ids) const {
    Words words{std::move(text), {}, starts_text};
    words.ends.push_back(words.text.size());
    for (const auto& pre_tokenizer : pre_tokenizers) {
      MOIETY_RETURN_IF_ERROR(pre_tokenizer->Apply(words));
    }
    model->Encode(words, ids);
    return OkStatus();
  }

  // Feeds one id to a decoding machine. (The reference, tokenizers 0.23, lets special tokens
  // through that its normalizer changes, "▁<s>" for example; here special means special.)
  void DecodeId(int32_t id, bool skip_special, DecodeStage& stage) const {
    const Token* token = Find(id);
    if (token == nullptr || (skip_special && token->special)) return;
    stage.Text(token->decoded);
    stage.EndPiece();
  }

  std::unique_ptr<const TokenModel> model;
  AddedTokens added;
  Normalizers normalizers;
  PreTokenizers pre_tokenizers;
  PostProcessor post_processor;
  Decoders decoders;
  std::vector<Token> tokens;
};

Tokenizer::Tokenizer(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::~Tokenizer() = default;

Result<std::unique_ptr<const Tokenizer>> Tokenizer::FromJson(std::string_view text,
                                                             const std::string& where) {
  MOIETY_ASSIGN_OR_RETURN(const json document, ParseJson(text, where));
  return FromDocument(document, where);
}

Result<std::unique_ptr<const Tokenizer>> Tokenizer::FromDocument(const json& root,
                                                                 const std::string& where) {
  const Component file{root, where};
  // "truncation" and "padding" may be set, see the header.
  MOIETY_RETURN_IF_ERROR(CheckFields(file, {"model"},
                                     {"version", "truncation", "padding", "added_tokens",
                                      "normalizer", "pre_tokenizer", "post_processor", "decoder"}));
  ConfigReader reader(root, where);
  if (const std::string version = reader.StringOr("version", "1.0"); version != "1.0") {
    reader.FailUnsupported("version", "must be \"1.0\", found " + ShowJson(version));
  }
  MOIETY_RETURN_IF_ERROR(reader.status());

  const json null;
  const auto component = [&](const char* key) {
    return Component{root.contains(key) ? root[key] : null, Format("{}: {}", where, key)};
  };
  auto impl = std::make_unique<Impl>();
  MOIETY_ASSIGN_OR_RETURN(impl->model, LoadTokenModel(component("model")));
  MOIETY_ASSIGN_OR_RETURN(impl->normalizers, LoadNormalizers(component("normalizer")));
  MOIETY_ASSIGN_OR_RETURN(impl->pre_tokenizers, LoadPreTokenizers(component("pre_tokenizer")));
  MOIETY_ASSIGN_OR_RETURN(
      impl->added,
      AddedTokens::Load(component("added_tokens"), impl->model->vocabulary(), impl->normalizers));
  MOIETY_ASSIGN_OR_RETURN(impl->decoders, LoadDecoders(component("decoder")));
  impl->ListTokens();
  const auto is_token = [&](int64_t id) {
    return id <= INT32_MAX && impl->Find(static_cast<int32_t>(id)) != nullptr;
  };
  MOIETY_ASSIGN_OR_RETURN(impl->post_processor,
                          LoadPostProcessor(component("post_processor"), is_token));
  return std::unique_ptr<const Tokenizer>(new Tokenizer(std::move(impl)));
}

Result<std::vector<int32_t>> Tokenizer::Encode(std::string_view text, bool add_special) const {
  std::string repaired;
  if (!IsUtf8(text)) {
    repaired = ToValidUtf8(text);
    text = repaired;
  }
  std::vector<int32_t> ids;
  if (add_special) ids = impl_->post_processor.before;
  // Tokens that are not to be normalized are found first; what is between them is normalized piece
  // by piece (so each piece gets the "▁" of a Prepend), and then the other tokens are found.
  for (const TextSpan& original : impl_->added.Split(text, AddedTokens::Stage::kOriginalText)) {
    if (original.token != nullptr) {
      ids.push_back(original.token->id);
      continue;
    }
    const bool starts_text = original.text.data() == text.data();
    std::string piece(original.text);
    for (const auto& normalizer : impl_->normalizers) {
      MOIETY_RETURN_IF_ERROR(normalizer->Apply(piece));
    }
    const std::vector<TextSpan> spans =
        impl_->added.Split(piece, AddedTokens::Stage::kNormalizedText);
    if (spans.size() == 1 && spans[0].token == nullptr) {  // nearly always; saves a copy
      MOIETY_RETURN_IF_ERROR(impl_->EncodeText(std::move(piece), starts_text, ids));
      continue;
    }
    for (const TextSpan& span : spans) {
      if (span.token != nullptr) {
        ids.push_back(span.token->id);
      } else {
        const bool first = starts_text && &span == &spans.front();
        MOIETY_RETURN_IF_ERROR(impl_->EncodeText(std::string(span.text), first, ids));
      }
    }
  }
  if (add_special) {
    const std::vector<int32_t>& after = impl_->post_processor.after;
    ids.insert(ids.end(), after.begin(), after.end());
  }
  return ids;
}

std::string Tokenizer::Decode(std::span<const int32_t> ids, bool skip_special) const {
  std::string out;
  const std::unique_ptr<DecodeStage> stage = StartDecoding(impl_->decoders, out);
  for (const int32_t id : ids) impl_->DecodeId(id, skip_special, *stage);
  stage->Finish();
  return out;
}

int32_t Tokenizer::vocab_size() const { return static_cast<int32_t>(impl_->tokens.size()); }

std::string_view Tokenizer::Piece(int32_t id) const {
  const Impl::Token* token = impl_->Find(id);
  return token == nullptr ? std::string_view() : token->piece;
}

std::optional<int32_t> Tokenizer::IdOf(std::string_view piece) const {
  if (const AddedToken* token = impl_->added.Find(piece); token != nullptr) return token->id;
  const int32_t id = impl_->model->vocabulary().Find(piece);
  if (id == Vocabulary::kNone) return std::nullopt;
  return id;
}

bool Tokenizer::IsSpecial(int32_t id) const {
  const Impl::Token* token = impl_->Find(id);
  return token != nullptr && token->special;
}

struct Tokenizer::Stream::State {
  State(const Tokenizer& tokenizer_in, bool skip_special_in)
      : tokenizer(tokenizer_in),
        skip_special(skip_special_in),
        stage(StartDecoding(tokenizer.impl_->decoders, out)) {}

  void Feed(int32_t id) { tokenizer.impl_->DecodeId(id, skip_special, *stage); }

  // The text that has become final, without what `held` says was shown already.
  std::string Take() {
    const auto [mine, other] = std::mismatch(out.begin(), out.end(), held.begin(), held.end());
    auto same = static_cast<size_t>(mine - out.begin());
    // They may part inside a character.
    const auto cuts = [](std::string_view s, size_t at) {
      return at < s.size() && IsUtf8Continuation(s[at]);
    };
    while (same > 0 && (cuts(out, same) || cuts(held, same))) --same;
    if (same == out.size()) {
      held.erase(0, same);
    } else {
      held.clear();
    }
    return std::exchange(out, {}).substr(same);
  }

  const Tokenizer& tokenizer;
  bool skip_special;
  std::string out;   // what the machine has handed out and the stream not yet
  std::string held;  // text of the prompt that the machine still holds back
  std::unique_ptr<DecodeStage> stage;
};

Tokenizer::Stream::Stream(const Tokenizer& tokenizer, bool skip_special)
    : state_(std::make_unique<State>(tokenizer, skip_special)) {}
Tokenizer::Stream::~Stream() = default;
Tokenizer::Stream::Stream(Stream&&) noexcept = default;
Tokenizer::Stream& Tokenizer::Stream::operator=(Stream&&) noexcept = default;

void Tokenizer::Stream::Prime(std::span<const int32_t> ids) {
  for (const int32_t id : ids) state_->Feed(id);
  // What has come out is a beginning of all the prompt's text.
  state_->held = state_->tokenizer.Decode(ids, state_->skip_special).substr(state_->out.size());
  state_->out.clear();
}

std::string Tokenizer::Stream::Next(int32_t id) {
  state_->Feed(id);
  return state_->Take();
}

std::string Tokenizer::Stream::Finish() {
  state_->stage->Finish();
  return state_->Take();
}

}  // namespace moiety
