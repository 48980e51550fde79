#!/usr/bin/env python3
"""Are dreams sentences that a person would say? Neurons that nobody chose, held against the corpus's own sentences.

    bench/bench_sentences.py --corpus FILE... [--plan thirty|choosing|gemma] [--seeds 1,2,3] [--targets L3.N370,...]
                             [--budget N] [--corpus-tokens N] [--judge MODEL]... [--results FILE] [--table]

Every finished run is one line of the results file, written at once; what is there is not run again. The judges had no part in
the search: link-grammar (complete linkage, no unused word; Debian packages link-grammar and
link-grammar-dictionaries-en) and bits per byte under other models. --table prints the table and the sentences, runs nothing.
`choosing` are neurons by a hash, for trying rules on; `thirty` those of bench_dream.py, for reporting.
"""
import argparse
import hashlib
import json
import os
import random
import re
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOOL = os.path.join(ROOT, "build", "reverie")
CONTROLS = 300


def plan(name):
    if name == "thirty":
        return [("smollm2-135m", f"L{3 * i % 30}.N{(7919 * i + 131) % 1536}") for i in range(1, 31)]
    if name == "gemma":
        return [("gemma3-270m", f"L{5 * i % 18}.N{(7919 * i + 131) % 2048}") for i in range(1, 11)]
    if name == "choosing":
        digests = [hashlib.sha256(b"choose-sentences/%d" % i).digest() for i in range(24)]
        return [("smollm2-135m", f"L{d[0] % 30}.N{int.from_bytes(d[1:5], 'big') % 1536}") for d in digests]
    sys.exit(f"--plan: expected thirty, choosing or gemma, found {name}")


def ask(*command, text=None):
    out = subprocess.run([TOOL, *command, "--json"], input=text, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                         encoding="utf-8")
    return json.loads(out.stdout)


