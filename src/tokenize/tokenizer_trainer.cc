#include "tokenize/tokenizer_trainer.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/format.h"
#include "base/utf8.h"
#include "format/json.h"
#include "tokenize/bpe_trainer.h"
#include "tokenize/byte_level.h"
#include "tokenize/string_replacer.h"
#include "tokenize/vocabulary.h"

namespace moiety {
namespace {

using nlohmann::ordered_json;

constexpr std::string_view kSpaceMark = "▁";

// Contractions, words with the one character before them, up to three digits, punctuation with the
// line breaks behind it, white space.
constexpr const char* kByteLevelPattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}{1,3}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
// While training, tokens do not reach over words, single digits, punctuation or line breaks.
constexpr const char* kByteFallbackPattern =
    R"(▁*[\p{L}\p{M}]+|▁*\p{N}|[\r\n]+|▁*[^▁\s\p{L}\p{M}\p{N}]+|▁+|\s+)";

ordered_json ByteLevelJson() {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", false},
          {"trim_offsets", true},
          {"use_regex", false}};
}

ordered_json PreTokenizerJson(const char* pattern, bool byte_level) {
  ordered_json list = ordered_json::array({{{"type", "Split"},
                                            {"pattern", {{"Regex", pattern}}},
                                            {"behavior", "Isolated"},
                                            {"invert", false}}});
  if (byte_level) list.push_back(ByteLevelJson());
  return {{"type", "Sequence"}, {"pretokenizers", std::move(list)}};
}

ordered_json AddedTokenJson(int64_t id, const std::string& content) {
  return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", true}};
}

std::vector<std::string> SpecialTokens(const TokenizerTrainerOptions& options) {
  if (!options.special_tokens.empty()) return options.special_tokens;
  if (options.kind == TokenizerKind::kByteLevel) return {"<|endoftext|>"};
  return {"<unk>", "<s>", "</s>"};
}

// The 256 characters that stand for bytes, by code point.
std::vector<std::string> ByteCharacters() {
  std::vector<std::string> characters;
  characters.reserve(256);
  for (int byte = 0; byte < 256; ++byte) {
    characters.emplace_back(ByteLevelCharacter(static_cast<uint8_t>(byte)));
  }
  std::sort(characters.begin(), characters.end());  // UTF-8 sorts as its code points
  return characters;
}

// The most frequent characters that make up `coverage` of all; by code point. Of two as frequent
// the lower one comes first.
std::vector<std::string> CoveringCharacters(const std::vector<WordCount>& words, double coverage) {
  std::map<std::string, int64_t> counts;
  int64_t total = 0;
  for (const WordCount& word : words) {
    for (std::string_view rest = word.word; !rest.empty();) {
      const auto length = static_cast<size_t>(DecodeUtf8(rest).length);
      counts[std::string(rest.substr(0, length))] += word.count;
      rest.remove_prefix(length);
      total += word.count;
    }
  }
  std::vector<std::pair<std::string, int64_t>> sorted(counts.begin(), counts.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  std::vector<std::string> characters;
  int64_t covered = 0;
  for (const auto& [character, count] : sorted) {
    if (static_cast<double>(covered) >= coverage * static_cast<double>(total)) break;
    covered += count;
    characters.push_back(character);
  }
  std::sort(characters.begin(), characters.end());
  return characters;
}

ordered_json ModelJson(const BpeTraining& training, bool byte_fallback,
                       const std::vector<std::string>& special_tokens) {
  ordered_json vocab = ordered_json::object();
  for (size_t id = 0; id < training.vocabulary.size(); ++id) {
    // Straight into the list of members: each is new, and to look would be quadratic.
    vocab.get_ref<ordered_json::object_t&>().emplace_back(training.vocabulary[id], id);
  }
  ordered_json merges = ordered_json::array();
  for (const auto& [left, right] : training.merges) {
    merges.push_back({training.vocabulary[static_cast<size_t>(left)],
                      training.vocabulary[static_cast<size_t>(right)]});
  }
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", byte_fallback ? ordered_json(special_tokens[0]) : ordered_json()},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", byte_fallback},
          {"byte_fallback", byte_fallback},
          {"ignore_merges", false},
          {"vocab", std::move(vocab)},
          {"merges", std::move(merges)}};
}

// "<s>" before the text, as Llama has it.
ordered_json BeginTemplateJson(const std::string& token, int64_t id) {
  const ordered_json begin = {{"SpecialToken", {{"id", token}, {"type_id", 0}}}};
  const ordered_json first = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  const ordered_json second = {{"Sequence", {{"id", "B"}, {"type_id", 1}}}};
  return {{"type", "TemplateProcessing"},
          {"single", ordered_json::array({begin, first})},
          {"pair", ordered_json::array({begin, first, begin, second})},
          {"special_tokens",
           {{token,
             {{"id", token},
              {"ids", ordered_json::array({id})},
              {"tokens", ordered_json::array({token})}}}}}};
}

}  // namespace

