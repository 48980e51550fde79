#!/usr/bin/env python3
"""Inputs that fuzzing starts from: tests/fixtures/fuzz/{config,target,answer,listing,neuron_record,neuronpedia,regex,
tokenizer_config,chat_template,idx,image_networks,image_state,text_autoencoder,text_state,direction,
coder}/seed-*.

    tools/make_fuzz_seeds.py && make fuzz

A config is followed by a NUL and the smallest model.safetensors that it describes; an answer stands behind its address
and a NUL; a listing before a NUL and an index of shards; the tables of an export have NULs between them. Regular
expressions, files beside tokenizers and templates come from the golden fixtures. The other files in these folders were
found by libFuzzer.
"""
import base64
import collections
import gzip
import itertools
import json
import math
import pathlib
import random
import struct

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "fuzz"
V, C, H, D, F, P = 5, 4, 2, 2, 6, 8  # vocabulary, width, heads, head size, MLP, positions


def safetensors(shapes, metadata=None):
    header, data, draw = {"__metadata__": metadata} if metadata else {}, b"", random.Random(1)
    for name, shape in shapes.items():
        count = math.prod(shape)
        numbers = [draw.gauss(0, 0.5) for _ in range(count)]
        values = struct.pack(f"<{count}e", *(map(abs, numbers) if name == "std" else numbers))
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def both(shapes, name, rows, columns, bias):
    shapes[name + ".weight"] = [rows, columns]
    if bias:
        shapes[name + ".bias"] = [rows]


def norm(shapes, name, bias=True, width=C):
    shapes[name + ".weight"] = [width]
    if bias:
        shapes[name + ".bias"] = [width]


def gpt2():
    s = {"wte.weight": [V, C], "wpe.weight": [P, C]}
    norm(s, "ln_f")
    norm(s, "h.0.ln_1"), norm(s, "h.0.ln_2")
    for name, rows, columns in ("attn.c_attn", C, 3 * C), ("attn.c_proj", C, C), ("mlp.c_fc", C, F), ("mlp.c_proj", F, C):
        s[f"h.0.{name}.weight"], s[f"h.0.{name}.bias"] = [rows, columns], [columns]
    return s


def gpt_neo(layers=2):
    s = {"transformer.wte.weight": [V, C], "transformer.wpe.weight": [P, C]}
    norm(s, "transformer.ln_f")
    for l in range(layers):
        b = f"transformer.h.{l}."
        norm(s, b + "ln_1"), norm(s, b + "ln_2")
        for n in "qkv":
            both(s, f"{b}attn.attention.{n}_proj", C, C, False)
        both(s, b + "attn.attention.out_proj", C, C, True)
        both(s, b + "mlp.c_fc", F, C, True), both(s, b + "mlp.c_proj", C, F, True)
    return s


def neox():
    s = {"gpt_neox.embed_in.weight": [V, C], "embed_out.weight": [V, C]}
    norm(s, "gpt_neox.final_layer_norm")
    b = "gpt_neox.layers.0."
    norm(s, b + "input_layernorm"), norm(s, b + "post_attention_layernorm")
    both(s, b + "attention.query_key_value", 3 * C, C, True), both(s, b + "attention.dense", C, C, True)
    both(s, b + "mlp.dense_h_to_4h", F, C, True), both(s, b + "mlp.dense_4h_to_h", C, F, True)
    return s


