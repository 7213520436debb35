#include "format/gguf_pre_tokenizer.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

namespace moiety {
namespace {

using nlohmann::json;
using Step = PreTokenizerStep;
using StepKind = PreTokenizerStep::Kind;

// Parts that patterns share. Patterns are Oniguruma's, as published in the models' tokenizer.json.
#define CONTRACTION R"((?i:'s|'t|'re|'ve|'m|'ll|'d))"
#define LETTERS R"([^\r\n\p{L}\p{N}]?\p{L}+)"
#define SYMBOLS R"( ?[^\s\p{L}\p{N}]+[\r\n]*)"
#define SPACES R"(\s+(?!\S)|\s+)"
#define LINES_AND_SPACES R"(\s*[\r\n]+|)" SPACES
// A word that begins with capitals, if with any, and one of capitals that may end otherwise.
#define UPPER R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])"
#define LOWER R"([\p{Ll}\p{Lm}\p{Lo}\p{M}])"
#define CASED(ending)                                \
  R"([^\r\n\p{L}\p{N}]?)" UPPER "*" LOWER "+" ending \
  "|"                                                \
  R"([^\r\n\p{L}\p{N}]?)" UPPER "+" LOWER "*" ending
#define NOT_HAN_UPPER R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]])"
#define NOT_HAN_LOWER R"([\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]])"

constexpr std::string_view kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|)" SPACES;
constexpr std::string_view kCl100k =
    CONTRACTION "|" LETTERS R"(|\p{N}{1,3}|)" SYMBOLS "|" LINES_AND_SPACES;
constexpr std::string_view kOneDigit =
    CONTRACTION "|" LETTERS R"(|\p{N}|)" SYMBOLS "|" LINES_AND_SPACES;
constexpr std::string_view kManyDigits =
    CONTRACTION "|" LETTERS R"(|\p{N}+|)" SYMBOLS "|" LINES_AND_SPACES;
constexpr std::string_view kMarksInWords = CONTRACTION
    R"(|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|)" LINES_AND_SPACES;
constexpr std::string_view kO200k =
    CASED(CONTRACTION "?") R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|)" LINES_AND_SPACES;
constexpr std::string_view kO200kOneDigit =
    CASED(CONTRACTION "?") R"(|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|)" LINES_AND_SPACES;
constexpr std::string_view kTekken =
    CASED("") R"(|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|)" LINES_AND_SPACES;
constexpr std::string_view kKimi =
    R"([\p{Han}]+|[^\r\n\p{L}\p{N}]?)" NOT_HAN_UPPER "*" NOT_HAN_LOWER "+" CONTRACTION
    "?|"
    R"([^\r\n\p{L}\p{N}]?)" NOT_HAN_UPPER "+" NOT_HAN_LOWER "*" CONTRACTION
    "?|"
    R"(\p{N}{1,3}|)" SYMBOLS "|" LINES_AND_SPACES;
constexpr std::string_view kBailing =
    R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|)"
    R"(\s*[\r\n]|)" SPACES;
constexpr std::string_view kSeedCoder =
    CONTRACTION "|" LETTERS R"(|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|)" LINES_AND_SPACES;
constexpr std::string_view kExaoneMoe = CONTRACTION
    R"(|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|)"
    R"(\s*[\r\n]|)" SPACES;
constexpr std::string_view kBloom = " ?[^(\\s|.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c)]+";
// Letters of scripts that have two cases; DeepSeek's list.
constexpr std::string_view kCasedLetters =
    "\\s?[A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293"
    "\u0295-\u02af\u0370-\u0373\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c"
    "\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5"
    "\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15"
    "\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d"
    "\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb"
    "\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124"
    "\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183-\u2184"
    "\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2-\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f"
    "\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a"
    "\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-\U00010cb2"
    "\U00010cc0-\U00010cf2\U000118a0-\U000118df\U0001e900-\U0001e943]+";
constexpr std::string_view kDeepSeekPunctuation =
    "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+";
constexpr std::string_view kDeepSeekCjk = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+";
constexpr std::string_view kHanAndKana = "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+";
constexpr std::string_view kDeepSeekV3 =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|)"
    R"( ?[\p{P}\p{S}]+[\r\n]*|)" LINES_AND_SPACES;
constexpr std::string_view kYoutuScripts =
    "[\uac00-\ud7a3\u3131-\u318e]+|"
    "[\uff01\u2026\u201c\u201d\u2018\u2019\u2014\uff1a\uff1b\uff0c\u3001-\u303f\ufe30-\ufe4f]+|"
    "[\u3105-\u312f]+|[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+";

#undef CONTRACTION
#undef LETTERS
#undef SYMBOLS
#undef SPACES
#undef LINES_AND_SPACES
#undef UPPER
#undef LOWER
#undef CASED
#undef NOT_HAN_UPPER
#undef NOT_HAN_LOWER

// Cuts a text into words by one pattern.
template <const std::string_view& kPattern>
constexpr std::array kBy = {Step{StepKind::kSplit, kPattern}, Step{StepKind::kBytes}};

