#!/usr/bin/env python3
"""The report command from outside: its story against a transcript, its figures against a second
computation from the records, and what it says to wrong files."""
import collections
import html.parser
import json
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOOL = os.path.join(ROOT, os.environ.get("BUILD", "build"), "reverie")
GOLDEN = os.path.join(ROOT, "tests", "golden", "report.txt")
failures = 0


def check(condition, what):
    global failures
    if not condition:
        failures += 1
        print("not so:", what)


def run(*arguments, code=0):
    done = subprocess.run([TOOL, *arguments], capture_output=True, timeout=60)
    out, err = done.stdout.decode(), done.stderr.decode()
    check(done.returncode == code, f"{arguments}: exit {done.returncode}, expected {code}: {err}")
    return out, err


class Markup(html.parser.HTMLParser):
    """Every element of a page, and attributes by which one could load or run anything."""
    ours = set("""html head meta title style body header span label select button main noscript p section div
                  footer script svg g path text rect""".split())

    def __init__(self):
        super().__init__()
        self.tags, self.outside = collections.Counter(), []

    def handle_starttag(self, tag, attributes):
        self.tags[tag] += 1
        self.outside += [(tag, k) for k, _ in attributes if k in ("src", "href", "xlink:href", "style") or k.startswith("on")]


def records(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def median(values):
    values = sorted(values)
    return (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2


def quartile(values, p):
    values, at = sorted(values), p * (len(values) - 1)
    low = int(at)
    return values[low] + (at - low) * (values[min(low + 1, len(values) - 1)] - values[low])


def best(points, x):
    return max([g for g, h in points if h <= x], default=float("-inf"))


def area(points):
    return sum(max(0, best(points, (30 + i) / 10)) for i in range(61)) / 61


def second_opinion(path):
    """best, area, wins and spread for each method, straight from the definitions."""
    runs, windows = [], []
    for record in records(path):
        if record["type"] == "run":
            label = record["method"] + (" as published" if record["options"].get("as_published") else "")
            runs.append((label, [], []))
        elif record["type"] == "dream":
            runs[-1][1].append((record["activation"], record["cross_entropy"]))
        elif record["type"] == "trajectory":
            runs[-1][2].append((record["seconds"], record["area"]))
        elif record["type"] == "example" and record["kind"] == "window":
            windows.append((record["activation"], record["cross_entropy"]))
    out = {}
    goal = area(next(points for m, points, _ in runs if m == "epo as published"))
    for method in {m for m, _, _ in runs}:
        mine = [points for m, points, _ in runs if m == method]
        times = [min([t for t, a in way if a >= goal], default=float("inf")) for m, _, way in runs if m == method and way]
        areas = [area(p) for p in mine]
        out[method] = {
            "runs": len(mine), "area": median(areas),
            "best": {str(x): median([best(p, x) for p in mine]) for x in (4, 5, 6, 9)},
            "wins_4": sum(best(p, 4) > best(windows, 4) for p in mine) / len(mine),
            "wins_6": sum(best(p, 6) > best(windows, 6) for p in mine) / len(mine),
            "wins_published": sum(max([g for g, h in p if 3 <= h <= 9], default=float("-inf")) > best(windows, 1e9)
                                  for p in mine) / len(mine),
            "reach": median(times) if times and median(times) < float("inf") else None,
            "spread": (quartile(areas, .75) - quartile(areas, .25)) / median(areas) if len(areas) > 1 else None}
    return out, windows


def close(a, b):
    if isinstance(a, dict):
        return all(close(a.get(k), b[k]) for k in b)
    if b is None or b in (float("-inf"),):
        return a is None
    return a is not None and abs(a - b) <= 1e-6 * max(1, abs(b))


def figures_agree(flight):
    report = json.loads(run("report", "--json", flight)[0])
    expected, windows = second_opinion(flight)
    rows = {r["method"]: r for r in report["rows"]}
    for method, figures in expected.items():
        for name, value in figures.items():
            check(close(rows[method].get(name), value), f"{method} {name}: {rows[method].get(name)}, expected {value}")
    check(close(rows["corpus windows"]["area"], area(windows)), "area of the corpus")
    subject = report["subjects"][0]
    dreams = [r for r in records(flight) if r["type"] == "dream"]
    headline = [d for d in dreams if d.get("headline")][0]
    check(subject["headline"]["text"] == headline["text"], "headline")
    check(len(subject["points"]) == len(dreams) + len(windows), "a point for each dream and window")
    check([o["diverse"] for o in subject["others"]] == [1, 2, 3, 4], "the others in order")


def files_are_sound(folder, flight, hostile):
    svg = os.path.join(folder, "plot.svg")
    for name in (flight, hostile):
        page = os.path.join(folder, "page.html")
        out, err = run("report", name, "-o", page, "--plot", svg)
        check(out == "" and f"wrote {page}" in err, "files are written without a story on stdout")
        root = xml.etree.ElementTree.parse(svg).getroot()
        tags = {e.tag.split("}")[1] for e in root.iter()}
        check(tags <= {"svg", "g", "path", "text", "style", "rect"}, f"elements of the plot: {tags}")
        with open(page, encoding="utf-8") as text:
            page_text = text.read()
        markup = Markup()
        markup.feed(page_text)
        check(markup.tags["script"] == 2 and markup.tags["style"] == 1, "two scripts, the data and ours, and one style")
        check(set(markup.tags) <= Markup.ours, f"elements of the page: {set(markup.tags) - Markup.ours}")
        check(not markup.outside, f"attributes that load something: {markup.outside}")
        check("default-src 'none'" in page_text and "unsafe" not in page_text.split("<title>")[0], "the policy")
        data = page_text.split('id="data">')[1].split("</script>")[0]
        check(json.loads(data)["type"] == "report", "the data is JSON")


def wrong_files_are_named(folder, flight):
    missing = os.path.join(folder, "missing.jsonl")
    check("missing.jsonl: cannot open: No such file" in run("report", missing, code=1)[1], "a missing file")
    check("expected a regular file" in run("report", folder, code=1)[1], "a folder")
    check("usage: reverie report" in run("report", code=2)[1], "no file")
    check("give one of" in run("report", flight, "--json", "--table", code=2)[1], "two forms")
    check("is what is read" in run("report", flight, "-o", flight, code=2)[1], "a run is never overwritten")
    if os.path.exists("/dev/full"):
        with open("/dev/full", "w") as full:
            done = subprocess.run([TOOL, "report", flight], stdout=full, stderr=subprocess.PIPE)
        check(done.returncode == 1 and done.stderr, "a full disk behind stdout")
    broken = os.path.join(folder, "broken.jsonl")
    with open(flight, "rb") as whole:
        lines = whole.read().splitlines(keepends=True)
    for i, old, new, message in [
            (1, b'"positions":1000000', b'"positions":-1', "broken.jsonl:2: quantiles.positions: expected a whole number"),
            (0, b'"seed":1', b'"seed":"1"', "broken.jsonl:1: run.seed: expected a whole number of at least 0, found a string"),
            (3, b'}', b'', "broken.jsonl:4: line: expected JSON")]:
        assert old in lines[i]
        with open(broken, "wb") as out:
            out.writelines(lines[:i] + [lines[i].replace(old, new, 1)] + lines[i + 1:])
        err = run("report", broken, code=1)[1]
        check(message in err, f"{message}\n  found {err}")
    with open(broken, "wb") as out:
        out.write(b"".join(lines)[:-10])
    out, err = run("report", broken)
    check("1 file ended in a line that was cut short" in err and "Dream" in out, "a file that was cut short")
    with open(broken, "wb") as out:
        out.write(b"\x00\x01\xff" * 1000 + b"\n")
    check("broken.jsonl:1: line: expected JSON" in run("report", broken, code=1)[1], "no text at all")
    check("there is no folder" in run("report", flight, "-o", os.path.join(folder, "no", "page.html"), code=1)[1], "no such folder")


def transcript(flight, minimal):
    out = run("report", flight, minimal)[0]
    if "--update" in sys.argv:
        os.makedirs(os.path.dirname(GOLDEN), exist_ok=True)
        with open(GOLDEN, "w", encoding="utf-8") as file:
            file.write(out)
    with open(GOLDEN, encoding="utf-8") as file:
        check(out == file.read(), "the transcript; if it should change: tests/test_report.py --update")
    check("\x1b" not in out, "no colours in a pipe")


def a_terminal_gets_colours(flight):
    """Through a pseudo-terminal; NO_COLOR turns them off."""
    import pty
    for extra, coloured in (({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)):
        environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLORTERM")}
        environment.update({"TERM": "xterm-256color"}, **extra)
        parent, child = pty.openpty()
        process = subprocess.Popen([TOOL, "report", flight], stdout=child, env=environment)
        os.close(child)
        seen = b""
        while True:
            try:
                piece = os.read(parent, 65536)
            except OSError:
                break
            if not piece:
                break
            seen += piece
        os.close(parent)
        process.wait()
        check((b"\x1b[" in seen) == coloured, f"colours on a terminal with {extra}")
        check(b"brothers" in seen, "a story on a terminal")


def hostile_text_stays_text(hostile):
    out = run("report", hostile)[0]
    bad = [c for c in out if (ord(c) < 32 and c != "\n") or 0x7f <= ord(c) < 0xa0 or c in "\u202e\u2028\u200f"]
    check(not bad, f"controls reached the terminal: {bad}")


def many_runs_are_told_together(minimal):
    run("report", "--table", *[minimal] * 100)


with tempfile.TemporaryDirectory() as folder:
    subprocess.run([sys.executable, os.path.join(ROOT, "tests", "sample_runs.py"), folder], check=True)
    flight, minimal, hostile = (os.path.join(folder, n + ".jsonl") for n in ("flight", "minimal", "hostile"))
    transcript(flight, minimal)
    figures_agree(flight)
    files_are_sound(folder, flight, hostile)
    wrong_files_are_named(folder, flight)
    a_terminal_gets_colours(flight)
    hostile_text_stays_text(hostile)
    many_runs_are_told_together(minimal)
sys.exit(1 if failures else 0)
