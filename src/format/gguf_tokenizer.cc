#include "format/gguf_tokenizer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "base/base64.h"
#include "base/format.h"
#include "base/utf8.h"
#include "format/gguf_metadata.h"
#include "format/gguf_pre_tokenizer.h"
#include "format/json.h"
#include "format/score_merges.h"
#include "io/mapped_file.h"

namespace moiety {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr const char* kTokens = "tokenizer.ggml.tokens";
constexpr const char* kTypeRows = "tokenizer.ggml.token_type";
constexpr const char* kScores = "tokenizer.ggml.scores";
constexpr const char* kMerges = "tokenizer.ggml.merges";
constexpr const char* kTemplate = "tokenizer.chat_template";

// Finding the merges of a piece tries each place to cut it, so the longest piece bounds the work.
// (SentencePiece's are of 16 characters, or runs of a few dozen spaces.)
constexpr size_t kMaxPieceBytes = 1024;

constexpr std::string_view kSpace = "\u2581";  // SentencePiece's "▁"

// The numbers are those of the file.
enum class TokenType : uint8_t { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

struct GgufToken {
  std::string_view text;
  TokenType type;
  double score = 0;
  bool filler = false;  // there to fill up the vocabulary
};

struct Tokens {
  std::vector<GgufToken> list;                            // by id
  std::unordered_map<std::string_view, int32_t> by_text;  // without fillers

