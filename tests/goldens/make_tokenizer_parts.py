#!/usr/bin/env python3
"""Writes tests/data/tokenizers/parts.json: what Hugging Face tokenizers make of awkward texts, for
each kind of normalizer and pre-tokenizer. Usage: make_tokenizer_parts.py OUT.json"""

import json
import sys

from tokenizers import Tokenizer, __version__

TEXTS = [
    "", " ", "  ", "a", " a", "a ", "Hello world", "  Hello,  world!  ", "it's WE'LL I'M don't 'Tis",
    "tab\tnew\nline\r\n\r\n  end", "\n\n\n", " \n \n ", "trailing   ", "1234567 12 ½ ²³ Ⅷ ٣٤ 一二",
    "été déjà vu", "e\u0301te\u0301", "ﬁ ﬀ Å ℌ ① ｆｕｌｌ", "Straße İstanbul ΑΣ ẞ Ⱥ Ǆ", "日本語テキスト、漢字。", "한국어 \u1112\u1161\u11ab",
    "नमस्ते दुनिया", "สวัสดี", "שָׁלוֹם", "مَرْحَبًا", "🙂👍🏽👨‍👩‍👧 🇫🇷", "a\u0323\u0307 q\u0307\u0323", "\u00a0nbsp\u2003em\u3000wide\u202fthin",
    "zero\u200bwidth\u200cjoin\u200der\ufeffbom", "\u180emongolian\u180e", "\u0085next line\u2028sep\u2029par",
    "control\x00\x01\x07\x0b\x0c\x1f\x7f\x8f\x9f", "foo_bar-baz.qux(quux)[0] += {a: 1};", "$100 + 5% = #1 @you ^2 ~ `x` |y| <z>",
    "¡hola! ¿qué? «oui» „ja“ … — –", "snake_case CamelCase HTTPServer XMLHttpRequest", "ⓐⓑ ᾳ ᾼ \u0345", "a--b---c - -", "0123456789" * 3,
    "if (x) {\n    return y;\n}\n", "a\u0300\u0301\u0302\u0316\u0317" * 3, "\ud7a3\u11a7 \uac00\u11a8", "\U0001d15e \U0001d400 \U00020000",
    "\u212b\u2126\u1e9b\u0323", "x\u0338=\u0338 <\u0338", "▁▁a▁ b", "\ufffd\ufffd", "\u00ad soft", "'s't're've'm'll'd'S'LL", "    indented   code",
    "don’t ‘quote’", "a.b.c...d", "word1word2 3word", "ﷺ \ufdfa", "\u0958\u0915\u093c", "\u1e0a\u0323 \u1e0d\u0307",
]

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
QWEN2 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CL100K = r"(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
O200K = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# With an intersection of classes, as some Chinese models have it.
HAN = (
    r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
PATTERNS = [
    GPT2, QWEN2, CL100K, O200K, HAN, r"\s+$", r"^\s+", r"$", r"\w+", r"\W+", r"\b", r"\B", r"[\s\S]", r"[^\S ]+", r"\d+|\D", r"[\w&&[^\d_]]+",
    r"[^a-c&&[^x]]+", r"[a[bc]d]+", r"(?m:a.b|\n.)", r"(?<=a)b|b(?=c)|(?<!o)r", r"\h+", r".", r"x{0}", r"[aeiou]{,2}", r"\p{Alpha}+|\p{^Letter}",
    r"\P{L}+", r"[\P{L}&&\P{N}]+", r"\p{Uppercase_Letter}\p{Lower}*", r"(\w)\1", r"\u00e9|\x41|\x{1F642}", r"[\r\n]", r"\R", r"(?i)straße|é",
    r"a{x}|\{|\}", r"[]a]+", r"[\]\[^-]", r"(?x: a  b | c )",
]
BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]

NORMALIZERS = [{"type": name} for name in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt", "ByteLevel")]
NORMALIZERS += [{"type": "Strip", "strip_left": left, "strip_right": right} for left in (True, False) for right in (True, False)]
NORMALIZERS += [
    {"type": "Replace", "pattern": {"Regex": pattern}, "content": content}
    for pattern, content in ((" {2,}", "▁"), (r"\s*", "-"), ("$", "<end>"), (r"(?<=\p{Ll})(?=\p{Lu})", " "), ("[aeiou]", ""))
]
NORMALIZERS += [
    {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
    {"type": "Prepend", "prepend": "▁"},
    {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "Lowercase"}, {"type": "StripAccents"}]},
]

PRE_TOKENIZERS = [{"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False} for pattern in PATTERNS]
PRE_TOKENIZERS += [
    {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert}
    for pattern in ({"Regex": r"\s"}, {"String": "a"}, {"Regex": ""}, {"String": ".."})
    for behavior in BEHAVIORS
    for invert in (False, True)
]
PRE_TOKENIZERS += [
    {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": regex}
    for prefix in (False, True) for regex in (False, True)
]
PRE_TOKENIZERS += [{"type": "Punctuation", "behavior": behavior} for behavior in BEHAVIORS]
PRE_TOKENIZERS += [
    {"type": "Digits", "individual_digits": True}, {"type": "Digits", "individual_digits": False}, {"type": "Whitespace"},
    {"type": "WhitespaceSplit"}, {"type": "CharDelimiterSplit", "delimiter": "a"}, {"type": "CharDelimiterSplit", "delimiter": "é"},
    {"type": "Sequence", "pretokenizers": [
        {"type": "WhitespaceSplit"}, {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}]},
]


def tokenizer(**parts):
    empty = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None, "pre_tokenizer": None,
        "post_processor": None, "decoder": None, "model": {"type": "BPE", "vocab": {}, "merges": []},
    }
    return Tokenizer.from_str(json.dumps(empty | parts))


def main():
    parts = []
    for component in NORMALIZERS:
        normalizer = tokenizer(normalizer=component).normalizer
        parts.append({"normalizer": component, "expected": [normalizer.normalize_str(text) for text in TEXTS]})
    for component in PRE_TOKENIZERS:
        pre_tokenizer = tokenizer(pre_tokenizer=component).pre_tokenizer
        expected = [[word for word, _ in pre_tokenizer.pre_tokenize_str(text)] for text in TEXTS]
        parts.append({"pre_tokenizer": component, "expected": expected})
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump({"versions": {"tokenizers": __version__}, "texts": TEXTS, "parts": parts}, file, ensure_ascii=False, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
