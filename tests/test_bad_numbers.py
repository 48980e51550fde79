#!/usr/bin/env python3
"""Weights that hold NaN or infinities are told by every command that meets them; a search ends, and hears signals."""
import json
import os
import signal
import struct
import subprocess
import tempfile
import time
import unittest

from tiny_models import make_model

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOOL = os.path.join(ROOT, os.environ.get("BUILD", "build"), "reverie")
TEXT = "the hen and the heron swim in the thin sea, and then they are there again.\n" * 20
BOS = {"bos_token": "<56>", "eos_token": "<57>", "add_bos_token": True}
WRITTEN = {"F32": "<f", "F16": "<e", "BF16": "<H"}


def damage(folder, part, value):
    """Sets the first number of every tensor whose name holds `part`."""
    path = os.path.join(folder, "model.safetensors")
    with open(path, "r+b") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        for name, about in json.loads(file.read(length)).items():
            if part in name:
                form = WRITTEN[about["dtype"]]
                bits = struct.unpack("<I", struct.pack("<f", value))[0] >> 16 if about["dtype"] == "BF16" else value
                file.seek(8 + length + about["data_offsets"][0])
                file.write(struct.pack(form, bits))


class BadNumbers(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = scratch.name
        with open(os.path.join(self.folder, "corpus.txt"), "w", encoding="utf-8") as file:
            file.write(TEXT)

    def model(self, name, **more):
        return make_model(os.path.join(self.folder, name), "llama-grouped", special=[56, 57], config=BOS,
                          max_position_embeddings=256, **more)

    def environment(self):
        return dict(os.environ, OMP_WAIT_POLICY="passive", XDG_CACHE_HOME=os.path.join(self.folder, "cache"))

    def run_tool(self, *arguments, timeout=120):
        done = subprocess.run([TOOL, *arguments], cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout,
                              env=self.environment())
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def test_damaged_weights_are_told(self):
        search = ("-c", "corpus.txt", "-t", "1")
        dream = ("L1.N0", "-n", "4", "-b", "600", "-t", "1", "--no-attribution")
        for part, value in (("norm.weight", float("nan")), ("norm.weight", float("inf")), ("layers.1.mlp", float("nan")),
                            ("layers.1.mlp", float("-inf")), ("layers.0.self_attn", float("nan"))):
            name = f"{part}{value}"
            damage(self.model(name), part, value)
            for command in (("dream", name, *dream, "-c", "corpus.txt"), ("dream", name, *dream, "-c", "corpus.txt", "-m", "beam"),
                            ("dream", name, *dream, "-c", "corpus.txt", "-m", "naive", "-o", "r.jsonl"), ("dream", name, *dream),
                            ("examples", name, "L1.N0", *search), ("survey", name, *search),
                            ("activations", name, "L1.N0", "--text", "the hen"), ("score", name, "--text", "the hen"),
                            ("generate", name, "--text", "the hen", "-n", "3"),
                            ("generate", name, "--text", "the hen", "-n", "3", "--temperature", "0")):
                code, _, err = self.run_tool(*command)
                self.assertEqual(code, 1, (command, err))
                self.assertRegex(err, "expected (a )?finite", command)
            self.assertFalse(os.path.exists(os.path.join(self.folder, "r.jsonl")))

    def test_a_search_ends(self):
        self.model("tiny")
        for method in ("reverie", "epo", "gcg", "beam", "naive"):
            code, _, err = self.run_tool("dream", "tiny", "L1.N5", "-c", "corpus.txt", "-n", "1", "-b", "4000", "-t", "1", "-m", method,
                                         "--no-attribution", timeout=300)
            self.assertEqual(code, 0, (method, err))
            code, _, err = self.run_tool("dream", "tiny", "L1.N5", "-c", "corpus.txt", "-n", "1", "-b", "4000", "--no-bos", "-m", method)
            self.assertEqual(code, 2, method)
            self.assertIn("BOS", err)
        code, _, err = self.run_tool("dream", "tiny", "L1.N5", "-c", "corpus.txt", "-n", "3", "--least", "2", "--no-bos", "-b", "300",
                                     "-t", "1")
        self.assertEqual(code, 0, err)

    def test_signals_are_heard_before_the_first_step(self):
        """While the model writes its own corpus, and while windows are judged: nothing is left."""
        self.model("tiny")
        for wait in (0.0, 0.05, 0.1, 0.2):
            child = subprocess.Popen([TOOL, "dream", "tiny", "L1.N5", "-n", "40", "-b", "50M", "-t", "1", "-o", "r.jsonl"],
                                     cwd=self.folder, env=self.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(wait)
            child.send_signal(signal.SIGTERM)
            self.assertIn(child.wait(120), (1, -signal.SIGTERM))
            path = os.path.join(self.folder, "r.jsonl")
            if os.path.exists(path):
                with open(path, encoding="utf-8") as lines:
                    for line in lines:
                        json.loads(line)
                os.unlink(path)


if __name__ == "__main__":
    unittest.main(verbosity=1)
