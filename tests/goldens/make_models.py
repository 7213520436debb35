#!/usr/bin/env python3
"""Writes small models with random weights and their expected results to tests/data/models (see README.md).

  make_models.py [--out DIR] [CASE ...]

A case is one entry of CASES. Weights come from numpy's PCG64 with the seed of the case. Prompts are random too: the
first ones whose margins (of every greedy step and every choice of experts) are comfortable and whose continuation
varies, so a correct float32 engine chooses the same ids. The second run writes the same bytes as the first.
"""

import argparse
import copy
import json
import pathlib
import shutil
import tempfile

import numpy as np
import safetensors
import safetensors.torch
import tokenizers
import torch
import transformers

import reference

OUT = pathlib.Path(__file__).resolve().parent.parent / "data" / "models"

LIBRARIES = [torch, transformers, tokenizers, safetensors, np]

GREEDY_TOKENS = 24
PROMPT_TOKENS = [1, 7, 33, 50]  # p0 .. p3
MIN_GREEDY_MARGIN = 0.0125  # standard deviations of the logits
MIN_ROUTER_MARGIN = 2e-3  # router logits
MIN_DISTINCT = 14  # different ids in a continuation
MIN_EFFECT = 0.05  # what a wrong config key has to change, in standard deviations of the logits
TOLERANCE = {
    "logits_max_abs_over_std": 2e-4,
    "hidden_max_abs_over_std": 2e-4,
    "router_logits_max_abs": 2e-4,
    "combine_weights_max_abs": 2e-5,
}

# Standard deviation of a random matrix, times sqrt(fan-in), by the end of its name. The query and key scales make
# attention sharp, so that positions matter; the embedding is small, so that layers outweigh the residual input.
SCALES = {"embed_tokens": 0.35, "lm_head": 2.0, "gate": 1.2, "q_proj": 1.6, "k_proj": 1.6}
OTHER_SCALE = 1.4
BIAS_STD = 0.5
NORM_STD = 0.25

# Config keys common to all cases; a case overrides and adds. Old spelling: of published checkpoints (rope_theta,
# rope_scaling, torch_dtype). New spelling: what transformers 5 writes (rope_parameters, dtype).
COMMON = {
    "attention_dropout": 0.0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "hidden_act": "silu",
    "hidden_size": 32,
    "initializer_range": 0.02,
    "intermediate_size": 48,
    "max_position_embeddings": 256,
    "num_attention_heads": 4,
    "num_hidden_layers": 3,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": False,
    "use_cache": True,
    "vocab_size": 256,
}
OLD = COMMON | {"rope_theta": 10000.0, "torch_dtype": "float32", "transformers_version": "4.40.0"}
NEW = COMMON | {
    "dtype": "float32",
    "rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"},
    "transformers_version": "5.23.0",
}
QWEN2 = {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "rms_norm_eps": 1e-6}
QWEN3 = {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "rms_norm_eps": 1e-6, "attention_bias": False}
LLAMA = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "attention_bias": False, "mlp_bias": False}
MIXTRAL = {
    "architectures": ["MixtralForCausalLM"],
    "model_type": "mixtral",
    "num_experts_per_tok": 2,
    "num_local_experts": 5,
    "output_router_logits": False,
    "router_aux_loss_coef": 0.02,
    "sliding_window": None,
}
QWEN2_MOE = {
    "architectures": ["Qwen2MoeForCausalLM"],
    "model_type": "qwen2_moe",
    "decoder_sparse_step": 1,
    "moe_intermediate_size": 16,
    "num_experts": 5,
    "num_experts_per_tok": 2,
    "output_router_logits": False,
    "rms_norm_eps": 1e-6,
    "router_aux_loss_coef": 0.001,
    "shared_expert_intermediate_size": 24,
}
QWEN3_MOE = {
    "architectures": ["Qwen3MoeForCausalLM"],
    "model_type": "qwen3_moe",
    "attention_bias": False,
    "mlp_only_layers": [],
    "moe_intermediate_size": 16,
    "num_experts_per_tok": 3,
    "num_local_experts": 6,
    "output_router_logits": False,
    "rms_norm_eps": 1e-6,
    "router_aux_loss_coef": 0.001,
}
OLMOE = {
    "architectures": ["OlmoeForCausalLM"],
    "model_type": "olmoe",
    "attention_bias": False,
    "num_experts": 6,
    "num_experts_per_tok": 3,
    "output_router_logits": False,
    "router_aux_loss_coef": 0.01,
}
# Published configs leave out what their class says: here heads, activation, norm, tied head, context.
GEMMA3_OLD = {
    "architectures": ["Gemma3ForCausalLM"],
    "model_type": "gemma3_text",
    "bos_token_id": 1,
    "eos_token_id": 2,
    "head_dim": 8,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "query_pre_attn_scalar": 2,
    "rope_local_base_freq": 100.0,
    "rope_scaling": {"factor": 4.0, "rope_type": "linear"},
    "rope_theta": 1000.0,
    "sliding_window": 12,
    "sliding_window_pattern": 2,
    "torch_dtype": "bfloat16",
    "transformers_version": "4.50.0",
    "vocab_size": 256,
}
GEMMA3_ROPE = {
    "full_attention": {"rope_theta": 1000.0, "rope_type": "default"},
    "sliding_attention": {"rope_theta": 100.0, "rope_type": "default"},
}
GEMMA3 = {
    "architectures": ["Gemma3ForCausalLM"],
    "model_type": "gemma3_text",
    "attention_bias": False,
    "attn_logit_softcapping": None,
    "final_logit_softcapping": 5.0,
    "head_dim": 16,
    "hidden_activation": "gelu_pytorch_tanh",
    "layer_types": ["sliding_attention", "full_attention"],
    "num_hidden_layers": 2,
    "query_pre_attn_scalar": 8,
    "rope_parameters": GEMMA3_ROPE,
    "sliding_window": 9,
    "tie_word_embeddings": False,
    "use_bidirectional_attention": False,
}
LLAMA3_ROPE = {
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
    "rope_type": "llama3",
}
YARN_ROPE = {
    "beta_slow": 0.5,
    "factor": 4.0,
    "original_max_position_embeddings": 16,
    "rope_theta": 100.0,
    "rope_type": "yarn",
}

