#!/usr/bin/env python3
"""Writes small tokenizers and what the tokenizers library makes of texts to tests/data/tokenizers (see README.md).

  make_tokenizers.py [--out DIR] [KIND ...]

A kind is one entry of KINDS: a function that returns a tokenizer.json. The second run writes the same bytes as the
first.
"""

import argparse
import base64
import json
import pathlib
import random
import struct

from tokenizers import Tokenizer

OUT = pathlib.Path(__file__).resolve().parent.parent / "data" / "tokenizers"

TEXTS = [
    "",
    " ",
    "a",
    "The cat sat on the mat.",
    " The  cat   sat ",
    "▁the▁ cat▁",
    "The<s>cat <s> sat</s>",
    "<s> the cat",
    "unbelievable, unknowable!? (the-cat's)",
    "don't do not n't 's ' '",
    "Été ÀÉÎÕÜ naïve e\u0301e\u0300 İıŞ ßẞ ΑΣΣ",
    "日本語 the 中cat文 한글 각 가나",
    "tab\tline\nreturn\r\nnbsp\u00a0thin\u2009ideographic\u3000end",
    "a\u0000b\u0007c\u200bd\ufeffe\ufffdf\u00adg\u0085h",
    "½ ﬁ ﬀ Ａ ａ ① ﷺ ㎏ ™ …",
    "🙂 👨\u200d👩\u200d👧 🇩🇪🇫🇷 👍🏽 ❤\ufe0f",
    "क्षि นำ ക്ഷ \u0600a \u0903",
    "«quote» “curly” – — ‘x’ ¿que? ¡no! $+<=>^`|~ \u2e43 \u166d",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "xyzzy ééé \U0010fffd \ue000",
    "THE CAT SAT. The CAT, the cat; THE?",
]


def tokenizer(model, **parts):
    empty = {"truncation": None, "padding": None, "added_tokens": [], "normalizer": None, "pre_tokenizer": None}
    return {"version": "1.0"} | empty | {"post_processor": None, "decoder": None} | parts | {"model": model}


def added_token(token_id, content, **flags):
    token = {"id": token_id, "content": content, "single_word": False, "lstrip": False, "rstrip": False}
    return token | {"normalized": False, "special": True} | flags


def metaspace(scheme, split=True):
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split}


def numbered(pieces):
    return {piece: token_id for token_id, piece in enumerate(dict.fromkeys(pieces))}


SPECIAL = ["<unk>", "<s>", "</s>"]
WORDS = ["▁the", "▁cat", "▁The", "▁c", "at", "▁", "▁▁", "▁sat", "the", "é", "cat▁", "un", "able", "aa", "aaaa", "-", "."]


def unigram(pieces, **fields):
    """The scores are thirds, rounded by no sum of a few, with ties among them."""
    scores = [0.0] * len(SPECIAL) + [-1.0 - (7 * i % 10) / 4 for i in range(len(pieces))]
    vocab = [[piece, score] for piece, score in zip(SPECIAL + pieces, scores)]
    return {"type": "Unigram", "unk_id": 0, "vocab": vocab, "byte_fallback": False} | fields


def special_tokens(names, **flags):
    return [added_token(i, name, **flags) for i, name in enumerate(names)]


def letters(first="a", last="z"):
    return [chr(c) for c in range(ord(first), ord(last) + 1)]