  std::string Text(int32_t id) const { return std::string(list[static_cast<size_t>(id)].text); }
};

struct SpecialIds {
  std::optional<int32_t> bos = {};
  std::optional<int32_t> eos = {};
  std::optional<int32_t> unk = {};
  std::optional<int32_t> pad = {};
  bool add_bos = false;
  bool add_eos = false;
};

bool IsAdded(TokenType type) {
  return type == TokenType::kUnknown || type == TokenType::kControl ||
         type == TokenType::kUserDefined;
}

// A string of the file for a message: it may be any bytes.
std::string Show(std::string_view text) { return ShowJson(ToValidUtf8(text)); }

// The list of a key that must be there, with as many elements as there are tokens.
template <class T>
Result<std::vector<T>> Required(
    GgufMetadata& metadata, const char* key, size_t num_tokens,
    std::optional<std::vector<T>> (GgufMetadata::*as)(const std::string&)) {
  std::optional<std::vector<T>> list = (metadata.*as)(key);
  MOIETY_RETURN_IF_ERROR(Status(metadata.status()));
  if (!list.has_value()) return InvalidData(Format("{}: {} is missing", metadata.where(), key));
  if (list->size() != num_tokens) {
    return InvalidData(Format("{}: {}: expected {} elements, one for each token, found {}",
                              metadata.where(), key, num_tokens, list->size()));
  }
  return *std::move(list);
}

Status CheckToken(const Tokens& tokens, size_t id, const std::string& where) {
  const GgufToken& token = tokens.list[id];
  if (!IsUtf8(token.text)) {
    return InvalidData(
        Format("{}: {}[{}]: expected UTF-8, found {}", where, kTokens, id, Show(token.text)));
  }
  if (token.filler) return OkStatus();
  if (const auto same = tokens.by_text.find(token.text); same != tokens.by_text.end()) {
    return InvalidData(Format("{}: {}[{}]: {} is token {} already", where, kTokens, id,
                              Show(token.text), same->second));
  }
  return OkStatus();
}

Result<Tokens> ReadTokens(GgufMetadata& metadata, bool has_scores) {
  const std::optional<std::vector<std::string_view>> texts = metadata.Strings(kTokens);
  MOIETY_RETURN_IF_ERROR(Status(metadata.status()));
  const std::string& where = metadata.where();
  if (!texts.has_value() || texts->empty()) {
    return InvalidData(
        Format("{}: {} {}", where, kTokens, texts.has_value() ? "is empty" : "is missing"));
  }
  if (texts->size() > INT32_MAX) {
    return InvalidData(Format("{}: {} has {} elements", where, kTokens, texts->size()));
  }
  MOIETY_ASSIGN_OR_RETURN(const auto types, Required<int64_t>(metadata, kTypeRows, texts->size(),
                                                              &GgufMetadata::Integers));
  std::vector<double> scores(texts->size());
  if (has_scores) {
    MOIETY_ASSIGN_OR_RETURN(
        scores, Required<double>(metadata, kScores, texts->size(), &GgufMetadata::Numbers));
  }
  Tokens tokens;
  tokens.list.reserve(texts->size());
  tokens.by_text.reserve(texts->size());
  for (size_t id = 0; id < texts->size(); ++id) {
    if (types[id] < 1 || types[id] > 6) {
      return InvalidData(Format("{}: {}[{}]: expected a type from 1 to 6, found {}", where,
                                kTypeRows, id, types[id]));
    }
    if (!std::isfinite(scores[id])) {
      return InvalidData(
          Format("{}: {}[{}]: expected a number, found {}", where, kScores, id, scores[id]));
    }
    const auto type = static_cast<TokenType>(types[id]);
    const std::string_view text = (*texts)[id];
    const bool filler =
        text.empty() || (type == TokenType::kUnused && text == Format("[PAD{}]", id));
    tokens.list.push_back({text, type, scores[id], filler});
    MOIETY_RETURN_IF_ERROR(CheckToken(tokens, id, where));
    if (!filler) tokens.by_text.emplace(text, static_cast<int32_t>(id));
  }
  return tokens;
}

// The model would fail later, with less to say.
Status CheckEmbedding(const GgufHeader& header, const Tokens& tokens, const std::string& where) {
  const auto embedding = header.tensors.find("token_embd.weight");
  if (embedding == header.tensors.end() || embedding->second.shape.empty()) return OkStatus();
  const int64_t rows = embedding->second.shape.front();
  if (rows == static_cast<int64_t>(tokens.list.size())) return OkStatus();
  return InvalidData(Format("{}: {} has {} elements, but token_embd.weight has {} rows", where,
                            kTokens, tokens.list.size(), rows));
}

// --- Parts that kinds share

json AddedTokensJson(const Tokens& tokens) {
  json list = json::array();
  for (size_t id = 0; id < tokens.list.size(); ++id) {
    const GgufToken& token = tokens.list[id];
    if (!IsAdded(token.type) || token.filler) continue;
    list.push_back({{"id", id},
                    {"content", std::string(token.text)},
                    {"single_word", false},
                    {"lstrip", false},
                    {"rstrip", false},
                    {"normalized", false},
                    {"special", token.type != TokenType::kUserDefined}});
  }
  return list;
}

// <s> before the text and </s> behind it, each where it is to be.
json PostProcessorJson(const Tokens& tokens, const SpecialIds& ids) {
  json single = json::array();
  json special = json::object();
  const auto add = [&](int32_t id) {
    const std::string text = tokens.Text(id);
    single.push_back({{"SpecialToken", {{"id", text}, {"type_id", 0}}}});
    special[text] = {{"id", text}, {"ids", json::array({id})}, {"tokens", json::array({text})}};
  };
  if (ids.add_bos) add(*ids.bos);
  single.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
  if (ids.add_eos) add(*ids.eos);
  if (special.empty()) return nullptr;
  // Of two texts, which moiety never has; others do not read a template without it.
  json pair = single;
  for (json item : single) {
    for (auto& [kind, value] : item.items()) {
      value["type_id"] = 1;
      if (kind == "Sequence") value["id"] = "B";
    }
    pair.push_back(std::move(item));
  }
  return {{"type", "TemplateProcessing"},
          {"single", std::move(single)},
          {"pair", std::move(pair)},
          {"special_tokens", std::move(special)}};
}

json SequenceJson(const char* field, json list) {
  if (list.empty()) return nullptr;
  if (list.size() == 1) return list[0];
  return {{"type", "Sequence"}, {field, std::move(list)}};
}

json ReplaceJson(std::string_view from, std::string_view to) {
  return {{"type", "Replace"},
          {"pattern", {{"String", std::string(from)}}},
          {"content", std::string(to)}};
}

// SentencePiece's remove_extra_whitespaces.
void AddSpaceRemoval(json& normalizers) {
  normalizers.push_back({{"type", "Strip"}, {"strip_left", true}, {"strip_right", true}});
  normalizers.push_back({{"type", "Replace"}, {"pattern", {{"Regex", " {2,}"}}}, {"content", " "}});
}

json VocabularyJson(const Tokens& tokens) {
  json vocabulary = json::object();
  for (const auto& [text, id] : tokens.by_text) vocabulary[std::string(text)] = id;
  return vocabulary;
}

bool HasByteTokens(const Tokens& tokens) {
  return std::any_of(tokens.list.begin(), tokens.list.end(),
                     [](const GgufToken& token) { return token.type == TokenType::kByte; });
}

// --- gpt2

// "a b" as ["a", "b"]. A piece may begin with a space, so the first character never parts.
Result<json> ReadMerges(GgufMetadata& metadata) {
  const auto merges = metadata.Strings(kMerges);
  MOIETY_RETURN_IF_ERROR(Status(metadata.status()));
  if (!merges.has_value()) {
    return InvalidData(Format("{}: {} is missing", metadata.where(), kMerges));
  }
  json list = json::array();
  for (size_t i = 0; i < merges->size(); ++i) {
    const std::string_view merge = (*merges)[i];
    const size_t space = merge.find(' ', 1);
    if (space == std::string_view::npos || !IsUtf8(merge)) {
      return InvalidData(Format("{}: {}[{}]: expected two pieces and a space between, found {}",
                                metadata.where(), kMerges, i, Show(merge)));
    }
    list.push_back({std::string(merge.substr(0, space)), std::string(merge.substr(space + 1))});
  }
  return list;
}

Result<const GgufPreTokenizer*> ReadPreTokenizer(GgufMetadata& metadata) {
  constexpr const char* kPre = "tokenizer.ggml.pre";
  const std::optional<std::string_view> name = metadata.String(kPre);
  MOIETY_RETURN_IF_ERROR(Status(metadata.status()));
  if (!name.has_value()) {
    return Unsupported(
        Format("{}: {} is missing: how to cut a text into words is not known; files converted "
               "today have it",
               metadata.where(), kPre));
  }
  const GgufPreTokenizer* pre_tokenizer = FindGgufPreTokenizer(*name);
  if (pre_tokenizer == nullptr) {
    return Unsupported(
        Format("{}: {}: the pre-tokenizer {} is not known", metadata.where(), kPre, Show(*name)));
  }
  return pre_tokenizer;
}

Result<json> ByteLevelDocument(GgufMetadata& metadata, const Tokens& tokens, SpecialIds& ids) {
  MOIETY_ASSIGN_OR_RETURN(const GgufPreTokenizer* const pre, ReadPreTokenizer(metadata));
  if (metadata.Find("tokenizer.ggml.add_bos_token") == nullptr) ids.add_bos = pre->add_bos;
  MOIETY_ASSIGN_OR_RETURN(json merges, ReadMerges(metadata));
  json document = json::object();
  document["normalizer"] = pre->nfc ? json::object({{"type", "NFC"}}) : json();
  document["pre_tokenizer"] = PreTokenizerJson(pre->steps);
  document["decoder"] = {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}};
  document["model"] = {{"type", "BPE"},
                       {"vocab", VocabularyJson(tokens)},
                       {"merges", std::move(merges)},
                       {"ignore_merges", pre->ignore_merges}};
  return document;
}

// --- llama

// The merges that follow from the scores.
Result<json> MergesByScore(const Tokens& tokens, const std::string& where) {
  std::vector<ScoredPiece> pieces;
  for (size_t id = 0; id < tokens.list.size(); ++id) {
    const GgufToken& token = tokens.list[id];
    // SentencePiece merges no control, user-defined or byte tokens.
    const bool merges =
        !token.filler && (token.type == TokenType::kNormal || token.type == TokenType::kUnused);
    if (merges && token.text.size() > kMaxPieceBytes) {
      return Unsupported(Format("{}: {}[{}] has {} bytes; pieces of up to {} are supported", where,
                                kTokens, id, token.text.size(), kMaxPieceBytes));
    }
    pieces.push_back({token.text, token.score, merges});
  }
  json list = json::array();
  for (const auto& [left, right] : MergesOfScores(pieces)) {
    list.push_back({std::string(left), std::string(right)});
  }
  return list;
}

Result<json> SentencePieceDocument(GgufMetadata& metadata, const Tokens& tokens, SpecialIds& ids) {
  const bool prefix = metadata.Bool("tokenizer.ggml.add_space_prefix").value_or(true);
  const bool remove = metadata.Bool("tokenizer.ggml.remove_extra_whitespaces").value_or(false);
  MOIETY_RETURN_IF_ERROR(Status(metadata.status()));
  // Few files have merges beside the scores: those of which some cuts of pieces are no merges.
  MOIETY_ASSIGN_OR_RETURN(json merges, metadata.Find(kMerges) != nullptr
                                           ? ReadMerges(metadata)
                                           : MergesByScore(tokens, metadata.where()));
  json normalizers = json::array();
  if (remove) AddSpaceRemoval(normalizers);
  if (prefix) normalizers.push_back({{"type", "Prepend"}, {"prepend", std::string(kSpace)}});
  normalizers.push_back(ReplaceJson(" ", kSpace));
  json decoders = json::array({ReplaceJson(kSpace, " "), json::object({{"type", "ByteFallback"}}),
                               json::object({{"type", "Fuse"}})});
  if (prefix) {
    decoders.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  }
  json document = json::object();
  document["normalizer"] = SequenceJson("normalizers", std::move(normalizers));
  document["decoder"] = SequenceJson("decoders", std::move(decoders));
  document["model"] = {{"type", "BPE"},
                       {"vocab", VocabularyJson(tokens)},
                       {"merges", std::move(merges)},
                       {"unk_token", ids.unk.has_value() ? json(tokens.Text(*ids.unk)) : json()},
                       {"fuse_unk", true},
                       {"byte_fallback", HasByteTokens(tokens)}};
  return document;
}

// --- t5

// The list of pieces and scores. Tokens that are found before the model sees the text have score 0,
// as in tokenizer.json files: the lowest score says how unlikely an unknown character is.
json ScoredVocabularyJson(const Tokens& tokens) {
  size_t end = tokens.list.size();
  while (end > 0 && tokens.list[end - 1].filler) --end;
  double lowest = 0;
  for (const GgufToken& token : tokens.list) {
    if (!token.filler && !IsAdded(token.type)) lowest = std::min(lowest, token.score);
  }
  json list = json::array();
  for (size_t id = 0; id < end; ++id) {
    const GgufToken& token = tokens.list[id];
    // A list has no gaps: a filler is the least likely piece.
    std::string text = token.text.empty() ? Format("[PAD{}]", id) : std::string(token.text);
    list.push_back({std::move(text), token.filler          ? lowest
                                     : IsAdded(token.type) ? 0.0
                                                           : token.score});
  }
  return list;
}

Result<json> UnigramDocument(GgufMetadata& metadata, const Tokens& tokens, SpecialIds& ids) {
  const bool prefix = metadata.Bool("tokenizer.ggml.add_space_prefix").value_or(false);
  const bool remove = metadata.Bool("tokenizer.ggml.remove_extra_whitespaces").value_or(false);
  constexpr const char* kCharsmap = "tokenizer.ggml.precompiled_charsmap";
  const auto charsmap = metadata.Integers(kCharsmap);
  MOIETY_RETURN_IF_ERROR(Status(metadata.status()));
  const GgufValue* bytes = metadata.Find(kCharsmap);
  if (bytes != nullptr && bytes->element != GgufType::kU8 && bytes->element != GgufType::kI8) {
    return InvalidData(Format("{}: {}: expected bytes, found {}", metadata.where(), kCharsmap,
                              GgufTypeName(bytes->element)));
  }
  if (!ids.unk.has_value()) {
    return InvalidData(Format("{}: tokenizer.ggml.unknown_token_id is missing", metadata.where()));
  }
  json normalizers = json::array();
  if (charsmap.has_value() && !charsmap->empty()) {
    const std::string map(charsmap->begin(), charsmap->end());
    normalizers.push_back({{"type", "Precompiled"}, {"precompiled_charsmap", EncodeBase64(map)}});
  }
  const json metaspace = {{"type", "Metaspace"},
                          {"replacement", std::string(kSpace)},
                          {"prepend_scheme", prefix ? "always" : "never"},
                          {"split", true}};
  json pre_tokenizers = json::array();
  if (remove && prefix) {  // as T5's tokenizer.json has it
    pre_tokenizers.push_back(json::object({{"type", "WhitespaceSplit"}}));
  } else if (remove) {
    AddSpaceRemoval(normalizers);
  }
  pre_tokenizers.push_back(metaspace);
  json document = json::object();
  document["normalizer"] = SequenceJson("normalizers", std::move(normalizers));
  document["pre_tokenizer"] = SequenceJson("pretokenizers", std::move(pre_tokenizers));
  document["decoder"] = metaspace;
  document["model"] = {{"type", "Unigram"},
                       {"vocab", ScoredVocabularyJson(tokens)},
                       {"unk_id", *ids.unk},
                       {"byte_fallback", HasByteTokens(tokens)}};
  return document;
}

// --- All kinds

struct KindRow {
  std::string_view name;
  bool has_scores;
  SpecialIds defaults;
  Result<json> (*document)(GgufMetadata& metadata, const Tokens& tokens, SpecialIds& ids);
};
constexpr std::array kKindRows = {
    KindRow{"gpt2", false, {}, &ByteLevelDocument},
    KindRow{"llama", true, {.bos = 1, .eos = 2, .unk = 0, .add_bos = true}, &SentencePieceDocument},
    KindRow{"t5", true, {.eos = 1, .unk = 2, .add_eos = true}, &UnigramDocument},
};

Result<const KindRow*> FindKind(GgufMetadata& metadata) {
  const std::optional<std::string_view> name = metadata.String("tokenizer.ggml.model");
  MOIETY_RETURN_IF_ERROR(Status(metadata.status()));
  if (!name.has_value()) {
    return InvalidData(Format("{}: tokenizer.ggml.model is missing", metadata.where()));
  }
  std::string known;
  for (const KindRow& kind : kKindRows) {
    if (kind.name == *name) return &kind;
    known += (known.empty() ? "" : ", ") + std::string(kind.name);
  }
  return Unsupported(Format("{}: tokenizer.ggml.model is {}, which is not one of the supported {}",
                            metadata.where(), Show(*name), known));
}

std::string IdKey(const char* name) { return Format("tokenizer.ggml.{}_token_id", name); }

bool IsToken(const Tokens& tokens, int64_t id) {
  return id >= 0 && id < static_cast<int64_t>(tokens.list.size()) &&
         !tokens.list[static_cast<size_t>(id)].filler;
}

// The id that the file gives, else the default where that is a token.
std::optional<int32_t> ReadId(GgufMetadata& metadata, const char* name, const Tokens& tokens,
                              std::optional<int32_t> default_id) {
  const std::optional<int64_t> id = metadata.Integer(IdKey(name));
  if (!id.has_value()) {
    return default_id.has_value() && IsToken(tokens, *default_id) ? default_id : std::nullopt;
  }
  if (IsToken(tokens, *id)) return static_cast<int32_t>(*id);
  metadata.Fail(InvalidData(Format("{}: {}: expected the id of a token, found {}; there are {}",
                                   metadata.where(), IdKey(name), *id, tokens.list.size())));
  return std::nullopt;
}

Result<SpecialIds> ReadSpecialIds(GgufMetadata& metadata, const Tokens& tokens,
                                  const SpecialIds& defaults) {
  SpecialIds ids;
  ids.bos = ReadId(metadata, "bos", tokens, defaults.bos);
  ids.eos = ReadId(metadata, "eos", tokens, defaults.eos);
  ids.unk = ReadId(metadata, "unknown", tokens, defaults.unk);
  const std::optional<int64_t> pad = metadata.Integer(IdKey("padding"));
  if (pad.has_value() && IsToken(tokens, *pad)) ids.pad = static_cast<int32_t>(*pad);
  ids.add_bos = metadata.Bool("tokenizer.ggml.add_bos_token").value_or(defaults.add_bos);
  ids.add_eos = metadata.Bool("tokenizer.ggml.add_eos_token").value_or(defaults.add_eos);
  MOIETY_RETURN_IF_ERROR(Status(metadata.status()));
  return ids;
}

// After the document, which knows whether there is to be a <s>.
Status CheckAdded(const SpecialIds& ids, const std::string& where) {
  for (const auto& [add, id, name] :
       {std::tuple(ids.add_bos, ids.bos, "bos"), std::tuple(ids.add_eos, ids.eos, "eos")}) {
    if (add && !id.has_value()) {
      return InvalidData(Format("{}: texts are to have the {} token, but {} is missing", where,
                                name, IdKey(name)));
    }
  }
  return OkStatus();
}

Result<std::vector<int32_t>> ReadStopIds(GgufMetadata& metadata, const Tokens& tokens,
                                         const SpecialIds& ids) {
  std::vector<int32_t> stop_ids;
  const auto add = [&](std::optional<int32_t> id) {
    const bool is_new =
        id.has_value() && std::find(stop_ids.begin(), stop_ids.end(), *id) == stop_ids.end();
    if (is_new) stop_ids.push_back(*id);
  };
  add(ids.eos);
  add(ReadId(metadata, "eot", tokens, std::nullopt));
  add(ReadId(metadata, "eom", tokens, std::nullopt));
  MOIETY_RETURN_IF_ERROR(Status(metadata.status()));
  const auto control = [&](std::string_view text) -> std::optional<int32_t> {
    const auto it = tokens.by_text.find(text);
    const bool is_control =
        it != tokens.by_text.end() &&
        tokens.list[static_cast<size_t>(it->second)].type == TokenType::kControl;
    return is_control ? std::optional(it->second) : std::nullopt;
  };
  constexpr std::string_view kEnds[] = {
      "<|eot_id|>", "<|eom_id|>", "<|im_end|>",      "<end_of_turn>",        "<|endoftext|>",
      "<EOT>",      "[EOT]",      "<|end_of_text|>", "<｜end▁of▁sentence｜>"};
  for (const std::string_view text : kEnds) add(control(text));
  // Where there is a <|return|>, an <|end|> ends one message of several.
  if (!control("<|return|>").has_value()) add(control("<|end|>"));
  return stop_ids;
}

// tokenizer.chat_template, and tokenizer.chat_template.NAME for each of tokenizer.chat_templates.
Status AddChatTemplates(GgufMetadata& metadata, ordered_json& config) {
  const auto read = [&](const std::string& key) -> std::optional<std::string> {
    const std::optional<std::string_view> text = metadata.String(key);
    if (!text.has_value()) return std::nullopt;
    if (!IsUtf8(*text)) {
      metadata.Fail(InvalidData(
          Format("{}: {}: expected UTF-8, found {}", metadata.where(), key, Show(*text))));
      return std::nullopt;
    }
    return std::string(*text);
  };
  const std::optional<std::string> unnamed = read(kTemplate);
  const auto names = metadata.Strings("tokenizer.chat_templates");
  if (!names.has_value() || names->empty()) {
    if (unnamed.has_value()) config["chat_template"] = *unnamed;
    return metadata.status();
  }
  ordered_json list = ordered_json::array();
  if (unnamed.has_value()) list.push_back({{"name", "default"}, {"template", *unnamed}});
  for (const std::string_view name : *names) {
    const std::string key = Format("{}.{}", kTemplate, name);
    const std::optional<std::string> text = read(key);
    MOIETY_RETURN_IF_ERROR(Status(metadata.status()));
    if (!text.has_value()) {
      return InvalidData(Format("{}: {} is missing", metadata.where(), ToValidUtf8(key)));
    }
    list.push_back({{"name", std::string(name)}, {"template", *text}});
  }
  config["chat_template"] = std::move(list);
  return metadata.status();
}

Result<ordered_json> ReadConfig(GgufMetadata& metadata, const Tokens& tokens,
                                const SpecialIds& ids) {
  ordered_json config = ordered_json::object();
  for (const auto& [name, id] :
       {std::pair("bos_token", ids.bos), std::pair("eos_token", ids.eos),
        std::pair("unk_token", ids.unk), std::pair("pad_token", ids.pad)}) {
    if (id.has_value()) config[name] = tokens.Text(*id);
  }
  config["add_bos_token"] = ids.add_bos;
  config["add_eos_token"] = ids.add_eos;
  MOIETY_RETURN_IF_ERROR(AddChatTemplates(metadata, config));
  return config;
}

}  // namespace