# name: config     config.json
#       seed       of weights and prompts
#       wrong      config keys to change, to prove that the goldens notice (None removes the key)
#       hidden     False: without hidden states and final, for a smaller file
#       shards     number of weight files, 1 unless told
#       norm_mean  what the weights of norms are around, 1 unless told
#       scales     changes to SCALES
CASES = {
    # Query, key and value biases; the head is the embedding; the window is switched off.
    "qwen2": {
        "seed": 101,
        "config": OLD
        | QWEN2
        | {
            "max_window_layers": 1,
            "num_hidden_layers": 2,
            "rope_theta": 1000000.0,
            "sliding_window": 8,
            "tie_word_embeddings": True,
            "use_sliding_window": False,
        },
        "wrong": [{"use_sliding_window": True}, {"rope_theta": 10000.0}, {"rms_norm_eps": 1e-2}],
        "hidden": False,
    },
    # layer_types decides (layers 0 and 2 slide); max_window_layers alone would say layers 1 and 2.
    "qwen2_swa": {
        "seed": 102,
        "config": NEW
        | QWEN2
        | {
            "dtype": "bfloat16",
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
            "max_window_layers": 1,
            "sliding_window": 12,
            "use_sliding_window": True,
        },
        "wrong": [{"layer_types": None}, {"sliding_window": 11}, {"sliding_window": 13}],
        "hidden": False,
    },
    # Per-head query and key norms; 4 heads of 16 in a hidden size of 32.
    "qwen3": {
        "seed": 103,
        "config": NEW
        | QWEN3
        | {
            "dtype": "bfloat16",
            "head_dim": 16,
            "layer_types": ["full_attention"] * 2,
            "max_window_layers": 2,
            "num_hidden_layers": 2,
            "rope_parameters": {"rope_theta": 1000000.0, "rope_type": "default"},
            "sliding_window": None,
            "use_sliding_window": False,
        },
        "wrong": [{"rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"}}, {"rms_norm_eps": 1e-2}],
        "hidden": False,
    },
    # No layer_types: layers from max_window_layers on slide, here the last one.
    "qwen3_swa": {
        "seed": 104,
        "config": OLD
        | QWEN3
        | {
            "head_dim": 12,
            "max_window_layers": 1,
            "num_hidden_layers": 2,
            "sliding_window": 12,
            "tie_word_embeddings": True,
            "torch_dtype": "float16",
            "use_sliding_window": True,
        },
        "wrong": [{"use_sliding_window": False}, {"max_window_layers": 0}],
        "hidden": False,
    },
    "mixtral_tiny": {
        "seed": 105,
        "config": OLD
        | MIXTRAL
        | {"intermediate_size": 24, "num_hidden_layers": 2, "rope_theta": 1000000.0, "torch_dtype": "float16"},
        "wrong": [{"num_experts_per_tok": 1}, {"rope_theta": 10000.0}],
    },
    # Wavelengths 6.3 | 19.9 | 62.8, 199, ... : unscaled below 32/4, divided by 8 above 32/1, a mixture between them.
    "llama_bf16_llama3rope": {
        "seed": 106,
        "config": OLD
        | LLAMA
        | {
            "eos_token_id": [2, 3],
            "head_dim": 16,
            "num_hidden_layers": 2,
            "rope_scaling": LLAMA3_ROPE,
            "tie_word_embeddings": True,
            "torch_dtype": "bfloat16",
        },
        "wrong": [
            {"rope_scaling": None},
            {"rope_scaling": LLAMA3_ROPE | {"factor": 4.0}},
            {"rope_scaling": LLAMA3_ROPE | {"low_freq_factor": 1.7}},
            {"rope_scaling": LLAMA3_ROPE | {"high_freq_factor": 8.0}},
        ],
        "hidden": False,
    },
    # beta_fast is left to its default 32. The ramp is 0 at dimension 0, 1 from dimension 3 on (2.83 rounded up).
    "mixtral_yarn": {
        "seed": 107,
        "config": NEW
        | MIXTRAL
        | {
            "dtype": "bfloat16",
            "head_dim": 16,
            "intermediate_size": 24,
            "max_position_embeddings": 128,
            "num_hidden_layers": 2,
            "num_local_experts": 4,
            "rope_parameters": YARN_ROPE,
        },
        "wrong": [
            {"rope_parameters": {"rope_theta": 100.0, "rope_type": "default"}},
            {"rope_parameters": YARN_ROPE | {"attention_factor": 1.0}},
            {"rope_parameters": YARN_ROPE | {"beta_slow": 1.0}},
            {"rope_parameters": YARN_ROPE | {"truncate": False}},
        ],
        "hidden": False,
        "shards": 2,
    },
    # Positions divided by 2; biases on every projection, also o_proj and down_proj. Published spelling: "type".
    "llama_linear": {
        "seed": 108,
        "config": OLD
        | LLAMA
        | {
            "attention_bias": True,
            "mlp_bias": True,
            "num_hidden_layers": 2,
            "rope_scaling": {"factor": 2.0, "type": "linear"},
            "torch_dtype": "float16",
        },
        "wrong": [{"rope_scaling": None}],
        "hidden": False,
    },
    # Layer 1 is dense; layer 0 slides, which is every second one of the first max_window_layers.
    "qwen2_moe": {
        "seed": 109,
        "config": OLD
        | QWEN2_MOE
        | {
            "max_window_layers": 2,
            "mlp_only_layers": [1],
            "norm_topk_prob": True,
            "sliding_window": 12,
            "torch_dtype": "bfloat16",
            "use_sliding_window": True,
        },
        "wrong": [{"norm_topk_prob": False}, {"max_window_layers": 3}, {"sliding_window": 11}],
        "hidden": False,
    },
    # Layer 0 is dense, every second one is not; all slide. transformers 5 calls the experts local.
    "qwen3_moe": {
        "seed": 110,
        "config": NEW
        | QWEN3_MOE
        | {
            "decoder_sparse_step": 2,
            "dtype": "float16",
            "head_dim": 12,
            "norm_topk_prob": False,
            "num_hidden_layers": 2,
            "sliding_window": 12,
            "use_sliding_window": True,
        },
        "wrong": [{"norm_topk_prob": True}, {"use_sliding_window": False}, {"num_experts_per_tok": 2}],
        "hidden": False,
    },
    # Half of the elements of q, k and v are clipped; fewer keys than queries.
    "olmoe": {
        "seed": 111,
        "config": OLD
        | OLMOE
        | {
            "clip_qkv": 0.8,
            "intermediate_size": 16,
            "norm_topk_prob": True,
            "num_hidden_layers": 2,
            "torch_dtype": "bfloat16",
        },
        "wrong": [{"clip_qkv": None}, {"clip_qkv": 0.9}, {"norm_topk_prob": False}],
        "hidden": False,
    },
    # Spelled by transformers 5: a rope for each type of layer, soft-capped logits, a head of its own.
    "gemma3": {
        "seed": 112,
        "norm_mean": 0,
        "config": NEW | GEMMA3 | {"dtype": "float16"},
        "wrong": [
            {"final_logit_softcapping": None},
            {"layer_types": ["full_attention", "sliding_attention"]},
            {"query_pre_attn_scalar": 16},
            {"rope_parameters": GEMMA3_ROPE | {"sliding_attention": {"rope_theta": 1000.0, "rope_type": "default"}}},
        ],
        "hidden": False,
    },
    # As published: most keys left to the class, layers 0 and 2 of 3 slide, positions of layer 1 divided by 4.
    "gemma3_published": {
        "seed": 113,
        "norm_mean": 0,
        "scales": {"embed_tokens": 0.08},  # its rows are multiplied by 5.7, and the head is tied
        "config": GEMMA3_OLD,
        "wrong": [
            {"rope_local_base_freq": 1000.0},
            {"rope_scaling": None},
            {"rope_theta": 10000.0},
            {"sliding_window": 11},
            {"sliding_window_pattern": 3},
        ],
        "hidden": False,
    },
}