constexpr std::array kGpt2Steps = {Step{StepKind::kWords}};
constexpr std::array kGpt2EachDigit = {Step{StepKind::kEachDigit}, Step{StepKind::kWords}};
// Of files whose tokenizer llama.cpp's converter did not know.
constexpr std::array kDefault = {Step{StepKind::kSplit, R"([\p{P}\$\+<=>\^~\|]+)"},
                                 Step{StepKind::kSplit, kGpt2}, Step{StepKind::kSplit, R"(\p{N}+)"},
                                 Step{StepKind::kSplit, "[0-9][0-9][0-9]"}, Step{StepKind::kBytes}};
constexpr std::array kFalcon = {Step{StepKind::kPunctuation}, Step{StepKind::kWords},
                                Step{StepKind::kDigits}, Step{StepKind::kSplit, "[0-9][0-9][0-9]"}};
constexpr std::array kDeepSeekLlm = {Step{StepKind::kSplit, R"([\r\n])"},
                                     Step{StepKind::kSplit, kCasedLetters},
                                     Step{StepKind::kSplit, kDeepSeekPunctuation},
                                     Step{StepKind::kSplit, R"(\s+$)"},
                                     Step{StepKind::kSplit, kDeepSeekCjk},
                                     Step{StepKind::kEachDigit},
                                     Step{StepKind::kBytes}};
constexpr std::array kDeepSeekCoder = {Step{StepKind::kSplit, R"([\r\n])"},
                                       Step{StepKind::kSplit, R"(\s?\p{L}+)"},
                                       Step{StepKind::kSplit, R"(\s?\p{P}+)"},
                                       Step{StepKind::kSplit, kDeepSeekCjk},
                                       Step{StepKind::kEachDigit},
                                       Step{StepKind::kBytes}};
constexpr std::array kDeepSeekV3Steps = {
    Step{StepKind::kSplit, R"(\p{N}{1,3})"}, Step{StepKind::kSplit, kHanAndKana},
    Step{StepKind::kSplit, kDeepSeekV3}, Step{StepKind::kBytes}};
constexpr std::array kViking = {Step{StepKind::kSplit, kBloom}, Step{StepKind::kEachDigit},
                                Step{StepKind::kBytes}};
constexpr std::array kYoutu = {Step{StepKind::kSplit, kYoutuScripts},
                               Step{StepKind::kSplit, kO200kOneDigit}, Step{StepKind::kBytes}};
// Thousands are counted from the right.
constexpr std::array kTinyAya = {Step{StepKind::kSplit, R"(\d{1,3}(?=(?:\d{3})*\b))"},
                                 Step{StepKind::kSplit, kO200k}, Step{StepKind::kBytes}};
constexpr std::array kMiniCpm5 = {Step{StepKind::kSplit, R"(\p{N}{1,3})"},
                                  Step{StepKind::kSplit, kManyDigits}, Step{StepKind::kBytes}};

