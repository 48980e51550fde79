"""The list of golden fixtures: what is in each tiny checkpoint, and how its folder is written."""

import json
import re

import torch
from safetensors.torch import load_file, save_file
from transformers import (Gemma2Config, Gemma2ForCausalLM, Gemma3Config, Gemma3ForCausalLM, Gemma3ForConditionalGeneration,
                          Gemma3TextConfig, GPT2Config, GPT2LMHeadModel, GPTNeoConfig,
                          GPTNeoForCausalLM, GPTNeoXConfig, GPTNeoXForCausalLM, LlamaConfig,
                          LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config,
                          Qwen3ForCausalLM)


# ---- weights -------------------------------------------------------------------------------------

def draw_weights(model, generator):
    """Fills every parameter so that nothing is trivial: activations keep their size from layer to
    layer, attention is sharp, norms have weights far from one and biases far from zero."""
    gemma = model.config.model_type.startswith(("gemma2", "gemma3"))
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


def with_inner_prefix(tensors):
    """Multimodal names as of transformers 4.52: "model." outside, not inside."""
    return {("model.language_model." + name.removeprefix("language_model.model.")
             if name.startswith("language_model.model.") else "model." + name): t for name, t in tensors.items()}


def gemma_of_early_2025(config):
    """sliding_window_pattern, rope_theta, rope_local_base_freq and rope_scaling at the top."""
    config = dict(config)
    config["torch_dtype"] = config.pop("dtype")
    kinds = config.pop("layer_types")
    config.pop("_sliding_window_pattern")
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

fixture("gpt2-bare", "gpt2", GPT2LMHeadModel,
        lambda: GPT2Config(vocab_size=57, n_positions=24, n_embd=16, n_layer=2, n_head=2,
                           bos_token_id=56, eos_token_id=56),
        ["tensors without prefix, mask buffers among them, config as of 2019 (n_ctx, few keys)"],
        edit_config=gpt2_of_2019, edit_tensors=without_prefix)

fixture("gpt2-inverse", "gpt2", GPT2LMHeadModel,
        lambda: GPT2Config(vocab_size=60, n_positions=20, n_embd=14, n_layer=3, n_head=2, n_inner=22,
                           activation_function="relu", scale_attn_by_inverse_layer_idx=True,
                           reorder_and_upcast_attn=True, tie_word_embeddings=False,
                           bos_token_id=0, eos_token_id=0),
        ["odd head size 7", "scores divided by the layer's number", "n_inner", "ReLU", "untied head"])

fixture("gpt2-unscaled", "gpt2", GPT2LMHeadModel,
        lambda: GPT2Config(vocab_size=59, n_positions=20, n_embd=12, n_layer=2, n_head=3,
                           activation_function="gelu", scale_attn_weights=False,
                           layer_norm_epsilon=1e-2, bos_token_id=0, eos_token_id=0),
        ["scores not scaled", "exact GELU", "large epsilon", "F16 weights", "shards with an index"],
        dtype=torch.float16, shard="4KB")

fixture("gptneo-local", "gpt_neo", GPTNeoForCausalLM,
        lambda: GPTNeoConfig(vocab_size=62, max_position_embeddings=32, hidden_size=14, num_layers=2,
                             num_heads=2, attention_types=[[["global", "local"], 1]], window_size=5,
                             bos_token_id=61, eos_token_id=61),
        ["local window of 5", "scores never scaled", "odd head size 7", "tied head", "attention_types alone"],
        edit_config=edited(attention_layers=None))

fixture("gptneo-mixed", "gpt_neo", GPTNeoForCausalLM,
        lambda: GPTNeoConfig(vocab_size=58, max_position_embeddings=32, hidden_size=15, num_layers=3,
                             num_heads=3, attention_types=[[["global"], 1], [["local"], 2]], window_size=4,
                             intermediate_size=22, activation_function="relu", tie_word_embeddings=False,
                             bos_token_id=0, eos_token_id=0),
        ["two groups of attention_types", "odd head size 5", "intermediate_size", "ReLU", "untied head"])

fixture("neox-pythia", "gpt_neox", GPTNeoXForCausalLM,
        lambda: GPTNeoXConfig(vocab_size=80, hidden_size=32, intermediate_size=40, num_hidden_layers=2,
                              num_attention_heads=2, max_position_embeddings=64, hidden_act="gelu",
                              bos_token_id=0, eos_token_id=0,
                              rope_parameters={"rope_type": "default", "rope_theta": 10000.0,
                                               "partial_rotary_factor": 0.25}),
        ["attention and MLP in parallel", "a quarter of the head rotated", "exact GELU", "untied head",
         "F16 weights", "config spelled as before transformers 5 (rotary_pct)",
         "vocabulary padded from 70 to 80"],
        dtype=torch.float16, tokens=70, edit_config=spelled_as_before_v5, gguf="F16",
        gguf_not_read_by=["transformers"])

