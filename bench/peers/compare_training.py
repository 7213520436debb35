#!/usr/bin/env python3
"""Compares the speed of `moiety train` with transformers' Mixtral on PyTorch, at one shape with random weights.

  compare_training.py MOIETY [--vocab N] [--experts N] [--layers N] [--rounds N] [--threads N]

A step of both is a forward pass, the balancing loss, the way back, clipping and AdamW, for 16 sequences of 256 tokens: d_model
256, experts of 512, two per token. Both in float32, then both with bf16: PyTorch's whole model in it, moiety's products of
experts, attention and head, with sums, weights and moments in float32. transformers runs with each of its implementations of
experts that works within memory, and the fastest counts. In turns, in one run; medians over the rounds, and their ratio.
Needs the packages of tests/goldens/requirements.txt.
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

SEQUENCES = 16
LENGTH = 256
BALANCE = 0.02

transformers.utils.logging.set_verbosity_error()


class Rival:
    """A transformers model with its optimizer."""

    def __init__(self, args, dtype, experts):
        config = transformers.MixtralConfig(
            vocab_size=args.vocab, hidden_size=256, intermediate_size=512, num_hidden_layers=args.layers,
            num_attention_heads=8, num_key_value_heads=8, num_local_experts=args.experts, num_experts_per_tok=2,
            max_position_embeddings=LENGTH, output_router_logits=True, router_aux_loss_coef=BALANCE)
        self.model = transformers.AutoModelForCausalLM.from_config(config, dtype=dtype, experts_implementation=experts)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3, fused=True)
        self.ids = torch.randint(args.vocab, (SEQUENCES, LENGTH))

    def tokens_per_s(self):
        begin = time.perf_counter()
        self.model(input_ids=self.ids, labels=self.ids).loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return SEQUENCES * LENGTH / (time.perf_counter() - begin)


def fastest_rival(args, dtype):
    """The implementation of experts that is fastest here, after a step to warm up."""
    speeds = {}
    # Not batched_mm: it copies an expert's weights for each token, more than 24 GB of them at this shape.
    for experts in ("eager", "grouped_mm"):
        try:
            rival = Rival(args, dtype, experts)
            rival.tokens_per_s()
            speeds[experts] = rival.tokens_per_s()
        except (RuntimeError, ValueError, NotImplementedError) as error:
            print(f"     transformers cannot train with {experts} here: {str(error).splitlines()[0]}")
    best = max(speeds, key=speeds.get)
    return best, Rival(args, dtype, best)


def moiety_tokens_per_s(args, text, folder, precision):
    """From `moiety train --dry-run`: the median of a few steps."""
    settings = {
        "model.vocab_size": args.vocab, "model.d_model": 256, "model.num_layers": args.layers, "model.num_heads": 8,
        "model.num_kv_heads": 8, "model.head_dim": 32, "model.d_expert": 512, "model.num_experts": args.experts,
        "model.top_k": 2, "model.tied_head": "false", "model.qk_norm": "false", "model.d_shared_expert": 0,
        "model.moe_every": 1, "model.first_dense_layers": 0, "router.balance_loss": BALANCE,
        "data.sequence_length": LENGTH, "loop.batch_sequences": SEQUENCES, "loop.micro_batch_sequences": SEQUENCES,
        "data.tokenizer": ROOT / "tests" / "data" / "starter"}
    for part in ("experts", "attention", "head"):
        settings[f"precision.{part}"] = precision
    command = [args.moiety, "train", "--preset", "small", "--data", text, "--out", folder / "run", "--dry-run", "--json",
               "-t", str(args.threads)]
    for key, value in settings.items():
        command += ["--set", f"{key}={value}"]
    return json.loads(run(command))["tokens_per_s"]


def can_train_in_bf16(args, text, folder):
    try:
        return moiety_tokens_per_s(args, text, folder, "bf16") > 0
    except RuntimeError:
        return False


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("moiety", type=lambda path: pathlib.Path(path).resolve(), help="path of the binary")
    parser.add_argument("--vocab", type=int, default=8192, help="default 8192")
    parser.add_argument("--experts", type=int, default=8, help="default 8")
    parser.add_argument("--layers", type=int, default=6, help="default 6")
    parser.add_argument("--rounds", type=int, default=5, help="default 5")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="default: all")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        text = folder / "text.txt"
        text.write_text("".join(f"{i * 7919 % 1000} and " for i in range(60000)))
        for precision, dtype in (("f32", torch.float32), ("bf16", torch.bfloat16)):
            if precision == "bf16" and not can_train_in_bf16(args, text, folder):
                print("skip training in bf16: this processor has no products of bf16")
                continue
            experts, rival = fastest_rival(args, dtype)
            ours, theirs = [], []
            for _ in range(args.rounds):
                ours.append(moiety_tokens_per_s(args, text, folder, precision))
                theirs.append(statistics.median(rival.tokens_per_s() for _ in range(3)))
            print(f"  {precision}: {args.layers} layers of {args.experts} experts, vocabulary {args.vocab}, {args.threads} threads, "
                  f"median (lowest to highest) of {args.rounds} alternating rounds, tokens/s")
            for who, values in (("moiety", ours), (f"transformers, {experts}", theirs)):
                print(f"    {who:28} {statistics.median(values):8.0f} ({min(values):.0f} to {max(values):.0f})")
            print(f"ok   training in {precision}, moiety / transformers {transformers.__version__}: "
                  f"{statistics.median(ours) / statistics.median(theirs):.2f}")


if __name__ == "__main__":
    main()
