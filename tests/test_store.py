#!/usr/bin/env python3
"""What is kept between runs, as a user meets it: an answer is found or made again, and is always the same."""
import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import stat
import struct
import subprocess
import tempfile
import time
import unittest

from tiny_models import make_model

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOOL = os.path.join(ROOT, os.environ.get("BUILD", "build"), "reverie")
TEXT = "the hen and the heron swim in the thin sea, and then they are there again.\n" * 40
RESULT = ("seconds", "started", "command", "threads")


def timeless(value):
    if isinstance(value, dict):
        return {k: timeless(v) for k, v in value.items() if k not in RESULT}
    return [timeless(v) for v in value] if isinstance(value, list) else value


class Store(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
        self.folder = self.scratch.name
        make_model(self.path("tiny"), "llama-grouped", special=[56, 57],
                   config={"bos_token": "<56>", "eos_token": "<57>", "add_bos_token": True})
        self.write("corpus.txt", TEXT)
        self.store = self.path("cache/reverie/store/store.db")

    def tearDown(self):
        self.scratch.cleanup()

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def start(self, *arguments, cache="cache", kernels=None, **more):
        environment = dict(os.environ, OMP_WAIT_POLICY="passive", XDG_CACHE_HOME=self.path(cache))
        if kernels:
            environment["REVERIE_KERNELS"] = kernels
        return subprocess.Popen([TOOL, *arguments], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=environment, **more)

    def run_tool(self, *arguments, code=0, **more):
        child = self.start(*arguments, **more)
        out, err = child.communicate(timeout=120)
        self.assertEqual(child.returncode, code, err)
        return out, err

    def examples(self, *targets, corpus="corpus.txt", **more):
        return self.run_tool("examples", "tiny", *targets, "--corpus", corpus, "--threads", "1", "--json", **more)

    def dream(self, **more):
        out, err = self.run_tool("dream", "tiny", "L1.N5", "--corpus", "corpus.txt", "-n", "5", "--budget", "2000", "--threads", "1",
                                 "--json", **more)
        return timeless(json.loads(out)), err

    def kinds(self, **more):
        listing = json.loads(self.run_tool("store", "--json", **more)[0])
        counts = {}
        for entry in listing["entries"]:
            counts[entry["kind"]] = counts.get(entry["kind"], 0) + entry["count"]
        return counts

    def test_answers_are_kept_listed_and_pruned(self):
        out, _ = self.run_tool("store")
        self.assertIn("0 answers", out)
        self.assertFalse(os.path.exists(self.path("cache")))
        first, _ = self.dream()
        self.assertEqual(self.dream()[0], first)
        self.assertEqual(self.dream(cache="other")[0], first)
        kinds = self.kinds()
        self.assertEqual((kinds["corpus"], kinds["fluency"]), (1, 1))
        self.assertEqual(stat.S_IMODE(os.stat(self.store).st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(os.stat(os.path.dirname(self.store)).st_mode), 0o700)
        out, _ = self.run_tool("store")
        self.assertRegex(out, r"corpus +1 +[\d.]+ k?B .* tiny [0-9a-f]{8}, corpus.txt")
        self.run_tool("store", "prune", code=2)
        self.run_tool("store", "prune", "--older-than", "soon", code=2)
        self.run_tool("store", "other", code=2)
        out, _ = self.run_tool("store", "prune", "--older-than", "1h")
        self.assertIn("0 answers removed", out)
        out, _ = self.run_tool("store", "prune", "--kind", "corpus", "--model", "tiny", "--json")
        self.assertEqual(json.loads(out)["count"], 1)
        self.assertEqual(self.dream()[0], first)
        self.run_tool("store", "prune", "--all")
        self.assertEqual(self.kinds(), {})
        self.assertEqual(self.dream()[0], first)

    def test_an_answer_is_of_the_content(self):
        os.makedirs(self.path("a"))
        os.makedirs(self.path("b"))
        shutil.copytree(self.path("tiny"), self.path("a/tiny"))
        shutil.copytree(self.path("tiny"), self.path("b/tiny"))
        found = []
        for folder, text in ("a", TEXT), ("b", TEXT.replace("heron", "thing")), ("a", TEXT.replace("hen", "tin")):
            # The last one in place: same file, length and date.
            with open(self.path(folder + "/c.txt"), "r+" if os.path.exists(self.path(folder + "/c.txt")) else "w", encoding="utf-8") as file:
                file.write(text)
            os.utime(self.path(folder + "/c.txt"), (1700000000, 1700000000))
            child = subprocess.run([TOOL, "examples", "tiny", "L1.N5", "-c", "c.txt", "--json"], cwd=self.path(folder),
                                   env=dict(os.environ, XDG_CACHE_HOME=self.path("cache")), capture_output=True, check=True)
            found.append(child.stdout)
        self.assertEqual(len(set(found)), 3)
        shutil.copy(self.path("corpus.txt"), self.path("copy.txt"))
        self.examples("L0.N1")
        before = self.kinds()["corpus"]
        self.examples("L0.N1", corpus="copy.txt")  # the same content by another name
        self.assertEqual(self.kinds()["corpus"], before)

    def test_an_answer_is_of_the_kernels_and_the_tokenizer(self):
        self.examples("L1.N5")
        self.examples("L1.N5", kernels="reference")
        self.assertEqual(self.kinds()["corpus"], 2)
        with open(self.path("tiny/tokenizer.json"), "a", encoding="utf-8") as file:
            file.write("\n")
        self.examples("L1.N5")
        self.assertEqual(self.kinds()["corpus"], 3)

    def test_a_direction_is_known_by_its_numbers(self):
        with open(self.path("tiny/config.json"), encoding="utf-8") as file:
            width = json.load(file)["hidden_size"]
        found = []
        for numbers in [1.0] + [0.0] * (width - 1), [0.0] * (width - 1) + [1.0]:
            header = json.dumps({"v": {"dtype": "F32", "shape": [width], "data_offsets": [0, 4 * width]}}).encode()
            with open(self.path("v.safetensors"), "wb") as file:
                file.write(struct.pack("<Q", len(header)) + header + struct.pack(f"<{width}f", *numbers))
            found.append(self.examples("direction:v.safetensors@blocks.1.hook_resid_pre")[0])
        self.assertNotEqual(found[0], found[1])

    def test_damage_changes_no_result(self):
        good, _ = self.examples("L1.N5", "L0.N3")
        with open(self.store, "rb") as file:
            whole = file.read()
        draw = random.Random(1)
        places = [draw.randrange(100) for _ in range(6)] + [draw.randrange(len(whole)) for _ in range(18)]
        told = 0
        for place in places:
            damaged = bytearray(whole)
            for k in range(place, min(place + draw.choice((1, 1, 64, 5000)), len(whole))):
                damaged[k] ^= 1 << draw.randrange(8)
            shutil.rmtree(os.path.dirname(self.store))
            os.makedirs(os.path.dirname(self.store), 0o700)
            with open(self.store, "wb") as file:
                file.write(damaged)
            out, err = self.examples("L1.N5", "L0.N3")
            self.assertEqual(out, good, "damaged at %d" % place)
            told += "damaged" in err
            self.assertEqual(self.examples("L1.N5", "L0.N3")[0], good)
        self.assertGreater(told, 3)

    def test_a_row_that_lies_is_passed_over(self):
        """Rows whose digest is right, with contents of other questions."""
        good, _ = self.examples("L1.N5", "L0.N3")
        with sqlite3.connect(self.store) as db:
            rows = db.execute("SELECT id, content, length, digest FROM kept WHERE kind = 'corpus'").fetchall()
            self.assertEqual(len(rows), 2)
            for (row, *_), (_, *other) in zip(rows, rows[::-1]):
                db.execute("UPDATE kept SET content = ?, length = ?, digest = ? WHERE id = ?", (*other, row))
        self.assertEqual(self.examples("L1.N5", "L0.N3")[0], good)

    def test_a_newer_store_is_left_alone(self):
        good, _ = self.examples("L1.N5")
        with sqlite3.connect(self.store) as db:
            db.execute("PRAGMA user_version = 9")
        out, err = self.examples("L1.N5")
        self.assertEqual(out, good)
        self.assertIn("expected at most 1, found 9", err)
        _, err = self.run_tool("store", code=1)
        self.assertIn("of a newer reverie", err)
        with sqlite3.connect(self.store) as db:
            self.assertEqual(db.execute("SELECT count(*) FROM kept WHERE kind = 'corpus'").fetchone(), (1,))

    def test_two_at_once_and_kills(self):
        good = {t: self.examples(t, cache="alone")[0] for t in ("L0.N1", "L0.N2", "L1.N1", "L1.N2")}
        draw = random.Random(2)
        for _ in range(6):
            both = [self.start("examples", "tiny", *pair, "--corpus", "corpus.txt", "--threads", "1", "--json")
                    for pair in (("L0.N1", "L0.N2"), ("L0.N2", "L1.N1"), ("L1.N2",))]
            time.sleep(draw.random() * 0.3)
            both[draw.randrange(3)].send_signal(signal.SIGKILL)
            for child in both:
                child.communicate(timeout=120)
                self.assertIn(child.returncode, (0, -signal.SIGKILL))
        for target, expected in good.items():
            out, err = self.examples(target)
            self.assertEqual((out, err), (expected, ""))

    def test_a_full_disk_fails_nothing(self):
        good, _ = self.examples("L1.N5", cache="alone")

        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
        self.assertEqual(self.examples("L1.N5", preexec_fn=limit)[0], good)
        self.assertEqual(self.examples("L1.N5")[0], good)
        kept = self.kinds()["corpus"]
        self.examples("L0.N3", preexec_fn=limit)
        self.assertEqual(self.kinds()["corpus"], kept)
        self.assertEqual(self.examples("L1.N5", preexec_fn=limit)[0], good)

    def test_a_cache_that_cannot_be_made_fails_nothing(self):
        self.write("file", "")
        good, _ = self.examples("L1.N5")
        self.assertEqual(self.examples("L1.N5", cache="file")[0], good)
        self.assertEqual(self.examples("L1.N5", cache="file/below")[0], good)


if __name__ == "__main__":
    unittest.main()
