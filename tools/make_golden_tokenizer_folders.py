#!/usr/bin/env python3
"""Golden values for tests/test_tokenizer_folders.c: what transformers' AutoTokenizer makes of folders.

    python3 tools/make_golden_tokenizer_folders.py          (needs: pip install transformers==5.24.0)

Writes tests/fixtures/tokenizer_folders.json: `base`, files that the cases share; `cases`, each with the files that
it adds or replaces (null: leaves out), texts with their ids (special tokens in the text taken as such), what is put
around a text, and the special tokens by name.
"""
import copy
import json
import os
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
from transformers import AutoTokenizer  # noqa: E402

OUT = os.path.join(os.path.dirname(__file__), "..", "tests", "fixtures", "tokenizer_folders.json")
TEXTS = ["<|im_start|>a th<|im_end|>b<tool>", " it's DON'T 123 12\n\n a.. 1  23   b ", "a<|endoftext|>b <s>th</s><image> <pad>", "e\u0301a \u00e9 \u0e17\u0e35", "x <|im_end|> y<x><y>th<z>"]

LETTERS = "abcdefghijklmnopqrstuvwxyzDONT'.,0123456789"
PIECES = ["<|endoftext|>", "\u0120", "\u010a"] + list(LETTERS) + ["\u00c3", "\u00a9", "\u00cc", "\u0123", "\u00e0", "\u00b8", "\u0139", "\u0137", "\u00b5"]
MERGES = ["t h", "\u0120 a", "1 2", "12 3", "' s", "\u0120 1", "\u010a \u010a", ". .", "\u00c3 \u00a9", "\u00cc \u0123", "\u00e0 \u00b8", "\u0120 \u0120", "\u00b8 \u0139"]
VOCAB = {p: i for i, p in enumerate(PIECES + [m.replace(" ", "") for m in MERGES])}


def tokenizer_json(added=(), post=None, vocab=None, normalizer=None):
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": list(added), "normalizer": normalizer,
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
            "post_processor": post, "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "", "end_of_word_suffix": "",
                      "fuse_unk": False, "byte_fallback": False, "ignore_merges": False, "vocab": VOCAB if vocab is None else vocab,
                      "merges": [m.split(" ") for m in MERGES]}}


