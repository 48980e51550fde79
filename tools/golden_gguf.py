"""Writes a tiny transformers model as GGUF, the way llama.cpp's converter lays it out, and has the
file judged by whoever can read it: transformers (gguf_file=) and, where installed, llama.cpp."""

import math

import gguf
import numpy as np
import torch
import transformers

ARCHITECTURES = {"gpt2": gguf.MODEL_ARCH.GPT2, "gpt_neox": gguf.MODEL_ARCH.GPTNEOX,
                 "llama": gguf.MODEL_ARCH.LLAMA, "qwen2": gguf.MODEL_ARCH.QWEN2,
                 "qwen3": gguf.MODEL_ARCH.QWEN3, "gemma3_text": gguf.MODEL_ARCH.GEMMA3, "gemma2": gguf.MODEL_ARCH.GEMMA2}


def write_gguf(path, model, fixture):
    family = fixture["family"]
    config = model.config.get_text_config()
    architecture = ARCHITECTURES[family]
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[architecture])
    write_metadata(writer, family, config)
    write_vocabulary(writer, config.vocab_size)
    names = gguf.get_tensor_name_map(architecture, config.num_hidden_layers)
    kind = gguf.GGMLQuantizationType[fixture["gguf"]]
    state = model.state_dict()
    tied = config.tie_word_embeddings
    for name, tensor in state.items():
        if (tied and name == "lm_head.weight") or name.endswith((".attn.bias", ".masked_bias")):
            continue
        stem, suffix = name.rsplit(".", 1)
        target = names.get_name(stem.replace("model.language_model.", "model."))
        if target is None:
            raise SystemExit(f"gguf has no name for {name}")
        data = arrange(family, config, name, tensor).to(torch.float32).numpy()
        write_tensor(writer, f"{target}.{suffix}", data, kind)
    if family == "llama" and config.rope_parameters["rope_type"] == "llama3":
        writer.add_tensor("rope_freqs.weight", llama3_factors(config))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_tensor(writer, name, data, kind):
    """Vectors stay float32, as in files that people have; rows that no block fits stay so too."""
    if data.ndim == 1 or kind == gguf.GGMLQuantizationType.F32:
        writer.add_tensor(name, np.ascontiguousarray(data))
    else:
        writer.add_tensor(name, gguf.quants.quantize(np.ascontiguousarray(data), kind), raw_dtype=kind)


def round_weights(model, kind):
    """Gives matrices the values that a GGUF type can hold, so that file and folder agree."""
    kind = gguf.GGMLQuantizationType[kind]
    with torch.no_grad():
        for p in model.parameters():
            if p.dim() == 2:
                rounded = gguf.quants.dequantize(gguf.quants.quantize(p.numpy(), kind), kind)
                p.copy_(torch.from_numpy(rounded))


def arrange(family, config, name, tensor):
    """What the converter changes about a tensor of the transformers state."""
    if family == "gpt2" and name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight")):
        return tensor.T
    if family == "gpt_neox" and "query_key_value" in name:  # q, k, v inside each head -> all q, all k, all v
        heads = config.num_attention_heads
        return tensor.unflatten(0, (heads, 3, -1)).transpose(0, 1).flatten(0, 2)
    if family == "llama" and ".q_proj." in name:
        return interleaved(tensor, config.num_attention_heads)
    if family == "llama" and ".k_proj." in name:
        return interleaved(tensor, config.num_key_value_heads)
    if family in ("gemma2", "gemma3_text") and name.endswith("norm.weight"):
        return tensor + 1
    return tensor


def interleaved(rows, heads):
    """Rows of a head from (first halves, second halves) of the rotated pairs to pair after pair."""
    return rows.unflatten(0, (heads, 2, -1)).transpose(1, 2).flatten(0, 2)


def llama3_factors(config):
    """What each rotary frequency is divided by."""
    rope = config.rope_parameters
    frequencies = rope["rope_theta"] ** -(torch.arange(0, config.head_dim, 2).double() / config.head_dim)
    original, low, high = (rope[k] for k in ("original_max_position_embeddings", "low_freq_factor", "high_freq_factor"))
    factors = []
    for f in frequencies.tolist():
        wavelength = 2 * math.pi / f
        if wavelength < original / high:
            factors.append(1.0)
        elif wavelength > original / low:
            factors.append(rope["factor"])
        else:
            smooth = (original / wavelength - low) / (high - low)
            factors.append(1 / ((1 - smooth) / rope["factor"] + smooth))
    return np.array(factors, np.float32)


