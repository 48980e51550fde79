#!/usr/bin/env python3
"""The claim that the project began with: a dream confined to what an autoencoder can say is recognisable.

    bench/bench_latent.py --corpus FILE... [--inner DIR] [--neurons 30] [--budget 60000] [--results FILE] [--page FILE] [--table]

`naive` against `latent` and `evolve` (confined to the shipped autoencoder at the embedding, and with --inner
to one in an inner layer) against `reverie`, on the neurons of the dreaming benchmark, equal budgets of forward
tokens, one seed. Of every run its most active dream and its headline dream are told; both are scored in bits per
byte under a second model. A text counts as a sentence if that is at most where the worst decile of as
long windows of the corpus begins. Finished runs are lines of the results file and not run again. --page tells all
run files, neuron after neuron, in one page; what has a line but no file here is run again for it.
"""
import argparse
import datetime
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

import bench_dream
import bench_fluency

METHODS = ["naive", "latent", "evolve", "reverie"]
MODEL = "smollm2-135m"


def plan(args):
    methods = METHODS + (["latent-inner", "evolve-inner"] if args.inner else [])
    methods = [m for m in methods if m in args.methods.split(",")]
    return [(MODEL, bench_dream.smollm2(i), m, 1, args.budget) for i in range(1, args.neurons + 1) for m in methods]


def judged(dream, judge):
    return {"text": dream["text"], "g": dream["activation"], "xe": dream["cross_entropy"],
            "bits_per_byte": bench_fluency.score(judge, dream["text"])}


def run_file(run, args):
    _, target, method, seed, budget = run
    return os.path.join(args.runs, f"{target}-{method}-{seed}-{budget}.jsonl")


def without_folders(record):
    """The record of a run as it may be shown to others: its command names files, not where they lie here."""
    if "command" in record:
        words = shlex.split(record["command"])
        record["command"] = shlex.join(os.path.basename(w.rstrip("/")) if w.startswith(("/", "./", "../")) else w for w in words)
    return record


def write_page(page, files):
    with tempfile.TemporaryDirectory() as folder:
        names = [os.path.basename(path) for path in files]
        for path, name in zip(files, names):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as lines:
                lines.writelines(json.dumps(without_folders(r), ensure_ascii=False) + "\n" for r in bench_dream.read_records(path))
        subprocess.run([bench_dream.TOOL, "report", *names, "-o", os.path.abspath(page)], cwd=folder, check=True)


