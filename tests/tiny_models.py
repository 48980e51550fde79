"""Models for tests of the tool: fixtures with a tokenizer of one character a token, and one of bytes."""
import json
import math
import os
import random
import shutil
import struct

MODELS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures", "models")
CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,;:!?'()éßöü-漢字🎉\n"


def puts_first(bos):
    """A post-processor that puts a token, named by its id as "<56>", before every text."""
    about = {"id": bos, "ids": [int(bos[1:-1])], "tokens": [bos]}
    return {"type": "TemplateProcessing", "pair": [], "special_tokens": {bos: about},
            "single": [{"SpecialToken": {"id": bos, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]}


def tokenizer(size, special, bos=None):
    """Token i is the i-th character, or a special token <i>."""
    vocabulary = {f"<{i}>" if i in special else CHARACTERS[i]: i for i in range(size)}
    added = [{"id": i, "content": f"<{i}>", "single_word": False, "lstrip": False, "rstrip": False,
              "normalized": False, "special": True} for i in special]
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
            "pre_tokenizer": None, "post_processor": puts_first(bos) if bos else None, "decoder": {"type": "Fuse"},
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                      "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
                      "ignore_merges": False, "vocab": vocabulary, "merges": []}}


def make_model(folder, fixture, special=(), config=None, template=None, **changes):
    """A copy of a fixture with a tokenizer; `changes` to config.json, `config`: tokenizer_config.json, whose
    bos_token, if there is one, is put before every text."""
    os.makedirs(folder)
    source = os.path.join(MODELS, fixture)
    for name in os.listdir(source):
        if name.endswith(".json") and name != "golden.json" or name.startswith("model") and "gguf" not in name:
            shutil.copy(os.path.join(source, name), folder)
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
        about = json.load(file)
    about.update(changes)
    size = about.get("text_config", about)["vocab_size"]
    for name, content in (("config.json", about),
                          ("tokenizer.json", tokenizer(size, special, (config or {}).get("bos_token"))),
                          ("tokenizer_config.json", dict(config or {}, chat_template=template) if template
                           else config or {})):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            json.dump(content, file)
    return folder


def byte_pieces():
    """The characters by which vocabularies of bytes write the bytes 0 to 255, as GPT-2 chose them."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(b if b in shown else next(others)) for b in range(256)]


def make_gguf(path, layers, width=16, neurons=32, heads=4, context=65536, seed=1):
    """A Llama of random weights in one GGUF file, a token a byte, but one for "th": it reads any text."""
    draw = random.Random(seed)
    pieces = byte_pieces() + ["<|endoftext|>", "th"]
    kinds = [1] * 256 + [3, 1]  # normal, control
    value = {int: (4, "<I"), float: (6, "<f"), bool: (7, "<?")}

    def string(text):
        data = text.encode()
        return struct.pack("<Q", len(data)) + data

    def field(key, found):
        if isinstance(found, str):
            return string(key) + struct.pack("<I", 8) + string(found)
        if isinstance(found, list):
            kind = 8 if isinstance(found[0], str) else 5
            items = b"".join(string(i) if kind == 8 else struct.pack("<i", i) for i in found)
            return string(key) + struct.pack("<IIQ", 9, kind, len(found)) + items
        kind, form = value[type(found)]
        return string(key) + struct.pack("<I", kind) + struct.pack(form, found)

    about = {"general.architecture": "llama", "llama.block_count": layers, "llama.context_length": context,
             "llama.embedding_length": width, "llama.feed_forward_length": neurons, "llama.attention.head_count": heads,
             "llama.attention.head_count_kv": heads, "llama.attention.layer_norm_rms_epsilon": 1e-5,
             "llama.rope.dimension_count": width // heads, "llama.rope.freq_base": 1e4,
             "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "gpt-2", "tokenizer.ggml.tokens": pieces,
             "tokenizer.ggml.token_type": kinds, "tokenizer.ggml.merges": ["t h"],
             "tokenizer.ggml.bos_token_id": 256, "tokenizer.ggml.eos_token_id": 256,
             "tokenizer.ggml.add_bos_token": False,
             "tokenizer.chat_template": "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\\n' }}{% endfor %}"}
    shapes = {"token_embd": (width, len(pieces)), "output_norm": (width,)}  # fastest dimension first
    for i in range(layers):
        shapes.update({f"blk.{i}.{name}": shape for name, shape in {
            "attn_norm": (width,), "attn_q": (width, width), "attn_k": (width, width), "attn_v": (width, width),
            "attn_output": (width, width), "ffn_norm": (width,), "ffn_gate": (width, neurons),
            "ffn_up": (width, neurons), "ffn_down": (neurons, width)}.items()})
    listed, data = b"", b""
    for name, shape in shapes.items():
        listed += string(name + ".weight") + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, len(data))
        count = math.prod(shape)
        numbers = [1.0] * count if len(shape) == 1 else [draw.gauss(0, shape[0] ** -0.5) for _ in range(count)]
        data += struct.pack(f"<{count}f", *numbers)
        data += bytes(-len(data) % 32)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(shapes), len(about)) + b"".join(map(field, about, about.values())) + listed
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(head + bytes(-len(head) % 32) + data)
    return path