def write_metadata(writer, family, config):
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_head_count(config.num_attention_heads)
    if family == "gpt2":
        writer.add_feed_forward_length(config.n_inner or 4 * config.n_embd)
        writer.add_layer_norm_eps(config.layer_norm_epsilon)
        return
    writer.add_vocab_size(config.vocab_size)
    writer.add_feed_forward_length(config.intermediate_size)
    if family == "gpt_neox":
        rope = config.rope_parameters
        writer.add_layer_norm_eps(config.layer_norm_eps)
        writer.add_rope_dimension_count(int(size * rope["partial_rotary_factor"]))
        writer.add_rope_freq_base(rope["rope_theta"])
        writer.add_parallel_residual(config.use_parallel_residual)
        return
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_key_length(size)
    writer.add_value_length(size)
    rope = config.rope_parameters
    if family == "gemma3_text":
        writer.add_sliding_window(config.sliding_window)
        if "full_attention" in config.layer_types:
            writer.add_sliding_window_pattern(config.layer_types.index("full_attention") + 1)
        if config.final_logit_softcapping:
            writer.add_final_logit_softcapping(config.final_logit_softcapping)
        rope = rope["full_attention"]
    elif family == "gemma2":
        writer.add_sliding_window(config.sliding_window)
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
        writer.add_final_logit_softcapping(config.final_logit_softcapping)
    else:
        writer.add_rope_dimension_count(size)
    writer.add_rope_freq_base(rope["rope_theta"])
    if rope["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])


def write_vocabulary(writer, count):
    """The least that readers ask for: byte-level BPE without merges."""
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([f"t{i}" if i > 25 else chr(97 + i) for i in range(count)])
    writer.add_token_types([gguf.TokenType.NORMAL] * count)
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_add_bos_token(False)


# ---- judging --------------------------------------------------------------------------------------

# llama.cpp looks GELU up in a table of halves, and rounds activations to the format of the weights.
# That bounds its agreement; a tensor read wrongly would put logits off by about one.
LLAMA_CPP_ROUNDS = {"F32": 1e-3, "F16": 3e-3, "BF16": 2e-2, "Q8_0": 1e-1}

def check_gguf(path, judge, fixture, golden):
    """Relative difference of sequence 0's logits from golden, by reader. A reader that has the file
    wrong would be off by far more than the tolerance, so that ends the run."""
    expected = golden["0.logits"].double()
    found = {}
    readers = {"transformers": with_transformers, "llama.cpp": with_llama_cpp}
    for reader, read in readers.items():
        if reader in fixture.get("gguf_not_read_by", ()):
            continue
        logits = read(path, judge, fixture)
        if logits is not None:
            worst = ((logits - expected).abs().max() / expected.abs().max()).item()
            limit = 1e-5 if reader == "transformers" else LLAMA_CPP_ROUNDS[fixture["gguf"]]
            if not worst < limit:
                raise SystemExit(f"{fixture['name']}: {reader} reads model.gguf with logits off by {worst:.2e}")
            found[reader] = float(f"{worst:.2g}")
    return {"difference": found}


def with_transformers(path, judge, fixture):
    config = type(judge.base.config)(**judge.base.config.to_dict())
    model = transformers.AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, config=config, dtype=torch.float32, attn_implementation="eager")
    with torch.no_grad():
        return model.eval()(input_ids=torch.tensor([fixture["ids"][0]])).logits[0].double()


def with_llama_cpp(path, judge, fixture):
    try:
        import llama_cpp
    except ImportError:
        return None
    global quiet  # the library keeps the pointer
    quiet = llama_cpp.llama_log_callback(lambda level, text, data: None)
    llama_cpp.llama_log_set(quiet, None)
    model = llama_cpp.Llama(str(path), n_ctx=64, n_batch=64, n_threads=1, logits_all=True, verbose=False,
                            type_k=llama_cpp.GGML_TYPE_F32, type_v=llama_cpp.GGML_TYPE_F32)
    model.eval(fixture["ids"][0])
    return torch.tensor(model.scores[:len(fixture["ids"][0])].astype(np.float64))
