#!/usr/bin/env python3
"""Make the golden values of configurations: tests/fixtures/configs/.

    venv/bin/python tools/make_golden_configs.py      # torch and transformers from PyPI

A tiny seeded checkpoint a family (FAMILY.safetensors) and, in cases.json, many a config.json for it: keys
left out, null, under old and new names, in two places at once, rotary scaling of every type; with each what
transformers says of the same token ids, in nats a token, float32. tests/test_config_golden.c reads them.
"""

import json
import tempfile
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

OUT = Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "configs"
TOKENS, VOCABULARY = 44, 40

SHAPE = dict(vocab_size=VOCABULARY, hidden_size=16, intermediate_size=20, num_hidden_layers=2, num_attention_heads=2,
             max_position_embeddings=64)
LLAMA = dict(SHAPE, model_type="llama", num_key_value_heads=2, rms_norm_eps=1e-3, rope_theta=300.0, hidden_act="gelu",
             tie_word_embeddings=False, attention_bias=True, mlp_bias=True)
MISTRAL = dict(SHAPE, model_type="mistral", num_attention_heads=8, num_key_value_heads=8, rms_norm_eps=1e-3,
               rope_theta=300.0, hidden_act="relu", sliding_window=5, tie_word_embeddings=False)
QWEN2 = dict(SHAPE, model_type="qwen2", num_key_value_heads=2, rms_norm_eps=1e-3, rope_theta=300.0, hidden_act="gelu",
             num_hidden_layers=3, use_sliding_window=True, sliding_window=5, max_window_layers=1,
             tie_word_embeddings=False)
QWEN3 = dict(QWEN2, model_type="qwen3", head_dim=8, attention_bias=True)
GEMMA3 = dict(SHAPE, model_type="gemma3_text", num_hidden_layers=3, num_attention_heads=2, num_key_value_heads=1,
              head_dim=8, query_pre_attn_scalar=30, rope_theta=5000.0, rope_local_base_freq=100.0, sliding_window=5,
              sliding_window_pattern=3, hidden_activation="gelu", rms_norm_eps=1e-3, tie_word_embeddings=True,
              attention_bias=True)
GEMMA2 = dict(SHAPE, model_type="gemma2", num_hidden_layers=3, num_attention_heads=2, num_key_value_heads=1, head_dim=8,
              query_pre_attn_scalar=30, rope_theta=300.0, sliding_window=5, hidden_activation="gelu", rms_norm_eps=1e-3,
              tie_word_embeddings=True, attn_logit_softcapping=1.5, final_logit_softcapping=2.0)
MINISTRAL = dict(MISTRAL, model_type="ministral", head_dim=2, layer_types=["full_attention", "sliding_attention"])
GPT2 = dict(model_type="gpt2", vocab_size=VOCABULARY, n_positions=1024, n_embd=12, n_layer=2, n_head=12, n_inner=48,
            activation_function="relu", layer_norm_epsilon=1e-2, tie_word_embeddings=True,
            scale_attn_by_inverse_layer_idx=True, scale_attn_weights=False)
GPT_NEO = dict(model_type="gpt_neo", vocab_size=VOCABULARY, max_position_embeddings=64, hidden_size=8, num_layers=24,
               num_heads=2, intermediate_size=32, attention_types=[[["global", "local"], 12]], window_size=5,
               activation_function="relu", layer_norm_epsilon=1e-2, tie_word_embeddings=True)
GPT_NEOX = dict(SHAPE, model_type="gpt_neox", hidden_act="relu", rotary_pct=0.5, rotary_emb_base=300, layer_norm_eps=1e-2,
                use_parallel_residual=False, attention_bias=True, tie_word_embeddings=False)

LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0)
YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=16)
FACTORS = dict(short_factor=[1.0, 1.5, 2.5, 4.0], long_factor=[2.0, 3.0, 5.0, 9.0])
SCALINGS = {
    "linear": dict(rope_type="linear", factor=4.0),
    "linear by its old name": dict(type="linear", factor=4.0),
    "dynamic": dict(rope_type="dynamic", factor=4.0),
    "llama3": dict(LLAMA3, original_max_position_embeddings=16),
    "llama3 of the model's context": LLAMA3,
    "yarn": YARN,
    "yarn of the model's context": dict(rope_type="yarn", factor=2.0),
    "yarn with its magnitude": dict(YARN, attention_factor=1.3),
    "yarn with its bounds": dict(YARN, beta_fast=4.0, beta_slow=0.5),
    "yarn with exact bounds": dict(YARN, beta_fast=4.0, beta_slow=0.5, truncate=False),
    "yarn with two scales": dict(YARN, mscale=1.0, mscale_all_dim=0.5),
    "yarn with one scale": dict(YARN, mscale=0.7),
    "yarn with factor 1": dict(YARN, factor=1.0),
    "longrope": dict(FACTORS, rope_type="longrope", original_max_position_embeddings=48),
    "longrope with its magnitude": dict(FACTORS, rope_type="longrope", original_max_position_embeddings=48,
                                        attention_factor=1.5),
    "longrope with its factor": dict(FACTORS, rope_type="longrope", original_max_position_embeddings=48, factor=8.0),
    "longrope of the model's context": dict(FACTORS, rope_type="longrope"),
    "default": dict(rope_type="default"),
}


def without(config, *keys):
    return {k: v for k, v in config.items() if k not in keys}


def variants(base, optional, null=()):
    """The base, each optional key left out, all of them, and those that may be null."""
    out = {"as it is": base}
    out.update({f"without {key}": without(base, key) for key in optional})
    out.update({f"{key} null": dict(base, **{key: None}) for key in null})
    out["without any of them"] = without(base, *optional)
    return out


def scaled(base, prefix=""):
    """Every scaling, in rope_scaling and in rope_parameters."""
    out = {}
    for name, scaling in SCALINGS.items():
        out[f"{prefix}{name}, rope_scaling"] = dict(base, rope_scaling=scaling)
        out[f"{prefix}{name}, rope_parameters"] = dict(without(base, "rope_theta"),
                                                       rope_parameters=dict(scaling, rope_theta=70.0))
    return out


def llama():
    out = variants(LLAMA, ["rms_norm_eps", "rope_theta", "hidden_act", "max_position_embeddings", "attention_bias",
                           "mlp_bias", "num_key_value_heads", "tie_word_embeddings"], ["num_key_value_heads", "head_dim"])
    out.update(scaled(LLAMA))
    linear, top = SCALINGS["linear"], dict(original_max_position_embeddings=16)
    out.update({
        "theta in both": dict(LLAMA, rope_parameters=dict(linear, rope_theta=70.0)),
        "theta null inside": dict(LLAMA, rope_scaling=dict(linear)),
        "empty rope_scaling leaves rope_parameters": dict(LLAMA, rope_scaling={}, rope_parameters=dict(linear, rope_theta=70.0)),
        "rope_scaling replaces rope_parameters": dict(LLAMA, rope_scaling=linear,
                                                      rope_parameters=dict(YARN, rope_theta=70.0)),
        "llama3, original context at the top": dict(LLAMA, **top, rope_scaling=LLAMA3),
        "llama3, original context in both": dict(LLAMA, **top, rope_scaling=dict(LLAMA3, original_max_position_embeddings=40)),
        "yarn, original context at the top": dict(LLAMA, **top, rope_scaling=dict(rope_type="yarn", factor=4.0)),
        "longrope, original context at the top": dict(LLAMA, original_max_position_embeddings=48,
                                                      rope_scaling=dict(FACTORS, rope_type="longrope")),
        "windows that Llama has not": dict(LLAMA, sliding_window=3, use_sliding_window=True, max_window_layers=0,
                                           layer_types=["sliding_attention"] * 2),
        "names of other families": dict(LLAMA, n_layer=1, n_positions=9, n_embd=4, n_head=4, num_heads=4, n_ctx=3,
                                        num_layers=1, layer_norm_epsilon=0.5, activation_function="relu",
                                        rotary_pct=0.25, rotary_emb_base=7.0, query_pre_attn_scalar=3,
                                        final_logit_softcapping=1.0, partial_rotary_factor=0.5),
        "tied although the head is another": dict(LLAMA, tie_word_embeddings=True),
        "a whole number that is written as a real": dict(LLAMA, rope_theta=300),
    })
    return out


def mistral():
    out = variants(MISTRAL, ["rms_norm_eps", "rope_theta", "hidden_act", "max_position_embeddings", "sliding_window",
                             "num_key_value_heads", "tie_word_embeddings"], ["sliding_window", "num_key_value_heads", "head_dim"])
    out["keys that Mistral has not"] = dict(MISTRAL, attention_bias=True, mlp_bias=True, use_sliding_window=False,
                                            max_window_layers=1)
    out["longer than the window"] = dict(MISTRAL, sliding_window=43)
    return out


