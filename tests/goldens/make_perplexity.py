#!/usr/bin/env python3
"""Writes tests/data/eval/golden.json: the perplexity of text.txt there under tests/data/starter, in transformers.

ids = tokenizer(text) with <s> once at the start. Windows of `window` ids start every `stride` ids; one that the text
does not fill is left out. The first window predicts its ids 1 and on from those before them. Later ones do the same
when windows do not overlap, and otherwise predict their last `stride` ids, which no window before them had.
"""

import json
import math
import pathlib

import tokenizers
import torch

import reference

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
STARTER = ROOT / "tests" / "data" / "starter"
FOLDER = ROOT / "tests" / "data" / "eval"

WINDOWS = [(512, 512), (128, 128), (128, 32), (100, 99)]


def main():
    model = reference.load(STARTER)
    tokenizer = tokenizers.Tokenizer.from_file(str(STARTER / "tokenizer.json"))
    ids = tokenizer.encode((FOLDER / "text.txt").read_text(encoding="utf-8")).ids
    results = []
    for window, stride in WINDOWS:
        nll, loads, windows = [], {}, 0
        for begin in range(0, len(ids) - window + 1, stride):
            windows += 1
            part = ids[begin : begin + window]
            out = reference.forward(model, part)
            first = 1 if begin == 0 or stride == window else window - stride
            logprobs = out["logits"].double().log_softmax(-1)
            nll += [-float(logprobs[i - 1, part[i]]) for i in range(first, window)]
            for layer in reference.router_layers(out):
                counts = torch.bincount(out[f"router.{layer}.experts"].flatten(), minlength=8)
                loads[layer] = loads.get(layer, 0) + counts
        mean = math.fsum(nll) / len(nll)
        results.append({
            "window": window,
            "stride": stride,
            "windows": windows,
            "predicted": len(nll),
            "nll": round(mean, 7),
            "perplexity": round(math.exp(mean), 5),
            "expert_load_by_layer": [loads[layer].tolist() for layer in sorted(loads)],
        })
    golden = {"ids": len(ids), "results": results}
    (FOLDER / "golden.json").write_text(json.dumps(golden, indent=1) + "\n")
    print(json.dumps(golden))


if __name__ == "__main__":
    main()
