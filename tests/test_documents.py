#!/usr/bin/env python3
"""Documents point at what is there: links to files and to headings of them; and they are as short as they promise."""
import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SHORT = {"docs/results.md": 250, "docs/performance.md": 250}
failures = 0


def check(condition, what):
    global failures
    if not condition:
        failures += 1
        print("not so:", what)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def prose(text):
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(text):
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.*)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


documents = [os.path.relpath(path, ROOT) for pattern in ("*.md", "docs/*.md", "docs/notebook/*.md")
             for path in sorted(glob.glob(os.path.join(ROOT, pattern)))]
links = 0
for document in documents:
    text = read(document)
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(text)):
        if "://" in link:
            continue
        links += 1
        path, _, anchor = link.partition("#")
        target = os.path.normpath(os.path.join(os.path.dirname(document), path)) if path else document
        there = os.path.exists(os.path.join(ROOT, target))
        check(there, f"{document}: {link} is not there")
        if there and anchor:
            check(anchor in anchors(read(target)), f"{document}: {target} has no heading #{anchor}")
    check(text.count("\n") <= SHORT.get(document, 1000), f"{document} has more than {SHORT.get(document)} lines")
check(links > 50, f"only {links} links found")
print(f"{links} links in {len(documents)} documents, {failures} failures")
sys.exit(failures != 0)