def qwen(base, more=()):
    out = variants(base, ["rms_norm_eps", "rope_theta", "hidden_act", "max_position_embeddings", "use_sliding_window",
                          "sliding_window", "max_window_layers", "tie_word_embeddings", *more], ["sliding_window"])
    out["layer_types before max_window_layers"] = dict(base, layer_types=["sliding_attention", "full_attention",
                                                                          "sliding_attention"])
    out["bias as Llama says it"] = dict(base, attention_bias=False, mlp_bias=True)
    for name in ("linear", "yarn", "llama3", "longrope"):
        out[f"{name}, rope_scaling"] = dict(base, rope_scaling=SCALINGS[name])
        out[f"{name}, rope_parameters"] = dict(base, rope_parameters=dict(SCALINGS[name], rope_theta=70.0))
    return out


def gemma3():
    out = variants(GEMMA3, ["rms_norm_eps", "rope_theta", "rope_local_base_freq", "hidden_activation",
                            "max_position_embeddings", "sliding_window", "sliding_window_pattern", "tie_word_embeddings",
                            "query_pre_attn_scalar", "attention_bias"])
    linear, yarn = SCALINGS["linear"], SCALINGS["yarn"]
    out.update({
        "flat rope_parameters count for nothing": dict(GEMMA3, rope_parameters=dict(rope_type="default", rope_theta=9.0)),
        "rope_parameters for each kind of layer": dict(
            GEMMA3, rope_parameters={"full_attention": dict(yarn, rope_theta=60.0),
                                     "sliding_attention": dict(linear, rope_theta=20.0)}),
        "rope_parameters without theta": dict(
            GEMMA3, rope_parameters={"full_attention": dict(yarn), "sliding_attention": dict(rope_type="default")}),
        "rope_parameters for one kind": dict(GEMMA3, rope_parameters={"full_attention": dict(linear, rope_theta=60.0)}),
        "rope_scaling before rope_parameters": dict(
            GEMMA3, rope_scaling=linear, rope_parameters={"full_attention": dict(rope_type="default", rope_theta=60.0)}),
        "rope_scaling, llama3": dict(GEMMA3, rope_scaling=SCALINGS["llama3"]),
        "a pattern that counts for nothing": dict(without(GEMMA3, "sliding_window_pattern"), _sliding_window_pattern=2),
        "layer_types before the pattern": dict(GEMMA3, layer_types=["full_attention", "sliding_attention", "full_attention"]),
        "caps": dict(GEMMA3, final_logit_softcapping=2.0, attn_logit_softcapping=1.5),
        "an activation as Llama says it": dict(without(GEMMA3, "hidden_activation"), hidden_act="relu"),
    })
    return out


def gemma2():
    out = variants(GEMMA2, ["rms_norm_eps", "rope_theta", "hidden_activation", "max_position_embeddings", "sliding_window",
                            "tie_word_embeddings", "query_pre_attn_scalar", "attn_logit_softcapping",
                            "final_logit_softcapping"], ["attn_logit_softcapping", "final_logit_softcapping"])
    out["layer_types"] = dict(GEMMA2, layer_types=["full_attention", "full_attention", "sliding_attention"])
    out["a pattern that Gemma 2 has not"] = dict(GEMMA2, sliding_window_pattern=3)
    out["yarn"] = dict(GEMMA2, rope_parameters=dict(YARN, rope_theta=70.0))
    return out


def ministral():
    out = variants(MINISTRAL, ["sliding_window", "layer_types", "rope_theta"])
    out["no windows"] = dict(MINISTRAL, sliding_window=None, layer_types=["full_attention"] * 2)
    out["nothing said, no window"] = dict(without(MINISTRAL, "layer_types"), sliding_window=None)
    return out


def gpt2():
    out = variants(GPT2, ["n_positions", "n_inner", "activation_function", "layer_norm_epsilon", "tie_word_embeddings",
                          "scale_attn_by_inverse_layer_idx", "scale_attn_weights", "n_head"], ["n_inner"])
    spelled = without(GPT2, "n_positions", "n_embd", "n_layer", "n_head")
    out["the names of other families"] = dict(spelled, max_position_embeddings=1024, hidden_size=12, num_hidden_layers=2,
                                              num_attention_heads=3)
    out["keys that GPT-2 has not"] = dict(GPT2, num_key_value_heads=3, head_dim=2, intermediate_size=20, n_ctx=9)
    return out