def llama(layers=1, kv=1, bias=False, qk=False, post=False, head=False, prefix="model."):
    s = {prefix + "embed_tokens.weight": [V, C]}
    norm(s, prefix + "norm", False)
    if head:
        s["lm_head.weight"] = [V, C]
    for l in range(layers):
        b = f"{prefix}layers.{l}."
        names = ["input_layernorm", "post_attention_layernorm"]
        for n in names + (["pre_feedforward_layernorm", "post_feedforward_layernorm"] if post else []):
            norm(s, b + n, False)
        for n, rows in ("q", H * D), ("k", kv * D), ("v", kv * D):
            both(s, f"{b}self_attn.{n}_proj", rows, C, bias)
        if qk:
            norm(s, b + "self_attn.q_norm", False, D), norm(s, b + "self_attn.k_norm", False, D)
        both(s, b + "self_attn.o_proj", C, H * D, False)
        for n, rows, columns in ("gate", F, C), ("up", F, C), ("down", C, F):
            both(s, f"{b}mlp.{n}_proj", rows, columns, False)
    return s


def shape(kind, layers=1, kv=1, **more):
    return {"model_type": kind, "vocab_size": V, "hidden_size": C, "num_hidden_layers": layers, "num_attention_heads": H,
            "num_key_value_heads": kv, "intermediate_size": F, "max_position_embeddings": P, "head_dim": D,
            "tie_word_embeddings": True, "rms_norm_eps": 1e-5, **more}


