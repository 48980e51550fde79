#!/usr/bin/env python3
"""Every allocation of every command fails once, on a tiny model: the command ends with 1 and "out of memory", or does as if
nothing had been; what it wrote is right, and what it keeps between runs leads nobody astray.

    failing_allocations.py                  some allocations of each command, spread over all
    failing_allocations.py --all [NAME...]  every one (make test-deep)
"""
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import tiny_models
import test_outputs

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
TOOL, SHIM = os.path.join(BUILD, "reverie"), os.path.join(BUILD, "tests", "failing.so")
SAMPLE, WORKERS = 40, 2
TEXT = "the hen and the heron swim in the thin sea, and then they are there again.\n" * 12
TIMES = ("seconds", "started", "command", "threads")
RECORD = {"neuron_id": {"layer_index": 0, "neuron_index": 0},
          "most_positive_activation_records": [{"tokens": ["a", " b", " c"], "activations": [0, 1, i]} for i in range(9)],
          "random_sample": [{"tokens": ["a", " b", " d"], "activations": [0, 0, 0.1 * i]} for i in range(9)]}

SEARCH = ("-c", "corpus.txt", "--corpus-tokens", "100", "-t", "1")
DREAM = ("dream", "tiny", "L1.N5", *SEARCH, "-n", "4", "-b", "400")
AUTOENCODER = ("--steps", "2", "--width", "8", "--heads", "1", "--layers", "1", "--encoder-layers", "1", "--code", "8", "--batch",
               "2", "--draws", "8", "--shortest", "4", "--longest", "8", "--no-language-model", "-t", "1")
COMMANDS = {
    "info": ("info", "tiny"),
    "tokenize": ("tokenize", "tiny", "--text", "the hen"),
    "score": ("score", "tiny", "--text", "the hen", "-t", "1", "--json"),
    "activations": ("activations", "tiny", "L1.N5", "--text", "the hen", "-t", "1"),
    "generate": ("generate", "tiny", "--text", "the hen", "-n", "4", "-t", "1"),
    "survey": ("survey", "tiny", *SEARCH, "-o", "out.jsonl"),
    "examples": ("examples", "tiny", "L1.N5", *SEARCH, "-o", "out.jsonl"),
    "dream": (*DREAM, "-o", "out.jsonl"),
    "beam": (*DREAM, "-m", "beam", "--no-attribution", "-o", "out.jsonl"),
    "epo": (*DREAM, "-m", "epo", "-b", "2000", "--no-attribution", "-o", "out.jsonl"),
    "compare": ("compare", "tiny", "L1.N5", *SEARCH, "-n", "4", "-b", "300", "-m", "naive", "-s", "1", "-r", "runs", "-o", "out.html"),
    "report": ("report", "run.jsonl", "-o", "out.html", "--plot", "out.svg", "--terminal"),
    "image dream": ("image", "dream", "--class", "3", "--starts", "1", "--steps", "1", "-t", "1", "-o", "out"),
    "image train": ("image", "train", "classifier", "-d", "data", "-e", "1", "-t", "1", "-o", "out.safetensors"),
    "autoencoder train": ("autoencoder", "train", "tiny", "-c", "corpus.txt", *AUTOENCODER, "-o", "out"),
    "autoencoder eval": ("autoencoder", "eval", "coder", "-c", "corpus.txt", "-n", "2", "-t", "1"),
    "autoencoder reconstruct": ("autoencoder", "reconstruct", "coder", "the hen", "-t", "1"),
    "get": ("get", "a/b", "--offline", "--cache", "hub"),
}
FAILS_ANYWAY = {"get": 1}


def timeless(value):
    if isinstance(value, dict):
        return {k: timeless(v) for k, v in value.items() if k not in TIMES}
    return [timeless(v) for v in value] if isinstance(value, list) else value


def content(path):
    """A file, but for times."""
    with open(path, "rb") as file:
        data = file.read()
    if path.endswith((".jsonl", ".json")):
        return [timeless(json.loads(line)) for line in data.splitlines()]
    data = re.sub(rb'"(seconds|started)":[^,}]*|[0-9.]+ (s|seconds)\b', b"", data)
    return re.sub(rb'"command":"(\\.|[^"])*"', b"", data) if path.endswith((".html", ".svg")) else data


