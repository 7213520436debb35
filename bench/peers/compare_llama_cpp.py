#!/usr/bin/env python3
"""Compares the speed of `moiety bench` with llama.cpp on the same GGUF file: prompts and generation.

  compare_llama_cpp.py MOIETY MODEL.gguf [--prompt N] [--tokens N] [--rounds N] [--threads N] [--python PYTHON]...

Both compute in turns, in one run; medians over the rounds, and their ratio. llama.cpp is that of the PyPI package
llama-cpp-python in each PYTHON (default: this one), with its repacked weights and without; the rival is the fastest of
them, for prompts and for generation. Without --python and without the package here, environments are made below --cache
first: the prebuilt wheel (where PyPI's index of the project has one) and a native build (clang if there is one: gcc 12
miscompiles its AMX tiles).
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "goldens"))


def measure_llama(path, prompt, tokens, threads, repack):
    """{prefill, decode} in tokens/s, of one run in this process; the first run of each kind is not counted."""
    import llama_cpp as llama

    llama.llama_backend_init()
    silent = llama.llama_log_callback(lambda *_: None)
    llama.llama_log_set(silent, None)
    model_params = llama.llama_model_default_params()
    model_params.n_gpu_layers = 0
    model_params.use_extra_bufts = repack
    model = llama.llama_model_load_from_file(str(path).encode(), model_params)
    params = llama.llama_context_default_params()
    params.n_ctx = prompt + tokens + 64
    params.n_batch = params.n_ubatch = max(prompt, 1)
    params.n_threads = params.n_threads_batch = threads
    context = llama.llama_init_from_model(model, params)
    vocab = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(model))
    ids = [(7919 * i + 13) % vocab for i in range(prompt + tokens + 64)]

    def feed(some):
        array = (llama.llama_token * len(some))(*some)
        if llama.llama_decode(context, llama.llama_batch_get_one(array, len(some))) != 0:
            raise RuntimeError("llama_decode failed")
        llama.llama_get_logits_ith(context, -1)[0]  # waits

    def clear():
        llama.llama_memory_clear(llama.llama_get_memory(context), True)

    feed(ids[:prompt])
    clear()
    start = time.perf_counter()
    feed(ids[:prompt])
    prefill = prompt / (time.perf_counter() - start)
    clear()
    for token in ids[:4]:
        feed([token])
    start = time.perf_counter()
    for token in ids[4 : 4 + tokens]:
        feed([token])
    return {"prefill": prefill, "decode": tokens / (time.perf_counter() - start)}


def run_llama(python, args, repack):
    command = [python, __file__, "--child", args.moiety, args.model, "--prompt", str(args.prompt)]
    command += ["--tokens", str(args.tokens), "--threads", str(args.threads)] + ([] if repack else ["--no-repack"])
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        return None, f"exit status {done.returncode}: {done.stderr.strip().splitlines()[-1:]}"
    return json.loads(done.stdout.splitlines()[-1]), None


def run_moiety(args):
    command = [args.moiety, "bench", args.model, "-p", str(args.prompt), "-n", str(args.tokens), "-r", "1", "--json"]
    command += ["-t", str(args.threads)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def environments(args):
    """Pythons that have llama-cpp-python, by what they are."""
    if args.python:
        return {python: python for python in args.python}
    if subprocess.run([sys.executable, "-c", "import llama_cpp"], capture_output=True).returncode == 0:
        return {"installed": sys.executable}
    found = {}
    clang = {"CC": "clang", "CXX": "clang++"} if shutil.which("clang++") else {}
    kinds = {
        "prebuilt": (["--only-binary", ":all:", "--extra-index-url", "https://abetlen.github.io/llama-cpp-python/whl/cpu"], {}),
        "native": (["--no-binary", "llama-cpp-python"], {"CMAKE_ARGS": "-DGGML_NATIVE=ON", **clang}),
    }
    for name, (flags, variables) in kinds.items():
        folder = pathlib.Path(args.cache) / name
        python = str(folder / "bin" / "python")
        if not pathlib.Path(python).exists():
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        install = [python, "-m", "pip", "install", "-q", *flags, "llama-cpp-python"]
        if subprocess.run(install, env={**os.environ, **variables}).returncode == 0:
            found[name] = python
        else:
            print(f"{name}: could not be installed, left out")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("moiety")
    parser.add_argument("model")
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--python", action="append")
    parser.add_argument("--cache", default=str(pathlib.Path.home() / ".cache" / "moiety-peers"))
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--no-repack", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(measure_llama(args.model, args.prompt, args.tokens, args.threads, not args.no_repack)))
        return 0

    rivals = {f"{name}{'' if repack else ', no repack'}": (python, repack)
              for name, python in environments(args).items() for repack in (True, False)}
    speeds = {name: {"prefill": [], "decode": []} for name in ["moiety", *rivals]}
    limits = []
    for _ in range(args.rounds):
        ours = run_moiety(args)
        limits.append((ours["read_bandwidth_gb_s"], ours["decode_share_of_limit"]))
        speeds["moiety"]["prefill"].append(ours["prefill_tokens_per_s"])
        speeds["moiety"]["decode"].append(ours["decode_tokens_per_s"])
        for name, (python, repack) in list(rivals.items()):
            theirs, problem = run_llama(python, args, repack)
            if theirs is None:
                print(f"{name}: left out: {problem}")
                del rivals[name], speeds[name]
                continue
            for what, speed in theirs.items():
                speeds[name][what].append(speed)
    medians = {name: {what: statistics.median(s) for what, s in of.items()} for name, of in speeds.items()}
    print(f"{args.model}, {args.threads} threads, {args.rounds} rounds, medians of tokens/s")
    print(f"{'':24} {'prompt ' + str(args.prompt):>12} {'generation':>12}")
    for name, of in medians.items():
        print(f"{name:24} {of['prefill']:>12.1f} {of['decode']:>12.2f}")
    read, share = (statistics.median(column) for column in zip(*limits))
    print(f"generation of moiety: {100 * share:.0f} % of reading at {read:.1f} GB/s")
    for what in ("prefill", "decode"):
        others = {name: of[what] for name, of in medians.items() if name != "moiety"}
        if others:
            best = max(others, key=others.get)
            print(f"{what}: {medians['moiety'][what] / others[best]:.2f} × the fastest, {best}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