CONFIGS = {
    "gpt2": ({"model_type": "gpt2", "vocab_size": V, "n_positions": P, "n_embd": C, "n_layer": 1, "n_head": H, "n_inner": F,
              "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5, "scale_attn_weights": False,
              "scale_attn_by_inverse_layer_idx": True}, gpt2()),
    "gpt-neo": ({"model_type": "gpt_neo", "vocab_size": V, "max_position_embeddings": P, "hidden_size": C, "num_layers": 2,
                 "num_heads": H, "intermediate_size": F, "window_size": 2,
                 "attention_types": [[["global", "local"], 1]]}, gpt_neo()),
    "gpt-neo-list": ({"model_type": "gpt_neo", "vocab_size": V, "max_position_embeddings": P, "hidden_size": C,
                      "num_layers": 2, "num_heads": H, "intermediate_size": F, "window_size": 2,
                      "attention_layers": ["local", "global"]}, gpt_neo()),
    "gpt-neox": ({"model_type": "gpt_neox", "vocab_size": V, "max_position_embeddings": P, "hidden_size": C,
                  "num_hidden_layers": 1, "num_attention_heads": H, "intermediate_size": F, "rotary_pct": 1.0,
                  "rotary_emb_base": 10000, "use_parallel_residual": False, "hidden_act": "gelu",
                  "rope_scaling": {"type": "linear", "factor": 2.0}, "tie_word_embeddings": False}, neox()),
    "llama": (shape("llama", rope_scaling={"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                                           "high_freq_factor": 4.0, "original_max_position_embeddings": 4}),
              llama()),
    "llama-bias": (shape("mistral", kv=2, sliding_window=2, tie_word_embeddings=False, rope_interleaved=True),
                   llama(kv=2, bias=True, head=True)),
    "qwen2": (shape("qwen2", use_sliding_window=True, sliding_window=2, max_window_layers=0, layer_types=None),
              llama(bias=True)),
    "qwen3": (shape("qwen3", use_sliding_window=True, sliding_window=2, layer_types=["sliding_attention"]),
              llama(qk=True)),
    "gemma3": ({"model_type": "gemma3", "text_config": shape(
        "gemma3_text", sliding_window=2, sliding_window_pattern=2, query_pre_attn_scalar=2, final_logit_softcapping=30.0,
        attn_logit_softcapping=50.0, rope_local_base_freq=10000.0, dtype="bfloat16",
        rope_parameters={"full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
                         "sliding_attention": {"rope_type": "default", "rope_theta": 1e4}})},
        llama(qk=True, post=True, prefix="language_model.model.")),
}
TARGETS = ["L1.N3", "-L1N7", "2.5", "1/2", "gpt2-small/0/7", "layers/1/neurons/4", "blocks.1.mlp.hook_post:3",
           "blocks.1.mlp.hook_post[3]", "model.layers.1.mlp:3", "transformer.h.0.mlp.act:2", "gpt_neox.layers.2.mlp.act:1",
           "blocks.0.hook_resid_pre:5", "post1:2", "1.post:2", "mlp_mid1:0", "normalized1ln2:4", "scale0ln1:0",
           "hook_pos_embed:1", "rot_q1:3", "blocks.1.mlp.hook_pre_linear:6", "blocks.2.attn.hook_result:17",
           "ln_final.hook_normalized:2", "unembed.hook_in:1", "hook_embed:0", "attn1:0", "logit:\" a\"", "logit: a",
           "-logit:#3", "logit:\"", "logit:\"]\"", "attention:L1.H2[-1,0]", "attention:L1H0[3,-4]", "-attention:L0.H1[-9,2]",
           "direction:tests/fixtures/fuzz/target/vector@blocks.1.hook_resid_mid",
           "direction:tests/fixtures/fuzz/target/standardised@resid_post0",
           "direction:nowhere.safetensors@ln_final.hook_scale", "direction:@", "L3.N0", "L0.N8", "L999999999.N0",
           "blocks.1.mlp.hook_post:99999999999999999999", "blocks.7.mlp.hook_post:1", "nonsense"]
KEY = "sk-fuzz-0123456789"
WORDS = "names of colours"


def choice(message, **more):
    return {"choices": [{"message": message, "finish_reason": "stop", **more}], "usage": {"prompt_tokens": 3}}


def token(text, **more):
    return {"token": text, "logprob": -0.5, "bytes": list(text.encode()), **more}


def stream(*deltas):
    events = [{"choices": [{"delta": d, "logprobs": {"content": [token(d.get("content") or "")]}}]} for d in deltas]
    return "".join(f"data: {json.dumps(e)}\r\n\r\n" for e in events) + ": more\ndata: [DONE]\n"


ANSWERS = [
    choice({"role": "assistant", "content": WORDS}),
    choice({"content": "1: 1\n2: 0\n3\tb\t7"}, logprobs={"content": [token("1", top_logprobs=[token("1"), token("0")]),
                                                                     token(": "), token("1\n2: 0\n3\tb\t7")]}),
    choice({"content": "[1, 0, 1]"}, logprobs={"tokens": ["[1", ", 0, 1]"], "token_logprobs": [-0.1, None],
                                               "top_logprobs": [{"[1": -0.1}, None]}),
    choice({"content": None, "reasoning_content": "Hm."}), choice({"content": "", "refusal": "No."}),
    choice({"content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": WORDS}, " too"]}),
    choice({"content": {"parts": [{"thought": True, "text": "Hm."}, {"text": {"value": WORDS}}]}}),
    choice({"content": "<think>Hm. 4</think>\n\n**Rating: 5/5**"}), choice({"content": "<Thinking a=\"b\">Hm."}),
    choice({"content": "<|channel|>analysis<|message|>Hm.<|end|><|channel|>final<|message|>Sure! Here it is:\n```\n- x\n```"}),
    choice({"content": "\u25c1think\u25b7Hm.\u25c1/think\u25b7<answer>x</answer>[THINK]"}),
    choice({"content": f"{KEY} {base64.b64encode(KEY.encode()).decode()} {KEY.encode().hex()} %73k-fuzz-0123456789 "
                       + "".join(f"&#{ord(c)};" for c in KEY) + "".join(f"\\u{ord(c):04x}" for c in KEY)}),
    {"error": {"message": "no", "code": 502}}, {"error": "no"}, {"detail": [{"msg": "no"}]}, {"object": "error", "message": "no"},
    {"choices": []}, {"choices": [{"text": WORDS}]}, [], 7,
    stream({"role": "assistant", "content": "names "}, {"content": "of colours"}, {"content": None}, {"reasoning": "Hm."}),
    stream({"content": KEY[:5]}, {"content": KEY[5:]}), "data: {\"error\":{\"message\":\"no\"}}\n", "event: x\ndata: 7\n", "{\"cut\": ",
]
ADDRESSES = ["https://a.org/v1/chat/completions", "https://me:pass%2Fword@a.org/v1?key=hunter2hunter2&api-version=2024-06-01",
             "http://[::1]:8/?a=b;c=d&e#f?g=h", "://@?&=#", ""]