fixture("neox-sequential", "gpt_neox", GPTNeoXForCausalLM,
        lambda: GPTNeoXConfig(vocab_size=60, hidden_size=18, intermediate_size=26, num_hidden_layers=2,
                              num_attention_heads=2, max_position_embeddings=64, hidden_act="gelu_new",
                              use_parallel_residual=False, attention_bias=False, tie_word_embeddings=True,
                              layer_norm_eps=1e-4, bos_token_id=0, eos_token_id=0,
                              rope_parameters={"rope_type": "linear", "rope_theta": 1000.0, "factor": 4.0,
                                               "partial_rotary_factor": 0.5}),
        ["sequential residual", "odd head size 9, 4 of it rotated", "tanh GELU", "no attention biases",
         "tied head", "linear rope scaling", "gradients of all weights"],
        weight_gradients=True)

fixture("llama-linear", "llama", LlamaForCausalLM,
        lambda: LlamaConfig(vocab_size=66, hidden_size=16, intermediate_size=24, num_hidden_layers=2,
                            num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=64,
                            hidden_act="gelu_pytorch_tanh", tie_word_embeddings=False, rms_norm_eps=1e-5,
                            rope_parameters={"rope_type": "linear", "rope_theta": 10000.0, "factor": 3.0}),
        ["every head has its own key", "linear rope scaling as {\"type\": ...}", "tanh GELU gate",
         "untied head", "shards with an index"],
        shard="4KB", edit_config=edited(rope_scaling={"type": "linear", "factor": 3.0}, head_dim=None,
                                        num_key_value_heads=None))

