#include "format/gguf_tokenizer_writer.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/base64.h"
#include "base/format.h"
#include "base/utf8.h"
#include "format/config_reader.h"
#include "format/gguf_pre_tokenizer.h"
#include "format/json.h"
#include "format/score_merges.h"

namespace moiety {
namespace {

using nlohmann::json;

constexpr std::string_view kSpaceMark = "▁";
constexpr const char* kPrefix = "tokenizer.ggml.";

struct NewToken {
  std::string text;
  GgufTokenType type = GgufTokenType::kUnused;
  float score = 0;
};
using MergePair = std::pair<std::string, std::string>;

std::string Key(std::string_view name) { return kPrefix + std::string(name); }

// The steps of a normalizer, pre-tokenizer or post-processor; `list` names the field of a Sequence.
std::vector<const json*> Steps(const json& document, const char* stage, const char* list) {
  std::vector<const json*> steps;
  const auto it = document.find(stage);
  if (it == document.end() || !it->is_object()) return steps;
  const auto sequence = it->find(list);
  if (it->value("type", json()) != "Sequence" || sequence == it->end() || !sequence->is_array()) {
    return {&*it};
  }
  for (const json& step : *sequence) steps.push_back(&step);
  return steps;
}
std::vector<const json*> NormalizerSteps(const json& document) {
  return Steps(document, "normalizer", "normalizers");
}
std::vector<const json*> PreTokenizerSteps(const json& document) {
  return Steps(document, "pre_tokenizer", "pretokenizers");
}

// A field of an object; null where there is none.
const json& Field(const json& object, const char* name) {
  static const json kNull;
  const auto it = object.is_object() ? object.find(name) : object.end();
  return it == object.end() ? kNull : *it;
}
bool IsType(const json& step, std::string_view type) { return Field(step, "type") == type; }

// ---- the model: tokens, scores, merges ----

class Vocabulary {
 public:
  Vocabulary(const std::string& where, int64_t vocab_size)
      : where_(where), tokens_(static_cast<size_t>(vocab_size)) {}

  Status Set(const json& id, NewToken token) {
    // Negative ones become large.
    if (!id.is_number_integer() || id.get<uint64_t>() >= tokens_.size()) {
      return InvalidData(
          Format("{}: token {}: expected an id below {}, the rows of the model, "
                 "found {}",
                 where_, ShowJson(token.text), tokens_.size(), ShowJson(id)));
    }
    const auto index = id.get<size_t>();
    ids_[token.text] = static_cast<int32_t>(index);
    tokens_[index] = std::move(token);
    return OkStatus();
  }

  std::optional<int32_t> Find(const std::string& text) const {
    const auto it = ids_.find(text);
    return it == ids_.end() ? std::nullopt : std::optional(it->second);
  }

  // Rows without a token get names that no text has.
  void FillHoles() {
    for (size_t i = 0; i < tokens_.size(); ++i) {
      if (tokens_[i].text.empty()) tokens_[i].text = Format("[PAD{}]", i);
    }
  }

  std::vector<NewToken>& tokens() { return tokens_; }
  const std::string& where() const { return where_; }

