#!/usr/bin/env python3
"""Compares the moiety binary with Hugging Face tokenizers, computed on the spot. Exit status 1 if anything differs.

  compare_tokenizers.py MOIETY [TOKENIZER_FOLDER ...]      ids of awkward texts and of whole files, and back to text
  compare_tokenizers.py MOIETY --speed BENCH               speed of both on one thread, beside each other

Without folders: the bundled model's, every one of the conformance cases, and two that `moiety tokenizer train` makes
here. Files are those of ../shared/data, where it is; else the texts of tests/data/eval.
Needs the packages of requirements.txt. `./check --full` runs both.
"""

import argparse
import concurrent.futures
import gzip
import itertools
import json
import os
import pathlib
import statistics
import sys
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import tokenizers  # noqa: E402

from comparison import report, run  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SHARED = ROOT.parent / "shared"
# Tokenizers whose normalizer keeps every character.
REVERSIBLE_NORMALIZERS = (None, "Prepend", "Replace")
ROUNDS = 5

TEXTS = [
    "",
    " ",
    "\n",
    "hello",
    "  two  spaces   and\ttabs\t\tand\r\nlines\n\n\n",
    "don't, can't; I'LL we've 1234567890 3.14159 ½ ² x_y_z",
    "<s>not at the start</s> <unk> [INST] <|endoftext|>",
    "e\u0301 \u00e9 \ufb01 \u1100\u1161\u11a8 \U0001f469\u200d\U0001f469\u200d\U0001f467",
    "zero \u0000 byte order \ufeff no-break \u00a0 ideographic \u3000 separator \u2028",
    "中文字符 日本語テキスト 한국어 العربية עברית हिन्दी ไทย",
    "The quick brown fox jumps over the lazy dog. She sold 3 boxes for $4.50 each; he paid with a 20.",
    "Grüße aus Köln: 你好, мир, 🙂 and naïve café.",
    "def add(a, b):\n    # sum\n    return a + b\n",
]


def every_character():
    """Each character that Unicode has or may have soon, behind and before letters, digits and blanks."""
    planes = [*range(0x20, 0x2FA20), *range(0x30000, 0x33480), *range(0xE0000, 0xE01F0)]
    return "".join(f"a{chr(c)}1 {chr(c)}\n" for c in planes if not 0xD800 <= c < 0xF8FF)


def data_files():
    shared = sorted((SHARED / "data" / "multilingual").glob("*.txt")) + sorted((SHARED / "data" / "wikitext2").glob("*.txt*"))
    return shared or sorted((ROOT / "tests" / "data" / "eval").glob("*.txt"))


def read(file):
    return gzip.open(file).read() if file.suffix == ".gz" else file.read_bytes()


def normalizers(folder):
    normalizer = json.loads((folder / "tokenizer.json").read_text())["normalizer"] or {"type": None}
    return normalizer.get("normalizers", [normalizer])


def is_reversible(folder):
    """Does decode(encode(text)) give back every text in which nothing that stands for something else is spelled out?"""
    model = json.loads((folder / "tokenizer.json").read_text())["model"]["type"]
    return model == "BPE" and all(part["type"] in REVERSIBLE_NORMALIZERS for part in normalizers(folder))


def stand_ins(folder, tokenizer):
    """Added tokens, and what the normalizer writes for other characters (U+2581 for a blank)."""
    added = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
    return added + [part["content"] for part in normalizers(folder) if part["type"] == "Replace"]


def compare(moiety, folder, files):
    """Ids with special tokens, as encode(text) gives them, and the text that they decode to."""
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    reversible = is_reversible(folder)
    spoilers = stand_ins(folder, tokenizer)
    problems, num_ids, num_bytes = [], 0, 0
    every = every_character()
    texts = [*TEXTS, every, every.replace("\u2581", "")]
    inputs = [(f"text {i}", text.encode()) for i, text in enumerate(texts)] + [(file.name, read(file)) for file in files]
    for name, data in inputs:
        text = data.decode(errors="replace")
        want = tokenizer.encode(text).ids
        num_ids += len(want)
        num_bytes += len(data)
        got = json.loads(run([moiety, "tokenize", folder, "--stdin", "--ids"], input=data))
        if got != want:
            at = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), min(len(got), len(want)))
            problems.append(f"{name}: {len(got)} ids, expected {len(want)}; at {at}: {got[at : at + 8]}, "
                            f"expected {want[at : at + 8]}")
            continue
        plain = tokenizer.encode(text, add_special_tokens=False).ids
        decoded = run([moiety, "detokenize", folder, "--special"], input=json.dumps(plain).encode())[:-1].decode()
        if decoded != tokenizer.decode(plain, skip_special_tokens=False):
            problems.append(f"{name}: decoded otherwise")
        elif reversible and decoded != text and not any(spoiler in text for spoiler in spoilers):
            problems.append(f"{name}: not the text again")
    what = f"{len(inputs)} texts, {num_bytes / 1e6:.1f} MB, {num_ids} ids{', round trip' if reversible else ''}"
    return report(f"tokenizer {folder.name}", what, problems)


def train(moiety, kind, out):
    files = [file for file in data_files() if ".train." in file.name] or data_files()
    run([moiety, "tokenizer", "train", *files, "-o", out, "--type", kind, "--vocab-size", "20000"])
    return out


def compare_speed(moiety, bench, folders):
    """Medians of alternating runs over one English text on one thread."""
    file = next(file for file in data_files() if file.name.startswith("en"))
    text = file.read_text()
    print(f"{'tokenizer':<16} {'moiety':>10} {'tokenizers':>10} {'ratio':>7}   MB/s, {file.name}")
    for folder in folders:
        tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        ours, theirs = [], []
        for _ in range(ROUNDS):
            ours.append(json.loads(run([bench, folder / "tokenizer.json", file, "0.2"]))["mb_per_s"])
            begin = time.perf_counter()
            tokenizer.encode(text)
            theirs.append(len(text.encode()) / (time.perf_counter() - begin) / 1e6)
        a, b = statistics.median(ours), statistics.median(theirs)
        print(f"{folder.name:<16} {a:>10.1f} {b:>10.1f} {a / b:>6.1f}x", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("moiety", type=pathlib.Path)
    parser.add_argument("folders", nargs="*", type=pathlib.Path)
    parser.add_argument("--speed", type=pathlib.Path, metavar="BENCH", help="the program tokenizer_bench")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folders = args.folders
        if not folders:
            folders = [ROOT / "tests" / "data" / "starter"]
            folders += sorted(path.parent for path in (SHARED / "conformance" / "tokenizers").glob("*/tokenizer.json"))
            folders += [train(args.moiety, kind, pathlib.Path(scratch) / f"trained {kind}") for kind in ("byte-level", "byte-fallback")]
        if args.speed:
            compare_speed(args.moiety, args.speed, folders)
            return 0
        with concurrent.futures.ProcessPoolExecutor() as pool:
            return 0 if all(list(pool.map(compare, itertools.repeat(args.moiety), folders, itertools.repeat(data_files())))) else 1


if __name__ == "__main__":
    sys.exit(main())