def gpt_neo():
    out = variants(GPT_NEO, ["intermediate_size", "attention_types", "window_size", "activation_function", "layer_norm_epsilon",
                             "tie_word_embeddings", "num_layers"], ["intermediate_size"])
    out["attention_layers before attention_types"] = dict(GPT_NEO, attention_layers=["local"] * 3 + ["global"] * 21)
    out["two groups"] = dict(GPT_NEO, attention_types=[[["local"], 4], [["global", "local"], 10]])
    out["the names of other families"] = dict(without(GPT_NEO, "num_heads", "num_layers"), num_attention_heads=4,
                                              num_hidden_layers=24)
    return out


def gpt_neox():
    out = variants(GPT_NEOX, ["hidden_act", "rotary_pct", "rotary_emb_base", "layer_norm_eps", "use_parallel_residual",
                              "attention_bias", "max_position_embeddings", "tie_word_embeddings"])
    out.update({
        "no attention biases": dict(GPT_NEOX, attention_bias=False),
        "theta as Llama says it": dict(GPT_NEOX, rope_theta=9.0, partial_rotary_factor=1.0),
        "rope_parameters": dict(GPT_NEOX, rope_parameters=dict(rope_type="default", rope_theta=70.0, partial_rotary_factor=1.0)),
        "rope_parameters without the fraction": dict(GPT_NEOX, rope_parameters=dict(rope_type="linear", factor=3.0)),
        "linear, rope_scaling": dict(GPT_NEOX, rope_scaling=SCALINGS["linear"]),
        "yarn, rope_scaling": dict(GPT_NEOX, rope_scaling=SCALINGS["yarn"]),
        "a head size that is not its own": dict(GPT_NEOX, num_key_value_heads=1),
    })
    return out


FAMILIES = {"llama": (LLAMA, llama), "mistral": (MISTRAL, mistral), "qwen2": (QWEN2, lambda: qwen(QWEN2)),
            "qwen3": (QWEN3, lambda: qwen(QWEN3, ["attention_bias"])), "gemma3": (GEMMA3, gemma3), "gpt2": (GPT2, gpt2),
            "gpt_neo": (GPT_NEO, gpt_neo), "gpt_neox": (GPT_NEOX, gpt_neox), "gemma2": (GEMMA2, gemma2),
            "ministral": (MINISTRAL, ministral)}


def build(config, seed):
    """The checkpoint: sharp attention, norms and biases far from what they begin with."""
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**config))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            if p.dim() == 1:
                p.copy_(0.3 * noise + (0 if name.endswith("bias") or config["model_type"].startswith("gemma") else 1))
            else:
                p.copy_(noise * 1.6 / p.shape[-1] ** 0.5)
    tied = config.get("tie_word_embeddings")
    return {n: t.clone().contiguous() for n, t in model.state_dict().items() if not (tied and n == "lm_head.weight")}


def judge(tensors, config, ids):
    with tempfile.TemporaryDirectory() as folder:
        save_file(tensors, Path(folder) / "model.safetensors", {"format": "pt"})
        (Path(folder) / "config.json").write_text(json.dumps(config))
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0].double()
    losses = torch.nn.functional.cross_entropy(logits[:-1], torch.tensor(ids[1:]), reduction="none")
    return [round(x, 6) for x in losses.tolist()]


def main():
    transformers.logging.set_verbosity_error()
    OUT.mkdir(parents=True, exist_ok=True)
    ids = torch.randint(0, VOCABULARY, (TOKENS,), generator=torch.Generator().manual_seed(1)).tolist()
    cases = []
    for seed, (family, (base, make)) in enumerate(FAMILIES.items()):
        tensors = build(base, 300 + seed)
        save_file(tensors, OUT / f"{family}.safetensors", {"format": "pt"})
        for name, config in make().items():
            try:
                losses = judge(tensors, config, ids)
            except Exception as e:  # what the judge refuses proves nothing
                print(f"{family}, {name}: refused by the judge: {str(e).splitlines()[0][:100]}")
                continue
            cases.append({"family": family, "name": name, "config": config, "losses": losses})
    lines = ",\n  ".join(json.dumps(c) for c in cases)
    (OUT / "cases.json").write_text('{"judge": "transformers %s, float32", "ids": %s, "cases": [\n  %s\n]}\n'
                                    % (transformers.__version__, json.dumps(ids), lines))
    print(f"{len(cases)} configurations")


if __name__ == "__main__":
    main()
