"""The list of golden fixtures: what is in each tiny checkpoint, and how its folder is written."""

import json
import re

import torch
from safetensors.torch import load_file, save_file
from transformers import (Gemma3Config, Gemma3ForCausalLM, Gemma3ForConditionalGeneration,
                          Gemma3TextConfig, GPT2Config, GPT2LMHeadModel, GPTNeoConfig,
                          GPTNeoForCausalLM, GPTNeoXConfig, GPTNeoXForCausalLM, LlamaConfig,
                          LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config,
                          Qwen3ForCausalLM)


# ---- weights -------------------------------------------------------------------------------------

def draw_weights(model, generator):
    """Fills every parameter so that nothing is trivial: activations keep their size from layer to
    layer, attention is sharp, norms have weights far from one and biases far from zero."""
    gemma = model.config.model_type.startswith("gemma3")
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            if name.endswith("bias"):
                p.copy_(0.3 * noise)
            elif p.dim() == 1:  # a norm's weight; Gemma stores it minus one
                p.copy_(0.3 * noise + (0 if gemma else 1))
            elif re.search(r"wte|embed_in|embed_tokens", name):
                p.copy_(noise * (0.9 / p.shape[1] ** 0.5 if gemma else 0.9))
            elif re.search(r"wpe", name):
                p.copy_(0.5 * noise)
            else:
                fan_in = p.shape[0] if type(model) is GPT2LMHeadModel and "lm_head" not in name else p.shape[-1]
                gain = 1.8 if re.search(r"q_proj|k_proj|c_attn|query_key_value|lm_head", name) else 1.2
                p.copy_(gain / fan_in ** 0.5 * noise)
    model.tie_weights()


# ---- folders -------------------------------------------------------------------------------------

def save_folder(model, folder, fixture):
    """save_pretrained, and then whatever the fixture wants otherwise than transformers writes it."""
    dtype = fixture.get("dtype", torch.float32)
    model.to(dtype).save_pretrained(folder, max_shard_size=fixture.get("shard", "5GB"))
    (folder / "generation_config.json").unlink(missing_ok=True)
    config = json.loads((folder / "config.json").read_text())
    if edit := fixture.get("edit_config"):
        config = edit(config)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    if edit := fixture.get("edit_tensors"):
        path = folder / "model.safetensors"
        save_file(edit(load_file(path)), path, {"format": "pt"})


def spelled_as_before_v5(config):
    """dtype, rope_parameters and layer_types the way folders were written for years."""
    config = dict(config)
    config["torch_dtype"] = config.pop("dtype", "float32")
    config["transformers_version"] = "4.40.1"
    config.pop("layer_types", None)
    rope = config.pop("rope_parameters", None)
    if rope and "rope_theta" in rope:
        config["rope_theta"] = rope.pop("rope_theta")
        partial = rope.pop("partial_rotary_factor", None)
        if config["model_type"] == "gpt_neox":
            config["rotary_emb_base"], config["rotary_pct"] = config.pop("rope_theta"), partial
        config["rope_scaling"] = rope if rope.get("rope_type", "default") != "default" else None
    return config


def edited(**changes):
    """Old spelling plus changes; None removes a key."""
    def edit(config):
        config = spelled_as_before_v5(config)
        config.update(changes)
        return {k: v for k, v in config.items() if not (k in changes and changes[k] is None)}
    return edit


def gpt2_of_2019(config):
    config = edited(n_ctx=config["n_positions"], torch_dtype=None, tie_word_embeddings=None, n_inner=None,
                    scale_attn_weights=None, scale_attn_by_inverse_layer_idx=None,
                    reorder_and_upcast_attn=None, add_cross_attention=None)(config)
    return config


def without_prefix(tensors):
    """As openai-community/gpt2 has it: no "transformer.", and the causal mask saved as a buffer."""
    out = {name.removeprefix("transformer."): t for name, t in tensors.items()}
    for name in [n for n in out if n.endswith("attn.c_attn.weight")]:
        mask = torch.tril(torch.ones(24, 24)).reshape(1, 1, 24, 24)
        out[name.replace("c_attn.weight", "bias")] = mask
    return out


def gemma_of_early_2025(config):
    """sliding_window_pattern, rope_theta, rope_local_base_freq and rope_scaling at the top."""
    config = dict(config)
    config["torch_dtype"] = config.pop("dtype")
    kinds = config.pop("layer_types")
    config["sliding_window_pattern"] = kinds.index("full_attention") + 1
    rope = config.pop("rope_parameters")
    config["rope_local_base_freq"] = rope["sliding_attention"]["rope_theta"]
    config["rope_theta"] = rope["full_attention"].pop("rope_theta")
    config["rope_scaling"] = rope["full_attention"] if rope["full_attention"]["rope_type"] != "default" else None
    config["transformers_version"] = "4.50.0.dev0"
    return config


# ---- the list ------------------------------------------------------------------------------------

FIXTURES = []


def fixture(name, family, model, config, covers, **options):
    FIXTURES.append({"name": name, "family": family, "model": model, "config": config,
                     "covers": covers, "seed": 1000 + len(FIXTURES), **options})


fixture("gpt2-plain", "gpt2", GPT2LMHeadModel,
        lambda: GPT2Config(vocab_size=61, n_positions=24, n_embd=20, n_layer=3, n_head=4,
                           bos_token_id=60, eos_token_id=60),
        ["prefix transformer.", "odd head size 5", "tanh GELU", "tied head", "hook_result",
         "gradients of all weights"],
        results=True, weight_gradients=True, gguf="F32")

fixture("llama-grouped", "llama", LlamaForCausalLM,
        lambda: LlamaConfig(vocab_size=64, hidden_size=24, intermediate_size=40, num_hidden_layers=2,
                            num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64,
                            tie_word_embeddings=True, rms_norm_eps=1e-5, bos_token_id=1, eos_token_id=2,
                            rope_parameters={"rope_type": "default", "rope_theta": 100000.0}),
        ["two query heads to a key head", "tied head", "config spelled as before transformers 5", "hook_result"],
        results=True, edit_config=spelled_as_before_v5, gguf="F32")

fixture("llama-biased", "llama", LlamaForCausalLM,
        lambda: LlamaConfig(vocab_size=70, hidden_size=24, intermediate_size=36, num_hidden_layers=3,
                            num_attention_heads=3, num_key_value_heads=1, head_dim=10,
                            max_position_embeddings=128, attention_bias=True, mlp_bias=True,
                            tie_word_embeddings=False, rms_norm_eps=1e-6, bos_token_id=0, eos_token_id=[1, 2],
                            rope_parameters={"rope_type": "llama3", "rope_theta": 500.0, "factor": 8.0,
                                             "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                                             "original_max_position_embeddings": 16}),
        ["head size times heads differs from the width", "one key head", "attention and MLP biases",
         "untied head", "llama3 rope scaling", "several end tokens", "config of transformers 5",
         "gradients of all weights"],
        weight_gradients=True, gguf="F32")
