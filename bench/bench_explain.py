#!/usr/bin/env python3
"""Do dreams help? Explanations from corpus texts alone, from dreams alone, and from both, scored on the same
held-out corpus texts, for the neurons of the dreaming benchmark (nobody chose them).

    bench/bench_explain.py --corpus FILE... [--with CHAT] [--simulate-with CHAT] [--neurons N] [--table]

Every finished neuron and condition is one line in the results file; what is there is not run again, so the
benchmark goes on where it stopped. --table prints the table (Markdown) and runs nothing. Dreams are taken from
the folder of the dreaming benchmark where they lie there, else dreamt.
"""
import argparse
import datetime
import glob
import json
import os
import random
import statistics
import subprocess
import sys
import time

from bench_dream import ROOT, TOOL, processor, read_records, signs, smollm2

MODEL = "smollm2-135m"
CONDITIONS = ("corpus", "dreams", "both")


def key(args, target, condition):
    return "|".join([MODEL, target, condition, args.chat, args.simulator or args.chat, str(args.seed)])


def corpus_options(args):
    return [word for file in args.corpus for word in ("--corpus", file)] + ["--corpus-tokens", str(args.tokens)]


def finished(path):
    """Whether a run file is there and whole."""
    return os.path.exists(path) and not os.path.exists(path + ".journal") and any(r["type"] == "end" for r in read_records(path))


def same_sign(path, sign):
    """Whether a run dreamt in this direction: on another corpus the larger extreme may be the other one."""
    return (read_records(path)[0]["target"]["sign"] < 0) == bool(sign)


def dream(target, sign, args):
    """The run file of a dream of the target, and its budget."""
    found = [p for p in sorted(glob.glob(os.path.join(args.dreams, MODEL, f"{target}-reverie-1-*.jsonl")))
             if finished(p) and same_sign(p, sign)]
    path = found[0] if found else os.path.join(args.runs, f"{target}-dream.jsonl")
    if not finished(path):
        subprocess.run([TOOL, "dream", MODEL, "--budget", str(args.budget), *corpus_options(args), "--resume",
                        "--threads", str(args.threads), "-o", path, "--", sign + target],
                       check=True, stdout=subprocess.DEVNULL)
    return path, next(r["budget"] for r in read_records(path) if r["type"] == "run")


def score(explanation, split="test", measure="correlation"):
    return next((s for s in explanation["scores"] if s["split"] == split and s["measure"] == measure), {})


def summarise(args, target, sign, condition, budget, records, seconds):
    explanations = [r for r in records if r["type"] == "explanation"]
    chosen = next(e for e in explanations if e.get("chosen"))
    end = next(r for r in records if r["type"] == "end")
    return {
        "key": key(args, target, condition), "model": MODEL, "target": target, "sign": -1 if sign else 1,
        "condition": condition, "chat": args.chat, "simulator": args.simulator or args.chat, "seed": args.seed,
        "explanation": chosen["text"], "revised": chosen.get("revision", 0) > 0, "correlation": score(chosen),
        "valid": score(chosen, "valid"), "r_squared": score(chosen, measure="r_squared"),
        "baselines": {e["baseline"]: dict(score(e), text=e["text"]) for e in explanations if e.get("baseline")},
        "dream_budget": budget, "corpus_tokens": args.tokens, "candidates": args.candidates,
        "per_split": args.per_split, "tokens": end["forward_tokens"], "seconds": seconds,
        "processor": processor(), "date": datetime.date.today().isoformat(),
    }


def explain(target, sign, condition, other, args):
    """One explanation. The corpus is asked once: its texts are kept as a NeuronRecord for the other conditions."""
    evidence = os.path.join(args.runs, f"{target}-neuron.json")
    path, budget = (None, None) if condition == "corpus" else dream(target, sign, args)
    began = time.monotonic()
    command = [TOOL, "explain", MODEL, "--with", args.chat, "--show", condition, "--style", "pairs",
               "--scorers", "simulation", "--candidates", str(args.candidates), "--revisions", "1",
               "--per-split", str(args.per_split), "--dreams-shown", "4", "--answer-tokens", "30",
               "--seed", str(args.seed), "--threads", str(args.threads), "--json"]
    command += ["--records", evidence] if os.path.exists(evidence) else \
        [*corpus_options(args), "--neuron-record", evidence]
    command += ["--simulate-with", args.simulator] if args.simulator else []
    command += ["--dreams", path] if path else []
    # the baselines are the same for all conditions
    command += ["--no-baselines"] if condition != "corpus" else ["--other", other] if other else []
    done = subprocess.run([*command, "--", sign + target], check=True, stdout=subprocess.PIPE)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    return summarise(args, target, sign, condition, budget, records, time.monotonic() - began)


def show(value):
    return f"{value['value']:.2f}" if "value" in value else "–"


