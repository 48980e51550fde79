#!/usr/bin/env python3
"""Gradients with respect to the one-hot matrix of a text: tests/fixtures/onehot/NAME.safetensors.

    python -m venv venv && venv/bin/pip install torch transformers safetensors gguf numpy
    venv/bin/python tools/make_golden_onehot.py

For the first text of a golden fixture (make_golden.py), written as a matrix X (T, V) of ones and zeros:
the input of the model is X E (times Gemma's scale), and the label of position i is row i of X too,
so that the loss  -sum_i <X[i], log p(. | before i)>  depends on X in both ways.
`loss` (T, V) is its gradient, `neuron` (T, V) that of the neuron that golden.json names, at the last position.
"""
import json
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).parent))
from make_golden import Judge, agree

HERE = Path(__file__).resolve().parent.parent / "tests" / "fixtures"
NAMES = ["gpt2-plain", "neox-sequential", "llama-grouped", "gemma3-capped"]


def make(name):
    folder = HERE / "models" / name
    about = json.loads((folder / "golden.json").read_text())
    ids, neuron = about["ids"][0], about["neuron"]
    judge = Judge(folder, about["family"])
    onehot = torch.nn.functional.one_hot(torch.tensor(ids), judge.embed.num_embeddings).double().requires_grad_()
    embeds = onehot @ judge.embed.weight * getattr(judge.embed, "embed_scale", 1.0)
    agree(embeds, judge.embed(torch.tensor(ids)), "embedding of a one-hot matrix", 1e-9)
    logits, raw = judge.run(ids, embeds[None])
    labels = onehot[:, :logits.shape[1]]
    loss = -(labels[1:] * logits[:-1].log_softmax(-1)).sum()
    active = raw[("mlp.post", neuron["layer"])].reshape(len(ids), -1)[-1, neuron["index"]]
    out = {what: torch.autograd.grad(value, onehot, retain_graph=True)[0].float().contiguous()
           for what, value in (("loss", loss), ("neuron", active))}
    save_file(out, HERE / "onehot" / f"{name}.safetensors")
    print(name, tuple(onehot.shape), {k: v.abs().max().item() for k, v in out.items()})


torch.set_num_threads(1)
transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
(HERE / "onehot").mkdir(parents=True, exist_ok=True)
for name in NAMES:
    make(name)
