// What llama.cpp calls the ways in which byte-level tokenizers cut a text (tokenizer.ggml.pre), and
// the steps of tokenizer.json that do the same.
#ifndef MOIETY_FORMAT_GGUF_PRE_TOKENIZERS_H_
#define MOIETY_FORMAT_GGUF_PRE_TOKENIZERS_H_

#include <array>
#include <string_view>

namespace moiety::gguf {

// Steps of a pre-tokenizer that are no expression to split by.
inline constexpr std::string_view kGpt2Words = "<ByteLevel with its own expression>";
inline constexpr std::string_view kSingleDigits = "<Digits, each for itself>";
inline constexpr std::string_view kNumbers = "<Digits, together>";
inline constexpr std::string_view kPunctuation = "<Punctuation, together>";

inline constexpr std::string_view kDeepseekLetters =
    "\\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ"
    "-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕ"
    "ἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂ"
    "ℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃ-ↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲ-ⳳꙀ-ꙭꚀ"
    "-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-"
    "𐳲𑢠-"
    "𑣟"
    "𞤀-𞥃]+";

// The steps in their order, the one that maps bytes to characters left out.
struct PreTokenizerRow {
  std::string_view name;
  std::array<std::string_view, 6> steps;
};
inline constexpr std::array kPreTokenizers = {
    PreTokenizerRow{"gpt-2", {kGpt2Words}},
    PreTokenizerRow{"llama-bpe",
                    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3})"
                     R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"}},
    PreTokenizerRow{"qwen2",
                    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N})"
                     R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"}},
    PreTokenizerRow{"qwen35",
                    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N})"
                     R"(| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"}},
    PreTokenizerRow{
        "gpt-4o",
        {R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
         R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
         R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"}},
    PreTokenizerRow{
        "tekken",
        {R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
         R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
         R"(|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"}},
    PreTokenizerRow{"deepseek-llm",
                    {R"([\r\n])", kDeepseekLetters, R"(\s?[!-/:-~！-／：-～‘-‟　-。]+)", R"(\s+$)",
                     R"([一-龥ࠀ-一가-퟿]+)", kSingleDigits}},
    PreTokenizerRow{"deepseek-coder",
                    {R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)", R"([一-龥ࠀ-一가-퟿]+)",
                     kSingleDigits}},
    PreTokenizerRow{
        "deepseek-v3",
        {R"(\p{N}{1,3})", R"([一-龥぀-ゟ゠-ヿ]+)",
         R"RE([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+)RE"
         R"RE(|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+)RE"
         R"RE(|\s+(?!\S)|\s+)RE"}},
    PreTokenizerRow{"starcoder", {kSingleDigits, kGpt2Words}},
    PreTokenizerRow{"falcon", {kPunctuation, kGpt2Words, kNumbers, "[0-9][0-9][0-9]"}},
};

}  // namespace moiety::gguf

#endif  // MOIETY_FORMAT_GGUF_PRE_TOKENIZERS_H_