DIGEST = "0123456789abcdef" * 4


def file(path, size=4, large=False):
    entry = {"type": "file", "path": path, "size": size, "oid": DIGEST[:40]}
    return dict(entry, lfs={"oid": DIGEST, "size": size}) if large else entry


INDEX = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
LISTINGS = [
    ([file("config.json"), file("tokenizer.json"), file("model.safetensors", 9, True), file("pytorch_model.bin", 9, True)], None),
    ([file("config.json"), file("model.safetensors.index.json")] + [file(s, 9, True) for s in INDEX["weight_map"].values()], INDEX),
    ([file("config.json"), file("model.safetensors.index.json")], {"weight_map": {"a": "../x", "b": 7}}),
    ([file("a-Q4_K_M.gguf", 9, True), file("sub/a-Q8_0.gguf", 9, True), file("mmproj-a.gguf"), {"type": "directory", "path": "sub"}], None),
    ([file("a-Q4_0-00001-of-00002.gguf", 9, True), file("adapter_model.safetensors"), file("adapter_config.json")], None),
    ([file("../config.json"), file("/etc/tokenizer.json"), file("a//model.safetensors"), file("chat_template\\x")], None),
    ([{"type": "file", "path": "a", "size": -1, "oid": DIGEST[:40]}], None), ([{"type": "file"}], None), ({}, None),
]


def record(level):
    return {"tokens": [" red", "\n", "\u00e9"], "activations": [level, -0.05, 0]}


NEURON = {"neuron_id": {"layer_index": 3, "neuron_index": 14}, "most_positive_activation_records": [record(5.0)] * 4,
          "random_sample": [record(-0.1)] * 3, "random_sample_by_quantile": [[record(0.1)], []], "quantile_boundaries": [0.5],
          "mean": float("nan"), "variance": None, "skewness": float("-inf"), "kurtosis": 1e308}
SIMULATION = {"tokens": [" red", "b"], "expected_activations": [7.5, 0], "activation_scale": "simulated_normalized_activations",
              "distribution_values": [[0, 10], [0]], "distribution_probabilities": [[0.25, 0.75], [1]],
              "uncalibrated_simulation": None}
RESULTS = {"neuron_id": {"layer_index": 3, "neuron_index": 14}, "scored_explanations": [
    {"explanation": WORDS, "scored_simulation": {"scored_sequence_simulations": [
        {"simulation": SIMULATION, "true_activations": [5, 0], "ev_correlation_score": 1.0, "rsquared_score": None,
         "absolute_dev_explained_score": float("nan")}], "ev_correlation_score": 1.0, "rsquared_score": 0.5,
        "absolute_dev_explained_score": 0.5}}]}
RECORDS = [NEURON, {**NEURON, "dataclass_name": "NeuronRecord", "neuron_id": {"layer_index": 3, "neuron_index": 14,
           "dataclass_name": "NeuronId"}}, RESULTS, {**RESULTS, "dataclass_name": "NeuronSimulationResults"},
           {k: v for k, v in NEURON.items() if k != "neuron_id"}, {**NEURON, "random_sample": [{"tokens": ["a"]}]}, {}, [NEURON]]
ACTIVATION = {"index": "14", "tokens": [" red", "b"], "values": [5.0, 0.0], "maxValue": 5.0, "maxValueTokenIndex": 0}
FEATURE = {"modelId": "m", "layer": "3", "index": "14", "pos_str": [" red"], "pos_values": [1.5], "neg_str": ["b"],
           "neg_values": [-1.5], "frac_nonzero": 0.25}
