#!/usr/bin/env python3
"""Time to frontier: seconds until a dreamer's frontier is as good as that of the published search at its end.

    bench/time_to_frontier.py FOLDER --iteration 7.59 [--method reverie] [--budget 60000] [--published-budget 920000]

FOLDER holds the runs of `make bench-dream`. Measured: when a run's area (its trajectory's seconds: searching only, on whatever
else the machine did) first is at least the median area that the runs of `epo --as-published` of --published-budget tokens (300 iterations:
920,000) on the same target end with. Computed: what the published code takes for them, its iterations times --iteration, the seconds that PyTorch needs for one
(`make bench-peers`). The corpus's index, which is there before the first dream, is not counted.
"""
import argparse
import glob
import json
import os
import re
import statistics


def trajectory(path):
    """(seconds, tokens, area) of a run's steps; none of one that was stopped."""
    with open(path, encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines if line.startswith(('{"type":"trajectory"', '{"type":"end"'))]
    ended = records and records[-1].get("status") == "complete"
    return [(r["seconds"], r["forward_tokens"], r["area"]) for r in records if ended and r["type"] == "trajectory"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--iteration", type=float, required=True, help="seconds of one published iteration in PyTorch")
    parser.add_argument("--method", default="reverie")
    parser.add_argument("--budget", type=int, default=60000, help="of the method's runs (default 60000)")
    parser.add_argument("--published-budget", type=int, help="of the published search's (default: the same)")
    args = parser.parse_args()
    runs = {}
    for path in glob.glob(os.path.join(args.folder, "**", "*.jsonl"), recursive=True):
        found = re.fullmatch(r"(.+?\.N\d+)-(.+)-(\d+)-(\d+)\.jsonl", os.path.basename(path))
        budget = args.published_budget or args.budget if found and found[2] == "epo-as-published" else args.budget
        points = trajectory(path) if found and int(found[4]) == budget else None
        if points:
            runs.setdefault((found[1], found[2]), []).append(points)
    ratios = []
    print("| target | published: iterations, area at the end | PyTorch, computed | reaches that area after | tokens | ratio |")
    print("|---|---|---|---|---|---|")
    for target in sorted({t for t, _ in runs}, key=lambda t: [int(n) for n in re.findall(r"\d+", t)]):
        published, ours = runs.get((target, "epo-as-published")), runs.get((target, args.method))
        if not published or not ours:
            continue
        area = statistics.median(points[-1][2] for points in published)
        steps = statistics.median(len(points) for points in published)
        reached = [next((p for p in points if p[2] >= area and p[2] > 0), None) for points in ours]
        if None in reached:
            print(f"| {target} | {steps:.0f}, {area:.2f} | {steps * args.iteration:.0f} s | {reached.count(None)} of {len(reached)} never | | |")
            continue
        seconds, tokens = (statistics.median(p[i] for p in reached) for i in (0, 1))
        ratios.append(steps * args.iteration / seconds)
        print(f"| {target} | {steps:.0f}, {area:.2f} | {steps * args.iteration:.0f} s | {seconds:.1f} s | {tokens:.0f} | {ratios[-1]:.0f}x |")
    if ratios:
        print(f"\nmedian of {len(ratios)} neurons: {statistics.median(ratios):.0f}x")


if __name__ == "__main__":
    main()