using Row = GgufPreTokenizer;
constexpr std::array kRows = {
    Row{.name = "default", .steps = kDefault},
    // GPT-2's words.
    Row{.name = "gpt-2", .steps = kGpt2Steps},
    Row{.name = "phi-2", .steps = kGpt2Steps},
    Row{.name = "mpt", .steps = kGpt2Steps, .nfc = true},
    Row{.name = "olmo", .steps = kGpt2Steps, .nfc = true},
    Row{.name = "jais", .steps = kGpt2Steps},
    Row{.name = "gigachat", .steps = kGpt2Steps},
    Row{.name = "a.x-4.0", .steps = kGpt2Steps},
    Row{.name = "mellum", .steps = kGpt2Steps},
    Row{.name = "exaone4", .steps = kGpt2Steps},
    Row{.name = "trillion", .steps = kGpt2Steps},
    Row{.name = "granite-docling", .steps = kGpt2Steps},
    // The same with single digits.
    Row{.name = "starcoder", .steps = kGpt2EachDigit},
    Row{.name = "refact", .steps = kGpt2EachDigit},
    Row{.name = "command-r", .steps = kGpt2EachDigit, .nfc = true},
    Row{.name = "smollm", .steps = kGpt2EachDigit},
    Row{.name = "codeshell", .steps = kGpt2EachDigit},
    Row{.name = "exaone", .steps = kGpt2EachDigit},
    Row{.name = "minerva-7b", .steps = kGpt2EachDigit},
    Row{.name = "mellum2", .steps = kGpt2EachDigit},
    // Numbers of up to three digits (cl100k).
    Row{.name = "llama-bpe", .steps = kBy<kCl100k>, .ignore_merges = true, .add_bos = true},
    Row{.name = "llama3", .steps = kBy<kCl100k>, .ignore_merges = true, .add_bos = true},
    Row{.name = "llama-v3", .steps = kBy<kCl100k>, .ignore_merges = true, .add_bos = true},
    Row{.name = "falcon3", .steps = kBy<kCl100k>, .ignore_merges = true, .add_bos = true},
    Row{.name = "falcon-h1", .steps = kBy<kCl100k>, .ignore_merges = true, .add_bos = true},
    Row{.name = "pixtral", .steps = kBy<kCl100k>, .ignore_merges = true, .add_bos = true},
    Row{.name = "midm-2.0", .steps = kBy<kCl100k>, .ignore_merges = true, .add_bos = true},
    Row{.name = "lfm2", .steps = kBy<kCl100k>, .ignore_merges = true, .add_bos = true},
    Row{.name = "dbrx", .steps = kBy<kCl100k>},
    Row{.name = "smaug-bpe", .steps = kBy<kCl100k>},
    Row{.name = "glm4", .steps = kBy<kCl100k>},
    Row{.name = "chatglm-bpe", .steps = kBy<kCl100k>},
    Row{.name = "minicpm5", .steps = kMiniCpm5, .ignore_merges = true},
    // Single digits.
    Row{.name = "qwen2", .steps = kBy<kOneDigit>, .nfc = true},
    Row{.name = "deepseek-r1-qwen", .steps = kBy<kOneDigit>, .nfc = true},
    Row{.name = "stablelm2", .steps = kBy<kOneDigit>},
    Row{.name = "kormo", .steps = kBy<kOneDigit>},
    Row{.name = "f2llmv2", .steps = kBy<kOneDigit>},
    Row{.name = "megrez", .steps = kBy<kOneDigit>},
    Row{.name = "hunyuan", .steps = kBy<kOneDigit>},
    Row{.name = "solar-open", .steps = kBy<kOneDigit>},
    Row{.name = "grok-2", .steps = kBy<kOneDigit>},
    Row{.name = "qwen35", .steps = kBy<kMarksInWords>, .nfc = true},
    Row{.name = "seed-coder", .steps = kBy<kSeedCoder>},
    Row{.name = "bailingmoe", .steps = kBy<kBailing>},
    Row{.name = "bailingmoe2", .steps = kBy<kBailing>},
    Row{.name = "llada-moe", .steps = kBy<kBailing>},
    Row{.name = "exaone-moe", .steps = kBy<kExaoneMoe>},
    // Words by their capitals (o200k).
    Row{.name = "gpt-4o", .steps = kBy<kO200k>, .ignore_merges = true},
    Row{.name = "llama4", .steps = kBy<kO200k>, .ignore_merges = true},
    Row{.name = "kanana2", .steps = kBy<kO200k>},
    Row{.name = "minimax-m2", .steps = kBy<kO200k>},
    Row{.name = "tekken", .steps = kBy<kTekken>, .ignore_merges = true, .add_bos = true},
    Row{.name = "tiny_aya", .steps = kTinyAya},
    Row{.name = "cohere2moe", .steps = kTinyAya},
    Row{.name = "youtu", .steps = kYoutu, .ignore_merges = true},
    Row{.name = "kimi-k2", .steps = kBy<kKimi>, .ignore_merges = true},
    // Several patterns.
    Row{.name = "falcon", .steps = kFalcon},
    Row{.name = "deepseek-llm", .steps = kDeepSeekLlm},
    Row{.name = "deepseek-coder", .steps = kDeepSeekCoder},
    Row{.name = "deepseek-v3", .steps = kDeepSeekV3Steps},
    Row{.name = "hunyuan-dense", .steps = kDeepSeekV3Steps},
    Row{.name = "joyai-llm", .steps = kDeepSeekV3Steps},
    Row{.name = "hy_v4", .steps = kDeepSeekV3Steps},
    Row{.name = "bloom", .steps = kBy<kBloom>},
    Row{.name = "gpt3-finnish", .steps = kBy<kBloom>},
    Row{.name = "poro-chat", .steps = kBy<kBloom>},
    Row{.name = "viking", .steps = kViking},
};

json StepJson(const Step& step) {
  switch (step.kind) {
    case StepKind::kSplit:
      return {{"type", "Split"},
              {"pattern", {{"Regex", std::string(step.pattern)}}},
              {"behavior", "Isolated"},
              {"invert", false}};
    case StepKind::kEachDigit:
      return {{"type", "Digits"}, {"individual_digits", true}};
    case StepKind::kDigits:
      return {{"type", "Digits"}, {"individual_digits", false}};
    case StepKind::kPunctuation:
      return {{"type", "Punctuation"}, {"behavior", "Contiguous"}};
    case StepKind::kWords:
    case StepKind::kBytes:
      break;
  }
  return {{"type", "ByteLevel"},
          {"add_prefix_space", false},
          {"trim_offsets", true},
          {"use_regex", step.kind == StepKind::kWords}};
}

}  // namespace

std::span<const GgufPreTokenizer> GgufPreTokenizers() { return kRows; }

const GgufPreTokenizer* FindGgufPreTokenizer(std::string_view name) {
  const auto row =
      std::find_if(kRows.begin(), kRows.end(), [&](const Row& one) { return one.name == name; });
  return row == kRows.end() ? nullptr : &*row;
}

json PreTokenizerJson(std::span<const PreTokenizerStep> steps) {
  if (steps.size() == 1) return StepJson(steps.front());
  json list = json::array();
  for (const Step& step : steps) list.push_back(StepJson(step));
  return {{"type", "Sequence"}, {"pretokenizers", std::move(list)}};
}

}  // namespace moiety
