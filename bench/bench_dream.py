#!/usr/bin/env python3
"""The dreaming benchmark: neurons that nobody chose, all methods at equal budgets of forward tokens.

    bench/bench_dream.py --corpus FILE... [--plan short|first|long|gemma] [--results FILE] [--table]

Every finished run is one line in the results file; what is there is not run again, so the benchmark goes on
where it stopped. --table prints the table (Markdown) and runs nothing. Definitions of g, best(x), frontier
area, win and spread are in docs/results.md.
"""
import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOOL = os.path.join(ROOT, "build", "reverie")
METHODS = ["reverie", "epo", "epo-as-published", "gcg", "beam", "gumbel", "pez", "naive"]


def smollm2(i):
    return f"L{3 * i % 30}.N{(7919 * i + 131) % 1536}"


def gemma(i):
    return f"L{5 * i % 18}.N{(7919 * i + 131) % 2048}"


def plan(name):
    """Runs as (model, target, method, seed, budget), the most telling first."""
    model = "smollm2-135m"
    if name == "first":  # the first 4 neurons, all methods
        runs = [(model, smollm2(i), m, s, 60000) for s in (1, 2, 3) for i in range(1, 5) for m in METHODS]
        return sorted(runs, key=lambda r: r[2] not in METHODS[:3])
    if name == "short":
        runs = [(model, smollm2(i), m, s, 60000) for s in (1, 2, 3) for i in range(1, 31) for m in METHODS[:2]]
        return runs + [(model, smollm2(i), m, s, 60000) for s in (1, 2, 3) for i in range(1, 13) for m in METHODS[2:]]
    if name == "long":
        return [(model, smollm2(i), m, 1, 920000) for i in range(1, 7) for m in ("epo-as-published", "epo", "reverie")]
    if name == "gemma":
        return [("gemma3-270m", gemma(i), m, 1, 60000) for i in range(1, 11) for m in METHODS[:2]]
    sys.exit(f"--plan: expected first, short, long or gemma, found {name}")


def key(run):
    return "|".join(str(part) for part in run)


def figures(path):
    """Area, best(x) and wins of the run in this file and of its corpus windows, as `reverie report` has them."""
    told = json.loads(subprocess.run([TOOL, "report", path, "--json"], check=True, stdout=subprocess.PIPE).stdout)
    windows = next((row for row in told["rows"] if row["method"] == "corpus windows"), {"area": 0, "best": {}})
    return told["subjects"][0]["runs"][0]["figures"], windows


def processor():
    with open("/proc/cpuinfo") as info:
        for line in info:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return "unknown"


def read_records(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def signs(model, targets, args):
    """The sign of the larger extreme on the corpus; one scan for all targets that are not in the index yet."""
    command = [TOOL, "examples", model, *targets, "--corpus-tokens", str(args.tokens), "--top", "1", "--json",
               "--threads", str(args.threads)]
    for file in args.corpus:
        command += ["--corpus", file]
    found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)["targets"]
    return {t["target"]: "" if t["maximum"] - t["mean"] >= t["mean"] - t["minimum"] else "-" for t in found}


def summarise(run, path, seconds):
    records = read_records(path)
    mine, windows = figures(path)
    levels = ("4", "5", "6", "9")
    quantiles = next(r for r in records if r["type"] == "quantiles")
    headline = next((r for r in records if r["type"] == "dream" and r.get("headline")), None)
    end = next(r for r in records if r["type"] == "end")
    if end["status"] != "complete":
        sys.exit(f"{key(run)}: the run was interrupted; the next one goes on from there")
    about = next(r for r in records if r["type"] == "run")
    return {
        "key": key(run), "model": run[0], "target": run[1], "method": run[2], "seed": run[3], "budget": run[4],
        "sign": about["target"]["sign"], "area": mine["area"], "corpus_area": windows["area"],
        "best": {x: mine["best"].get(x) for x in levels},
        "corpus_best": {x: windows["best"].get(x) for x in levels},
        "win": {x: x in mine["best"] and mine["best"][x] > windows["best"].get(x, float("-inf")) for x in levels},
        "win_published": mine.get("wins_published", bool(mine["best"])),
        "headline": headline and {"text": headline["text"], "g": headline["activation"],
                                  "xe": headline["cross_entropy"]},
        "median_xe": quantiles["cross_entropy_50"],
        "forward_tokens": end["forward_tokens"], "backward_tokens": end.get("backward_tokens", 0),
        "search_seconds": end["seconds"], "seconds": seconds,
        "processor": processor(), "date": datetime.date.today().isoformat(),
    }


def execute(run, sign, args):
    model, target, method, seed, budget = run
    folder = os.path.join(args.runs, model)
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, f"{target}-{method}-{seed}-{budget}.jsonl")
    if os.path.exists(path) and not os.path.exists(path + ".journal"):
        os.remove(path)  # of a run whose line was not written: nothing says that it is whole
    command = [TOOL, "dream", model, "--method", method.replace("-as-published", ""), "--seed", str(seed),
               "--budget", str(budget), "--corpus-tokens", str(args.tokens), "--no-attribution", "--resume",
               "--threads", str(args.threads), "-o", path]
    if method.endswith("as-published"):
        command.append("--as-published")
    for file in args.corpus:
        command += ["--corpus", file]
    began = time.monotonic()
    subprocess.run(command + ["--", sign + target], check=True, stdout=subprocess.DEVNULL)
    return summarise(run, path, time.monotonic() - began)


