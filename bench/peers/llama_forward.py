#!/usr/bin/env python3
"""llama.cpp's forward pass on the search's largest work: 256 sequences of 12 tokens, the logits of every token.

    bench/peers/llama_forward.py MODEL.gguf [--rounds 3] [--threads 2]

Needs llama-cpp-python (`pip install llama-cpp-python`). Twice: with the file's own (quantised) weights, and with
float32 ones, which llama.cpp makes of them in a temporary file, so that weights are the same as everybody's. Beside it
`build/bench/bench_model` (`make bench`) does the same work, cross-entropy included.
"""
import argparse
import ctypes
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

import llama_cpp as llama

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SEQUENCES, TOKENS = 256, 12


def float32_copy(path, folder):
    copy = os.path.join(folder, "float32.gguf")
    params = llama.llama_model_quantize_default_params()
    params.ftype, params.allow_requantize = llama.LLAMA_FTYPE_ALL_F32, True
    if llama.llama_model_quantize(path.encode(), copy.encode(), ctypes.byref(params)):
        sys.exit(f"{path}: llama.cpp cannot make float32 weights of it")
    return copy


class Model:
    def __init__(self, path, threads):
        self.model = llama.llama_model_load_from_file(path.encode(), llama.llama_model_default_params())
        if not self.model:
            sys.exit(f"{path}: llama.cpp cannot open it")
        params = llama.llama_context_default_params()
        params.n_ctx = SEQUENCES * 256  # a cache of its own for every sequence: in a common one all would look at all
        params.n_batch = params.n_ubatch = SEQUENCES * TOKENS
        params.n_seq_max = SEQUENCES
        params.kv_unified = False
        params.n_threads = params.n_threads_batch = threads
        self.context = llama.llama_init_from_model(self.model, params)
        vocabulary = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(self.model))
        self.batch = llama.llama_batch_init(SEQUENCES * TOKENS, 0, 1)
        self.batch.n_tokens = SEQUENCES * TOKENS
        for i in range(SEQUENCES * TOKENS):
            self.batch.token[i] = (7919 * i + 131) % vocabulary
            self.batch.pos[i] = i % TOKENS
            self.batch.n_seq_id[i] = 1
            self.batch.seq_id[i][0] = i // TOKENS
            self.batch.logits[i] = True

    def forward(self):
        llama.llama_memory_clear(llama.llama_get_memory(self.context), False)
        began = time.perf_counter()
        if llama.llama_decode(self.context, self.batch):
            sys.exit("llama.cpp: the batch failed")
        llama.llama_synchronize(self.context)
        return time.perf_counter() - began


def ours(threads):
    """Seconds by name, from one round of bench_model."""
    out = subprocess.run([os.path.join(ROOT, "build", "bench", "bench_model"), "avx512", "1"], check=True, capture_output=True, encoding="utf-8").stdout
    smollm2 = out.split("GPT-2")[0]
    found = re.findall(r"  (256 x 12 forward\S*(?: bf16)?) +(\d) threads? +(\d+) tokens/s", smollm2)
    return {f"reverie, {what} and cross-entropy": SEQUENCES * TOKENS / int(rate) for what, count, rate in found if int(count) == threads}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a GGUF file")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    llama.llama_backend_init()
    quiet = llama.llama_log_callback(lambda level, text, data: None)
    llama.llama_log_set(quiet, ctypes.c_void_p(0))
    with tempfile.TemporaryDirectory() as folder:
        models = {
            "llama.cpp, float32 weights": Model(float32_copy(args.model, folder), args.threads),
            "llama.cpp, the file's own weights": Model(args.model, args.threads),
        }
        times = {}
        for number in range(args.rounds + 1):  # the first warms
            taken = {name: model.forward() for name, model in models.items()} | ours(args.threads)
            for name, seconds in taken.items() if number else ():
                times.setdefault(name, []).append(seconds)
    print(f"llama-cpp-python {llama.__version__}, {args.threads} threads, 256 x 12 tokens, medians of {args.rounds} alternated rounds\n")
    print("| work | seconds | lowest to highest |\n|---|---|---|")
    for name, taken in times.items():
        print(f"| {name} | {statistics.median(taken):.2f} | {min(taken):.2f} to {max(taken):.2f} |")


if __name__ == "__main__":
    main()