Result<GgufTokenizer> ReadGgufTokenizer(const GgufHeader& header, const std::string& where) {
  GgufMetadata metadata(header, where);
  MOIETY_ASSIGN_OR_RETURN(const KindRow* const kind, FindKind(metadata));
  MOIETY_ASSIGN_OR_RETURN(const Tokens tokens, ReadTokens(metadata, kind->has_scores));
  MOIETY_RETURN_IF_ERROR(CheckEmbedding(header, tokens, where));
  MOIETY_ASSIGN_OR_RETURN(SpecialIds ids, ReadSpecialIds(metadata, tokens, kind->defaults));
  GgufTokenizer tokenizer;
  MOIETY_ASSIGN_OR_RETURN(tokenizer.document, kind->document(metadata, tokens, ids));
  MOIETY_RETURN_IF_ERROR(CheckAdded(ids, where));
  tokenizer.document["version"] = "1.0";
  tokenizer.document["added_tokens"] = AddedTokensJson(tokens);
  tokenizer.document["post_processor"] = PostProcessorJson(tokens, ids);
  MOIETY_ASSIGN_OR_RETURN(tokenizer.config, ReadConfig(metadata, tokens, ids));
  MOIETY_ASSIGN_OR_RETURN(tokenizer.stop_ids, ReadStopIds(metadata, tokens, ids));
  return tokenizer;
}

Result<GgufTokenizer> OpenGgufTokenizer(const std::filesystem::path& path) {
  MOIETY_ASSIGN_OR_RETURN(const auto file, MappedFile::Open(path));
  MOIETY_ASSIGN_OR_RETURN(const GgufHeader header, ParseGgufHeader(file->bytes(), path.string()));
  return ReadGgufTokenizer(header, path.string());
}

}  // namespace moiety
