#!/usr/bin/env python3
"""dream, compare, examples and report as a user meets them: signals, files, what is printed."""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from tiny_models import make_model

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOOL = os.path.join(ROOT, os.environ.get("BUILD", "build"), "reverie")
TEXT = "the hen and the heron swim in the thin sea, and then they are there again.\n" * 40


def records(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def timeless(found):
    return [{k: v for k, v in r.items() if k not in ("seconds", "started", "command")} for r in found]


class Dreams(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.model = make_model(os.path.join(cls.scratch.name, "tiny"), "llama-grouped", special=[56, 57],
                               config={"bos_token": "<56>", "eos_token": "<57>"})
        with open(os.path.join(cls.scratch.name, "corpus.txt"), "w", encoding="utf-8") as file:
            file.write(TEXT)

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def environment(self):
        return dict(os.environ, OMP_WAIT_POLICY="passive", XDG_CACHE_HOME=os.path.join(self.scratch.name, "cache"))

    def start(self, *arguments):
        return subprocess.Popen([TOOL, *arguments], cwd=self.scratch.name, env=self.environment(),
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run_tool(self, *arguments, code=0):
        child = self.start(*arguments)
        out, err = child.communicate(timeout=300)
        self.assertEqual(child.returncode, code, err)
        return out, err

    def dream(self, name, *more, budget="6000"):
        return ("dream", "tiny", "-L1.N5", "--corpus", "corpus.txt", "-n", "5", "--budget", budget, "--threads", "1",
                "-o", name, *more)

    def wait_for_steps(self, child, path, count):
        full = os.path.join(self.scratch.name, path)
        while child.poll() is None:
            if os.path.exists(full):
                with open(full, encoding="utf-8") as file:
                    if file.read().count('"type":"trajectory"') >= count:
                        return
            time.sleep(0.01)
        self.fail("the dream ended before it was interrupted: " + child.communicate()[1])

    def test_signals_keep_what_was_found(self):
        for number in signal.SIGINT, signal.SIGTERM:
            name = f"signal{number}.jsonl"
            child = self.start(*self.dream(name, budget="1000M"))
            self.wait_for_steps(child, name, 2)
            child.send_signal(number)
            out, err = child.communicate(timeout=300)
            self.assertEqual(child.returncode, 1)
            self.assertIn("what was found is kept", err)
            found = records(os.path.join(self.scratch.name, name))
            self.assertEqual(found[-1]["type"], "end")
            self.assertEqual(found[-1]["status"], "interrupted")
            dreams = [r for r in found if r["type"] == "dream"]
            self.assertTrue(dreams)
            self.assertEqual(len(out.splitlines()), 1 + len(dreams))
            self.assertTrue(os.path.exists(os.path.join(self.scratch.name, name + ".journal")))

    def test_a_killed_dream_goes_on(self):
        self.run_tool(*self.dream("whole.jsonl", budget="40000"))
        child = self.start(*self.dream("killed.jsonl", budget="40000"))
        self.wait_for_steps(child, "killed.jsonl", 2)
        child.kill()
        child.communicate()
        self.run_tool(*self.dream("killed.jsonl", "--resume", budget="40000"))
        whole, resumed = (records(os.path.join(self.scratch.name, n)) for n in ("whole.jsonl", "killed.jsonl"))
        self.assertEqual(timeless(whole), timeless(resumed))

    def test_json_is_one_object(self):
        out, err = self.run_tool(*self.dream("json.jsonl", "--json"))
        self.assertEqual(err, "")
        about = json.loads(out)
        self.assertEqual(about["run"]["target"]["sign"], -1)
        self.assertEqual(about["end"]["status"], "complete")
        for dream in about["dreams"]:
            for field in "text", "tokens", "activation", "cross_entropy", "method", "seed":
                self.assertIn(field, dream)
            self.assertEqual(dream["ids"], [t["id"] for t in dream["tokens"]])
        again, _ = self.run_tool(*self.dream("json.jsonl", "--json", "--resume"))
        self.assertEqual(out, again)  # a finished run is read

    def test_methods_are_compared(self):
        arguments = ("compare", "tiny", "L1.N5", "--corpus", "corpus.txt", "-n", "5", "--budget", "3k", "--threads", "1",
                     "--methods", "reverie,epo-as-published", "--seeds", "2")
        out, err = self.run_tool(*arguments, "-o", "page.html")
        self.assertIn("wrote page.html", err)
        self.assertIn("the runs are in runs/tiny/L1.N5", err)
        self.assertEqual([line.split("  ")[0] for line in out.splitlines()][:2], ["method", "corpus windows"])
        self.assertEqual(sorted(os.listdir(os.path.join(self.scratch.name, "runs/tiny/L1.N5"))),
                         ["epo-as-published-3000-1.jsonl", "epo-as-published-3000-2.jsonl",
                          "reverie-3000-1.jsonl", "reverie-3000-2.jsonl"])
        rows = json.loads(self.run_tool(*arguments, "--json")[0])["rows"]
        self.assertEqual({r["method"]: r.get("runs") for r in rows}["epo as published"], 2)
        with open(os.path.join(self.scratch.name, "page.html"), encoding="utf-8") as page:
            self.assertIn("reverie compare tiny L1.N5", page.read())
        _, err = self.run_tool(*arguments, "--length", "6", code=2)
        self.assertIn("holds another run", err)

    def test_examples_are_told(self):
        self.run_tool("examples", "tiny", "L1.N5", "--corpus", "corpus.txt", "--top", "3", "-o", "examples.jsonl")
        out, _ = self.run_tool("report", "examples.jsonl")
        self.assertIn("L1.N5", out)
        found = records(os.path.join(self.scratch.name, "examples.jsonl"))
        self.assertEqual([r["type"] for r in found], ["run", "quantiles"] + 3 * ["example"] + ["end"])

    def test_interrupted_comparisons_go_on(self):
        arguments = ("compare", "tiny", "L1.N6", "--corpus", "corpus.txt", "-n", "5", "--threads", "1", "--seeds", "1",
                     "--methods", "beam,epo", "--runs", "kept")
        child = self.start(*arguments, "--budget", "1000M")
        self.wait_for_steps(child, "kept/beam-1000000000-1.jsonl", 2)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=300)
        self.assertEqual(child.returncode, 1)
        self.assertIn("beam", out)
        self.assertIn("what was found is kept", err)


if __name__ == "__main__":
    unittest.main()
