#!/usr/bin/env python3
"""Writes the corpora of fuzz_corpus_answer, fuzz_store and fuzz_journal: what the tool itself wrote, and damaged forms of it.

    tools/make_fuzz_store.py        (after `make`; tests/fixtures/fuzz/{corpus_answer,store,journal} are made anew)
"""
import contextlib
import os
import random
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
import zlib

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOOL = os.path.join(ROOT, os.environ.get("BUILD", "build"), "reverie")
FIXTURES = os.path.join(ROOT, "tests", "fixtures", "fuzz")
sys.path.insert(0, os.path.join(ROOT, "tests"))
from tiny_models import make_model  # noqa: E402

MASK, HEAD, ENTRY = (1 << 64) - 1, 8, 40


def write(kind, name, content):
    with open(os.path.join(FIXTURES, kind, name), "wb") as file:
        file.write(content)


def flipped(content, place, bit=3):
    changed = bytearray(content)
    changed[place] ^= 1 << bit
    return bytes(changed)


def answers(rows):
    """The contents of `corpus` rows, the shortest ones."""
    found = sorted((zlib.decompress(c) if len(c) < n else c for n, c in rows), key=len)
    for i, content in enumerate(found[:2]):
        write("corpus_answer", f"whole-{i}", content)
        write("corpus_answer", f"cut-{i}", content[:len(content) // 2])
        for place in 0, 3, 180, len(content) // 2, len(content) - 1:
            write("corpus_answer", f"flipped-{i}-{place}", flipped(content, place))
    write("corpus_answer", "endless-count", b"\xff" * 12)
    write("corpus_answer", "empty", b"")


def stores(path):
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:  # small, and out of the journal
        db.execute("DELETE FROM kept WHERE length(content) > 1000")
        db.execute("VACUUM")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.execute("PRAGMA journal_mode = DELETE")
    with open(path, "rb") as file:
        whole = file.read()
    write("store", "whole", whole)
    write("store", "newer", whole[:60] + struct.pack(">I", 7) + whole[64:])
    write("store", "other-application", flipped(whole, 68))
    write("store", "cut", whole[:5000])
    write("store", "text", b"no database\n" * 30)
    write("store", "empty", b"")
    for page in range(len(whole) // 4096):
        write("store", f"page-{page}-zero", whole[:4096 * page] + bytes(4096) + whole[4096 * (page + 1):])
    for place in 18, 28, 47, 103, 4096 + 3, 8192 + 5:
        write("store", f"flipped-{place}", flipped(whole, place))


def mix(h):
    h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9 & MASK
    h = (h ^ h >> 27) * 0x94d049bb133111eb & MASK
    return h ^ h >> 31


def journals():
    """As src/search/memo.c writes them, for a run that is called "run"."""
    draw, check, content = random.Random(1), 0, b"reverie3"
    for byte in b"run":
        check = mix(check ^ byte)
    for i in range(8):
        xe = float("nan") if i == 3 else draw.gauss(5, 1)
        words = struct.pack("<Qddd", draw.getrandbits(64) | 1, draw.gauss(0, 1), xe, draw.gauss(20, 5))
        for word in struct.unpack("<4Q", words):
            check = mix(check ^ word)
        content += words + struct.pack("<Q", check)
    write("journal", "whole", content)
    write("journal", "cut", content[:-7])
    write("journal", "head", content[:5])
    write("journal", "older", b"reverie2" + content[8:])
    write("journal", "of-another-run", content[:HEAD] + content[HEAD + ENTRY:])
    write("journal", "empty", b"")
    write("journal", "zeros", content[:HEAD] + bytes(3 * ENTRY))
    for place in 9, HEAD + 2 * ENTRY + 35, len(content) - 1:
        write("journal", f"flipped-{place}", flipped(content, place))


def main():
    for kind in "corpus_answer", "store", "journal":
        shutil.rmtree(os.path.join(FIXTURES, kind), ignore_errors=True)
        os.makedirs(os.path.join(FIXTURES, kind))
    with tempfile.TemporaryDirectory() as folder:
        make_model(os.path.join(folder, "tiny"), "llama-grouped", special=[56, 57],
                   config={"bos_token": "<56>", "eos_token": "<57>", "add_bos_token": True})
        with open(os.path.join(folder, "corpus.txt"), "w", encoding="utf-8") as file:
            file.write("the hen and the heron swim in the sea.\n")
        subprocess.run([TOOL, "examples", "tiny", "L1.N5", "L0.N3", "--corpus", "corpus.txt"], cwd=folder, check=True,
                       stdout=subprocess.DEVNULL, env=dict(os.environ, XDG_CACHE_HOME=folder))
        subprocess.run([TOOL, "dream", "tiny", "L1.N5", "--corpus", "corpus.txt", "-n", "4", "--budget", "200"], cwd=folder, check=True,
                       stdout=subprocess.DEVNULL, env=dict(os.environ, XDG_CACHE_HOME=folder))
        path = os.path.join(folder, "reverie/store/store.db")
        with contextlib.closing(sqlite3.connect(path)) as db:
            answers(db.execute("SELECT length, content FROM kept WHERE kind = 'corpus'").fetchall())
        stores(path)
    journals()


if __name__ == "__main__":
    main()