fixture("llama-quantised", "llama", LlamaForCausalLM,
        lambda: LlamaConfig(vocab_size=64, hidden_size=32, intermediate_size=32, num_hidden_layers=2,
                            num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64,
                            tie_word_embeddings=True, rms_norm_eps=1e-5,
                            rope_parameters={"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0}),
        ["GGUF with Q8_0 weights; the folder has the numbers that Q8_0 holds", "linear rope scaling in GGUF"],
        gguf="Q8_0", round_as="Q8_0")

fixture("qwen2-small", "qwen2", Qwen2ForCausalLM,
        lambda: Qwen2Config(vocab_size=72, hidden_size=24, intermediate_size=36, num_hidden_layers=2,
                            num_attention_heads=6, num_key_value_heads=2, max_position_embeddings=64,
                            use_sliding_window=False, sliding_window=4, max_window_layers=1,
                            tie_word_embeddings=True, bos_token_id=0, eos_token_id=1,
                            rope_parameters={"rope_type": "default", "rope_theta": 1000000.0}),
        ["biases on q, k, v only", "three query heads to a key head", "BF16 weights", "tied head",
         "a sliding window that is switched off", "config spelled as before transformers 5"],
        dtype=torch.bfloat16, edit_config=edited(sliding_window=4, use_sliding_window=False), gguf="BF16")

fixture("qwen2-sliding", "qwen2", Qwen2ForCausalLM,
        lambda: Qwen2Config(vocab_size=66, hidden_size=16, intermediate_size=28, num_hidden_layers=3,
                            num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=64,
                            use_sliding_window=True, sliding_window=5, max_window_layers=1,
                            tie_word_embeddings=False,
                            rope_parameters={"rope_type": "default", "rope_theta": 10000.0}),
        ["sliding window of 5 from layer 1 on, by max_window_layers alone", "untied head",
         "shards with an index", "config spelled as before transformers 5"],
        shard="6KB", edit_config=spelled_as_before_v5)

fixture("qwen3-small", "qwen3", Qwen3ForCausalLM,
        lambda: Qwen3Config(vocab_size=65, hidden_size=16, intermediate_size=28, num_hidden_layers=2,
                            num_attention_heads=4, num_key_value_heads=2, head_dim=6,
                            max_position_embeddings=64, tie_word_embeddings=True,
                            rope_parameters={"rope_type": "default", "rope_theta": 1000000.0}),
        ["norms of queries and keys", "head size times heads differs from the width", "tied head",
         "config spelled as before transformers 5"],
        edit_config=spelled_as_before_v5, gguf="F16", round_as="F16")

fixture("qwen3-sliding", "qwen3", Qwen3ForCausalLM,
        lambda: Qwen3Config(vocab_size=63, hidden_size=20, intermediate_size=24, num_hidden_layers=3,
                            num_attention_heads=2, num_key_value_heads=1, head_dim=8, attention_bias=True,
                            max_position_embeddings=64, use_sliding_window=True, sliding_window=4,
                            layer_types=["sliding_attention", "full_attention", "sliding_attention"],
                            tie_word_embeddings=False,
                            rope_parameters={"rope_type": "llama3", "rope_theta": 500.0, "factor": 4.0,
                                             "low_freq_factor": 1.0, "high_freq_factor": 2.0,
                                             "original_max_position_embeddings": 32}),
        ["layer_types with a window of 4", "attention biases and norms of queries and keys",
         "llama3 rope scaling", "untied head", "config of transformers 5"])


def gemma_text(**changes):
    settings = dict(vocab_size=68, hidden_size=24, intermediate_size=32, num_hidden_layers=3,
                    num_attention_heads=3, num_key_value_heads=1, head_dim=8, query_pre_attn_scalar=8,
                    max_position_embeddings=64, sliding_window=5,
                    layer_types=["sliding_attention", "full_attention", "sliding_attention"],
                    rope_parameters={"full_attention": {"rope_type": "default", "rope_theta": 5000.0},
                                     "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}})
    return Gemma3TextConfig(**{**settings, **changes})


fixture("gemma3-plain", "gemma3_text", Gemma3ForCausalLM, gemma_text,
        ["post-norms, norms of queries and keys, weights stored minus one", "window of 5 in layers 0 and 2",
         "two rotary tables", "embedding scale in F32", "config of transformers 5", "gradients of all weights"],
        weight_gradients=True, gguf="F32")

fixture("gemma3-early", "gemma3_text", Gemma3ForCausalLM,
        lambda: gemma_text(query_pre_attn_scalar=20, vocab_size=64, num_key_value_heads=3,
                           rope_parameters={"full_attention": {"rope_type": "linear", "rope_theta": 5000.0,
                                                               "factor": 8.0},
                                            "sliding_attention": {"rope_type": "default", "rope_theta": 100.0}}),
        ["query_pre_attn_scalar other than the head size", "BF16 weights, embedding scale rounded to BF16",
         "sliding_window_pattern, rope_theta, rope_local_base_freq, rope_scaling (linear, global layers only)"],
        dtype=torch.bfloat16, edit_config=gemma_of_early_2025)


def gemma_nested(**changes):
    vision = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1,
              "image_size": 8, "patch_size": 4}
    text = gemma_text(hidden_size=20, head_dim=6, num_attention_heads=2, **changes)
    return Gemma3Config(text_config=text.to_dict(), vision_config=vision, mm_tokens_per_image=4,
                        image_token_index=67, boi_token_index=65, eoi_token_index=66)


fixture("gemma3-nested", "gemma3_text", Gemma3ForConditionalGeneration,
        lambda: gemma_nested(query_pre_attn_scalar=6, attention_bias=True),
        ["text_config inside a multimodal config, vision tensors to be left alone", "attention biases"],
        tokens=64)

fixture("gemma3-renamed", "gemma3_text", Gemma3ForConditionalGeneration,
        lambda: gemma_nested(num_hidden_layers=2, layer_types=["sliding_attention", "full_attention"]),
        ["multimodal tensor names with the prefix model.language_model."],
        tokens=64, edit_tensors=with_inner_prefix)

fixture("gemma3-capped", "gemma3_text", Gemma3ForCausalLM,
        lambda: gemma_text(hidden_size=20, num_attention_heads=2, num_key_value_heads=2, head_dim=4,
                           query_pre_attn_scalar=4, num_hidden_layers=2, final_logit_softcapping=3.0,
                           hidden_activation="gelu", layer_types=["full_attention", "sliding_attention"]),
        ["final_logit_softcapping", "exact GELU gate"])


def gemma2(**changes):
    settings = dict(vocab_size=66, hidden_size=20, intermediate_size=28, num_hidden_layers=3, num_attention_heads=4,
                    num_key_value_heads=2, head_dim=6, query_pre_attn_scalar=9, max_position_embeddings=64,
                    sliding_window=5, attn_logit_softcapping=2.0, final_logit_softcapping=3.0, rms_norm_eps=1e-5,
                    rope_parameters={"rope_type": "default", "rope_theta": 500.0})
    return Gemma2Config(**{**settings, **changes})


fixture("gemma2-capped", "gemma2", Gemma2ForCausalLM, gemma2,
        ["scores and logits capped, both where it matters", "window of 5 in layers 0 and 2", "head size times heads differs "
         "from the width", "config of transformers 5", "gradients of all weights"],
        weight_gradients=True)

fixture("gemma2-early", "gemma2", Gemma2ForCausalLM,
        lambda: gemma2(num_hidden_layers=2, attention_bias=True, hidden_activation="gelu", attn_logit_softcapping=30.0,
                       head_dim=4, query_pre_attn_scalar=4),
        ["BF16 weights, embedding scale rounded to BF16", "attention biases", "the usual layers and caps left out",
         "config spelled as before transformers 5"],
        dtype=torch.bfloat16, edit_config=edited(layer_types=None))

fixture("gemma2-gguf", "gemma2", Gemma2ForCausalLM,
        lambda: gemma2(query_pre_attn_scalar=6, attn_logit_softcapping=50.0, final_logit_softcapping=30.0),
        ["GGUF: norms with one added, no scalar of the scores, layers in turn"], gguf="F32",
        gguf_not_read_by=["transformers"])