TABLES = [[FEATURE], [ACTIVATION, {**ACTIVATION, "values": [0, 0]}, {**ACTIVATION, "index": "15"}],
          [{"index": "14", "description": WORDS, "typeName": "np_max-act-logits", "explanationModelName": "m"}]]


def plain(value):
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def table(rows):
    return "".join(plain(row) + "\n" for row in rows)


def exchange_seeds():
    yield from (("answer", (ADDRESSES[i % len(ADDRESSES)] + "\0" + plain(a)).encode()) for i, a in enumerate(ANSWERS))
    for files, index in LISTINGS:
        yield "listing", (plain(files) + ("\0" + plain(index) if index else "")).encode()
    yield from (("neuron_record", plain(r).encode()) for r in RECORDS)
    yield "neuronpedia", plain({**FEATURE, "activations": [ACTIVATION], "explanations": TABLES[2]}).encode()
    yield "neuronpedia", "\0".join(map(table, TABLES)).encode()
    yield "neuronpedia", "\0".join(map(table, [TABLES[0], ["{", 7, {"index": 14, "tokens": 3}], []])).encode()
    yield "neuronpedia", gzip.compress(table(TABLES[1]).encode(), mtime=0)
    yield "neuronpedia", gzip.compress(table(TABLES[1]).encode(), mtime=0)[:40]


def idx(shape, elements):
    return struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape) + bytes(elements)


def pair(images, labels):
    return struct.pack("<I", len(images)) + images + labels


def idx_seeds():
    images, labels = idx([2, 28, 28], [i % 256 for i in range(2 * 784)]), idx([2], [3, 9])
    yield from (idx([3], [1, 2, 3]), idx([2, 3], range(6)), idx([2, 1, 2], range(4)), idx([0], []), idx([4, 0, 7], []))
    yield from (idx([5], [1, 2, 3]), idx([1], [1, 2]), idx([2**32 - 1] * 3, [1]), idx([2**32 - 1], [1]), b"\0\0\x0d\1\0\0\0\1", b"")
    packed = gzip.compress(idx([3], [1, 2, 3]), mtime=0)
    yield from (packed, packed[:-1], packed[:-8], packed[:12], packed + b"x", packed[:-5] + b"x" + packed[-4:])
    yield from (pair(gzip.compress(images, mtime=0), labels), pair(gzip.compress(images, mtime=0), idx([2], [3, 10])))
    yield from (pair(gzip.compress(images, mtime=0), idx([1], [3])), pair(idx([0, 28, 28], []), idx([0], [])))


CLASSIFIER = {"classifier.conv1.weight": [2, 3, 3, 1], "classifier.conv1.bias": [2], "classifier.norm1.weight": [2],
              "classifier.norm1.bias": [2], "classifier.dense1.weight": [10, 2], "classifier.dense1.bias": [10]}
AUTOENCODER = {"encoder.dense1.weight": [2, 1], "encoder.dense1.bias": [2], "decoder.dense1.weight": [196, 1],
               "decoder.dense1.bias": [196]}


def image_network_seeds():
    yield safetensors(CLASSIFIER, {"classifier.network": "28x28x1 conv2/2 norm2 relu maxpool silu average dense10"})
    yield safetensors(AUTOENCODER, {"encoder.network": "28x28x1 average dense2", "decoder.network": "1x1x1 dense14x14x1 upsample",
                                    "code_norms": json.dumps([i / 100 for i in range(101)])})
    for network in ("28x28x1 dense4096x4096x4096", "1024x1024x4 conv4096", "28x28x1 norm0", "28x28x1", "x conv1",
                    "28x28x4 shuffle average dense10", "28x28x1" + " relu" * 65, "1x1x1 maxpool", "28x28x1 conv16/3"):
        yield safetensors(CLASSIFIER, {"classifier.network": network})