def grammar(text):
    """Whether link-grammar has a complete linkage; None where it is not installed."""
    try:
        out = subprocess.run(["link-parser", "en", "-verbosity=1", "-graphics=0", "-limit=50", "-timeout=10"],
                             input=(text + "\n").encode(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                             env={**os.environ, "LC_ALL": "C.UTF-8"}).stdout.decode("utf-8", "replace")
    except FileNotFoundError:
        return None
    return "No complete linkages found" not in out and re.search(r"^Found \d+ linkage", out, re.M) is not None


def bits(judge, text):
    return ask("score", judge, "--bos", text=text)["bits_per_byte"]


def controls(files):
    """Sentences of the corpus, drawn by a seed: a plain rule of this script's own."""
    found = []
    for file in files:
        with open(file, encoding="utf-8", errors="replace") as text:
            for line in text:
                for s in re.split(r"(?<=[.!?])\s+(?=[A-Z\"“])", line.strip()):
                    if re.match(r"[A-Z]", s) and re.search(r"[a-z][.!?]$", s) and not re.search(r" [,.;)]|  |[_|{}<>=*\[\]]|@", s) \
                            and 5 <= len(s.split()) <= 20:
                        found.append(s)
    return random.Random(1).sample(found, min(CONTROLS, len(found)))


def dream(args, model, target, seed):
    start = time.time()
    command = ["dream", model, target, "--method", "sentence", "--seed", str(seed), "--budget", str(args.budget)]
    for file in args.corpus:
        command += ["--corpus", file]
    if args.corpus_tokens:
        command += ["--corpus-tokens", str(args.corpus_tokens)]
    found = ask(*command)
    record = {"kind": "dream", "model": model, "target": target, "seed": seed, "budget": args.budget,
              "seconds": round(time.time() - start, 1), "forward_tokens": found["end"]["forward_tokens"]}
    for d in found["dreams"]:
        if d.get("headline") and "sentence" in d:
            s = d["sentence"]
            record.update(text=d["text"], g=d["activation"], nats=d["cross_entropy"], tokens=len(d["tokens"]),
                          g_after=s.get("activation_after"), corpus_g=s.get("corpus_activation"), fluency=s.get("fluency"),
                          shared_words=s.get("shared_words", 0), pair=s.get("pair"), slots=len(s.get("slots", [])))
    return record


def judged(record, judges):
    if "text" in record:
        record["grammar"] = grammar(record["text"])
        record["bits"] = {judge: bits(judge, record["text"]) for judge in judges}
    return record


def share(values):
    values = [v for v in values if v is not None]
    return f"{sum(values)} of {len(values)}"


def table(records):
    runs = [r for r in records if r["kind"] == "dream"]
    whole = [r for r in runs if "text" in r]
    control = [r for r in records if r["kind"] == "control"]
    over = [r["g"] / r["corpus_g"] for r in whole if (r.get("corpus_g") or 0) > 0]
    print("| what | found |\n|---|---|")
    print(f"| headline is a sentence | {len(whole)} of {len(runs)} |")
    print(f"| link-grammar parses it | {share([r.get('grammar') for r in whole])}; corpus sentences {share([r.get('grammar') for r in control])} |")
    for judge in sorted({j for r in whole for j in r.get("bits", {})}):
        def alike(r):
            return [c["bits"][judge] for c in control if judge in c["bits"] and abs(len(c["text"]) - len(r["text"])) <= 20]
        below = [r["bits"][judge] <= statistics.median(alike(r)) for r in whole if judge in r["bits"] and alike(r)]
        print(f"| bits per byte under {judge} at most the median of corpus sentences of like length | {share(below)} |")
    if over:
        print(f"| g above the corpus's strongest whole sentence | {sum(x > 1 for x in over)} of {len(over)}, median {statistics.median(over):.2f} |")
    print(f"| g behind a neutral sentence at least 0.7 of g | {share([r['g_after'] >= 0.7 * r['g'] for r in whole if r.get('g_after') is not None])} |")
    print(f"| one word, at most 2 nats dearer, silences it | {share([bool(r.get('pair')) and r['pair']['nats'] <= 2 for r in whole])} |")
    print(f"| copies (8 words or more shared with the corpus) | {sum(r['shared_words'] >= 8 for r in whole)} |\n")
    for r in runs:
        print(f"- {r['target']}, seed {r['seed']}: " + (f"g {r['g']:.1f}, {r['nats']:.2f} nats: {r['text']}" if "text" in r else "no sentence"))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--corpus", action="append", default=[])
    p.add_argument("--plan", default="thirty")
    p.add_argument("--targets", default="")
    p.add_argument("--seeds", default="1")
    p.add_argument("--budget", type=int, default=60000)
    p.add_argument("--corpus-tokens", type=int, default=0)
    p.add_argument("--judge", action="append", default=[])
    p.add_argument("--results", default=os.path.join(ROOT, "bench", "results", "sentences.jsonl"))
    p.add_argument("--table", action="store_true")
    args = p.parse_args()
    records = []
    if os.path.exists(args.results):
        with open(args.results, encoding="utf-8") as lines:
            records = [json.loads(line) for line in lines]
    if args.table:
        return table(records)
    if not args.corpus:
        sys.exit("--corpus: expected at least one file, found none")

    def keep(record):
        records.append(record)
        with open(args.results, "a", encoding="utf-8") as out:
            out.write(json.dumps(record, ensure_ascii=False) + "\n")

    targets = [("smollm2-135m", t) for t in args.targets.split(",") if t] or plan(args.plan)
    known = {(r["model"], r["target"], r["seed"], r["budget"]) for r in records if r["kind"] == "dream"}
    for seed in map(int, args.seeds.split(",")):
        for model, target in targets:
            if (model, target, seed, args.budget) not in known:
                keep(judged(dream(args, model, target, seed), args.judge))
    done = {r["text"] for r in records if r["kind"] == "control"}
    for text in controls(args.corpus):
        if text not in done:
            keep(judged({"kind": "control", "text": text}, args.judge))
    return table(records)


if __name__ == "__main__":
    sys.exit(main())
