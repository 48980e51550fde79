#!/usr/bin/env python3
"""What transformers draws tokens from, and how it goes on with a text: tests/fixtures/generate/.

    python -m venv venv && venv/bin/pip install torch transformers accelerate gguf
    venv/bin/python tools/make_golden_generate.py           # sampling.json and ends.json, quick
    tools/get-model smollm2-135m; tools/get-model gemma3-270m
    venv/bin/python tools/make_golden_generate.py greedy    # greedy.json too

sampling.json: logits over a small vocabulary, and for several settings the probabilities that are left
after the temperature, top-k and top-p warpers.  greedy.json: prompts, and the tokens that always
taking the likeliest gives in float32, up to the first place where the two likeliest are closer than
MARGIN logits (or the end of the text).  ends.json: the tokens of a tiny model up to the end token, which
config.json and generation_config.json name in different ways.
"""
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import torch
import transformers

OUT = Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "generate"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "reverie" / "models"
SETTINGS = [(1.0, 0, 1.0), (0.7, 0, 1.0), (1.0, 5, 1.0), (1.0, 0, 0.8), (0.5, 0, 0.9), (1.3, 8, 0.6), (2.0, 1, 1.0),
            (1.0, 3, 0.3), (1.0, 100, 0.99)]
TOKENS, MARGIN = 40, 1e-2
PROMPTS = ["The lighthouse keeper counted the ships twice every evening. On Tuesday", "def fibonacci(n):\n    "]
MESSAGE = "Name three rivers in Europe."


def write(name, value):
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / name).write_text(json.dumps(value, ensure_ascii=False, indent=None, separators=(", ", ": ")) + "\n")


def sampling():
    logits = torch.randn(24, generator=torch.Generator().manual_seed(1)) * 2.5
    logits = torch.round(logits * 1000) / 1000
    cases = []
    for temperature, top_k, top_p in SETTINGS:
        scores = transformers.TemperatureLogitsWarper(temperature)(None, logits[None])
        if top_k:
            scores = transformers.TopKLogitsWarper(top_k)(None, scores)
        if top_p < 1:
            scores = transformers.TopPLogitsWarper(top_p)(None, scores)
        cases.append({"temperature": temperature, "top_k": top_k, "top_p": top_p,
                      "probabilities": [round(p, 7) for p in scores.softmax(-1)[0].tolist()]})
    write("sampling.json", {"logits": [round(x, 3) for x in logits.tolist()], "cases": cases})


def continuation(model, ids, end):
    out = model.generate(torch.tensor([ids]), max_new_tokens=TOKENS, do_sample=False, output_logits=True,
                         return_dict_in_generate=True, attention_mask=torch.ones(1, len(ids)))
    made = []
    for token, logits in zip(out.sequences[0, len(ids):].tolist(), out.logits):
        best = logits[0].topk(2).values
        if best[0] - best[1] < MARGIN or token in end:
            break
        made.append(token)
    return made


def ends():
    """A tiny model whose files name end tokens in every way. Where both name some, both count."""
    source = OUT.parent / "models" / "neox-pythia"
    prompt, out = [7, 11, 3, 30], []
    with tempfile.TemporaryDirectory() as folder:
        for name in "config.json", "model.safetensors":
            shutil.copy(source / name, folder)
        config = json.loads((source / "config.json").read_text())

        def run(named, generation, **more):
            Path(folder, "config.json").write_text(json.dumps({**config, "eos_token_id": named}))
            Path(folder, "generation_config.json").unlink(missing_ok=True)
            if generation is not None:
                Path(folder, "generation_config.json").write_text(json.dumps({"eos_token_id": generation}))
            model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
            ids = model.generate(torch.tensor([prompt]), max_new_tokens=12, do_sample=False, pad_token_id=0, **more)
            return ids[0, len(prompt):].tolist()
        whole = run(None, None)
        second, third, fifth = (next(t for i, t in enumerate(whole) if t not in whole[:i] and i >= k) for k in (1, 2, 4))
        for named, generation in ((None, None), (fifth, None), ([fifth, third], None), (None, third), (None, [fifth, second]),
                                  (third, []), ([63], [fifth]), (fifth, third), ([third], [fifth, 62])):
            union = [t for v in (named, generation) for t in (v if isinstance(v, list) else [v]) if t is not None]
            both = bool(named) and generation is not None
            ids = run(named, generation, **({"eos_token_id": union} if both else {}))
            if ids[-1] in union:
                ids.pop()
            out.append({"config": named, "generation_config": generation, "ids": ids})
            print(out[-1])
    write("ends.json", {"prompt": prompt, "max_tokens": 12, "cases": out})


def greedy():
    out = []
    for name in "smollm2-135m", "gemma3-270m":
        tokenizer = transformers.AutoTokenizer.from_pretrained(CACHE, gguf_file=f"{name}.gguf")
        model = transformers.AutoModelForCausalLM.from_pretrained(CACHE, gguf_file=f"{name}.gguf",
                                                                  dtype=torch.float32).eval()
        asked = [(text, False, tokenizer(text).input_ids) for text in PROMPTS]
        if tokenizer.chat_template:
            ids = tokenizer.apply_chat_template([{"role": "user", "content": MESSAGE}], add_generation_prompt=True,
                                                return_dict=False)
            asked.append((MESSAGE, True, ids))
        for text, chat, ids in asked:
            out.append({"model": name, "text": text, "chat": chat, "prompt_tokens": len(ids),
                        "ids": continuation(model, ids, set(tokenizer.all_special_ids))})
            print(out[-1], tokenizer.decode(out[-1]["ids"]))
    write("greedy.json", out)


torch.set_num_threads(2)
sampling()
ends()
if "greedy" in sys.argv[1:]:
    greedy()
