#!/usr/bin/env python3
"""What each weight format costs: the table of docs/formats.md.

  format_table.py MOIETY MODEL TEXT... [--calibration FILE]... [--types TYPE,...] [--llama PYTHON]

Writes MODEL (a folder) as GGUF in each type and prints, as Markdown: bits per weight, size, perplexity per text, the mean
KL divergence from MODEL over all texts, the share of tokens whose likeliest is the same, and the tokens/s of reading the
texts. With --calibration an importance matrix of those texts is used. With --llama (a Python with llama-cpp-python), also
llama.cpp's perplexity of our file, windows cut as ours are, relative to ours.
"""

import argparse
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile

TYPES = "BF16,Q8_0,Q6_K,Q5_K,Q4_K,Q4_0,IQ4_XS,Q3_K,Q2_K"


def moiety(args, *command):
    done = subprocess.run([args.moiety, *map(str, command), "--json"], check=True, capture_output=True, text=True)
    document = json.loads(done.stdout)
    return document


def llama_nll(path, windows):
    """The mean negative log-likelihood of ids 1 … of each window; run in a Python that has llama-cpp-python."""
    import ctypes

    import llama_cpp as llama
    import numpy

    llama.llama_backend_init()
    silent = llama.llama_log_callback(lambda *_: None)
    llama.llama_log_set(silent, None)
    model_params = llama.llama_model_default_params()
    model_params.n_gpu_layers = 0
    model = llama.llama_model_load_from_file(str(path).encode(), model_params)
    params = llama.llama_context_default_params()
    params.n_ctx = params.n_batch = params.n_ubatch = max(len(window) for window in windows)
    params.n_threads = params.n_threads_batch = len(os.sched_getaffinity(0))
    context = llama.llama_init_from_model(model, params)
    vocab = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(model))
    total, count = 0.0, 0
    for window in windows:
        llama.llama_memory_clear(llama.llama_get_memory(context), True)
        batch = llama.llama_batch_init(len(window), 0, 1)
        batch.n_tokens = len(window)
        for i, token in enumerate(window):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.seq_id[i][0], batch.logits[i] = token, i, 1, 0, 1
        if llama.llama_decode(context, batch) != 0:
            raise RuntimeError("llama_decode failed")
        logits = numpy.ctypeslib.as_array(
            ctypes.cast(llama.llama_get_logits(context), ctypes.POINTER(ctypes.c_float)), (len(window), vocab)
        ).astype(numpy.float64)
        top = logits.max(axis=1, keepdims=True)
        log_sum = top[:, 0] + numpy.log(numpy.exp(logits - top).sum(axis=1))
        rows = numpy.arange(len(window) - 1)
        total += float((log_sum[:-1] - logits[rows, window[1:]]).sum())
        count += len(window) - 1
        llama.llama_batch_free(batch)
    return total / count


def llama_perplexity(args, path, ids, window):
    windows = [ids[i : i + window] for i in range(0, len(ids) - window + 1, window)] or [ids]
    command = [args.llama, __file__, "--child", path]
    done = subprocess.run(command, input=json.dumps(windows), check=True, capture_output=True, text=True)
    return math.exp(json.loads(done.stdout.splitlines()[-1]))


def shorten(text, size, folder):
    """The first `size` bytes, up to the last line that is whole."""
    path = pathlib.Path(folder) / pathlib.Path(text).name
    start = pathlib.Path(text).read_bytes()[:size]
    path.write_bytes(start[: start.rfind(b"\n") + 1] or start)
    return str(path)


def main():
    if sys.argv[1:2] == ["--child"]:
        print(llama_nll(sys.argv[2], json.load(sys.stdin)))
        return 0
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("moiety")
    parser.add_argument("model")
    parser.add_argument("texts", nargs="+")
    parser.add_argument("--calibration", action="append", default=[])
    parser.add_argument("--types", default=TYPES)
    parser.add_argument("--bytes", type=int, help="of each text, at most (default: all)")
    parser.add_argument("--llama")
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        if args.bytes:
            args.texts = [shorten(text, args.bytes, folder) for text in args.texts]
        importance = []
        if args.calibration:
            imatrix = pathlib.Path(folder) / "imatrix.gguf"
            moiety(args, "imatrix", args.model, *args.calibration, "-o", imatrix)
            importance = ["--imatrix", imatrix]
        names = [pathlib.Path(text).name.split(".")[0] for text in args.texts]
        columns = ["type", "bits/weight", "MB", *names, "KL", "same top", "tokens/s"] + (["llama.cpp"] if args.llama else [])
        print("| " + " | ".join(columns) + " |\n|" + " --- |" * len(columns))
        for kind in args.types.split(","):
            path = pathlib.Path(folder) / f"{kind}.gguf"
            weighted = importance if kind not in ("F32", "F16", "BF16") else []
            report = moiety(args, "quantize", args.model, path, "--type", kind, *weighted)
            evals = moiety(args, "eval", path, *args.texts)
            evals = evals if isinstance(evals, list) else [evals]
            compared = moiety(args, "compare", args.model, path, *args.texts)
            compared = compared if isinstance(compared, list) else [compared]
            count = sum(one["predicted"] for one in compared)
            kl = sum(one["kl_mean"] * one["predicted"] for one in compared) / count
            same = sum(one["same_top"] * one["predicted"] for one in compared) / count
            speed = sum(one["predicted"] for one in evals) / sum(one["seconds"] for one in evals)
            row = [kind, f"{report['bits_per_weight']:.2f}", f"{report['bytes'] / 1e6:.2f}"]
            row += [f"{one['perplexity']:.3f}" for one in evals]
            row += [f"{kl:.5f}", f"{100 * same:.1f} %", f"{speed:.0f}"]
            if args.llama:
                worst = 0.0
                for text, one in zip(args.texts, evals):
                    with open(text, "rb") as file:
                        done = subprocess.run([args.moiety, "tokenize", path, "--stdin", "--json"], stdin=file, check=True,
                                              capture_output=True, text=True)
                    ids = json.loads(done.stdout)["ids"]
                    theirs = llama_perplexity(args, path, ids, one["window"])
                    worst = max(worst, theirs / one["perplexity"] - 1, key=abs)
                row.append(f"{100 * worst:+.2f} %")
            print("| " + " | ".join(row) + " |", flush=True)
            path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