def bert():
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    words = ["the", "cat", "un", "##able", "##know", "##bel", "##iev", "##ie", "do", "not", "don", "n", "'", "e"]
    chars = letters() + ["##" + c for c in letters()] + list(".,!?()-«»“”$日本語中文각é") + ["##é", "\u166d"]
    return tokenizer(
        {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 20,
            "vocab": numbered(special + words + chars),
        },
        added_tokens=special_tokens(special),
        normalizer={
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": True,
        },
        pre_tokenizer={"type": "BertPreTokenizer"},
        post_processor={"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
        decoder={"type": "WordPiece", "prefix": "##", "cleanup": True},
    )


def bert_cased():
    result = bert()
    result["model"]["max_input_chars_per_word"] = 100
    result["normalizer"] |= {"clean_text": False, "lowercase": False, "strip_accents": False}
    result["post_processor"] = {
        "type": "RobertaProcessing",
        "sep": ["[SEP]", 3],
        "cls": ["[CLS]", 2],
        "trim_offsets": True,
        "add_prefix_space": False,
    }
    result["decoder"]["cleanup"] = False
    return result


def word_level():
    vocab = numbered(["[UNK]", "the", "The", "cat", "sat", ".", "not", "do", "'", "中", "日"])
    return tokenizer(
        {"type": "WordLevel", "vocab": vocab, "unk_token": "[UNK]"}, pre_tokenizer={"type": "BertPreTokenizer"}
    )


def unigram_bytes():
    """Byte fallback, and the whole text is one word."""
    pieces = WORDS + [f"<0x{byte:02X}>" for byte in range(256)]
    decoders = [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}]
    return tokenizer(
        unigram(pieces, byte_fallback=True),
        added_tokens=special_tokens(SPECIAL),
        normalizer={"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        decoder={"type": "Sequence", "decoders": decoders + [{"type": "Fuse"}]},
    )


def unigram_some_bytes():
    """Characters of which a byte is missing are unknown; so is a run of unknown ones."""
    pieces = WORDS + letters() + [f"<0x{byte:02X}>" for byte in range(256) if byte != 0xA9]
    return tokenizer(
        unigram(pieces, byte_fallback=True),
        added_tokens=special_tokens(SPECIAL),
        pre_tokenizer=metaspace("always"),
        decoder=metaspace("always"),
    )


def metaspace_first():
    return tokenizer(
        unigram(WORDS + letters()),
        added_tokens=special_tokens(SPECIAL),
        pre_tokenizer=metaspace("first"),
        decoder=metaspace("first"),
    )


def metaspace_never():
    return tokenizer(
        unigram(WORDS + letters()),
        added_tokens=special_tokens(SPECIAL, lstrip=True),
        pre_tokenizer=metaspace("never", split=False),
        decoder=metaspace("never", split=False),
    )


def metaspace_whole():
    return tokenizer(
        unigram(WORDS + letters()),
        added_tokens=special_tokens(SPECIAL),
        pre_tokenizer=metaspace("always", split=False),
        decoder=metaspace("always", split=False),
    )


def charsmap(replacements):
    """A precompiled_charsmap: a double array, each node at the first place that is free, and what it points to."""
    trie = {}
    texts = b""
    for key, text in replacements.items():
        node = trie
        for byte in key.encode():
            node = node.setdefault(byte, {})
        node[None] = len(texts)
        texts += text.encode() + b"\0"
    units = [None] * 8192
    units[0] = 0

    def place(position, node):
        children = [0 if byte is None else byte for byte in node]
        base = next(b for b in range(1, len(units)) if all(units[b ^ child] is None for child in children))
        units[position] |= (position ^ base) << 10
        for byte in node:
            if byte is None:
                units[position] |= 1 << 8
                units[base] = node[None] | 1 << 31
            else:
                units[base ^ byte] = byte
        for byte, child in node.items():
            if byte is not None:
                place(base ^ byte, child)

    place(0, trie)
    used = 1 + max(i for i, unit in enumerate(units) if unit is not None)
    used += -used % 256
    packed = struct.pack(f"<I{used}I", 4 * used, *(unit or 0 for unit in units[:used]))
    return base64.b64encode(packed + texts).decode()


def precompiled():
    """Keys that are prefixes of others, of several characters, and that become nothing."""
    replacements = {"ﬁ": "fi", "½": "1/2", "Ａ": "A", "①": "1", "e\u0301": "é", "e": "3", "\u00a0": " ", "\t": " "}
    replacements |= {"\u0000": "x", "\u0007": "", "…": "...", "ﷺ": "صلى", "İ": "i", "ab": "AB", "\r\n": "\n", "क": "k"}
    replacements |= {"🙂": ":)", "\u3000": " ", "\u200b": "", "한": "한"}
    return tokenizer(
        unigram(WORDS + [f"<0x{byte:02X}>" for byte in range(256)], byte_fallback=True),
        added_tokens=special_tokens(SPECIAL),
        normalizer={"type": "Precompiled", "precompiled_charsmap": charsmap(replacements)},
        pre_tokenizer=metaspace("first"),
        decoder={"type": "Sequence", "decoders": [metaspace("first"), {"type": "ByteFallback"}]},
    )


def ctc():
    pieces = ["<pad>", "|", " .", " do not", "'", " ", "n't"] + letters()
    decoder = {"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": True}
    return tokenizer(unigram(pieces), decoder=decoder)


def bpe_decoder():
    pieces = ["</w>", "a</w>", "a", "</w>b</w></w>", "cat</w>", "</w", ">", " "]
    return tokenizer(unigram(pieces), decoder={"type": "BPEDecoder", "suffix": "</w>"})


KINDS = [bert, bert_cased, word_level, unigram_bytes, unigram_some_bytes, metaspace_first, metaspace_never]
KINDS += [metaspace_whole, precompiled, ctc, bpe_decoder]
DECODE_CASES = 12


def cases(reference, name):
    result = {"vocab_size": reference.get_vocab_size(), "cases": [], "decode_cases": [], "invalid_utf8": []}

    def both(ids):
        return {
            "decoded": reference.decode(ids, skip_special_tokens=False),
            "decoded_skip_special": reference.decode(ids, skip_special_tokens=True),
        }

    for text in TEXTS:
        ids = reference.encode(text, add_special_tokens=False).ids
        special = reference.encode(text).ids
        case = {"text": text, "ids": ids, "ids_special": special, "decoded": both(ids)["decoded"]}
        case["decoded_skip_special"] = both(special)["decoded_skip_special"]
        result["cases"].append(case)
    draw = random.Random(name)
    for _ in range(DECODE_CASES):
        # Ids come twice in a row at times.
        ids = [draw.randrange(result["vocab_size"]) for _ in range(draw.randrange(1, 12))]
        ids = [token_id for token_id in ids for _ in range(draw.choice([1, 1, 2]))]
        result["decode_cases"].append({"ids": ids} | both(ids))
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, default=OUT)
    parser.add_argument("kinds", nargs="*")
    args = parser.parse_args()
    for make in KINDS:
        if args.kinds and make.__name__ not in args.kinds:
            continue
        folder = args.out / make.__name__
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(make(), ensure_ascii=False, separators=(",", ":"))
        (folder / "tokenizer.json").write_text(text + "\n", encoding="utf-8")
        expected = cases(Tokenizer.from_str(text), make.__name__)
        lines = ",\n".join(
            f'"{key}": ' + (json.dumps(value) if not isinstance(value, list) else "[\n" + ",\n".join(
                json.dumps(one, ensure_ascii=False, separators=(",", ":")) for one in value) + "]")
            for key, value in expected.items()
        )
        (folder / "cases.json").write_text("{" + lines + "}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
