#!/usr/bin/env python3
"""Ask two outside judges about the real models: tests/fixtures/real/MODEL.json.

Judges: Hugging Face transformers, which reads the same GGUF file (gguf_file=) and computes with its
weights widened to float64; llama.cpp, which keeps them quantised and rounds activations to 8 bits; and
llama.cpp once more on a copy of the file widened to float32 (in a temporary folder), where nothing is
rounded but its tables. Each says for several texts how likely it finds the next tokens. transformers
also gives what some neurons do, and gradients. `make test-real` compares Reverie with what is here.

Only needed to make the fixtures anew. llama-cpp-python builds llama.cpp from source (minutes).

    tools/get-model smollm2-135m; tools/get-model gemma3-270m
    python -m venv venv && venv/bin/pip install torch transformers accelerate gguf llama-cpp-python
    venv/bin/python tools/verify_real.py            # both models
    venv/bin/python tools/verify_real.py gemma3-270m

A fixture holds, for every text: `ids`; for every position from `first` on the five likeliest next
tokens (`top`), their log-probabilities in nats by transformers (`log_probability`), by llama.cpp
(`llama_cpp`) and by llama.cpp in float32 (`llama_cpp_f32`), and llama.cpp's own favourite
(`llama_cpp_top`); `cross_entropy`: mean over positions 1..T-1, in nats, by each. `float32_error` is the largest difference of those log-probabilities between
transformers in float32 and in float64: what rounding alone does.
`neurons`: values of mlp.hook_post at every position of a text. `gradients`: at the vectors that enter
the first block (Gemma: after the embedding scale), of a neuron at the last position and of the
cross-entropy: the norm at every position, and the first eight numbers at position 0.
`chat`: conversations as the file's chat template renders them.
"""

import argparse
import hashlib
import json
import os
import tempfile
from pathlib import Path

import gguf
import llama_cpp
import numpy as np
import tokenizers
import torch
import transformers

OUT = Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "real"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "reverie" / "models"

TEXTS = {
    "prose": "The lighthouse keeper counted the ships twice every evening. On Tuesday there was one more "
             "than there should have been, and nobody on the quay could say where it had come from.",
    "code": "static int compare(const void *a, const void *b)\n{\n    const double x = *(const double *)a;\n"
            "    const double y = *(const double *)b;\n    return (x > y) - (x < y);\n}\n",
    "languages": "Der Zug nach Zürich fährt heute von Gleis 7. Où est la bibliothèque ? 今天天气很好，我们去公园吧。"
                 " Сегодня мы читаем. 🙂",
    "numbers": "1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144. In 1969 the price was $3.50; by 2024-06-01 it was "
               "$27.95 (+698.6%). pi = 3.14159265",
    "long": "To make a simple bread you need flour, water, salt and yeast. Mix five hundred grams of flour with "
            "ten grams of salt in a large bowl. Dissolve a small spoon of dried yeast in three hundred and "
            "twenty grams of warm water and wait until it begins to foam. Pour the water into the flour and "
            "stir with a wooden spoon until no dry flour is left. Turn the dough out onto a clean table and "
            "knead it for ten minutes: push it away with the heel of your hand, fold it back, give it a quarter "
            "turn, and push again. The dough is ready when it is smooth and springs back slowly after you "
            "press it with a finger. Put it back into the bowl, cover it with a damp cloth, and leave it in a "
            "warm place for an hour and a half, until it has doubled in size. Shape it into a loaf, let it rest "
            "for another half an hour, cut the top twice with a sharp knife, and bake it at two hundred and "
            "thirty degrees for thirty-five minutes. The loaf is done when it sounds hollow if you knock on "
            "its underside. Let it cool on a rack before you cut it.",
}
# Longer than Gemma's sliding window of 512 tokens; only the end is kept.
TEXTS["window"] = "\n\n".join([TEXTS["long"], TEXTS["prose"], TEXTS["code"], TEXTS["numbers"], TEXTS["languages"],
                               TEXTS["long"].replace("bread", "cake").replace("salt", "sugar")])

CONVERSATIONS = [
    [{"role": "user", "content": "What is the capital of France?"}],
    [{"role": "system", "content": "You answer in one word."},
     {"role": "user", "content": "Is 7 a prime number?"},
     {"role": "assistant", "content": "Yes."},
     {"role": "user", "content": "And 9?\nThink first."}],
]

