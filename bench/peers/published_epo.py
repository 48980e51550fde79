#!/usr/bin/env python3
"""The published search in PyTorch, beside Reverie: one iteration on the same model, alternated.

    bench/peers/published_epo.py MODEL.gguf TARGET [--rounds 3] [--threads 2]

Needs torch, transformers, accelerate and gguf (`pip install torch transformers accelerate gguf`, CPU builds suffice). The
algorithm is Evolutionary Prompt Optimization (Thompson et al. 2024, arXiv 2402.01702) as its public code does
it, written anew: 8 members of 12 tokens, 32 children each, gradient with respect to one-hot inputs, logits of
all children kept, float32, nothing shared between children. Also timed: its largest part alone (256 x 12 forward
and cross-entropy), the same in bfloat16.
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

for trap in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "ATEN_CPU_CAPABILITY", "DNNL_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS"):
    os.environ.pop(trap, None)

import torch  # noqa: E402
import transformers  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MEMBERS, CHILDREN, TOKENS, TOP = 8, 32, 12, 512


class Stop(Exception):
    pass


class Published:
    """One iteration: gradients of the members, proposals, evaluation of all children, selection."""

    def __init__(self, model, layer, neuron):
        self.model, self.layer, self.neuron = model, layer, neuron
        self.down = model.model.layers[layer].mlp.down_proj
        self.captured = None
        self.down.register_forward_pre_hook(self.capture)
        self.penalties = torch.logspace(-1, 1, MEMBERS)
        self.random = torch.Generator().manual_seed(1)
        self.table = model.get_input_embeddings().weight
        self.members = torch.randint(len(self.table), (MEMBERS, TOKENS), generator=self.random)

    def capture(self, _, inputs):
        self.captured = inputs[0][:, -1, self.neuron]

    def losses(self, logits, labels):
        """Mean over the tokens behind the first, as published."""
        return torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(),
                                                 reduction="none").view(len(labels), -1).mean(1)

    def gradients(self):
        onehot = torch.nn.functional.one_hot(self.members, len(self.table)).to(self.table.dtype).requires_grad_()
        logits = self.model(inputs_embeds=onehot @ self.table).logits
        log_p = logits[:, :-1].log_softmax(-1)
        xe = -(log_p * onehot[:, 1:]).sum(-1).mean(1)
        (self.captured - self.penalties * xe).sum().backward()
        return onehot.grad

    @torch.no_grad()
    def evaluate(self, ids):
        logits = self.model(input_ids=ids).logits
        return self.captured, self.losses(logits, ids)

    def iterate(self):
        top = self.gradients().topk(TOP, -1).indices
        children = self.members.repeat_interleave(CHILDREN, 0)
        place = torch.randint(TOKENS, (len(children),), generator=self.random)
        rank = torch.randint(TOP, (len(children),), generator=self.random)
        parent = torch.arange(len(children)) // CHILDREN
        children[torch.arange(len(children)), place] = top[parent, place, rank]
        pool = torch.cat([self.members, children])
        f, xe = self.evaluate(children)
        f0, xe0 = self.evaluate(self.members)
        value = torch.cat([f0, f])[None] - self.penalties[:, None] * torch.cat([xe0, xe])[None]
        self.members = pool[value.argmax(1)]


def seconds(work):
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def reverie_step(model, target, threads, method, extra, steps, corpus):
    """Seconds a step of `reverie dream`, from the trajectory of one short run; the start left out."""
    with tempfile.TemporaryDirectory() as folder:
        run = os.path.join(folder, "run.jsonl")
        per_step = MEMBERS * TOKENS * (CHILDREN + 1)
        command = [os.path.join(ROOT, "build", "reverie"), "dream", model, "--method", method, "--budget",
                   str((steps + 1) * per_step), "--no-attribution", "--threads", str(threads), "--corpus", corpus,
                   "--corpus-tokens", "20000", "-o", run, *extra, "--", target]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(run, encoding="utf-8") as lines:
            at = [r["seconds"] for r in map(json.loads, lines) if r["type"] == "trajectory"]
        return statistics.median(b - a for a, b in zip(at[1:], at[2:]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a GGUF file of a Llama")
    parser.add_argument("target", help="a neuron, L20.N131")
    parser.add_argument("--corpus", required=True, help="text for Reverie's scale of the target")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    found = re.fullmatch(r"-?L(\d+)\.N(\d+)", args.target)
    if not found:
        sys.exit(f"target: expected a neuron such as L20.N131, found {args.target}")
    torch.set_num_threads(args.threads)
    path = os.path.abspath(args.model)
    load = lambda kind: transformers.AutoModelForCausalLM.from_pretrained(
        os.path.dirname(path), gguf_file=os.path.basename(path), dtype=kind).eval()
    peer = Published(load(torch.float32), int(found[1]), int(found[2]))
    narrow = Published(load(torch.bfloat16), int(found[1]), int(found[2]))
    ids = torch.randint(len(peer.table), (MEMBERS * CHILDREN, TOKENS), generator=peer.random)
    work = {
        "PyTorch, one published iteration": lambda: seconds(peer.iterate),
        "PyTorch, 256 x 12 forward + cross-entropy": lambda: seconds(lambda: peer.evaluate(ids)),
        "PyTorch bf16, 256 x 12 forward + cross-entropy": lambda: seconds(lambda: narrow.evaluate(ids)),
        "reverie, epo --as-published": lambda: reverie_step(path, args.target, args.threads, "epo", ["--as-published"], 3, args.corpus),
        "reverie, epo --exact": lambda: reverie_step(path, args.target, args.threads, "epo", ["--exact"], 3, args.corpus),
        "reverie, epo (race)": lambda: reverie_step(path, args.target, args.threads, "epo", [], 3, args.corpus),
    }
    times = {name: [] for name in work}
    for number in range(args.rounds + 1):  # the first warms caches, the index and the allocator
        for name, run in work.items():
            taken = run()
            print(f"{number}/{args.rounds} {name}: {taken:.2f} s", file=sys.stderr)
            if number:
                times[name].append(taken)
    base = statistics.median(times["PyTorch, one published iteration"])
    print(f"PyTorch {torch.__version__}, {args.threads} threads, {args.target}, medians of {args.rounds} alternated rounds\n")
    print("| work | seconds | lowest to highest | published iteration over it |\n|---|---|---|---|")
    for name, taken in times.items():
        middle = statistics.median(taken)
        print(f"| {name} | {middle:.2f} | {min(taken):.2f} to {max(taken):.2f} | {base / middle:.1f}x |")


if __name__ == "__main__":
    main()
