#!/usr/bin/env python3
"""What the tool's work costs on this machine, from short runs of the tool itself, alternated.

    bench/bench_work.py [--model smollm2-135m] [--target L20.N131] [--threads 2] [--rounds 3]

Loading and what is done once are left out: a survey and a dream say how long they took, and of a training the difference
between a longer and a shorter one is taken. Text: words drawn at random (seeded); what they are changes no time.
"""
import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOOL = os.path.join(ROOT, os.environ.get("BUILD", "build"), "reverie")
SCANNED, STEP = 6096, 8 * 12 * 33  # 48 windows of 127; forward tokens of one iteration
WINDOW, BATCH, SHORT, LONG = 16, 64, 2, 12  # of a training: tokens, windows a step, steps
WORDS = ("the a of and to in is was it for on as with his he be at by had not are but from or have an they which you were her all she "
         "there would their we him been has when who will no more if out so said what up its about into than them can only other new some").split()


def write_corpus(path):
    draw = random.Random(1)
    with open(path, "w", encoding="utf-8") as out:
        for _ in range(1500):
            out.write(" ".join(draw.choice(WORDS) for _ in range(30)) + ".\n")


def call(arguments):
    began = time.perf_counter()
    done = subprocess.run([TOOL, *arguments], capture_output=True, env={**os.environ, "OMP_PROC_BIND": "true"})
    if done.returncode:
        sys.exit(f"bench_work: reverie {' '.join(arguments)}: {done.stderr.decode(errors='replace')[-300:]}")
    return done.stdout, time.perf_counter() - began


def survey(args, folder, extra):
    """Tokens a second."""
    found, _ = call(["survey", args.model, "--corpus", f"{folder}/corpus.txt", "--corpus-tokens", str(SCANNED), "--threads",
                     str(args.threads), "--json", *extra])
    found = json.loads(found)
    return found["tokens"] / found["seconds"]


def iteration(args, folder, extra):
    """Seconds of a step, its start left out."""
    run = f"{folder}/run.jsonl"
    call(["dream", args.model, "--method", "epo", "--budget", str(4 * STEP), "--no-attribution", "--threads", str(args.threads),
          "--corpus", f"{folder}/corpus.txt", "--corpus-tokens", "4000", "-o", run, *extra, "--", args.target])
    with open(run, encoding="utf-8") as lines:
        at = [r["seconds"] for r in map(json.loads, lines) if r["type"] == "trajectory"]
    os.remove(run)
    return statistics.median(b - a for a, b in zip(at[1:], at[2:]))


def again(args, folder):
    """Seconds until a target that was asked about before is answered: opening the model included."""
    return call(["examples", args.model, args.target, "--corpus", f"{folder}/corpus.txt", "--corpus-tokens", "4000", "--threads",
                 str(args.threads), "--json"])[1]


def training(args, folder, steps):
    with tempfile.TemporaryDirectory() as out:
        return call(["autoencoder", "train", args.model, "--corpus", f"{folder}/corpus.txt", "-o", f"{out}/it", "--tokens", "4000",
                     "--shortest", str(WINDOW), "--longest", str(WINDOW), "--batch", str(BATCH), "--steps", "1000", "--stop", str(steps),
                     "--judge-every", "1000", "--threads", str(args.threads)])[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--target", default="L20.N131")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    if subprocess.run([TOOL, "info", args.model], capture_output=True).returncode:
        print(f"{args.model}: skipped, it is not there (tools/get-model {args.model})")
        return
    with tempfile.TemporaryDirectory() as folder:
        write_corpus(f"{folder}/corpus.txt")
        work = {
            ("survey of all neurons, float32", "tokens/s"): lambda: survey(args, folder, []),
            ("survey of all neurons, --fast", "tokens/s"): lambda: survey(args, folder, ["--fast"]),
            ("epo --exact, an iteration", "s"): lambda: iteration(args, folder, ["--exact"]),
            ("epo, an iteration", "s"): lambda: iteration(args, folder, []),
            ("a target asked about before", "s"): lambda: again(args, folder),
            ("training an autoencoder", "tokens/s"): lambda: (LONG - SHORT) * BATCH * WINDOW / (training(args, folder, LONG) - training(args, folder, SHORT)),
        }
        again(args, folder)
        found = {name: [] for name in work}
        for number in range(args.rounds):
            for name, run in work.items():
                found[name].append(run())
    print(f"{args.model}, {args.target}, {args.threads} threads, medians of {args.rounds} alternated rounds (least to most)")
    for (what, unit), values in found.items():
        digits = 2 if unit == "s" else 0
        print(f"  {what:<34} {statistics.median(values):9.{digits}f} {unit} ({min(values):.{digits}f} to {max(values):.{digits}f})")


if __name__ == "__main__":
    main()