def token(content, **flags):
    return {"content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False, **flags}


def listed(*tokens):
    return [dict(t, id=i) for i, t in tokens]


def template(*parts):
    single = [{"Sequence": {"id": "A", "type_id": 0}} if p is None else {"SpecialToken": {"id": p, "type_id": 0}} for p in parts]
    return {"type": "TemplateProcessing", "single": single, "pair": single + [{"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {p: {"id": p, "ids": [VOCAB.get(p, len(VOCAB))], "tokens": [p]} for p in parts if p}}


BASE = {"config.json": {"model_type": "llama"}, "tokenizer.json": tokenizer_json()}


def cases():
    end, im = token("<|endoftext|>", special=True), [token("<|im_start|>", special=True), token("<|im_end|>", special=True)]
    n = len(VOCAB)
    yield "nothing beside it", {}
    yield "an empty configuration", {"tokenizer_config.json": {}}
    # ---- added_tokens_decoder
    for name, decoder in {
        "in order": {"0": end, str(n): im[0], str(n + 1): im[1], str(n + 2): token("<tool>")},
        "out of order": {str(n + 1): im[1], str(n): im[0]},
        "with gaps": {"300": im[1], "200": im[0], "1000": token("<tool>", normalized=True)},
        "ids as text, 10 after 9": {"109": im[1], "1010": im[0], "20": token("<x>")},
        "lstrip": {str(n): dict(im[1], lstrip=True)},
        "rstrip": {str(n): dict(im[1], rstrip=True)},
        "both": {str(n): dict(im[1], rstrip=True, lstrip=True)},
        "single_word": {str(n): token("th", single_word=True), str(n + 1): token("<z>", single_word=True)},
        "a piece of the vocabulary": {"9": token("th", special=True)},
        "few flags": {str(n): {"content": "<tool>"}, str(n + 1): {"content": "<x>", "special": True}},
        "empty": {},
        "an empty content": {str(n): token(""), str(n + 1): token("<x>")},
    }.items():
        yield f"added_tokens_decoder {name}", {"tokenizer_config.json": {"added_tokens_decoder": decoder}}
    yield "added_tokens_decoder changes flags", {
        "tokenizer.json": tokenizer_json(listed((n, im[1]), (n + 1, token("<tool>", normalized=True)))),
        "tokenizer_config.json": {"added_tokens_decoder": {str(n): dict(im[1], lstrip=True), str(n + 1): token("<tool>", rstrip=True, special=True)}}}
    yield "added_tokens_decoder beside an older map", {
        "special_tokens_map.json": {"eos_token": "<x>", "additional_special_tokens": ["<y>"]}, "added_tokens.json": {"<z>": n},
        "tokenizer_config.json": {"added_tokens_decoder": {str(n): im[1]}, "eos_token": "<|im_end|>"}}
    # ---- names
    for name, config in {
        "eos_token nowhere else": {"eos_token": "<|im_end|>"},
        "four, new": {"pad_token": "<pad>", "bos_token": "<s>", "unk_token": "<x>", "eos_token": "</s>"},
        "sep, cls, mask": {"mask_token": "<z>", "sep_token": "<x>", "cls_token": "<y>"},
        "null": {"bos_token": None, "eos_token": "<|endoftext|>", "pad_token": None},
        "objects": {"eos_token": {"__type": "AddedToken", **token("<|im_end|>", lstrip=True)}, "bos_token": {"__type": "AddedToken", **token("<s>", normalized=True)}},
        "one of the model's own": {"image_token": "<image>", "eos_token": "<|endoftext|>"},
        "additional_special_tokens": {"additional_special_tokens": ["<|im_start|>", "<|im_end|>"], "eos_token": "<|im_end|>"},
        "extra_special_tokens": {"extra_special_tokens": ["<x>", "<tool>"]},
        "extra_special_tokens by name": {"extra_special_tokens": {"image_token": "<image>", "video_token": "<y>"}},
        "both lists": {"extra_special_tokens": ["<x>"], "additional_special_tokens": ["<y>"]},
        "one token twice": {"eos_token": "<|im_end|>", "pad_token": "<|im_end|>", "additional_special_tokens": ["<|im_end|>", "<x>"]},
    }.items():
        yield f"names: {name}", {"tokenizer_config.json": config}
    # ---- the older files
    for name, files in {
        "special_tokens_map": {"special_tokens_map.json": {"eos_token": "<|im_end|>", "bos_token": token("<s>", lstrip=True)}},
        "special_tokens_map over the configuration": {"special_tokens_map.json": {"eos_token": "<x>"}, "tokenizer_config.json": {"eos_token": "<y>", "pad_token": "<pad>"}},
        "added_tokens": {"added_tokens.json": {"<|im_end|>": n + 1, "<|im_start|>": n}},
        "added_tokens with gaps": {"added_tokens.json": {"<|im_end|>": 900, "<tool>": 500, "<|im_start|>": 700}},
        "added_tokens, some special": {"added_tokens.json": {"<|im_end|>": n, "<tool>": n + 1, "<x>": n + 2}, "tokenizer_config.json": {"eos_token": "<|im_end|>", "additional_special_tokens": ["<x>"]}},
        "added_tokens of the vocabulary": {"added_tokens.json": {"th": 3, "<x>": 4}},
    }.items():
        yield f"older files: {name}", files
    # ---- ids in tokenizer.json
    for name, added in {
        "id of another piece": [(5, token("<x>"))], "a gap": [(n + 8, token("<x>"))], "two gaps": [(n, token("<x>")), (n + 8, token("<y>"))],
        "two with one id": [(n, token("<x>")), (n, token("<y>"))], "not in order": [(n + 1, token("<x>")), (n, token("<y>"))],
        "a piece under another id": [(n, token("th"))], "one content twice": [(n, token("<x>")), (n + 1, token("<x>", lstrip=True, special=True))],
        "special and plain": [(n, token("<x>", special=True)), (n + 1, token("<y>", normalized=True)), (n + 2, token("<z>", special=True))],
    }.items():
        yield f"ids: {name}", {"tokenizer.json": tokenizer_json(listed(*added))}
    sparse = {p: i if i < 40 else i + 7 for p, i in VOCAB.items()}
    yield "ids: a vocabulary with a hole", {"tokenizer.json": tokenizer_json(listed(*((0, token(c)) for c in ["<x>", "<y>", "<z>", "<tool>", "<pad>"])), vocab=sparse)}
    # ---- BOS
    for kind, post in {"none": None, "ByteLevel": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True},
                       "BOS": template("<|endoftext|>", None), "BOS and EOS": template("<|endoftext|>", None, "<|endoftext|>"), "EOS": template(None, "<|endoftext|>")}.items():
        for said in ({}, {"add_bos_token": True}, {"add_bos_token": False}, {"add_eos_token": True, "add_bos_token": True}):
            yield f"post-processor {kind}, {said}", {"tokenizer.json": tokenizer_json(listed((0, end)), post), "tokenizer_config.json": {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", **said}}
    # ---- vocab.json and merges.txt
    old = {"tokenizer.json": None, "vocab.json": VOCAB, "merges.txt": "#version: 0.2\n" + "\n".join(MERGES) + "\n"}
    for cls in ("GPT2Tokenizer", "GPT2TokenizerFast", "Qwen2Tokenizer", "Qwen2TokenizerFast", "GPTNeoXTokenizerFast", "CohereTokenizer", "CohereTokenizerFast", "CodeGenTokenizer"):
        for model in ("llama", "gpt2", "qwen2", "qwen3"):
            yield f"{cls} in a {model}", {**old, "config.json": {"model_type": model}, "tokenizer_config.json": {"tokenizer_class": cls}}
    for model in ("gpt2", "gpt_neo", "gptj", "phi", "opt", "starcoder2", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "gpt_neox", "mpt", "olmo", "olmoe", "mamba", "cohere", "cohere2"):
        yield f"no class in a {model}", {**old, "config.json": {"model_type": model}}
    yield "class in config.json", {**old, "config.json": {"model_type": "llama", "tokenizer_class": "Qwen2Tokenizer"}}
    for cls in ("GPT2Tokenizer", "Qwen2Tokenizer", "GPTNeoXTokenizer", "CohereTokenizer"):
        for said in ({"add_prefix_space": True}, {"add_prefix_space": False}, {"add_bos_token": True}, {"add_bos_token": True, "bos_token": "<|endoftext|>"}, {"add_eos_token": True},
                     {"bos_token": None, "add_bos_token": True}, {"bos_token": "<s>", "add_bos_token": True, "add_eos_token": True, "eos_token": "</s>"}, {"unk_token": "<x>", "pad_token": "<pad>"}):
            yield f"{cls} with {said}", {**old, "config.json": {"model_type": "llama"}, "tokenizer_config.json": {"tokenizer_class": cls, **said}}
    yield "Qwen2 as it is published", {**old, "config.json": {"model_type": "qwen2"}, "added_tokens.json": {"<|im_end|>": n + 1, "<|im_start|>": n}, "special_tokens_map.json": {
        "additional_special_tokens": ["<|im_start|>", "<|im_end|>"], "eos_token": token("<|im_end|>"), "pad_token": "<|endoftext|>"}, "tokenizer_config.json": {
        "add_prefix_space": False, "additional_special_tokens": ["<|im_start|>", "<|im_end|>"], "bos_token": None, "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "tokenizer_class": "Qwen2Tokenizer", "unk_token": None,
        "added_tokens_decoder": {str(n): im[0], str(n + 1): im[1], "0": end}}}


def main():
    out = {"base": BASE, "texts": TEXTS, "cases": []}
    for name, files in cases():
        everything = {**copy.deepcopy(BASE), **files}
        with tempfile.TemporaryDirectory() as folder:
            for file, content in everything.items():
                if content is not None:
                    with open(os.path.join(folder, file), "w") as f:
                        f.write(content if isinstance(content, str) else json.dumps(content))
            try:
                tok = AutoTokenizer.from_pretrained(folder)
            except Exception as e:
                print(f"{name}: transformers refuses: {type(e).__name__}: {str(e)[:100]}")
                continue
            out["cases"].append({"name": name, "files": files, "ids": [tok.encode(t, add_special_tokens=False) for t in TEXTS],
                                 "around": tok.encode(" ", add_special_tokens=True), "named": dict(tok.special_tokens_map)})
    with open(OUT, "w") as f:
        json.dump(out, f, ensure_ascii=True, separators=(",", ":"))
        f.write("\n")
    print(len(out["cases"]), "cases")


if __name__ == "__main__":
    main()
