#!/usr/bin/env python3
"""Compares the speed of `moiety bench` with transformers' Mixtral on PyTorch, at one shape with random weights.

  compare_mixtral.py MOIETY [--shape CONFIG.json] [--layers N] [--prompt N] [--tokens N] [--rounds N] [--threads N]

Both compute in turns, in one run; medians over the rounds, and their ratio. Both read the same config.json, with weights
of its dtype. transformers computes in it, moiety in float32 and, where weights are bf16 and the processor can, once more
with --compute bf16: that is the equal arithmetic. --layers keeps both models in memory at the same time.
Needs the packages of tests/goldens/requirements.txt. `./check --full` runs it with few layers and rounds: there it shows
that both sides run, and how they compare on that machine at that hour.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import torch
import transformers

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "goldens"))

from comparison import run  # noqa: E402

SHAPE = ROOT / "bench" / "shapes" / "mixtral_1b_active.json"
WEIGHT_RANGE = 0.02 * 3**0.5  # uniform with a standard deviation of 0.02, as moiety's random weights

transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()


class Uninitialised(torch.overrides.TorchFunctionMode):
    """Leaves out torch.nn.init: weights are filled once, by load()."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if getattr(function, "__module__", None) == "torch.nn.init":
            return (kwargs or {}).get("tensor", args[0] if args else None)
        return function(*args, **(kwargs or {}))


def load(config):
    """The model of a config.json's contents with random weights of its dtype."""
    settings = {key: value for key, value in config.items() if key not in ("dtype", "torch_dtype", "architectures")}
    dtype = getattr(torch, config.get("dtype") or config["torch_dtype"])
    with Uninitialised():
        model = transformers.AutoModelForCausalLM.from_config(transformers.MixtralConfig(**settings), dtype=dtype)
    torch.manual_seed(1)
    for name, weight in model.named_parameters():
        if weight.dim() == 1:
            weight.data.fill_(1)
        else:
            weight.data.uniform_(-WEIGHT_RANGE, WEIGHT_RANGE)
    return model.eval()


@torch.no_grad()
def time_transformers(model, ids, tokens):
    """Prompt and decode tokens per second: a forward pass over the ids, then one per token with its KV cache."""
    begin = time.perf_counter()
    out = model(ids, use_cache=True, logits_to_keep=1)
    first = time.perf_counter()
    for _ in range(tokens):
        out = model(out.logits[:, -1:].argmax(-1), past_key_values=out.past_key_values, use_cache=True,
                    logits_to_keep=1)
    return ids.shape[1] / (first - begin), tokens / (time.perf_counter() - first)


def time_moiety(moiety, shape, prompt, tokens, threads, compute):
    """The same: decoding goes on at the depth of the prompt."""
    def bench(*flags):
        command = [moiety, "bench", "--shape", shape, *flags, "-r", "1", "-t", str(threads), "--compute", compute, "--json"]
        return json.loads(run(command))["results"][0]["tokens_per_s"]["median"]

    return bench("-p", str(prompt), "-n", "0"), bench("-p", "0", "-n", str(tokens), "-d", str(prompt))


def can_compute_bf16(moiety):
    """Whether the processor has bf16 products: a small shape tells."""
    shape = ROOT / "bench" / "shapes" / "mixtral_small.json"
    command = [moiety, "bench", "--shape", shape, "-p", "1", "-n", "0", "-r", "1", "--memory", "64M", "--compute", "bf16"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("moiety", type=lambda path: pathlib.Path(path).resolve(), help="path of the binary")
    parser.add_argument("--shape", type=pathlib.Path, default=SHAPE, help="config.json of a Mixtral")
    parser.add_argument("--layers", type=int, help="instead of those of the shape")
    parser.add_argument("--prompt", type=int, default=512, help="tokens of the prompt; default 512")
    parser.add_argument("--tokens", type=int, default=32, help="tokens to decode; default 32")
    parser.add_argument("--rounds", type=int, default=5, help="default 5")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="default: all")
    args = parser.parse_args()
    config = json.loads(args.shape.read_text())
    if config["model_type"] != "mixtral":
        parser.error(f"{args.shape}: expected a mixtral, found {config['model_type']}")
    if args.layers is not None:
        config["num_hidden_layers"] = args.layers
    torch.set_num_threads(args.threads)
    model = load(config)
    ids = torch.randint(config["vocab_size"], (1, args.prompt))
    with tempfile.TemporaryDirectory() as folder:
        shape = pathlib.Path(folder) / args.shape.name
        shape.write_text(json.dumps(config))
        def moiety(compute):
            return time_moiety(args.moiety, shape, args.prompt, args.tokens, args.threads, compute)

        contenders = {"moiety f32": lambda: moiety("f32")}
        if model.dtype == torch.bfloat16 and can_compute_bf16(args.moiety):
            contenders["moiety bf16"] = lambda: moiety("bf16")
        contenders["transformers"] = lambda: time_transformers(model, ids, args.tokens)
        contenders["transformers"]()  # moiety bench warms up by itself
        results = {name: [] for name in contenders}
        for _ in range(args.rounds):
            for name, measure in contenders.items():
                results[name].append(measure())
    print(f"{args.shape.name}, {config['num_hidden_layers']} layers: prompt of {args.prompt} tokens, {args.tokens} decoded "
          f"after it, {args.threads} threads, median (lowest to highest) of {args.rounds} alternating rounds, tokens/s")
    medians = {}
    for name, values in results.items():
        medians[name] = [statistics.median(v) for v in zip(*values)]
        columns = [f"{statistics.median(v):8.1f} ({min(v):.1f} to {max(v):.1f})" for v in zip(*values)]
        print(f"  {name:14} prefill {columns[0]}   decode {columns[1]}")
    theirs = medians.pop("transformers")
    for name, ours in medians.items():
        print(f"ok   {name} / transformers {transformers.__version__}: prefill {ours[0] / theirs[0]:.2f}, "
              f"decode {ours[1] / theirs[1]:.2f}")


if __name__ == "__main__":
    main()