# name: texts with the token that precedes them. What the tokenizer's configuration says for all of
# them, and the other way round for one.
MODELS = {
    "smollm2-135m": {"bos": None, "other": ("prose", 0)},
    "gemma3-270m": {"bos": 2, "other": ("prose", None)},
}


def log_probabilities(logits):
    """(T, V) in double, a row at a time to spare memory."""
    for row in logits:
        row = np.asarray(row, np.float64)
        row = row - row.max()
        yield row - np.log(np.exp(row).sum())


def widened(path, folder):
    """A copy of a GGUF file with every tensor in float32."""
    reader = gguf.GGUFReader(path)
    architecture = reader.get_field("general.architecture").contents()
    writer = gguf.GGUFWriter(folder / "f32.gguf", architecture)
    for field in reader.fields.values():
        if field.name != "general.architecture" and not field.name.startswith("GGUF."):
            kind = field.types[0]
            writer.add_key_value(field.name, field.contents(), kind,
                                 sub_type=field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, gguf.quants.dequantize(tensor.data, tensor.tensor_type))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return folder / "f32.gguf"


def open_llama(path, **options):
    return llama_cpp.Llama(str(path), n_ctx=1024, n_batch=1024, n_ubatch=1024, n_threads=2, logits_all=True,
                           verbose=False, **options)


def ask_llama(llama, ids):
    llama.reset()
    llama.eval(ids)
    return llama.scores[:len(ids)]


def judge_text(models, llamas, ids, first):
    with torch.no_grad():
        exact, single = (m(input_ids=torch.tensor([ids])).logits[0].numpy() for m in models)
    rounded, wide = (ask_llama(llama, ids) for llama in llamas)
    entry = {"first": first, "top": [], "log_probability": [], "llama_cpp": [], "llama_cpp_f32": [],
             "llama_cpp_top": []}
    losses, error = [], 0.0
    for t, (a, b, c, d) in enumerate(zip(*map(log_probabilities, (exact, single, rounded, wide)))):
        if t + 1 < len(ids):
            losses.append([-x[ids[t + 1]] for x in (a, c, d)])
        if t < first:
            continue
        top = np.argsort(-a, kind="stable")[:5]
        error = max(error, np.abs(a[top] - b[top]).max())
        entry["top"].append(top.tolist())
        entry["log_probability"].append([round(x, 6) for x in a[top].tolist()])
        entry["llama_cpp"].append([round(x, 4) for x in c[top].tolist()])
        entry["llama_cpp_f32"].append([round(x, 5) for x in d[top].tolist()])
        entry["llama_cpp_top"].append(int(c.argmax()))
    means = np.mean(losses, axis=0)
    entry["cross_entropy"] = round(float(means[0]), 7)
    entry["cross_entropy_llama_cpp"] = round(float(means[1]), 5)
    entry["cross_entropy_llama_cpp_f32"] = round(float(means[2]), 5)
    entry["float32_error"] = float(f"{error:.2g}")
    return entry


def report(name, entry):
    exact = np.array(entry["log_probability"])
    agree = np.mean([a[0] == b for a, b in zip(entry["top"], entry["llama_cpp_top"])])
    far, wide = (np.abs(exact - np.array(entry[key])) for key in ("llama_cpp", "llama_cpp_f32"))
    print(f"{name} {entry['name']:10s} bos {entry['bos']}: {len(entry['ids'])} tokens, cross-entropy "
          f"{entry['cross_entropy']:.4f}, float32 {entry['float32_error']:.1e}; llama.cpp: same favourite "
          f"{agree:.3f}, log-probability off by {far.max():.3f} (median {np.median(far):.3f}), in float32 by "
          f"{wide.max():.4f}", flush=True)


