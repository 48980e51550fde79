#!/usr/bin/env python3
"""Dreams of a real model: stopped and gone on with, at one thread and at two, they are the same record. Every figure is
that of the text, read by another command. Needs SmolLM2-135M in the cache; `make test-real` fetches it."""
import json
import os
import signal
import subprocess
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOL = os.path.join(ROOT, os.environ.get("BUILD", "build"), "reverie")
TIMES = "seconds", "started", "command", "threads"


class RealDreams(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.environment = dict(os.environ, OMP_WAIT_POLICY="passive",
                                HF_HUB_CACHE=os.environ.get("HF_HUB_CACHE", "/nowhere"))
        with open(os.path.join(ROOT, "docs", "architecture.md"), encoding="utf-8") as file:
            text = file.read()
        with open(self.path("corpus.txt"), "w", encoding="utf-8") as file:
            file.write(text)

    def tearDown(self):
        self.scratch.cleanup()

    def path(self, name):
        return os.path.join(self.scratch.name, name)

    def command(self, name, *more):
        return [TOOL, "dream", "smollm2-135m", "-L8.N24", "--corpus", self.path("corpus.txt"), "-n", "8", "--budget", "4k",
                "--no-attribution", "-o", self.path(name), *more]

    def dream(self, name, *more):
        subprocess.run(self.command(name, *more), check=True, stdout=subprocess.DEVNULL, env=self.environment)
        return self.records(name)

    def records(self, name):
        with open(self.path(name), encoding="utf-8") as lines:
            return [{k: v for k, v in json.loads(line).items() if k not in TIMES} for line in lines]

    def test_threads_and_interruptions_change_nothing(self):
        whole = self.dream("whole.jsonl", "--threads", "1")
        child = subprocess.Popen(self.command("stopped.jsonl", "--threads", "2"), stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, env=self.environment)
        while child.poll() is None:
            time.sleep(0.05)
            if os.path.exists(self.path("stopped.jsonl")):
                with open(self.path("stopped.jsonl"), encoding="utf-8") as file:
                    if "trajectory" in file.read():
                        child.send_signal(signal.SIGTERM)
                        break
        child.communicate()
        self.assertEqual(child.returncode, 1)
        self.assertEqual(self.records("stopped.jsonl")[-1]["status"], "interrupted")
        self.assertEqual(whole, self.dream("stopped.jsonl", "--threads", "2", "--resume"))

        for dream in (r for r in whole if r["type"] == "dream"):
            score = subprocess.run([TOOL, "score", "smollm2-135m", "--bos", "--text", dream["text"], "--json"], check=True,
                                   capture_output=True, env=self.environment)
            score = json.loads(score.stdout)
            self.assertEqual([t["id"] for t in score["losses"]], [t["id"] for t in dream["tokens"]])
            self.assertAlmostEqual(score["cross_entropy"], dream["cross_entropy"], delta=1e-4)
            seen = subprocess.run([TOOL, "activations", "smollm2-135m", "L8.N24", "--bos", "--text", dream["text"], "--json"],
                                  check=True, capture_output=True, env=self.environment)
            self.assertAlmostEqual(json.loads(seen.stdout)["tokens"][-1]["value"], dream["raw"], delta=1e-4)
            break


if __name__ == "__main__":
    unittest.main()