class Place:
    """A folder of its own in which a command runs, with a cache that stays warm."""

    def __init__(self, folder, words):
        self.folder, self.words = folder, words
        self.cache = os.path.join(folder, "cache")

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def clear(self):
        for name in os.listdir(self.folder):
            if name.startswith("out") or name == "runs":
                path = self.path(name)
                shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)

    def run(self, **more):
        environment = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "LD_LIBRARY_PATH")}
        done = subprocess.run([TOOL, *self.words], cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=120,
                              env=dict(environment, HOME=self.folder, XDG_CACHE_HOME=self.cache, OMP_NUM_THREADS="1", **more))
        return done.returncode, re.sub(rb"[0-9.]+ (s|seconds)\b|.* are available now.*", b"", done.stdout), done.stderr.decode(errors="replace")

    def outputs(self):
        found = {}
        for base, _, names in os.walk(self.folder):
            place = os.path.relpath(base, self.folder)
            if place.split(os.sep)[0] not in (".", "out", "runs"):
                continue
            for name in names:
                if (place != "." or name.startswith("out")) and not name.endswith((".journal", ".state")):
                    found[os.path.join(place, name)] = content(os.path.join(base, name))
        return found


def prepare(folder):
    tiny_models.make_model(os.path.join(folder, "tiny"), "llama-grouped", special=[56, 57],
                           config={"bos_token": "<56>", "eos_token": "<57>", "add_bos_token": True},
                           max_position_embeddings=4096)
    with open(os.path.join(folder, "corpus.txt"), "w", encoding="utf-8") as file:
        file.write(TEXT)
    with open(os.path.join(folder, "record.json"), "w", encoding="utf-8") as file:
        json.dump(RECORD, file)
    os.makedirs(os.path.join(folder, "data"))
    for part, count in (("train", 130), ("t10k", 10)):
        test_outputs.idx(os.path.join(folder, "data", part + "-images-idx3-ubyte"), count, True)
        test_outputs.idx(os.path.join(folder, "data", part + "-labels-idx1-ubyte"), count, False)
    for words in ((*DREAM, "-o", "run.jsonl"),
                  ("autoencoder", "train", "tiny", "-c", "corpus.txt", *AUTOENCODER, "-o", "coder")):
        code, _, err = Place(folder, words).run()
        if code:
            sys.exit(f"{words}: {err}")


def try_one(place, at, wanted, whole):
    """None, or what went wrong when allocation `at` failed."""
    place.clear()
    code, out, err = place.run(LD_PRELOAD=SHIM, FAIL_AT=str(at))
    if code == wanted[0]:
        if wanted[0] == 0 and (out, place.outputs()) != (wanted[1], whole):
            return f"exit {code}, and another result: {err[:200]}"
        return None
    if code != 1:
        return f"exit {code}: {err[-300:]}"
    if "out of memory" not in err.lower():
        return f"not called out of memory: {err[-300:]}"
    try:
        place.outputs()
    except ValueError as error:
        return f"what was written is no JSON: {error}"
    return None


def try_command(name, model_folder, every):
    """Failures of one command, and how many allocations were tried of how many."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Place(os.path.join(scratch, "p"), COMMANDS[name])
        shutil.copytree(model_folder, place.folder)
        failed = FAILS_ANYWAY.get(name, 0)
        for _ in range(2):  # the second time much is known already, as in every run below
            place.clear()
            wanted = place.run(LD_PRELOAD=SHIM, COUNT_TO=place.path("count"))
            if wanted[0] != failed:
                return [f"{name}: exit {wanted[0]}: {wanted[2]}"], 0, 0
        with open(place.path("count"), encoding="ascii") as file:
            count = int(file.read())
        whole = place.outputs()
        places = range(1, count + 1) if every else sorted({1 + k * count // SAMPLE + k * 7919 % max(count // SAMPLE, 1)
                                                            for k in range(SAMPLE)})
        problems, tried = [], 0
        for at in places:
            if tried % 20 == 10:  # a cold cache: what is kept for later is made under the failure
                shutil.rmtree(place.cache, ignore_errors=True)
            tried += 1
            why = try_one(place, at, wanted, whole)
            if not why and tried % 20 in (0, 11):
                place.clear()
                again = place.run()
                if again[:2] != wanted[:2] or (failed == 0 and place.outputs() != whole):
                    why = f"the same command afterwards: exit {again[0]}, another result: {again[2][:200]}"
            if why:
                problems.append(f"{name}: allocation {at} of {count}: {why}")
            if len(problems) > 5:
                break
        return problems, tried, count


def main():
    every = "--all" in sys.argv
    names = [n for n in COMMANDS if n in sys.argv[1:]] or list(COMMANDS)
    problems = 0
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        prepare(folder)
        for name, (wrong, tried, count) in zip(names, pool.map(lambda n: try_command(n, folder, every), names)):
            problems += len(wrong)
            print(f"{name}: {tried} of {count} allocations failed, {len(wrong)} wrongly", flush=True)
            for line in wrong:
                print("  " + line)
    sys.exit(problems > 0)


if __name__ == "__main__":
    main()
