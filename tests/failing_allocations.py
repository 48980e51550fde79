#!/usr/bin/env python3
"""Every allocation of every command fails once, on a tiny model, told apart by call stack: the command ends with 1 and
"out of memory", or does as if nothing had been; what it wrote is right, and what it keeps between runs leads nobody astray.

    failing_allocations.py [NAME...]        every call stack (make test-deep); some are tried in tests/test_memory.py
"""
import collections
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
SLICE = 200  # call stacks tried in one folder
FRAME = re.compile(r"^\S+\(\S*\)\[0x[0-9a-f]+\]\n", re.M)
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

    def chill(self):
        shutil.rmtree(self.cache, ignore_errors=True)

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
        return done.returncode, re.sub(rb"[0-9.]+ (s|seconds)\b|.* are available now.*\n?", b"", done.stdout), done.stderr.decode(errors="replace")

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
    """None, or what went wrong when allocation `at` failed, and where it was made."""
    place.clear()
    code, out, err = place.run(LD_PRELOAD=SHIM, FAIL_AT=str(at), FAIL_TELL="1")
    why = judge(place, code, out, FRAME.sub("", err), wanted, whole)
    return why and f"{why}\n    addr2line -fspe {TOOL} {' '.join(re.findall(r'/reverie[(][+](0x[0-9a-f]+)[)]', err))}"


def judge(place, code, out, err, wanted, whole):
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


def prepared(scratch, name, model_folder):
    """A place for a command of which much is kept already, and what comes of it undisturbed."""
    place = Place(os.path.join(scratch, "p"), COMMANDS[name])
    shutil.copytree(model_folder, place.folder)
    for _ in range(2):
        place.clear()
        wanted = place.run(LD_PRELOAD=SHIM)
    if wanted[0] != FAILS_ANYWAY.get(name, 0):
        sys.exit(f"{name}: exit {wanted[0]}: {wanted[2]}")
    return place, wanted, place.outputs()


def stacks(place):
    place.clear()
    place.run(LD_PRELOAD=SHIM, STACKS_TO=place.path("stacks"))
    with open(place.path("stacks"), encoding="ascii") as file:
        return {stack: int(first) for first, stack in (line.split() for line in file)}


def find_points(name, model_folder):
    """(allocation, stack, cold): the first allocation of every call stack; cold: only met while nothing is kept yet."""
    with tempfile.TemporaryDirectory() as scratch:
        place, _, _ = prepared(scratch, name, model_folder)
        warm = stacks(place)
        place.chill()
        cold = {stack: at for stack, at in stacks(place).items() if stack not in warm}
        return sorted([(at, stack, False) for stack, at in warm.items()] + [(at, stack, True) for stack, at in cold.items()])


def try_points(name, points, model_folder):
    """What went wrong. Every tenth time the command is run again afterwards, undisturbed."""
    with tempfile.TemporaryDirectory() as scratch:
        place, wanted, whole = prepared(scratch, name, model_folder)
        problems = []
        for tried, (at, stack, cold) in enumerate(sorted(points, key=lambda p: p[2])):  # cold ones last: they leave gaps
            if cold:
                place.chill()
            why = try_one(place, at, wanted, whole)
            if not why and tried % 10 == 0:
                place.clear()
                again = place.run()
                if again[:2] != wanted[:2] or (wanted[0] == 0 and place.outputs() != whole):
                    why = f"the same command afterwards: exit {again[0]}, another result: {again[2][:200]}"
            if why:
                problems.append(f"{name}: allocation {at}, stack {stack}{', nothing kept' * cold}: {why}")
        return problems


def attempt(names, most=None):
    """Tries every call stack of these commands, or `most` of each; prints what was tried. Returns what went wrong."""
    workers = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(workers) as pool:
        prepare(folder)
        known, slices, problems = set(), [], []
        for name, points in zip(names, pool.map(lambda n: find_points(n, folder), names)):
            points = [p for p in points if p[1] not in known]
            known.update(p[1] for p in points)
            if most and len(points) > most:
                points = [points[k * len(points) // most] for k in range(most)]
            slices += [(name, points[k::-(-len(points) // SLICE)]) for k in range(-(-len(points) // SLICE))]
        tried = collections.Counter()
        for (name, points), wrong in zip(slices, pool.map(lambda s: try_points(*s, folder), slices)):
            tried[name] += len(points)
            problems += wrong
            for line in wrong:
                print("  " + line, flush=True)
        for name in names:
            print(f"{name}: {tried[name]} call stacks tried", flush=True)
        print(f"{sum(tried.values())} call stacks, {len(problems)} wrongly")
    return problems


if __name__ == "__main__":
    sys.exit(bool(attempt([n for n in COMMANDS if n in sys.argv[1:]] or list(COMMANDS))))
