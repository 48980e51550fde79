"""Models for tests of the tool: fixtures with a tokenizer of one character a token."""
import json
import os
import shutil

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
