#!/usr/bin/env python3
"""reverie autoencoder as a user meets it: training that is stopped and killed, wrong use, what is printed."""
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
SMALL = ("--corpus", "corpus.txt", "--steps", "120", "--tokens", "2k", "--batch", "8", "--draws", "32", "--width", "16",
         "--heads", "2", "--layers", "1", "--encoder-layers", "1", "--code", "8", "--longest", "12", "--judge-every", "40",
         "--threads", "1")


class Autoencoder(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        special = {"special": [56, 57], "config": {"bos_token": "<56>", "eos_token": "<57>"}}
        cls.model = make_model(os.path.join(cls.scratch.name, "tiny"), "llama-grouped", **special)
        cls.other = make_model(os.path.join(cls.scratch.name, "other"), "llama-biased", **special)
        with open(os.path.join(cls.scratch.name, "corpus.txt"), "w", encoding="utf-8") as file:
            file.write(TEXT)

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def start(self, *arguments):
        environment = dict(os.environ, OMP_WAIT_POLICY="passive", XDG_CACHE_HOME=os.path.join(self.scratch.name, "cache"))
        return subprocess.Popen([TOOL, "autoencoder", *arguments], cwd=self.scratch.name, env=environment,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run_tool(self, *arguments, code=0):
        child = self.start(*arguments)
        out, err = child.communicate(timeout=300)
        self.assertEqual(child.returncode, code, err)
        return out, err

    def content(self, folder, name):
        with open(os.path.join(self.scratch.name, folder, name), "rb") as file:
            return file.read()

    def test_1_stopped_and_killed(self):
        self.run_tool("train", self.model, "-o", "whole", *SMALL)
        self.run_tool("train", self.model, "-o", "parts", "--stop", "30", *SMALL)
        for number in (signal.SIGINT, signal.SIGKILL):
            child = self.start("train", self.model, "-o", "parts", *SMALL)
            time.sleep(0.3)
            child.send_signal(number)
            _, err = child.communicate(timeout=300)
            if number == signal.SIGINT and child.returncode:
                self.assertIn("the same command goes on", err)
        out, _ = self.run_tool("train", self.model, "-o", "parts", "--json", *SMALL)
        for name in ("state.safetensors", "autoencoder.safetensors"):
            self.assertEqual(self.content("whole", name), self.content("parts", name), name)
        lines = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([r["type"] for r in lines], ["autoencoder_point"] * 3 + ["autoencoder_training"])
        self.assertTrue(lines[-1]["complete"])
        self.assertIn(b"<svg", self.content("parts", "curve.svg"))

    def test_2_used(self):
        out, _ = self.run_tool("reconstruct", "whole", "the hen", "in the sea", "--noise", "0.2")
        self.assertEqual(out.count("corrected;"), 2)
        out, _ = self.run_tool("reconstruct", "whole", "the hen", "--json")
        self.assertEqual(json.loads(out)["tokens"], 7)
        out, _ = self.run_tool("interpolate", "whole", "the hen", "again", "--steps", "3", "--json")
        self.assertEqual([i["at"] for i in json.loads(out)["items"]], [0, 0.5, 1])
        out, _ = self.run_tool("eval", "whole", "--corpus", "corpus.txt", "--texts", "8", "--json")
        card = json.loads(out)
        self.assertEqual(len(card["recall"]), 6)  # three kinds of 8 and of 12 tokens
        self.assertIsNone(card["explained"])
        out, _ = self.run_tool("eval", "whole", "--corpus", "corpus.txt", "--texts", "8")
        self.assertIn("shuffled  8 tokens", out)

    def test_3_mistakes(self):
        for words, code, arguments in (
                ("train|eval|reconstruct|interpolate", 2, []),
                ("unknown 'paint'", 2, ["paint"]),
                ("--corpus is needed", 2, ["train", self.model, "-o", "x"]),
                ("--output is needed", 2, ["train", self.model, "--corpus", "corpus.txt"]),
                ("absent.txt", 1, ["train", self.model, "-o", "x", "--corpus", "absent.txt"]),
                ("another model", 2, ["reconstruct", "whole", "the hen", "--model", self.other]),
                ("expected autoencoder.safetensors", 1, ["reconstruct", "tiny", "the hen"]),
                ("or a model that one comes with this program for", 1, ["reconstruct", "absent", "the hen"]),
                ("another training", 2, ["train", self.model, "-o", "whole", *SMALL, "--rate", "0.5"]),
                ("expected 1 to 12 tokens", 2, ["reconstruct", "whole", "the hen and the heron"])):
            _, err = self.run_tool(*arguments, code=code)
            self.assertIn(words, err)

    def test_4_full_disk(self):
        if not os.access("/dev/full", os.W_OK):
            self.skipTest("no /dev/full")
        os.makedirs(os.path.join(self.scratch.name, "full"))
        os.symlink("/dev/full", os.path.join(self.scratch.name, "full", "model.cache"))
        _, err = self.run_tool("train", self.model, "-o", "full", *SMALL, code=1)
        self.assertIn("model.cache", err)


if __name__ == "__main__":
    sys.exit(unittest.main())
