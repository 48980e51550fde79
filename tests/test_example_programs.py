#!/usr/bin/env python3
"""The programs of examples/, as somebody who learns from them runs them: short, and they do what they say."""
import glob
import json
import os
import signal
import subprocess
import tempfile
import time
import unittest

import endpoint
from tiny_models import make_model

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAMS = os.path.join(ROOT, os.environ.get("BUILD", "build"), "examples")
TOOL = os.path.join(ROOT, os.environ.get("BUILD", "build"), "reverie")
TEXT = "the hen and the heron swim in the thin sea"


class Programs(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.addCleanup(self.scratch.cleanup)
        make_model(os.path.join(self.scratch.name, "tiny"), "llama-grouped", special=[56, 57],
                   config={"bos_token": "<56>", "eos_token": "<57>"})
        self.write("corpus.txt", (TEXT + ".\n") * 40)

    def write(self, name, text):
        with open(os.path.join(self.scratch.name, name), "w", encoding="utf-8") as file:
            file.write(text)

    def start(self, program, *arguments):
        environment = dict(os.environ, OMP_WAIT_POLICY="passive", OMP_NUM_THREADS="1",
                           XDG_CACHE_HOME=os.path.join(self.scratch.name, "cache"))
        return subprocess.Popen([program if os.sep in program else os.path.join(PROGRAMS, program), *arguments],
                                cwd=self.scratch.name, env=environment, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run_program(self, program, *arguments, code=0):
        child = self.start(program, *arguments)
        out, err = child.communicate(timeout=300)
        self.assertEqual(child.returncode, code, err)
        return out, err

    def test_they_are_short(self):
        sources = glob.glob(os.path.join(ROOT, "examples", "*.c"))
        self.assertEqual(len(sources), len(os.listdir(PROGRAMS)))
        for source in sources:
            with open(source, encoding="utf-8") as file:
                self.assertLessEqual(len(file.readlines()), 60, source)
            self.run_program(os.path.basename(source)[:-2], code=2)

    def test_a_score_is_the_tools(self):
        out, _ = self.run_program("score", "tiny", TEXT)
        asked = json.loads(self.run_program(TOOL, "score", "tiny", "--text", TEXT, "--json")[0])
        self.assertEqual(out.splitlines()[-1], f"{asked['cross_entropy']:8.3f} nats per token, "
                                               f"{asked['bits_per_byte']:.3f} bits per byte")
        self.assertEqual(len(out.splitlines()), len(TEXT) + 1)
        self.assertIn("none", self.run_program("score", "none", TEXT, code=1)[1])

    def test_values_inside_are_the_tools(self):
        out, _ = self.run_program("activations", "tiny", "L1.N5", TEXT)
        asked = json.loads(self.run_program(TOOL, "activations", "tiny", "L1.N5", "--text", TEXT, "--json")[0])
        values = [f"{token['value']:10.4f}" for token in asked["tokens"]]
        self.assertEqual([line[:10] for line in out.splitlines()[:-1]], values)
        self.assertIn("L9.N5", self.run_program("activations", "tiny", "L9.N5", TEXT, code=1)[1])

    def test_a_cancelled_dream_is_told(self):
        child = self.start("dream", "tiny", "L1.N5", "corpus.txt", "run.jsonl")
        path = os.path.join(self.scratch.name, "run.jsonl")
        while child.poll() is None and not (os.path.exists(path) and os.path.getsize(path)):
            time.sleep(0.002)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=300)
        self.assertEqual(child.returncode, 0, err)
        self.assertIn("L1.N5 of tiny", out)
        with open(path, encoding="utf-8") as lines:
            self.assertEqual(json.loads(lines.readlines()[-1])["status"], "interrupted")

    def test_an_explanation_is_scored(self):
        with open(endpoint.ANSWERS, encoding="utf-8") as stream:
            server = endpoint.serve(json.load(stream))
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.write("neuron.json", json.dumps(endpoint.neuron()))
        out, _ = self.run_program("explain", "colours", "neuron.json", server.url)
        self.assertIn("simulation, correlation: ", out)
        self.assertIn(f"{len(server.asked)} questions asked", out)


if __name__ == "__main__":
    unittest.main()