Result<TokenizerTrainer> TokenizerTrainer::Create(TokenizerTrainerOptions options) {
  options.special_tokens = SpecialTokens(options);
  const bool byte_level = options.kind == TokenizerKind::kByteLevel;
  const size_t min_special = byte_level ? 1 : 3;
  if (options.special_tokens.size() < min_special) {
    return InvalidArgument(Format(
        "this kind of tokenizer needs at least {} special tokens ({}), found {}", min_special,
        byte_level ? "end of text" : "unknown, begin, end", options.special_tokens.size()));
  }
  for (const std::string& token : options.special_tokens) {
    if (token.empty() || !IsUtf8(token)) {
      return InvalidArgument("a special token must be UTF-8 and not empty");
    }
  }
  if (!(options.character_coverage > 0 && options.character_coverage <= 1)) {
    return InvalidArgument(Format("the character coverage must be above 0 and at most 1, found {}",
                                  options.character_coverage));
  }
  const std::string text =
      PreTokenizerJson(byte_level ? kByteLevelPattern : kByteFallbackPattern, byte_level).dump();
  const nlohmann::json component = nlohmann::json::parse(text);
  MOIETY_ASSIGN_OR_RETURN(PreTokenizers pre_tokenizers,
                          LoadPreTokenizers({component, "pre_tokenizer"}));
  return TokenizerTrainer(std::move(options), std::move(pre_tokenizers));
}

Status TokenizerTrainer::Add(std::string_view text) {
  if (text.empty()) return OkStatus();
  Words words;
  if (options_.kind == TokenizerKind::kByteFallback) {
    words.text =
        std::string(kSpaceMark) + StringReplacer(" ", std::string(kSpaceMark)).Replace(text);
  } else {
    words.text = text;
  }
  words.ends.push_back(words.text.size());
  for (const auto& pre_tokenizer : pre_tokenizers_) {
    MOIETY_RETURN_IF_ERROR(pre_tokenizer->Apply(words));
  }
  size_t begin = 0;
  std::string word;
  for (const size_t end : words.ends) {
    word.assign(words.text, begin, end - begin);
    ++words_[word];
    begin = end;
  }
  return OkStatus();
}

Result<ordered_json> TokenizerTrainer::Train(
    const std::function<bool(int64_t num_tokens)>& on_merge) const {
  const bool byte_level = options_.kind == TokenizerKind::kByteLevel;
  std::vector<WordCount> words;
  words.reserve(words_.size());
  for (const auto& [word, count] : words_) words.push_back({word, count});

  std::vector<std::string> symbols = options_.special_tokens;
  std::vector<std::string> characters;
  if (byte_level) {
    characters = ByteCharacters();
  } else {
    for (int byte = 0; byte < 256; ++byte) symbols.push_back(ByteToken(static_cast<uint8_t>(byte)));
    characters = CoveringCharacters(words, options_.character_coverage);
  }
  symbols.insert(symbols.end(), characters.begin(), characters.end());
  MOIETY_ASSIGN_OR_RETURN(
      const BpeTraining training,
      TrainBpe(words, std::move(symbols), options_.vocab_size, options_.min_frequency, on_merge));

  ordered_json added = ordered_json::array();
  for (size_t id = 0; id < options_.special_tokens.size(); ++id) {
    added.push_back(AddedTokenJson(static_cast<int64_t>(id), options_.special_tokens[id]));
  }
  ordered_json file = {{"version", "1.0"},
                       {"truncation", nullptr},
                       {"padding", nullptr},
                       {"added_tokens", std::move(added)}};
  if (byte_level) {
    file["normalizer"] = nullptr;
    file["pre_tokenizer"] = PreTokenizerJson(kByteLevelPattern, true);
    file["post_processor"] = nullptr;
    file["decoder"] = ByteLevelJson();
  } else {
    const ordered_json space = {{"String", " "}};
    const ordered_json mark = {{"String", kSpaceMark}};
    file["normalizer"] = {
        {"type", "Sequence"},
        {"normalizers", ordered_json::array(
                            {{{"type", "Prepend"}, {"prepend", kSpaceMark}},
                             {{"type", "Replace"}, {"pattern", space}, {"content", kSpaceMark}}})}};
    file["pre_tokenizer"] = nullptr;
    file["post_processor"] = BeginTemplateJson(options_.special_tokens[1], 1);
    file["decoder"] = {
        {"type", "Sequence"},
        {"decoders",
         ordered_json::array({{{"type", "Replace"}, {"pattern", mark}, {"content", " "}},
                              {{"type", "ByteFallback"}},
                              {{"type", "Fuse"}},
                              {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}})}};
  }
  file["model"] = ModelJson(training, !byte_level, options_.special_tokens);
  return file;
}

ordered_json TokenizerTrainer::Config() const {
  const std::vector<std::string>& special = options_.special_tokens;
  ordered_json config = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                         {"clean_up_tokenization_spaces", false}};
  if (options_.kind == TokenizerKind::kByteLevel) {
    config["eos_token"] = special[0];
  } else {
    config["unk_token"] = special[0];
    config["bos_token"] = special[1];
    config["eos_token"] = special[2];
  }
  return config;
}

}  // namespace moiety