def execute(run, sign, args):
    model, target, method, seed, budget = run
    os.makedirs(args.runs, exist_ok=True)
    path = run_file(run, args)
    if os.path.exists(path) and not os.path.exists(path + ".journal"):
        os.remove(path)  # of a run whose line was not written: nothing says that it is whole
    command = [bench_dream.TOOL, "dream", model, "--method", method.replace("-inner", ""), "--seed", str(seed), "--budget",
               str(budget), "--corpus-tokens", str(args.tokens), "--no-attribution", "--resume", "--threads", str(args.threads),
               "-o", path]
    if method.endswith("-inner"):
        command += ["--autoencoder", args.inner]
    for file in args.corpus:
        command += ["--corpus", file]
    began = time.monotonic()
    subprocess.run(command + ["--", sign + target], check=True, stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - began
    records = bench_dream.read_records(path)
    dreams = [r for r in records if r["type"] == "dream"]
    end = next(r for r in records if r["type"] == "end")
    headline = next((r for r in dreams if r.get("headline")), None)
    strongest = max(dreams, key=lambda r: r["activation"], default=None)
    return {"kind": "run", "key": bench_dream.key(run), "model": model, "target": sign + target, "method": method, "seed": seed,
            "budget": budget, "dreams": len(dreams), "strongest": strongest and judged(strongest, args.judge),
            "headline": headline and judged(headline, args.judge), "forward_tokens": end["forward_tokens"],
            "backward_tokens": end.get("backward_tokens", 0), "seconds": seconds, "judge": args.judge,
            "processor": bench_dream.processor(), "date": datetime.date.today().isoformat()}


def quote(text):
    return json.dumps(text, ensure_ascii=False)[1:-1].replace("|", "\\|").replace("`", "'")


def table(results):
    corpus = [r["bits_per_byte"] for r in results if r["kind"] == "window"]
    runs = [r for r in results if r["kind"] == "run"]
    if len(corpus) < 2 or not runs:
        return "No finished runs yet."
    worst = statistics.quantiles(corpus, n=10)[8]
    rows = [f"{len(corpus)} corpus windows: worst decile from {worst:.2f} bits per byte under {runs[0]['judge']}.", "",
            "| method | budget | runs | most active dream: g | nats | sentences | headline dream: g | nats | sentences | seconds |",
            "|---|---|---|---|---|---|---|---|---|---|"]
    groups = {}
    for r in runs:
        groups.setdefault((r["method"], r["budget"]), []).append(r)
    for (method, budget), group in groups.items():
        cells = []
        for kind in ("strongest", "headline"):
            found = [r[kind] for r in group if r[kind]]
            median = lambda what: f"{statistics.median(d[what] for d in found):.1f}" if found else "–"
            sentences = sum(d["bits_per_byte"] <= worst for d in found)
            cells += [median("g"), median("xe"), f"{sentences} of {len(group)}"]
        rows.append(f"| {method} | {budget} | {len(group)} | {' | '.join(cells)} | {statistics.median(r['seconds'] for r in group):.0f} |")
    rows += ["", "| target | method | g | nats | bits per byte | its most active dream |", "|---|---|---|---|---|---|"]
    for r in sorted(runs, key=lambda r: (r["target"], r["budget"])):
        d = r["strongest"]
        if d:
            rows.append(f"| {r['target']} | {r['method']} | {d['g']:.1f} | {d['xe']:.2f} | {d['bits_per_byte']:.2f} | `{quote(d['text'])}` |")
    return "\n".join(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", action="append", default=[], help="text file; may be repeated")
    parser.add_argument("--inner", help="folder of an autoencoder in an inner layer")
    parser.add_argument("--methods", default=",".join(METHODS + ["latent-inner", "evolve-inner"]), help="only these")
    parser.add_argument("--neurons", type=int, default=30, help="the first so many of the benchmark's 30")
    parser.add_argument("--budget", type=int, default=60000, help="forward tokens of a run (default 60000)")
    parser.add_argument("--tokens", type=int, default=1000000, help="of the corpus (default 1 million)")
    parser.add_argument("--windows", type=int, default=64, help="of the corpus, for the judge's scale")
    parser.add_argument("--judge", default="gemma3-270m", help="the second model")
    parser.add_argument("--threads", type=int, default=0, help="default: all processors")
    parser.add_argument("--results", default=os.path.join(bench_dream.ROOT, "bench", "results", "latent.jsonl"))
    parser.add_argument("--runs", default=os.path.join(bench_dream.ROOT, "build", "bench-latent"), help="folder of the run files")
    parser.add_argument("--page", help="write all runs as one page to open in a browser")
    parser.add_argument("--table", action="store_true", help="print the table of what is there, run nothing")
    args = parser.parse_args()
    results = bench_dream.read_records(args.results) if os.path.exists(args.results) else []
    if args.table:
        print(table(results))
        return
    if not args.corpus:
        sys.exit("--corpus FILE: the benchmark needs text to compare with; give it one or more text files")
    os.makedirs(os.path.dirname(args.results), exist_ok=True)

    def keep(record):
        results.append(record)
        with open(args.results, "a", encoding="utf-8") as lines:
            lines.write(json.dumps(record) + "\n")

    missing = args.windows - sum(r["kind"] == "window" for r in results)
    if missing > 0:
        print(f"{missing} corpus windows under {args.judge}", file=sys.stderr)
        have = {r["text"] for r in results if r["kind"] == "window"}
        for text in bench_fluency.windows(MODEL, args.corpus, 12, args.windows):
            if text not in have:
                keep({"kind": "window", "text": text, "bits_per_byte": bench_fluency.score(args.judge, text)})
    wanted = plan(args)
    done = {r["key"] for r in results if r["kind"] == "run"}
    todo = [r for r in wanted if bench_dream.key(r) not in done or args.page and not os.path.exists(run_file(r, args))]
    sign = bench_dream.signs(MODEL, list(dict.fromkeys(r[1] for r in todo)), args) if todo else {}
    for number, run in enumerate(todo, len(wanted) - len(todo) + 1):
        print(f"[{number}/{len(wanted)}] {' '.join(map(str, run))}", file=sys.stderr)
        result = execute(run, sign[run[1]], args)
        if bench_dream.key(run) not in done:
            keep(result)
        if result["strongest"]:
            d = result["strongest"]
            print(f"    g {d['g']:.1f}, {d['xe']:.2f} nats, {d['bits_per_byte']:.2f} bits per byte: {d['text']!r}", file=sys.stderr)
    if args.page:
        write_page(args.page, [run_file(run, args) for run in wanted])
    print(table(results))


if __name__ == "__main__":
    main()