def state_seeds(sums, curves):
    rows = [(step, "0.5", curve) for step, curve in curves]
    rows += [(step, "0.5", "[]") for step in ("", "-1", "99", "1x")] + [("0", total, "[]") for total in ("nan", "1e999", "x")]
    rows.append(("0", "0.5", "{"))
    for step, total, curve in rows:
        yield "".join(text + "\0" for text in [step] + [total] * sums + [curve]).encode() + b"-" + struct.pack("<3f", 0.5, 2, 3)
    step, curve = curves[0]
    good = "".join(text + "\0" for text in [step] + ["0.5"] * sums + [curve]).encode()
    yield from (good, good + b"b", good + b"-" + struct.pack("<2f", -1, 0), good + b"-" + struct.pack("<2f", 1e38, 0))


IMAGE_CURVES = [(str(step), json.dumps({key: [0.5] * n for key in ("train_loss", "loss", "accuracy")}))
                for step, n in ((3, 1), (0, 0), (6, 3), (3, 3))] + [("2", '{"train_loss":["a"],"loss":[1],"accuracy":[null]}'), ("0", "[]")]
TEXT_CURVES = [("9", "[[4,1.5,0.5,1.25,1.0,0.5,0.25],[8,1,0,1,1,1,1]]"), ("0", "[]"), ("3", "[[4,1,0,1,1,1,1]]"),
               ("9", "[[8,1,0,1,1,1,1],[4,1,0,1,1,1,1]]"), ("9", "[[4,1]]"), ("9", "[7]"), ("9", '[["4",1,0,1,1,1,1]]'), ("9", "{}"), ("9", "[[-4,1,0,1,1,1,1]]")]


def text_autoencoder_seeds():
    width, tokens, slots, per_slot, code, subject, hidden = 4, 4, 2, 2, 4, 6, 32
    shapes = {"in": [width, subject], "in_expect": [width, subject], "in_position": [tokens, width], "slot": [slots, width],
              "in_bind": [per_slot, width], "code": [code, width], "from_code": [width, code], "slot_position": [slots, width],
              "bind": [per_slot, width], "token": [width, subject], "expect": [width, subject], "position": [tokens, width],
              "start": [1, width], "mask": [1, width], "out": [subject, width], "site_mean": [subject]}
    for side in "encoder", "decoder":
        block = f"{side}.blocks.0."
        shapes |= {block + "ln1": [1, width], block + "qkv": [3 * width, width], block + "o": [width, width], block + "ln2": [1, width],
                   block + "up": [2 * hidden, width], block + "down": [width, hidden], side + ".final_norm": [1, width]}
    about = {"kind": "text autoencoder", "subject": "a", "subject_hash": "fuzz", "site": "hook_embed", "language_model": "true",
             "width": str(width), "heads": "1", "encoder_layers": "1", "decoder_layers": "1", "code": str(code),
             "tokens_per_slot": str(per_slot), "tokens": str(tokens), "bos": "0", "noise": "1.5", "site_scale": "0.5"}
    yield safetensors(shapes, about)
    yield safetensors({**shapes, "site_out": [subject, width]}, {**about, "site": "blocks.1.hook_resid_pre"})
    for change in ({"width": "4096", "heads": "64", "encoder_layers": "24", "decoder_layers": "24"}, {"code": "4096"}, {"site_scale": "0"},
                   {"site_scale": "1e300"}, {"bos": "6"}, {"noise": "nan"}, {"tokens": "8"}, {"language_model": "false", "bos": "-1"},
                   {"tokens_per_slot": "0"}, {"heads": "3"}, {"site": "blocks.9.hook_resid_pre"}, {"width": "4.7"}):
        yield safetensors(shapes, {**about, **change})


