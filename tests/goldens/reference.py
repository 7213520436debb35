"""Runs a model directory in transformers: the reference of make_models.py and compare_transformers.py.

Computes in float32 with eager attention and eager experts; weights stored as bf16 or f16 are converted exactly.
"""

import torch
import transformers
from torch.nn.functional import one_hot

transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()


def load(model_dir, dtype=torch.float32, **kwargs):
    """The causal language model in model_dir, ready for inference."""
    kwargs = {"attn_implementation": "eager", "experts_implementation": "eager"} | kwargs
    model = transformers.AutoModelForCausalLM.from_pretrained(model_dir, dtype=dtype, **kwargs)
    return model.eval()


@torch.no_grad()
def forward(model, ids):
    """One pass over the token ids, without a cache. Names and shapes are those of golden.safetensors, without "pN.":

    logits [T, V]; hidden.0 .. hidden.L and final [T, H]; router.<layer>.logits [T, E], .experts and .weights [T, k].
    """
    out = {}

    def keep(name, value):
        out[name] = value.detach().reshape(len(ids), -1).clone()

    def keep_router(prefix, logits, weights, experts):
        order = weights.argsort(dim=-1, descending=True, stable=True)  # the largest weight first
        keep(prefix + "logits", logits)
        keep(prefix + "experts", experts.gather(-1, order).to(torch.int32))
        keep(prefix + "weights", weights.gather(-1, order))

    hooks = []
    for i, layer in enumerate(model.model.layers):
        if i == 0:
            hooks.append(layer.register_forward_pre_hook(lambda m, args: keep("hidden.0", args[0])))
        hooks.append(layer.register_forward_hook(lambda m, args, y, i=i: keep(f"hidden.{i + 1}", y)))
        for module in layer.modules():
            if type(module).__name__.endswith("TopKRouter"):
                hooks.append(module.register_forward_hook(lambda m, args, y, i=i: keep_router(f"router.{i}.", *y)))
    hooks.append(model.model.norm.register_forward_hook(lambda m, args, y: keep("final", y)))
    try:
        keep("logits", model(torch.tensor([ids]), use_cache=False).logits)
    finally:
        for hook in hooks:
            hook.remove()
    return out


def greedy(model, ids, count):
    """count greedy steps after ids, end-of-sequence ignored: ids, top logit and its lead over the second, all [count].

    Every step recomputes the whole sequence, so that no cache can be at fault. Ties go to the lower id.
    """
    ids = list(ids)
    steps = []
    for _ in range(count):
        with torch.no_grad():
            logits = model(torch.tensor([ids]), use_cache=False).logits[0, -1]
        top = logits.topk(2).values
        ids.append(int((logits == top[0]).nonzero()[0]))
        steps.append((ids[-1], float(top[0]), float(top[0] - top[1])))
    return [list(column) for column in zip(*steps)]


def router_layers(out):
    """The layers of forward()'s result that have a router."""
    return [int(name.split(".")[1]) for name in out if name.startswith("router.") and name.endswith(".logits")]


def router_margin(out):
    """For each token, how far (in the closest layer) selected router logits are from unselected ones. None if dense."""
    margins = []
    for i in router_layers(out):
        logits = out[f"router.{i}.logits"]
        selected = one_hot(out[f"router.{i}.experts"].long(), logits.shape[1]).sum(1) > 0
        inf = torch.inf
        margins.append(logits.masked_fill(~selected, inf).amin(1) - logits.masked_fill(selected, -inf).amax(1))
    return torch.stack(margins).amin(0) if margins else None
