#!/usr/bin/env python3
"""Every command of docs/guide.md, one block after the other in one folder, with tiny models in the place of real ones.

`tests/test_guide.py --update` runs them with the models in the cache, in the repository's demo folder, and writes what
they print into the guide.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

from tiny_models import make_gguf

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
GUIDE = os.path.join(ROOT, "docs", "guide.md")
BLOCK = re.compile(r"^```sh\n(.*?)^```\n(?:(\n```text\n)(.*?)^```\n)?", re.MULTILINE | re.DOTALL)
WRITTEN = ["run.jsonl", "page.html", "questions.txt", "explained.jsonl", "mine.safetensors", "direction.jsonl", "frontier.svg",
           "frontier.md", "results.json", "record.json", "export"]
TEXT = "of nine players; teams take turns at bat trying to score\nthe state of being quiet\na small black insect\n"


def run(block, folder, **environment):
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", block], cwd=folder, text=True, capture_output=True, timeout=1800,
                          env=dict(os.environ, PATH=BUILD + os.pathsep + os.environ["PATH"], OMP_WAIT_POLICY="passive", **environment))
    if done.returncode:
        sys.exit(f"exit {done.returncode}: {block}{done.stdout[-1000:]}{done.stderr[-1000:]}")
    return done.stdout


def update(guide, folder):
    corpus = os.path.join(ROOT, "demo", "glosses.txt")
    if not os.path.exists(corpus):
        sys.exit("demo/glosses.txt is not there: make demo writes it")
    os.makedirs(os.path.join(folder, "demo"))
    shutil.copy(corpus, os.path.join(folder, "demo"))

    def with_output(found):
        block, begin, _ = found.groups()
        print(block, file=sys.stderr)
        out = run(block, folder)
        home = os.path.expanduser("~")
        return found.group(0) if begin is None else f"```sh\n{block}```\n{begin}{out.replace(home, '~').strip(chr(10))}\n```\n"

    updated = BLOCK.sub(with_output, guide)
    with open(GUIDE, "w", encoding="utf-8") as file:
        file.write(updated)


def main():
    with open(GUIDE, encoding="utf-8") as file:
        guide = file.read()
    with tempfile.TemporaryDirectory() as folder:
        if "--update" in sys.argv:
            return update(guide, folder)
        cache = os.path.join(folder, "cache")
        make_gguf(os.path.join(cache, "reverie", "models", "smollm2-135m.gguf"), layers=9)
        os.makedirs(os.path.join(folder, "demo"))
        with open(os.path.join(folder, "demo", "glosses.txt"), "w", encoding="utf-8") as file:
            file.write(TEXT * 20)
        blocks = BLOCK.findall(guide)
        for block, begin, shown in blocks:
            out = run(block, folder, XDG_CACHE_HOME=cache)
            if begin and not (out.strip() and shown.strip()):
                sys.exit(f"the guide shows what it prints, or should: {block}")
        missing = [name for name in WRITTEN if not os.path.exists(os.path.join(folder, name))]
        if missing or len(blocks) != guide.count("\n```sh\n"):
            sys.exit(f"{len(blocks)} blocks were run; not written: {missing}")
        print(f"{len(blocks)} blocks of the guide were run")


if __name__ == "__main__":
    main()
