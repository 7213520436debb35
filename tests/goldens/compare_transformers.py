#!/usr/bin/env python3
"""Compares the moiety binary with transformers, computed on the spot. Exit status 1 if anything differs.

  compare_transformers.py MOIETY [MODEL ...]  logits, routers and greedy continuations
  compare_transformers.py MOIETY --speed      prompt and generation speed

Without MODEL: tests/data/starter with the sentences below, and every case of tests/data/models with its prompts.
Needs the packages of requirements.txt. `./check --full` runs the first.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import safetensors.torch
import tokenizers
import torch

import reference
from comparison import report, run

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
STARTER = ROOT / "tests" / "data" / "starter"
CASES = ROOT / "tests" / "data" / "models"

# Both sides compute in float32; what is left is rounding. Measured on the largest absolute difference.
LOGITS_TOLERANCE = 2e-4  # standard deviations of the logits of the prompt
ROUTER_TOLERANCE = 2e-4  # router logits, standard deviations of those of the layer, at least absolute
WEIGHTS_TOLERANCE = 2e-5  # combine weights, absolute
# Closer decisions than these may fall either way. What depends on one is not compared. (Rounding is near 1e-5.)
ROUTER_TIE = 1e-4  # router logits
GREEDY_TIE = 1e-3  # standard deviations of the logits

GREEDY_TOKENS = 8

SENTENCES = [
    "Once upon a time",
    "The quick brown fox jumps over the lazy dog.",
    "A mixture of experts has many feed-forward networks, and a router which sends every token to a few of them.",
    "She sold 3 boxes for $4.50 each; he paid with a 20 and got $6.50 back.\n\n\"Thank you!\" he said.",
    "Grüße aus Köln: 你好, мир, 🙂 and naïve café.",
    "def add(a, b):\n    # sum\n    return a + b\n",
]
LONG_TEXT = (
    "The old lighthouse stood on a rock at the end of the bay. Every evening the keeper climbed the stairs, cleaned "
    "the glass and lit the lamp. Ships far out at sea turned when they saw it. One winter the storm was so strong that "
    "the waves reached the windows, and for three days nobody could come or go. The keeper read the same book twice, "
    "cooked the last potatoes and counted the seconds between the flashes. On the fourth morning the sea was calm. "
)


class Comparison:
    """Collects the largest differences and the first few problems of one model."""

    def __init__(self):
        self.worst, self.problems, self.compared, self.left_out = {}, [], {}, {}

    def problem(self, text):
        self.problems.append(text)

    def tensor(self, result, name, shape):
        """The tensor of moiety's file; None, and a problem, if it is missing or malformed."""
        value = result.get(name)
        if value is None or list(value.shape) != list(shape):
            found = "missing" if value is None else f"shape {list(value.shape)}"
            self.problem(f"{name}: {found}, expected {list(shape)}")
            return None
        return value

    def close(self, kind, name, got, want, scale, tolerance):
        """got and want [tokens, n] within tolerance * scale."""
        difference = ((got.float() - want).abs() / scale).nan_to_num(nan=torch.inf)
        worst = float(difference.max()) if difference.numel() else 0.0
        self.worst[kind] = max(self.worst.get(kind, 0.0), worst)
        if worst > tolerance:
            row = int(difference.amax(1).argmax())
            self.problem(f"{name}: differs by {worst:.1e} (tolerance {tolerance:.0e}), first bad "
                         f"token {int((difference.amax(1) > tolerance).nonzero()[0])}, worst {row}")

    def count(self, kind, compared, total):
        self.compared[kind] = self.compared.get(kind, 0) + compared
        self.left_out[kind] = self.left_out.get(kind, 0) + total - compared


def until_tie(margins, limit):
    """Number of leading entries not below limit."""
    ties = (margins < limit).nonzero()
    return int(ties[0]) if len(ties) else len(margins)


def compare_prompt(model, name, ids, result, check):
    want = reference.forward(model, ids)
    std = float(want["logits"].std(correction=0))
    margins = reference.router_margin(want)
    # Attention is causal: all tokens before the first near tie of a router are exact, later ones may differ.
    clear = len(ids) if margins is None else until_tie(margins, ROUTER_TIE)
    check.count("tokens", clear, len(ids))

    got = check.tensor(result, f"{name}.logits", want["logits"].shape)
    if got is not None:
        check.close("logits", f"{name}.logits", got[:clear], want["logits"][:clear], std, LOGITS_TOLERANCE)
    for i in reference.router_layers(want):
        got, expected = {}, {}
        for key in ("logits", "experts", "weights"):
            expected[key] = want[f"router.{i}.{key}"]
            got[key] = check.tensor(result, f"{name}.router.{i}.{key}", expected[key].shape)
        if any(value is None for value in got.values()):
            continue
        scale = max(1.0, float(expected["logits"].std()))
        check.close("router", f"{name}.router.{i}.logits", got["logits"][:clear], expected["logits"][:clear], scale,
                    ROUTER_TOLERANCE)
        # Selected experts are a set of (expert, weight): sorted by expert.
        (got_experts, got_order), (want_experts, want_order) = (x["experts"][:clear].sort(1) for x in (got, expected))
        if not torch.equal(got_experts, want_experts):
            token = int((got_experts != want_experts).any(1).nonzero()[0])
            check.problem(f"{name}.router.{i}.experts: token {token} has {got_experts[token].tolist()}, "
                          f"expected {want_experts[token].tolist()}")
            continue
        check.close("weights", f"{name}.router.{i}.weights", got["weights"][:clear].gather(1, got_order),
                    expected["weights"][:clear].gather(1, want_order), 1.0, WEIGHTS_TOLERANCE)

    new_ids, _, margins = reference.greedy(model, ids, GREEDY_TOKENS)
    steps = until_tie(torch.tensor(margins), GREEDY_TIE * std)
    routers = reference.router_margin(reference.forward(model, ids + new_ids[:-1]))
    if routers is not None:  # step i reads the tokens up to len(ids) + i
        steps = max(0, min(steps, until_tie(routers, ROUTER_TIE) - len(ids) + 1))
    check.count("greedy", steps, len(new_ids))
    got = check.tensor(result, f"{name}.greedy_ids", [GREEDY_TOKENS])
    if got is not None and got[:steps].tolist() != new_ids[:steps]:
        check.problem(f"{name}.greedy_ids: {got[:steps].tolist()}, expected {new_ids[:steps]}")