def write_json(path, value, indent):
    path.write_text(json.dumps(value, indent=indent) + "\n")


def published_shapes(config):
    """{name: shape} of the weights as save_pretrained spells them."""
    with tempfile.TemporaryDirectory() as folder:
        write_json(pathlib.Path(folder) / "config.json", config, 2)
        model = transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.from_pretrained(folder))
        model.save_pretrained(folder)
        with safetensors.safe_open(pathlib.Path(folder) / "model.safetensors", "pt") as file:
            return {name: file.get_slice(name).get_shape() for name in sorted(file.keys())}


def random_weights(config, rng, norm_mean, scales):
    dtype = getattr(torch, config.get("torch_dtype") or config["dtype"])
    weights = {}
    for name, shape in published_shapes(config).items():
        value = rng.standard_normal(shape)
        module = name.split(".")[-2]
        if name.endswith(".bias"):
            value *= BIAS_STD
        elif len(shape) == 1:
            value = norm_mean + NORM_STD * value
        else:
            fan_in = 1 if module == "embed_tokens" else shape[-1]
            value *= scales.get(module, OTHER_SCALE) / fan_in**0.5
        weights[name] = torch.from_numpy(value).to(dtype)
    return weights


def write_weights(folder, weights, shards):
    if shards == 1:
        safetensors.torch.save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        return
    names = list(weights)
    index = {"metadata": {"total_size": sum(t.nbytes for t in weights.values())}, "weight_map": {}}
    for i in range(shards):
        file = f"model-{i + 1:05}-of-{shards:05}.safetensors"
        part = names[i * len(names) // shards : (i + 1) * len(names) // shards]
        safetensors.torch.save_file({n: weights[n] for n in part}, folder / file, metadata={"format": "pt"})
        index["weight_map"] |= dict.fromkeys(part, file)
    write_json(folder / "model.safetensors.index.json", index, 2)


def find_prompt(model, config, num_tokens, rng):
    """The first random prompt good enough for a golden: its tensors and its entry in golden.json."""
    eos = np.atleast_1d(config["eos_token_id"])
    for _ in range(400):
        ids = rng.integers(eos.max() + 1, config["vocab_size"], num_tokens).tolist()
        out = reference.forward(model, ids)
        std = float(out["logits"].std(correction=0))
        new_ids, top, margins = reference.greedy(model, ids, GREEDY_TOKENS)
        if min(margins) < MIN_GREEDY_MARGIN * std or len(set(new_ids)) < MIN_DISTINCT or np.isin(new_ids, eos).any():
            continue
        margin = reference.router_margin(reference.forward(model, ids + new_ids))  # the continuation's choices too
        if margin is not None and margin.min() < MIN_ROUTER_MARGIN:
            continue
        entry = {
            "input_ids": ids,
            "greedy_ids": new_ids,
            "logits_std": round(std, 6),
            "min_greedy_margin": round(min(margins), 6),
            "min_greedy_margin_rel": round(min(margins) / std, 6),
        }
        if margin is not None:
            entry["min_router_margin"] = round(float(margin.min()), 6)
        out["input_ids"], out["greedy_ids"] = torch.tensor(ids), torch.tensor(new_ids)
        out["greedy_top_logit"], out["greedy_margin"] = torch.tensor(top), torch.tensor(margins)
        return out, entry
    raise SystemExit(f"no good prompt of {num_tokens} tokens: change the seed or the scales")


def effect_of(wrong, folder, config, ids, logits):
    """How much the logits change, in standard deviations, if config.json says something else."""
    config = {k: v for k, v in (copy.deepcopy(config) | wrong).items() if v is not None}
    with tempfile.TemporaryDirectory() as other:
        shutil.copytree(folder, other, dirs_exist_ok=True)
        write_json(pathlib.Path(other) / "config.json", config, 2)
        changed = reference.forward(reference.load(other), ids)["logits"]
    return round(float((changed - logits).abs().max() / logits.std()), 4)


def describe(wrong, config):
    """'sliding_window: 12 -> 11', or for a nested key 'rope_scaling.factor: 8.0 -> 4.0'."""
    ((key, value),) = wrong.items()
    old = config[key]
    while isinstance(old, dict) and isinstance(value, dict) and value.get("rope_type") == old.get("rope_type"):
        ((inner, value),) = ((k, v) for k, v in value.items() if old.get(k) != v)
        key, old = f"{key}.{inner}", old.get(inner)
    if isinstance(old, dict) or isinstance(value, dict):
        old, value = (v and (v.get("rope_type") or v.get("type")) for v in (old, value))
    return f"{key}: {json.dumps(old)} -> {json.dumps(value)}"


def make(name, case, folder):
    config = case["config"]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_json(folder / "config.json", dict(sorted(config.items())), 2)
    generation = {"_from_model_config": True} | {k: config[k] for k in ("bos_token_id", "eos_token_id")}
    generation["transformers_version"] = config["transformers_version"]
    write_json(folder / "generation_config.json", generation, 2)
    rng = np.random.default_rng(case["seed"])
    weights = random_weights(config, rng, case.get("norm_mean", 1), SCALES | case.get("scales", {}))
    write_weights(folder, weights, case.get("shards", 1))

    model = reference.load(folder)
    tensors, prompts = {}, []
    for i, num_tokens in enumerate(PROMPT_TOKENS):
        out, entry = find_prompt(model, config, num_tokens, rng)
        prompts.append({"name": f"p{i}"} | entry)
        for key, value in out.items():
            if case.get("hidden", True) or not key.startswith(("hidden", "final")):
                tensors[f"p{i}.{key}"] = value
        # transformers' own generation, with its cache, has to agree.
        ids = torch.tensor([entry["input_ids"]])
        generated = model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, eos_token_id=None, max_new_tokens=GREEDY_TOKENS
        )
        assert generated[0, num_tokens:].tolist() == entry["greedy_ids"], f"{name} p{i}: generate() differs"
    safetensors.torch.save_file(tensors, folder / "golden.safetensors", metadata={"case": name})

    longest = (prompts[-1]["input_ids"], tensors[f"p{len(prompts) - 1}.logits"])
    effects = {describe(w, config): effect_of(w, folder, config, *longest) for w in case["wrong"]}
    assert min(effects.values()) > MIN_EFFECT, f"{name}: the goldens do not notice {effects}"
    golden = {
        "case": name,
        "model_type": config["model_type"],
        "seed": case["seed"],
        "weights_dtype": config.get("torch_dtype") or config["dtype"],
        "computed": "float32, transformers eager attention and eager experts, weights converted exactly to float32",
        "versions": {m.__name__: m.__version__.split("+")[0] for m in LIBRARIES},
        "greedy_tokens": GREEDY_TOKENS,
        "tolerance": TOLERANCE,
        "prompts": prompts,
        "verified": {"generate_equal": True, "config_sensitivity": effects},
    }
    write_json(folder / "golden.json", golden, 1)
    return golden


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=OUT)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="default: all")
    args = parser.parse_args()
    torch.set_num_threads(1)  # the order of sums must not depend on the machine's cores
    for name in args.cases or CASES:
        folder = args.out / name
        golden = make(name, CASES[name], folder)
        size = sum(f.stat().st_size for f in folder.iterdir())
        margin = {
            key: min(p[key] for p in golden["prompts"] if key in p)
            for key in ("min_greedy_margin_rel", "min_router_margin")
            if key in golden["prompts"][0]
        }
        distinct = [len(set(p["greedy_ids"])) for p in golden["prompts"]]
        print(name, f"{size / 1000:.0f} kB", margin, f"distinct {distinct}", golden["verified"]["config_sensitivity"])


if __name__ == "__main__":
    main()
