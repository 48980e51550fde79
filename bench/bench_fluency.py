#!/usr/bin/env python3
"""Are headline dreams fluent under a model that the search never saw?

    bench/bench_fluency.py --runs DIR --corpus FILE... [--judge gemma3-270m] [--results FILE] [--table]

DIR holds run files of `bench/bench_dream.py`. Every headline dream is scored in bits per byte under the judge, beside
windows of as many tokens cut from the corpus at random (seeded). One line a text is kept in the results file;
what is there is not scored again.
"""
import argparse
import glob
import json
import os
import random
import statistics
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOOL = os.path.join(ROOT, "build", "reverie")


def ask(*command, text=None):
    out = subprocess.run([TOOL, *command, "--json"], input=text, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                         encoding="utf-8")
    return json.loads(out.stdout)


def score(judge, text):
    return ask("score", judge, "--bos", text=text)["bits_per_byte"]


def windows(subject, files, tokens, count):
    """Windows of so many tokens of the subject, each cut from a random place of the corpus."""
    source = random.Random(1)
    sizes = [os.path.getsize(f) for f in files]
    while count:
        file = source.choices(files, sizes)[0]
        with open(file, "rb") as text:
            text.seek(source.randrange(max(1, os.path.getsize(file) - 400)))
            piece = text.read(400).decode("utf-8", "replace").split(" ", 1)[-1]
        found = ask("tokenize", subject, text=piece)["tokens"][8:8 + tokens]
        cut = "".join(t["text"] for t in found)
        if len(found) == tokens and "\ufffd" not in cut:
            count -= 1
            yield cut


def headlines(folder):
    for path in sorted(glob.glob(os.path.join(folder, "**", "*.jsonl"), recursive=True)):
        with open(path, encoding="utf-8") as lines:
            records = [json.loads(line) for line in lines]
        if not records or records[-1].get("status") != "complete":
            continue
        about = records[0]
        for r in records:
            if r["type"] == "dream" and r.get("headline"):
                yield {"text": r["text"], "target": about["target"]["written"], "method": os.path.basename(path).split("-", 1)[1].rsplit("-", 2)[0],
                       "seed": about["seed"], "g": r["activation"], "xe": r["cross_entropy"]}


def table(results):
    corpus = [r["bits_per_byte"] for r in results if r["kind"] == "window"]
    dreams = [r for r in results if r["kind"] == "headline"]
    if not corpus or not dreams:
        return "No finished texts yet."
    middle, worst = statistics.median(corpus), statistics.quantiles(corpus, n=10)[8]
    rows = [f"{len(corpus)} corpus windows: median {middle:.2f} bits per byte, worst decile from {worst:.2f}.", "",
            "| method | headline dreams | at most the corpus median | at most its worst decile | median |", "|---|---|---|---|---|"]
    for method in dict.fromkeys(r["method"] for r in dreams):
        bits = [r["bits_per_byte"] for r in dreams if r["method"] == method]
        share = lambda limit: f"{100 * sum(b <= limit for b in bits) / len(bits):.0f} %"
        rows.append(f"| {method} | {len(bits)} | {share(middle)} | {share(worst)} | {statistics.median(bits):.2f} |")
    rows += ["", "| target | method | seed | g | nats | bits per byte | text |", "|---|---|---|---|---|---|---|"]
    for r in dreams:
        text = json.dumps(r["text"], ensure_ascii=False)[1:-1].replace("|", "\\|")
        rows.append(f"| {r['target']} | {r['method']} | {r['seed']} | {r['g']:.1f} | {r['xe']:.2f} | {r['bits_per_byte']:.2f} | `{text}` |")
    return "\n".join(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", default=os.path.join(ROOT, "build", "bench-dream"))
    parser.add_argument("--corpus", action="append", default=[])
    parser.add_argument("--subject", default="smollm2-135m")
    parser.add_argument("--judge", default="gemma3-270m")
    parser.add_argument("--windows", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=12)
    parser.add_argument("--results", default=os.path.join(ROOT, "bench", "results", "fluency.jsonl"))
    parser.add_argument("--table", action="store_true", help="print the table of what is there, run nothing")
    args = parser.parse_args()
    results = []
    if os.path.exists(args.results):
        with open(args.results, encoding="utf-8") as lines:
            results = [json.loads(line) for line in lines]
    if not args.table:
        if not args.corpus:
            sys.exit("--corpus FILE: the dreams need text to be compared with")
        known = {(r["kind"], r["text"]) for r in results}
        found = [{"kind": "headline", **r} for r in headlines(args.runs)]
        if sum(r["kind"] == "window" for r in results) < args.windows:
            found += [{"kind": "window", "text": w} for w in windows(args.subject, args.corpus, args.tokens, args.windows)]
        todo = [r for r in found if (r["kind"], r["text"]) not in known]
        for number, r in enumerate(todo, 1):
            r["bits_per_byte"] = score(args.judge, r["text"])
            results.append(r)
            with open(args.results, "a", encoding="utf-8") as lines:
                lines.write(json.dumps(r) + "\n")
            print(f"[{number}/{len(todo)}] {r['bits_per_byte']:.2f} {r['text']!r}", file=sys.stderr)
    print(table(results))


if __name__ == "__main__":
    main()
