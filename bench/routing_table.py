#!/usr/bin/env python3
"""Every routing strategy on the same text at equal active compute, equal parameters and equal tokens.

  bench/routing_table.py BINARY --data FILE --out FOLDER [--steps 300] [--seeds 1,2,3]

trains each strategy and the dense twin once per seed (preset tiny) and prints a Markdown table: validation loss with
its standard error, the load of experts, dropped tokens, tokens/s. Runs that are finished are not taken again, so
it can be stopped and started. A difference of losses counts above two pooled standard errors.
"""

import argparse
import json
import math
import pathlib
import statistics
import subprocess
import sys

# Of preset tiny: a token uses 2 of 8 experts of 256 hidden units. Strategies with one expert per token have four of
# 512, the soft mixture eight of 64: the same work per token; and where not all experts are used, the same parameters.
ONE_OF_FOUR = ["model.num_experts=4", "model.d_expert=512"]
VARIANTS = [
    # name, what it is, flags
    ("dense", "the dense twin", ["--dense"], []),
    ("topk", "top-2", ["--router", "topk"], []),
    ("topk, no balancing", "top-2 without a loss", ["--router", "topk"], ["router.balance_loss=0"]),
    ("topk, z-loss", "", ["--router", "topk"], ["router.z_loss=0.001"]),
    ("noisy_topk", "", ["--router", "noisy_topk"],
     ["router.balance_loss=0", "router.importance_loss=0.1", "router.load_loss=0.1"]),
    ("switch", "top-1", ["--router", "switch"], ONE_OF_FOUR),
    ("gshard", "", ["--router", "gshard"], []),
    ("sigmoid_bias", "", ["--router", "sigmoid_bias"], []),
    ("group_limited", "", ["--router", "group_limited"], ["router.groups=4", "router.groups_per_token=2"]),
    ("hash", "", ["--router", "hash"], []),
    ("hash, balanced", "", ["--router", "hash"], ["router.table=balanced"]),
    ("hard, straight through", "", ["--router", "hard"], ONE_OF_FOUR),
    ("hard, reinforce", "", ["--router", "hard"], ONE_OF_FOUR + ["router.estimator=reinforce"]),
    ("hierarchical", "", ["--router", "hierarchical"], []),
    ("attentive", "", ["--router", "attentive"], []),
    ("gaussian", "", ["--router", "gaussian"], []),
    ("soft", "", ["--router", "soft"], ["model.d_expert=64"]),
    ("base", "", ["--router", "base", "--allow-noncausal"], ONE_OF_FOUR),
    ("expert_choice", "", ["--router", "expert_choice", "--allow-noncausal"], []),
]
LAST = 20  # steps whose loads are averaged


def folder_of(out, name, seed):
    return out / f"{name.replace(', ', '_').replace(' ', '_')}-{seed}"


def finished(folder):
    log = folder / "log.jsonl"
    if not (folder / "model" / "config.json").exists() or not log.exists():
        return None
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    steps = [row for row in rows if row["event"] == "step"]
    losses = [row["loss"] for row in rows if row["event"] == "validation"]
    layers = [layer for row in steps[-LAST:] for layer in row.get("layers", [])]
    mean = lambda key: statistics.fmean(layer[key] for layer in layers) if layers else None
    tokens = sum(row["tokens"] for row in steps[-LAST:]) * max(1, len(layers) // max(1, len(steps[-LAST:])))
    return {
        "loss": losses[-1],
        "cv": mean("cv"),
        "max_vio": mean("max_vio"),
        "dropped": sum(layer["dropped"] for layer in layers) / tokens if layers else None,
        "tokens_per_s": statistics.median(row["tokens_per_s"] for row in steps),
    }


def train(args, name, flags, settings, seed):
    folder = folder_of(args.out, name, seed)
    found = finished(folder)
    if found is not None:
        return found
    command = [args.binary, "train"]
    if (folder / "config.toml").exists():
        command += ["--out", folder, "--resume"]
    else:
        command += ["--preset", "tiny", "--data", args.data, "--out", folder, "--steps", args.steps, "--seed", seed]
        command += flags
        for setting in ["loop.validate_every=0", "loop.save_every=100", *settings]:
            command += ["--set", setting]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{name}, seed {seed}: {done.stderr.strip()}")
    return finished(folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=pathlib.Path)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--only", help="names of variants, separated by semicolons")
    args = parser.parse_args()
    seeds = [int(seed) for seed in args.seeds.split(",")]
    chosen = None if args.only is None else args.only.split(";")
    results = {}
    # Seed by seed: what changes on the machine meanwhile falls on all of them.
    for seed in seeds:
        for name, _, flags, settings in VARIANTS:
            if chosen is None or name in chosen:
                results.setdefault(name, []).append(train(args, name, flags, settings, seed))
                print(f"{name}, seed {seed}: {results[name][-1]['loss']:.4f}", file=sys.stderr)

    def cell(rows, key, form):
        values = [row[key] for row in rows if row[key] is not None]
        return form.format(statistics.fmean(values)) if values else "–"

    print("| router | validation loss | load CV | MaxVio | dropped | tokens/s |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, rows in results.items():
        losses = [row["loss"] for row in rows]
        error = statistics.stdev(losses) / math.sqrt(len(losses)) if len(losses) > 1 else float("nan")
        print(f"| {name} | {statistics.fmean(losses):.4f} ± {error:.4f} | {cell(rows, 'cv', '{:.2f}')} | "
              f"{cell(rows, 'max_vio', '{:.2f}')} | {cell(rows, 'dropped', '{:.1%}')} | "
              f"{cell(rows, 'tokens_per_s', '{:,.0f}')} |")


if __name__ == "__main__":
    main()