def interval(values, draws=10000):
    """The central 95 % of the mean over neurons, by bootstrap."""
    draw = random.Random(1)
    means = sorted(statistics.mean(draw.choices(values, k=len(values))) for _ in range(draws))
    return means[draws // 40], means[draws - 1 - draws // 40]


def table(results):
    """Markdown: a row per neuron, then means over the neurons for which all conditions are finished."""
    groups = {}
    for r in results:
        groups.setdefault((r["chat"], r["simulator"], r["seed"]), {}).setdefault(r["target"], {})[r["condition"]] = r
    if not groups:
        return "No finished runs yet."
    out = []
    for (chat, simulator, seed), neurons in groups.items():
        out += [f"Explainer {chat}, simulator {simulator}, seed {seed}: correlation on held-out texts.", "",
                "| neuron | corpus | dreams | both | empty | another neuron's | token lookup | explanation from both |",
                "|---|---|---|---|---|---|---|---|"]
        for target, found in neurons.items():
            baselines = found.get("corpus", {}).get("baselines", {})
            cells = [show(found[c]["correlation"]) if c in found else "" for c in CONDITIONS]
            cells += [show(baselines.get(b, {})) for b in ("empty", "another neuron", "token lookup")]
            text = found["both"]["explanation"].replace("|", "\\|")[:60] if "both" in found else ""
            out.append(f"| {'-' if next(iter(found.values()))['sign'] < 0 else ''}{target} | {' | '.join(cells)} | {text} |")
        whole = [n for n in neurons.values() if set(CONDITIONS) <= set(n)]
        out += ["", f"Over the {len(whole)} neurons with all conditions (undefined counts as 0):", "",
                "| | mean | 95 % interval | median | above the empty explanation | best of the three |", "|---|---|---|---|---|---|"]
        value = lambda r: r.get("value", 0)
        for c in CONDITIONS if whole else ():
            values = [value(n[c]["correlation"]) for n in whole]
            empty = [value(n["corpus"]["baselines"]["empty"]) for n in whole]
            best = [max(value(n[d]["correlation"]) for d in CONDITIONS) for n in whole]
            low, high = interval(values)
            out.append(f"| {c} | {statistics.mean(values):.3f} | {low:.3f} to {high:.3f} | {statistics.median(values):.3f} | "
                       f"{sum(a > b for a, b in zip(values, empty))} of {len(whole)} | "
                       f"{sum(a == b for a, b in zip(values, best))} |")
        for b in ("empty", "another neuron", "token lookup"):
            values = [value(n["corpus"]["baselines"][b]) for n in whole if b in n["corpus"]["baselines"]]
            if values:
                low, high = interval(values)
                out.append(f"| {b} ({len(values)}) | {statistics.mean(values):.3f} | {low:.3f} to {high:.3f} | "
                           f"{statistics.median(values):.3f} | | |")
        out.append("")
    return "\n".join(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", action="append", default=[], help="text file; may be repeated")
    parser.add_argument("--tokens", type=int, default=100000, help="of the corpus (default 100,000)")
    parser.add_argument("--with", dest="chat", default="local:" + MODEL, help=f"who explains (default local:{MODEL})")
    parser.add_argument("--simulate-with", dest="simulator", help="who simulates (default: the same)")
    parser.add_argument("--neurons", type=int, default=30, help="only the first so many (default 30)")
    parser.add_argument("--candidates", type=int, default=2, help="explanations asked for (default 2, and one revision)")
    parser.add_argument("--per-split", type=int, default=2, help="records of each kind in each split (default 2)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--budget", type=int, default=10000, help="of dreams that must be dreamt (default 10,000 tokens)")
    parser.add_argument("--dreams", default=os.path.join(ROOT, "build", "bench-dream"),
                        help="folder of the dreaming benchmark's run files")
    parser.add_argument("--threads", type=int, default=0, help="default: all processors")
    parser.add_argument("--results", default=os.path.join(ROOT, "bench", "results", "explain.jsonl"))
    parser.add_argument("--runs", default=os.path.join(ROOT, "build", "bench-explain"), help="folder of working files")
    parser.add_argument("--table", action="store_true", help="print the table of what is there, run nothing")
    args = parser.parse_args()
    results = read_records(args.results) if os.path.exists(args.results) else []
    if args.table:
        print(table(results))
        return
    if not args.corpus:
        sys.exit("--corpus FILE: explanations are held against a corpus; give it one or more text files")
    os.makedirs(args.runs, exist_ok=True)
    os.makedirs(os.path.dirname(args.results), exist_ok=True)
    done = {r["key"]: r for r in results}
    targets = [smollm2(i) for i in range(1, args.neurons + 1)]
    todo = [(t, c) for t in targets for c in CONDITIONS if key(args, t, c) not in done]
    print(f"{len(targets) * len(CONDITIONS) - len(todo)} of {len(targets) * len(CONDITIONS)} are done", file=sys.stderr)
    sign = signs(MODEL, targets, args) if todo else {}
    for target, condition in todo:
        before = targets[targets.index(target) - 1]
        other = done.get(key(args, before, "corpus"), {}).get("explanation")
        result = explain(target, sign[target], condition, other, args)
        done[result["key"]] = result
        with open(args.results, "a", encoding="utf-8") as lines:
            lines.write(json.dumps(result, ensure_ascii=False) + "\n")
        print(f"{target} {condition}: {show(result['correlation'])} {result['seconds']:.0f} s: {result['explanation']}",
              file=sys.stderr)
    print(table(list(done.values())))


if __name__ == "__main__":
    main()