def look_inside(model, ids):
    """Five neurons in layers spread over the model, each the most active of its layer at the last
    position; and gradients at the embeddings."""
    layers = model.model.layers
    posts = {}
    for i, layer in enumerate(layers):
        layer.mlp.down_proj.register_forward_pre_hook(lambda m, args, i=i: posts.__setitem__(i, args[0]))
    embeds = model.model.embed_tokens(torch.tensor([ids])).detach().requires_grad_()
    logits = model(inputs_embeds=embeds, use_cache=False).logits[0]
    neurons = []
    for i in np.linspace(0, len(layers) - 1, 5).round().astype(int).tolist():
        index = int(posts[i][0, -1].abs().argmax())
        neurons.append({"layer": i, "index": index, "values": [sig(x) for x in posts[i][0, :, index].tolist()]})
    chosen = neurons[2]
    value = posts[chosen["layer"]][0, -1, chosen["index"]]
    loss = torch.nn.functional.cross_entropy(logits[:-1], torch.tensor(ids[1:]))
    gradients = {}
    for name, y in (("neuron", value), ("cross_entropy", loss)):
        g = torch.autograd.grad(y, embeds, retain_graph=True)[0][0]
        gradients[name] = {"value": sig(y.item()), "norms": [sig(x) for x in g.norm(dim=1).tolist()],
                           "first": [sig(x) for x in g[0, :8].tolist()]}
    gradients["neuron"].update(layer=chosen["layer"], index=chosen["index"], position=-1)
    return neurons, gradients


def sig(x):
    return float(f"{x:.7g}")


def verify(name):
    settings, path = MODELS[name], CACHE / f"{name}.gguf"
    if not path.exists():
        raise SystemExit(f"{path} is not there: run tools/get-model {name}")
    tokenizer = transformers.AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    # transformers' reader of GGUF vocabularies knows one pre-tokenizer; this file asks for another.
    if name.startswith("smollm2"):
        split = tokenizers.pre_tokenizers
        tokenizer.backend_tokenizer.pre_tokenizer = split.Sequence(
            [split.Digits(individual_digits=True), split.ByteLevel(add_prefix_space=False, use_regex=True)])
    single = transformers.AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32, attn_implementation="eager").eval()
    exact = transformers.AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32, attn_implementation="eager").double().eval()
    exact.requires_grad_(False)
    llamas = [open_llama(path)]
    with tempfile.TemporaryDirectory() as folder:
        llamas.append(open_llama(widened(path, Path(folder)), type_k=llama_cpp.GGML_TYPE_F32,
                                 type_v=llama_cpp.GGML_TYPE_F32))

    texts = []
    variants = [(key, settings["bos"]) for key in TEXTS] + [settings["other"]]
    for key, bos in variants:
        ids = llamas[0].tokenize(TEXTS[key].encode(), add_bos=False, special=False)
        if ids != tokenizer(TEXTS[key], add_special_tokens=False)["input_ids"]:
            raise SystemExit(f"{name} {key}: transformers and llama.cpp cut the text differently")
        ids = ([] if bos is None else [bos]) + ids
        entry = {"name": key, "text": TEXTS[key], "bos": bos, "ids": ids,
                 **judge_text((exact, single), llamas, ids, 540 if key == "window" else 0)}
        report(name, entry)
        texts.append(entry)
    neurons, gradients = look_inside(exact, texts[0]["ids"])
    chat = []
    if tokenizer.chat_template:
        for messages in CONVERSATIONS:
            rendered = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            chat.append({"messages": messages, "rendered": rendered,
                         "ids": tokenizer(rendered, add_special_tokens=False)["input_ids"]})
    fixture = {"model": name, "bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
               "made_with": {"transformers": transformers.__version__, "torch": torch.__version__,
                             "llama_cpp_python": llama_cpp.__version__},
               "texts": texts, "inside": texts[0]["name"], "neurons": neurons, "gradients": gradients, "chat": chat}
    OUT.mkdir(parents=True, exist_ok=True)
    lines = json.dumps(fixture, ensure_ascii=False, separators=(",", ":"))
    lines = lines.replace(',"texts"', ',\n"texts"').replace('{"name"', '\n{"name"').replace(',"neurons"', ',\n"neurons"')
    (OUT / f"{name}.json").write_text(lines + "\n")


def main():
    parser = argparse.ArgumentParser(description="make tests/fixtures/real (needs torch, transformers, llama-cpp-python)")
    parser.add_argument("models", nargs="*", help=f"of {', '.join(MODELS)}; both when none is named")
    args = parser.parse_args()
    if unknown := set(args.models) - set(MODELS):
        parser.error(f"no model named {', '.join(sorted(unknown))}")
    torch.set_num_threads(2)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    for name in MODELS:
        if not args.models or name in args.models:
            verify(name)


if __name__ == "__main__":
    main()