def direction_seeds():
    shapes = ({"vector": [6]}, {"x": [2, 3]}, {"vector": [6], "mean": [6], "std": [6]}, {"vector": [6], "std": [6]},
              {"vector": [6], "mean": [6]}, {"vector": [5]}, {"mean": [6], "std": [6]}, {"vector": [0]})
    yield from map(safetensors, shapes)
    standard = safetensors({"vector": [6], "mean": [6], "std": [6]})
    yield from (standard[:-2] + b"\0\0", standard[:-2] + struct.pack("<e", float("inf")), standard[:-26] + b"\0\x7e" + standard[-24:], b"")


def training_seeds():
    yield from (("idx", s) for s in idx_seeds())
    yield from (("image_networks", s) for s in image_network_seeds())
    yield from (("image_state", s) for s in state_seeds(1, IMAGE_CURVES))
    yield from (("text_state", s) for s in state_seeds(2, TEXT_CURVES))
    yield from (("text_autoencoder", s) for s in text_autoencoder_seeds())
    yield from (("direction", s) for s in direction_seeds())
    yield from (("coder", s) for s in coder_seeds())


CODER_FILES = [("cfg.json", "sae_weights.safetensors"), ("cfg.json", "sae.safetensors"), ("config.json", "params.safetensors"),
               ("config.json", "params.npz"), ("config.json", "sae_weights.safetensors"), ("config.yaml", "layer_1.safetensors"),
               ("hyperparams.json", "checkpoints/final.safetensors"), ("config.json", "ae.pt")]  # as in fuzz/fuzz_coder.c


def coder_seeds():
    for folder in sorted(p.parent for p in (OUT.parent / "features").glob("**/expected.json")):
        for i, (config, weights) in enumerate(CODER_FILES):
            if (folder / weights).exists() and ((folder / config).exists() or weights == "params.npz"):
                about = (folder / config).read_bytes() if (folder / config).exists() else b""
                yield bytes([ord("a") + i]) + about + b"\0" + (folder / weights).read_bytes()


def golden(name):
    return json.loads((OUT.parent / name).read_text(encoding="utf-8"))


def beside(case):
    """The files of a case as fuzz/fuzz_tokenizer_config.c wants them."""
    names = ["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "config.json"]
    files = [json.dumps(case["files"][n], separators=(",", ":")) if case["files"].get(n) is not None else "" for n in names]
    return ("v" if "vocab.json" in case["files"] else "") + "\0".join(files) + "\0"


def from_fixtures():
    regex = golden("regex.json")
    patterns = list(regex["classes"]) + [p["pattern"] for p in regex["patterns"]]
    yield "regex", (p.encode() for p in patterns[::2])
    yield "tokenizer_config", (beside(c).encode() for c in golden("tokenizer_folders.json")["cases"][::2])
    templates = [t for t, _ in golden("chat_templates/jinja.json") if t.startswith("{%") or "messages" in t or "format" in t]
    yield "chat_template", (t.encode() for t in templates[::4])


def main():
    for folder, inputs in from_fixtures():
        (OUT / folder).mkdir(parents=True, exist_ok=True)
        for i, content in enumerate(inputs):
            (OUT / folder / f"seed-{i:03}").write_bytes(content)
    for folder in "config", "target":
        (OUT / folder).mkdir(parents=True, exist_ok=True)
    count = collections.Counter()
    for folder, content in itertools.chain(exchange_seeds(), training_seeds()):
        (OUT / folder).mkdir(parents=True, exist_ok=True)
        (OUT / folder / f"seed-{count[folder]:02}").write_bytes(content)
        count[folder] += 1
    for name, (config, shapes) in CONFIGS.items():
        text = json.dumps(config, separators=(",", ":")).encode()
        (OUT / "config" / f"seed-{name}").write_bytes(text + b"\0" + safetensors(shapes))
    for i, name in enumerate(TARGETS):
        (OUT / "target" / f"seed-{i:02}").write_bytes(name.encode())
    (OUT / "target" / "vector").write_bytes(safetensors({"vector": [6]}))
    (OUT / "target" / "standardised").write_bytes(safetensors({"vector": [6], "mean": [6], "std": [6]}))


main()