def show(value):
    return "–" if value is None else f"{value:.1f}"


def spread(values):
    if len(values) < 2 or not statistics.median(values):
        return None
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / statistics.median(values)


def table(results):
    """Markdown: a row per neuron and method (medians over seeds), then the summary per method and budget."""
    if not results:
        return "No finished runs yet."
    rows = ["| model | neuron | method | budget | seeds | area | best(4) | best(5) | best(6) | best(9) | corpus area, best(4), (6), (9) | seconds |",
            "|---|---|---|---|---|---|---|---|---|---|---|---|"]
    groups = {}
    for r in results:
        groups.setdefault((r["model"], r["target"], r["budget"], r["method"]), []).append(r)

    def median(runs, pick):
        values = [v for v in map(pick, runs) if v is not None]
        return statistics.median(values) if 2 * len(values) > len(runs) else None

    for (model, target, budget, method), runs in groups.items():
        sign = "-" if runs[0]["sign"] < 0 else ""
        cells = [median(runs, lambda r, x=x: r["best"][x]) for x in ("4", "5", "6", "9")]
        corpus = [runs[0]["corpus_area"]] + [runs[0]["corpus_best"][x] for x in ("4", "6", "9")]
        rows.append(f"| {model} | {sign}{target} | {method} | {budget} | {len(runs)} | "
                    f"{median(runs, lambda r: r['area']):.2f} | " + " | ".join(map(show, cells)) +
                    f" | {', '.join(map(show, corpus))} | {median(runs, lambda r: r['search_seconds']):.0f} |")
    rows += ["", "| model | method | budget | runs | win(4) | win(6) | win, published | area over epo | median area / epo's | spread | seconds |",
             "|---|---|---|---|---|---|---|---|---|---|---|"]
    epo = {(r["model"], r["target"], r["seed"], r["budget"]): r["area"] for r in results if r["method"] == "epo"}
    summary = {}
    for r in results:
        summary.setdefault((r["model"], r["budget"], r["method"]), []).append(r)
    for (model, budget, method), runs in summary.items():
        share = lambda flags: f"{100 * sum(flags) / len(flags):.0f} %" if flags else "–"
        pairs = [(r["area"], epo[k]) for r in runs if (k := (model, r["target"], r["seed"], budget)) in epo]
        ratios = [a / b for a, b in pairs if b > 0]
        by_target = {}
        for r in runs:
            by_target.setdefault(r["target"], []).append(r["area"])
        spreads = [s for s in map(spread, by_target.values()) if s is not None]
        rows.append(f"| {model} | {method} | {budget} | {len(runs)} | {share([r['win']['4'] for r in runs])} | "
                    f"{share([r['win']['6'] for r in runs])} | {share([r['win_published'] for r in runs])} | "
                    f"{share([a > b for a, b in pairs])} | {show(statistics.median(ratios)) if ratios else '–'} | "
                    f"{f'{100 * statistics.median(spreads):.0f} %' if spreads else '–'} | "
                    f"{statistics.median(r['search_seconds'] for r in runs):.0f} |")
    return "\n".join(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plan", default="first", help="first, short, long or gemma (default first)")
    parser.add_argument("--corpus", action="append", default=[], help="text file; may be repeated")
    parser.add_argument("--tokens", type=int, default=1000000, help="of the corpus (default 1 million)")
    parser.add_argument("--methods", default=",".join(METHODS), help="only these, comma-separated")
    parser.add_argument("--seeds", type=int, default=3, help="only the first so many seeds")
    parser.add_argument("--threads", type=int, default=0, help="default: all processors")
    parser.add_argument("--results", default=os.path.join(ROOT, "bench", "results", "dream.jsonl"))
    parser.add_argument("--runs", default=os.path.join(ROOT, "build", "bench-dream"), help="folder of the run files")
    parser.add_argument("--table", action="store_true", help="print the table of what is there, run nothing")
    args = parser.parse_args()
    results = read_records(args.results) if os.path.exists(args.results) else []
    if args.table:
        print(table(results))
        return
    if not args.corpus:
        sys.exit("--corpus FILE: the benchmark needs text to compare with; give it one or more text files")
    done = {r["key"] for r in results}
    wanted = [r for r in plan(args.plan) if r[2] in args.methods.split(",") and r[3] <= args.seeds]
    todo = [r for r in wanted if key(r) not in done]
    print(f"{len(wanted) - len(todo)} of {len(wanted)} runs are done", file=sys.stderr)
    sign = {}
    for model in dict.fromkeys(r[0] for r in todo):
        sign[model] = signs(model, list(dict.fromkeys(r[1] for r in todo if r[0] == model)), args)
    os.makedirs(os.path.dirname(args.results), exist_ok=True)
    for number, run in enumerate(todo, len(wanted) - len(todo) + 1):
        print(f"[{number}/{len(wanted)}] {' '.join(map(str, run))}", file=sys.stderr)
        result = execute(run, sign[run[0]][run[1]], args)
        results.append(result)
        with open(args.results, "a", encoding="utf-8") as lines:
            lines.write(json.dumps(result) + "\n")
        print(f"    area {result['area']:.2f}, best(6) {show(result['best']['6'])}, "
              f"{result['search_seconds']:.0f} s", file=sys.stderr)
    print(table(results))


if __name__ == "__main__":
    main()