 private:
  const std::string& where_;
  std::vector<NewToken> tokens_;
  std::unordered_map<std::string, int32_t> ids_;
};

Status ReadBpeVocab(const json& model, Vocabulary& vocabulary) {
  const json& vocab = Field(model, "vocab");
  if (!vocab.is_object()) {
    return InvalidData(Format("{}: model.vocab: expected an object of ids, found {}",
                              vocabulary.where(), ShowJson(vocab)));
  }
  for (const auto& [text, id] : vocab.items()) {
    MOIETY_RETURN_IF_ERROR(vocabulary.Set(id, {text, GgufTokenType::kNormal}));
  }
  return OkStatus();
}

Status ReadUnigramVocab(const json& model, Vocabulary& vocabulary) {
  const json& vocab = Field(model, "vocab");
  const auto is_piece = [](const json& piece) {
    return piece.is_array() && piece.size() == 2 && piece[0].is_string() && piece[1].is_number();
  };
  if (!vocab.is_array() || !std::all_of(vocab.begin(), vocab.end(), is_piece)) {
    return InvalidData(
        Format("{}: model.vocab: expected a list of [piece, score]", vocabulary.where()));
  }
  for (size_t i = 0; i < vocab.size(); ++i) {
    MOIETY_RETURN_IF_ERROR(vocabulary.Set(
        i, {vocab[i][0].get<std::string>(), GgufTokenType::kNormal, vocab[i][1].get<float>()}));
  }
  return OkStatus();
}

Status AddAddedTokens(const HfTokenizer& tokenizer, Vocabulary& vocabulary) {
  const json& added = Field(tokenizer.document, "added_tokens");
  if (added.is_null()) return OkStatus();
  for (const json& entry : added) {
    const json& content = Field(entry, "content");
    if (!content.is_string()) {
      return InvalidData(
          Format("{}: added_tokens: expected {{\"content\": …, \"id\": …}}, found {}",
                 tokenizer.where, ShowJson(entry)));
    }
    const auto type =
        Field(entry, "special") == true ? GgufTokenType::kControl : GgufTokenType::kUserDefined;
    const auto known = vocabulary.Find(content.get<std::string>());
    const float score = known ? vocabulary.tokens()[static_cast<size_t>(*known)].score : 0;
    MOIETY_RETURN_IF_ERROR(
        vocabulary.Set(Field(entry, "id"), {content.get<std::string>(), type, score}));
  }
  return OkStatus();
}

// Written as ["a", "b"] or "a b".
Result<std::vector<MergePair>> ReadMerges(const json& model, const std::string& where) {
  std::vector<MergePair> merges;
  const json& list = Field(model, "merges");
  if (!list.is_array()) {
    return InvalidData(
        Format("{}: model.merges: expected a list, found {}", where, ShowJson(list)));
  }
  for (const json& merge : list) {
    if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      merges.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
      continue;
    }
    const std::string text = merge.is_string() ? merge.get<std::string>() : "";
    const size_t space = text.find(' ');
    if (space == std::string::npos) {
      return InvalidData(
          Format("{}: model.merges: expected two pieces, found {}", where, ShowJson(merge)));
    }
    merges.emplace_back(text.substr(0, space), text.substr(space + 1));
  }
  return merges;
}

Status WriteMerges(const std::vector<MergePair>& merges, const std::string& where,
                   GgufPairs& metadata) {
  std::vector<std::string> lines;
  for (const auto& [left, right] : merges) {
    if (left.find(' ') != std::string::npos || right.find(' ') != std::string::npos) {
      return Unsupported(
          Format("{}: the merge of {} and {}: pieces with a space cannot be said in "
                 "GGUF",
                 where, ShowJson(left), ShowJson(right)));
    }
    lines.push_back(Format("{} {}", left, right));
  }
  metadata.SetStrings(Key("merges"), lines);
  return OkStatus();
}

// <0xAB>
bool IsByteToken(std::string_view text) {
  return text.size() == 6 && text.starts_with("<0x") && text.ends_with(">") &&
         text.find_first_not_of("0123456789ABCDEF", 3) == 5;
}

// sentencepiece's scores: 0, -1, … in the order in which pieces are made, then the others.
void ScoreByMerges(const std::vector<MergePair>& merges, Vocabulary& vocabulary) {
  std::vector<NewToken>& tokens = vocabulary.tokens();
  std::vector<bool> scored(tokens.size());
  int64_t rank = 0;
  const auto score = [&](size_t id) {
    if (scored[id] || tokens[id].type != GgufTokenType::kNormal) return;
    scored[id] = true;
    tokens[id].score = -static_cast<float>(rank++);
  };
  for (const auto& [left, right] : merges) {
    if (const auto id = vocabulary.Find(left + right)) score(static_cast<size_t>(*id));
  }
  for (size_t id = 0; id < tokens.size(); ++id) score(id);
}

using MergeViews = std::vector<std::pair<std::string_view, std::string_view>>;

// The ways to make one piece, in two orders. They cut texts alike unless the ways can meet: one
// ends with the token that another begins with.
bool SameWays(std::span<const MergeViews::value_type> a,
              std::span<const MergeViews::value_type> b) {
  if (std::equal(a.begin(), a.end(), b.begin(), b.end())) return true;
  if (!std::is_permutation(a.begin(), a.end(), b.begin(), b.end())) return false;
  return std::none_of(a.begin(), a.end(), [&](const auto& way) {
    return std::any_of(a.begin(), a.end(),
                       [&](const auto& other) { return way.second == other.first; });
  });
}

// Whether the scores say what the merges say.
bool ScoresSuffice(const std::vector<MergePair>& merges, const std::vector<NewToken>& tokens) {
  std::vector<ScoredPiece> pieces;
  pieces.reserve(tokens.size());
  for (const NewToken& token : tokens) {
    pieces.push_back({token.text, token.score, token.type == GgufTokenType::kNormal});
  }
  const MergeViews derived = MergesOfScores(pieces);
  if (derived.size() != merges.size()) return false;
  const MergeViews given(merges.begin(), merges.end());
  // Neighbours that make the same piece; converters differ in how they order those.
  for (size_t begin = 0, end = 0; begin < derived.size(); begin = end) {
    const std::string piece =
        std::string(derived[begin].first) + std::string(derived[begin].second);
    const auto makes_piece = [&](const MergeViews::value_type& merge) {
      return merge.first.size() + merge.second.size() == piece.size() &&
             piece.starts_with(merge.first) && piece.ends_with(merge.second);
    };
    for (end = begin; end < derived.size() && makes_piece(derived[end]);) ++end;
    if (!SameWays(std::span(derived).subspan(begin, end - begin),
                  std::span(given).subspan(begin, end - begin))) {
      return false;
    }
  }
  return true;
}

// ---- how texts are prepared ----

Status CannotSay(const std::string& where, const char* stage, const json& step) {
  return Unsupported(Format("{}: {} {} cannot be said in GGUF for this kind of tokenizer", where,
                            stage, ShowJson(step)));
}

// A step of tokenizer.json in the words of gguf_pre_tokenizer.h; null for any other.
std::optional<PreTokenizerStep> ByteLevelStep(const json& step) {
  using Kind = PreTokenizerStep::Kind;
  if (IsType(step, "ByteLevel") && Field(step, "add_prefix_space") != true) {
    return PreTokenizerStep{Field(step, "use_regex") == false ? Kind::kBytes : Kind::kWords};
  }
  if (IsType(step, "Digits")) {
    return PreTokenizerStep{Field(step, "individual_digits") == true ? Kind::kEachDigit
                                                                     : Kind::kDigits};
  }
  if (IsType(step, "Punctuation") && Field(step, "behavior") == "Contiguous") {
    return PreTokenizerStep{Kind::kPunctuation};
  }
  const json& pattern = Field(Field(step, "pattern"), "Regex");
  if (IsType(step, "Split") && pattern.is_string() && Field(step, "behavior") == "Isolated") {
    return PreTokenizerStep{Kind::kSplit, pattern.get_ref<const std::string&>()};
  }
  return std::nullopt;
}

// The first name that does the same. How it normalizes, and whether pieces come before merges,
// belongs to the name as well.
Result<std::string_view> FindPreTokenizer(const json& document, bool nfc,
                                          const std::string& where) {
  std::vector<PreTokenizerStep> steps;
  for (const json* json_step : PreTokenizerSteps(document)) {
    const auto step = ByteLevelStep(*json_step);
    if (!step.has_value()) return CannotSay(where, "pre_tokenizer", *json_step);
    steps.push_back(*step);
  }
  const bool ignore_merges = Field(Field(document, "model"), "ignore_merges") == true;
  for (const GgufPreTokenizer& row : GgufPreTokenizers()) {
    const bool same = std::equal(row.steps.begin(), row.steps.end(), steps.begin(), steps.end(),
                                 [](const PreTokenizerStep& a, const PreTokenizerStep& b) {
                                   return a.kind == b.kind && a.pattern == b.pattern;
                                 });
    if (same && row.nfc == nfc && row.ignore_merges == ignore_merges) return row.name;
  }
  return Unsupported(Format(
      "{}: GGUF has no name that moiety knows for how pre_tokenizer cuts "
      "texts ({} NFC, ignore_merges {}): {}",
      where, nfc ? "with" : "without", ignore_merges, ShowJson(Field(document, "pre_tokenizer"))));
}

Status AddByteLevel(const HfTokenizer& tokenizer, Vocabulary& vocabulary, GgufPairs& metadata) {
  const json& model = Field(tokenizer.document, "model");
  bool nfc = false;
  for (const json* step : NormalizerSteps(tokenizer.document)) {
    if (!IsType(*step, "NFC")) return CannotSay(tokenizer.where, "normalizer", *step);
    nfc = true;
  }
  MOIETY_ASSIGN_OR_RETURN(const std::string_view pre,
                          FindPreTokenizer(tokenizer.document, nfc, tokenizer.where));
  MOIETY_RETURN_IF_ERROR(ReadBpeVocab(model, vocabulary));
  MOIETY_RETURN_IF_ERROR(AddAddedTokens(tokenizer, vocabulary));
  MOIETY_ASSIGN_OR_RETURN(const auto merges, ReadMerges(model, tokenizer.where));
  metadata.SetString(Key("pre"), pre);
  return WriteMerges(merges, tokenizer.where, metadata);
}

// Spaces to "▁" as readers of scores do it: in a normalizer, or by Metaspace. `add_prefix`: also
// one in front of the text.
Status ReadSpaces(const HfTokenizer& tokenizer, bool* add_prefix) {
  *add_prefix = false;
  for (const json* step : NormalizerSteps(tokenizer.document)) {
    const bool prepends = IsType(*step, "Prepend") && Field(*step, "prepend") == kSpaceMark;
    const bool replaces = IsType(*step, "Replace") && Field(*step, "content") == kSpaceMark &&
                          Field(Field(*step, "pattern"), "String") == " ";
    if (!prepends && !replaces) return CannotSay(tokenizer.where, "normalizer", *step);
    *add_prefix |= prepends;
  }
  for (const json* step : PreTokenizerSteps(tokenizer.document)) {
    if (IsType(*step, "Metaspace") && Field(*step, "split") == false) {
      const json& scheme = Field(*step, "prepend_scheme");
      *add_prefix |=
          scheme.is_null() ? Field(*step, "add_prefix_space") != false : scheme != "never";
      continue;
    }
    // After the normalizer there is no space left to cut at.
    const bool cuts_nothing = IsType(*step, "Split") &&
                              Field(Field(*step, "pattern"), "String") == " " &&
                              !NormalizerSteps(tokenizer.document).empty();
    if (!cuts_nothing) return CannotSay(tokenizer.where, "pre_tokenizer", *step);
  }
  return OkStatus();
}

Status AddByteFallback(const HfTokenizer& tokenizer, Vocabulary& vocabulary, GgufPairs& metadata) {
  const json& model = Field(tokenizer.document, "model");
  bool add_prefix = false;
  MOIETY_RETURN_IF_ERROR(ReadSpaces(tokenizer, &add_prefix));
  MOIETY_RETURN_IF_ERROR(ReadBpeVocab(model, vocabulary));
  MOIETY_RETURN_IF_ERROR(AddAddedTokens(tokenizer, vocabulary));
  MOIETY_ASSIGN_OR_RETURN(const auto merges, ReadMerges(model, tokenizer.where));
  for (NewToken& token : vocabulary.tokens()) {
    if (IsByteToken(token.text)) token.type = GgufTokenType::kByte;
  }
  ScoreByMerges(merges, vocabulary);
  metadata.SetString(Key("pre"), "default");
  metadata.SetNumber(Key("add_space_prefix"), add_prefix);
  if (ScoresSuffice(merges, vocabulary.tokens())) return OkStatus();
  return WriteMerges(merges, tokenizer.where, metadata);
}

Status AddUnigram(const HfTokenizer& tokenizer, Vocabulary& vocabulary, GgufPairs& metadata) {
  bool add_prefix = false;
  bool removes_whitespace = false;
  for (const json* step : NormalizerSteps(tokenizer.document)) {
    const json& map = Field(*step, "precompiled_charsmap");
    if (IsType(*step, "Precompiled") && map.is_string()) {
      const auto bytes = DecodeBase64(map.get<std::string>());
      if (!bytes.has_value()) {
        return InvalidData(Format("{}: precompiled_charsmap: expected base64", tokenizer.where));
      }
      metadata.SetNumbers<uint8_t>(
          Key("precompiled_charsmap"),
          std::span(reinterpret_cast<const uint8_t*>(bytes->data()), bytes->size()));
    } else if (IsType(*step, "Replace") && Field(Field(*step, "pattern"), "Regex") == " {2,}") {
      removes_whitespace = true;
    } else {
      return CannotSay(tokenizer.where, "normalizer", *step);
    }
  }
  for (const json* step : PreTokenizerSteps(tokenizer.document)) {
    if (IsType(*step, "Metaspace")) {
      const json& scheme = Field(*step, "prepend_scheme");
      add_prefix = scheme.is_null() ? Field(*step, "add_prefix_space") != false : scheme != "never";
    } else if (IsType(*step, "WhitespaceSplit")) {
      removes_whitespace = true;
    } else {
      return CannotSay(tokenizer.where, "pre_tokenizer", *step);
    }
  }
  MOIETY_RETURN_IF_ERROR(ReadUnigramVocab(Field(tokenizer.document, "model"), vocabulary));
  MOIETY_RETURN_IF_ERROR(AddAddedTokens(tokenizer, vocabulary));
  for (NewToken& token : vocabulary.tokens()) {
    if (IsByteToken(token.text)) token.type = GgufTokenType::kByte;
  }
  metadata.SetString(Key("pre"), "default");
  metadata.SetNumber(Key("add_space_prefix"), add_prefix);
  metadata.SetNumber(Key("remove_extra_whitespaces"), removes_whitespace);
  return OkStatus();
}

// ---- kinds ----

bool HasByteLevel(const json& document) {
  const auto steps = PreTokenizerSteps(document);
  return std::any_of(steps.begin(), steps.end(),
                     [](const json* step) { return IsType(*step, "ByteLevel"); });
}

struct WriterKind {
  std::string_view name;  // tokenizer.ggml.model
  std::string_view model;
  bool byte_level;
  bool has_scores;
  Status (*add)(const HfTokenizer&, Vocabulary&, GgufPairs&);
};
constexpr WriterKind kKinds[] = {
    {"gpt2", "BPE", true, false, AddByteLevel},
    {"llama", "BPE", false, true, AddByteFallback},
    {"t5", "Unigram", false, true, AddUnigram},
};

Result<const WriterKind*> FindKind(const HfTokenizer& tokenizer) {
  const json& model = Field(tokenizer.document, "model");
  const bool byte_level = HasByteLevel(tokenizer.document);
  for (const WriterKind& kind : kKinds) {
    if (!IsType(model, kind.model) || byte_level != kind.byte_level) continue;
    // Without bytes, or bytes to fall back to, an unknown character is one unknown token: GGUF's
    // readers would write its bytes.
    const bool has_bytes = byte_level || Field(model, "byte_fallback") == true;
    if (kind.model == "BPE" && !has_bytes) break;
    return &kind;
  }
  return Unsupported(
      Format("{}: a tokenizer of type {} without byte fallback, or one that moiety "
             "cannot write: expected BPE over bytes, BPE with byte_fallback or "
             "Unigram",
             tokenizer.where, ShowJson(Field(model, "type"))));
}

// ---- special tokens ----

// A token of tokenizer_config.json, which is a text or an object with "content".
std::optional<int32_t> ConfigToken(const HfTokenizer& tokenizer, const char* name,
                                   const Vocabulary& vocabulary) {
  json token = Field(tokenizer.config, name);
  if (token.is_object()) token = Field(token, "content");
  return token.is_string() ? vocabulary.Find(token.get<std::string>()) : std::nullopt;
}

std::optional<int32_t> UnknownToken(const HfTokenizer& tokenizer, const Vocabulary& vocabulary) {
  const json& model = Field(tokenizer.document, "model");
  if (const json& id = Field(model, "unk_id"); id.is_number_integer()) {
    return id.get<uint64_t>() <= INT32_MAX ? std::optional(id.get<int32_t>()) : std::nullopt;
  }
  if (const json& token = Field(model, "unk_token"); token.is_string()) {
    return vocabulary.Find(token.get<std::string>());
  }
  return ConfigToken(tokenizer, "unk_token", vocabulary);
}

// What a post-processor puts around a text: the ids before and after it.
struct Frame {
  std::vector<int32_t> before, after;
};
Result<Frame> ReadFrame(const HfTokenizer& tokenizer, const Vocabulary& vocabulary) {
  Frame frame;
  for (const json* step : Steps(tokenizer.document, "post_processor", "processors")) {
    if (IsType(*step, "ByteLevel")) continue;  // for offsets alone
    if (!IsType(*step, "TemplateProcessing")) {
      return CannotSay(tokenizer.where, "post_processor", *step);
    }
    bool is_before = true;
    for (const json& item : Field(*step, "single")) {
      if (item.contains("Sequence")) {
        is_before = false;
        continue;
      }
      const json& name = Field(Field(item, "SpecialToken"), "id");
      const auto id = name.is_string() ? vocabulary.Find(name.get<std::string>()) : std::nullopt;
      if (!id.has_value()) {
        return InvalidData(
            Format("{}: post_processor: {} is no token", tokenizer.where, ShowJson(name)));
      }
      (is_before ? frame.before : frame.after).push_back(*id);
    }
  }
  return frame;
}

// At most one token before a text, `bos`, and one after it, `eos`.
Status AddFrame(const HfTokenizer& tokenizer, const Frame& frame, std::optional<int32_t> bos,
                const std::vector<int32_t>& eos, GgufPairs& metadata) {
  const bool adds_bos = !frame.before.empty();
  const bool adds_eos = !frame.after.empty();
  const bool before_fits = !adds_bos || (frame.before.size() == 1 && frame.before[0] == bos);
  const bool after_fits =
      !adds_eos || (frame.after.size() == 1 && !eos.empty() && frame.after[0] == eos[0]);
  if (!before_fits || !after_fits) {
    return Unsupported(
        Format("{}: post_processor puts other tokens around a text than bos_token "
               "before and eos_token after it, which cannot be said in GGUF",
               tokenizer.where));
  }
  metadata.SetNumber(Key("add_bos_token"), adds_bos);
  metadata.SetNumber(Key("add_eos_token"), adds_eos);
  return OkStatus();
}

void SetId(std::string_view name, std::optional<int32_t> id, GgufPairs& metadata) {
  if (!id.has_value()) return;
  metadata.SetNumber(Key(Format("{}_token_id", name)), static_cast<uint32_t>(*id));
}

Status AddSpecialIds(const HfTokenizer& tokenizer, int64_t vocab_size, const Vocabulary& vocabulary,
                     GgufPairs& metadata) {
  const GenerationConfig& generation = tokenizer.generation;
  MOIETY_ASSIGN_OR_RETURN(const Frame frame, ReadFrame(tokenizer, vocabulary));
  std::optional<int32_t> bos = ConfigToken(tokenizer, "bos_token", vocabulary);
  if (!bos.has_value() && frame.before.size() == 1) bos = frame.before[0];
  if (!bos.has_value()) bos = generation.bos_token_id;
  std::optional<int32_t> pad = ConfigToken(tokenizer, "pad_token", vocabulary);
  if (!pad.has_value()) pad = generation.pad_token_id;

  // The tokenizer's own first, then the others that end a text.
  std::vector<int32_t> eos;
  if (const auto id = ConfigToken(tokenizer, "eos_token", vocabulary)) eos.push_back(*id);
  for (const int32_t id : generation.eos_token_ids) {
    if (std::find(eos.begin(), eos.end(), id) == eos.end()) eos.push_back(id);
  }
  constexpr std::string_view kEndKeys[] = {"eos", "eot", "eom"};
  if (eos.size() > std::size(kEndKeys)) {
    return Unsupported(Format("{}: {} tokens end a text; GGUF has keys for {}", tokenizer.where,
                              eos.size(), std::size(kEndKeys)));
  }
  for (const auto& id : {bos, pad}) {
    if (id.has_value() && *id >= vocab_size) eos.push_back(*id);
  }
  for (const int32_t id : eos) {
    if (id < vocab_size) continue;
    return InvalidData(Format("{}: token id {} is not below {}, the rows of the model",
                              tokenizer.where, id, vocab_size));
  }
  SetId("bos", bos, metadata);
  for (size_t i = 0; i < eos.size(); ++i) SetId(kEndKeys[i], eos[i], metadata);
  SetId("unknown", UnknownToken(tokenizer, vocabulary), metadata);
  SetId("padding", pad, metadata);
  return AddFrame(tokenizer, frame, bos, eos, metadata);
}

// ---- the rest ----

Status AddChatTemplates(const HfTokenizer& tokenizer, GgufPairs& metadata) {
  const std::string key = "tokenizer.chat_template";
  const json& config = Field(tokenizer.config, "chat_template");
  std::vector<std::string> names;
  if (config.is_string()) metadata.SetString(key, config.get<std::string>());
  if (config.is_array()) {
    for (const json& entry : config) {
      const json& name = Field(entry, "name");
      const json& text = Field(entry, "template");
      if (!name.is_string() || !text.is_string()) {
        return InvalidData(
            Format("{}: chat_template beside it: expected {{\"name\": …, "
                   "\"template\": …}}, found {}",
                   tokenizer.where, ShowJson(entry)));
      }
      if (name == "default") {
        metadata.SetString(key, text.get<std::string>());
      } else {
        names.push_back(name.get<std::string>());
        metadata.SetString(key + "." + names.back(), text.get<std::string>());
      }
    }
  }
  if (!names.empty()) metadata.SetStrings("tokenizer.chat_templates", names);
  if (!tokenizer.chat_template.empty()) metadata.SetString(key, tokenizer.chat_template);
  return OkStatus();
}

void WriteTokens(const std::vector<NewToken>& tokens, bool has_scores, GgufPairs& metadata) {
  std::vector<std::string> texts;
  std::vector<float> scores;
  std::vector<int32_t> types;
  for (const NewToken& token : tokens) {
    texts.push_back(token.text);
    scores.push_back(token.score);
    types.push_back(static_cast<int32_t>(token.type));
  }
  metadata.SetStrings(Key("tokens"), texts);
  if (has_scores) metadata.SetNumbers<float>(Key("scores"), scores);
  metadata.SetNumbers<int32_t>(Key("token_type"), types);
}

}  // namespace

Status AddGgufTokenizer(const HfTokenizer& tokenizer, int64_t vocab_size, GgufPairs& metadata) {
  if (!tokenizer.document.is_object()) {
    return InvalidData(
        Format("{}: expected an object, found {}", tokenizer.where, ShowJson(tokenizer.document)));
  }
  MOIETY_ASSIGN_OR_RETURN(const WriterKind* const kind, FindKind(tokenizer));
  Vocabulary vocabulary(tokenizer.where, vocab_size);
  metadata.SetString(Key("model"), kind->name);
  MOIETY_RETURN_IF_ERROR(kind->add(tokenizer, vocabulary, metadata));
  if (const auto unknown = UnknownToken(tokenizer, vocabulary); kind->has_scores && unknown) {
    if (*unknown < vocab_size) {
      vocabulary.tokens()[static_cast<size_t>(*unknown)].type = GgufTokenType::kUnknown;
    }
  }
  vocabulary.FillHoles();
  WriteTokens(vocabulary.tokens(), kind->has_scores, metadata);
  MOIETY_RETURN_IF_ERROR(AddSpecialIds(tokenizer, vocab_size, vocabulary, metadata));
  return AddChatTemplates(tokenizer, metadata);
}

}  // namespace moiety