def prompts_of(model_dir):
    """Lists of token ids: those of golden.json, otherwise the tokenized sentences."""
    golden = model_dir / "golden.json"
    if golden.exists():
        return [prompt["input_ids"] for prompt in json.loads(golden.read_text())["prompts"]]
    tokenizer = tokenizers.Tokenizer.from_file(str(model_dir / "tokenizer.json"))
    return [tokenizer.encode(text).ids for text in [*SENTENCES, LONG_TEXT]]


def compare_model(moiety, model_dir):
    check = Comparison()
    if not (model_dir / "config.json").exists():
        return report(model_dir.name, "no such model", [f"{model_dir / 'config.json'} is missing"])
    prompts = prompts_of(model_dir)
    with tempfile.TemporaryDirectory() as folder:
        ids_file, out_file = pathlib.Path(folder) / "ids.json", pathlib.Path(folder) / "out.safetensors"
        ids_file.write_text(json.dumps({"prompts": [{"input_ids": ids} for ids in prompts]}))
        try:
            run([moiety, "logits", model_dir, "--ids", ids_file, "--out", out_file, "--router",
                        "--greedy", str(GREEDY_TOKENS)])
            result = safetensors.torch.load_file(out_file)
        except (RuntimeError, OSError, subprocess.TimeoutExpired, safetensors.SafetensorError) as error:
            check.problem(str(error))
        else:
            model = reference.load(model_dir)
            for i, ids in enumerate(prompts):
                compare_prompt(model, f"p{i}", ids, result, check)
    amounts = [f"{kind} {n}" + (f" ({check.left_out[kind]} after near ties left out)" if check.left_out[kind] else "")
               for kind, n in check.compared.items()]
    differences = [f"{kind} {value:.1e}" for kind, value in check.worst.items()]
    text = f"{len(prompts)} prompts, {', '.join(amounts)}; differences {', '.join(differences)}"
    return report(model_dir.name, text if amounts else "nothing compared", check.problems)


class Clock:
    """A streamer of generate(): when the prompt and each token arrived."""

    def __init__(self):
        self.times = []

    def put(self, _):
        self.times.append(time.perf_counter())

    def end(self):
        pass


def time_transformers(model, ids, count):
    """Prompt and generation tokens per second of generate() with its KV cache."""
    clock = Clock()
    model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, use_cache=True, eos_token_id=None,
                   max_new_tokens=count, streamer=clock)
    begin, first, last = clock.times[0], clock.times[1], clock.times[-1]
    return ids.shape[1] / (first - begin), (len(clock.times) - 2) / (last - first)


def time_moiety(moiety, model_dir, text, count, threads):
    command = [moiety, "run", model_dir, "-p", text, "-n", str(count), "--threads", str(threads), "--json"]
    answer = json.loads(run(command))
    return answer["prompt"]["tokens_per_s"], answer["generation"]["tokens_per_s"]


def compare_speed(moiety, model_dir, threads, count=128, rounds=5):
    """Medians of alternating runs, after a warm-up. Transformers chooses its attention and expert kernels itself."""
    torch.set_num_threads(threads)
    text = LONG_TEXT.strip()
    ids = torch.tensor([tokenizers.Tokenizer.from_file(str(model_dir / "tokenizer.json")).encode(text).ids])
    contenders = {"moiety": lambda: time_moiety(moiety, model_dir, text, count, threads)}
    for label, dtype in {"float32": torch.float32, "bf16": torch.bfloat16}.items():
        model = reference.load(model_dir, dtype, attn_implementation=None, experts_implementation=None)
        contenders[f"transformers {label}"] = lambda model=model: time_transformers(model, ids, count)
    for run in contenders.values():
        run()
    results = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            results[name].append(run())
    print(f"{model_dir.name}: prompt of {ids.shape[1]} tokens, {count} generated, {threads} threads, "
          f"median (lowest to highest) of {rounds} alternating runs, tokens/s")
    for name, values in results.items():
        columns = [f"{statistics.median(v):8.1f} ({min(v):.1f} to {max(v):.1f})" for v in zip(*values)]
        print(f"  {name:22} prompt {columns[0]}   generation {columns[1]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("moiety", type=lambda path: pathlib.Path(path).resolve(), help="path of the binary")
    parser.add_argument("paths", nargs="*", type=pathlib.Path, help="model folders")
    parser.add_argument("--speed", action="store_true", help="compare speed")
    parser.add_argument("--model", type=pathlib.Path, default=STARTER, help="for --speed")
    parser.add_argument("--threads", type=int, default=1, help="for --speed; default 1")
    args = parser.parse_intermixed_args()
    torch.set_num_threads(1)
    if args.speed:
        compare_speed(args.moiety, args.model, args.threads)
        ok = True
    else:
        folders = args.paths or [STARTER, *sorted(file.parent for file in CASES.glob("*/config.json"))]
        ok = all([compare_model(args.moiety, folder) for folder in folders])
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
