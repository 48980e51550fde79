#!/usr/bin/env python3
"""All neurons on a corpus: PyTorch's forward pass with hooks, beside `reverie survey`.

    bench/peers/corpus_scan.py MODEL.gguf --corpus FILE [--tokens 6144] [--rounds 3] [--threads 2]

Needs torch, transformers, accelerate and gguf (`pip install torch transformers accelerate gguf`, CPU builds suffice). PyTorch
runs the body of the model only (no logits), in batches of windows of 128 tokens as Reverie cuts them, with a hook on
every layer's MLP that keeps the 20 strongest places of each neuron at either end. Loading is left out on both sides.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

for trap in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "ATEN_CPU_CAPABILITY", "DNNL_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS"):
    os.environ.pop(trap, None)

import torch  # noqa: E402
import transformers  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WINDOW, SKIP, BATCH, TOP = 128, 12, 24, 20


class Hooks:
    """The strongest places of every neuron so far, (neurons, 20) a layer and end."""

    def __init__(self, model):
        self.model = model
        self.best = {}
        for layer, block in enumerate(model.layers):
            block.mlp.down_proj.register_forward_pre_hook(lambda _, inputs, layer=layer: self.take(layer, inputs[0]))

    def take(self, layer, values):
        places = torch.arange(self.first, self.first + values[..., 0].numel()).view(values.shape[:2])[:, SKIP:].flatten()
        values = values[:, SKIP:].flatten(0, 1)
        for end in (True, False):
            new, index = values.topk(min(TOP, len(values)), 0, largest=end)
            new, index = [new], [places[index]]
            if (layer, end) in self.best:
                new.append(self.best[layer, end][0])
                index.append(self.best[layer, end][1])
            new, index = torch.cat(new), torch.cat(index)
            new, order = new.topk(min(TOP, len(new)), 0, largest=end)
            self.best[layer, end] = new, index.gather(0, order)

    @torch.no_grad()
    def scan(self, windows):
        self.best.clear()
        for self.first in range(0, len(windows) * WINDOW, BATCH * WINDOW):
            batch = self.first // WINDOW
            self.model(input_ids=windows[batch:batch + BATCH], use_cache=False)


def seconds(work):
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def reverie(args, extra):
    command = [os.path.join(ROOT, "build", "reverie"), "survey", os.path.abspath(args.model), "--corpus", args.corpus, "--corpus-tokens",
               str(args.tokens), "--threads", str(args.threads), "--json", *extra]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["seconds"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a GGUF file of a Llama")
    parser.add_argument("--corpus", required=True, help="a text of enough tokens")
    parser.add_argument("--tokens", type=int, default=2 * BATCH * WINDOW)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    path = os.path.abspath(args.model)
    load = lambda kind: Hooks(transformers.AutoModel.from_pretrained(
        os.path.dirname(path), gguf_file=os.path.basename(path), dtype=kind).eval())
    single, narrow = load(torch.float32), load(torch.bfloat16)
    count = -(-args.tokens // (WINDOW - 1))
    windows = torch.randint(len(single.model.embed_tokens.weight), (count, WINDOW), generator=torch.Generator().manual_seed(1))
    work = {
        "PyTorch, forward with hooks": lambda: seconds(lambda: single.scan(windows)),
        "PyTorch bf16, forward with hooks": lambda: seconds(lambda: narrow.scan(windows)),
        "reverie survey (float32, exact)": lambda: reverie(args, []),
        "reverie survey --fast (bf16)": lambda: reverie(args, ["--fast"]),
    }
    times = {name: [] for name in work}
    for number in range(args.rounds + 1):  # the first warms caches and the allocator
        for name, run in work.items():
            taken = run()
            print(f"{number}/{args.rounds} {name}: {taken:.2f} s", file=sys.stderr)
            if number:
                times[name].append(taken)
    base = statistics.median(times["PyTorch, forward with hooks"])
    print(f"PyTorch {torch.__version__}, {args.threads} threads, {args.tokens} tokens, medians of {args.rounds} alternated rounds\n")
    print("| all neurons of all layers, 20 places each | tokens a second | slowest to fastest | PyTorch over it |\n|---|---|---|---|")
    for name, taken in times.items():
        rate = [args.tokens / t for t in taken]
        print(f"| {name} | {statistics.median(rate):.0f} | {min(rate):.0f} to {max(rate):.0f} | {base / statistics.median(taken):.2f}x |")


if __name__ == "__main__":
    main()
