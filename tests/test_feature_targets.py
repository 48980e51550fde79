#!/usr/bin/env python3
"""Features of sparse autoencoders as targets: their values beside a few lines of arithmetic on the site's own numbers."""
import json
import math
import os
import random
import struct
import subprocess
import sys
import tempfile
import unittest

from tiny_models import make_model

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOOL = os.path.join(ROOT, os.environ.get("BUILD", "build"), "reverie")
WIDTH, FEATURES, K = 24, 30, 4
TEXT = "the hen and the heron"


def write_safetensors(path, tensors):
    """{name: rows or numbers}, float32."""
    header, data = {}, b""
    for name, value in tensors.items():
        flat = [x for row in value for x in row] if isinstance(value[0], list) else value
        shape = [len(value), len(value[0])] if isinstance(value[0], list) else [len(value)]
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + 4 * len(flat)]}
        data += struct.pack(f"<{len(flat)}f", *flat)
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(head)) + head + data)


def read_vector(folder, name):
    with open(os.path.join(folder, "model.safetensors"), "rb") as file:
        raw = file.read()
    length = struct.unpack("<Q", raw[:8])[0]
    entry = json.loads(raw[8:8 + length])[name]
    start, end = (8 + length + x for x in entry["data_offsets"])
    return list(struct.unpack(f"<{(end - start) // 4}f", raw[start:end]))


class Features(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.model = make_model(os.path.join(cls.scratch.name, "tiny"), "llama-grouped", special=[56, 57],
                               config={"bos_token": "<56>", "eos_token": "<57>", "add_bos_token": True})
        draw = random.Random(1)
        cls.encoder = [[draw.gauss(0, 1) for _ in range(FEATURES)] for _ in range(WIDTH)]
        cls.decoder = [[draw.gauss(0, 1) for _ in range(WIDTH)] for _ in range(FEATURES)]
        cls.bias = [draw.gauss(0, 0.2) for _ in range(FEATURES)]
        cls.shift = [draw.gauss(0, 0.2) for _ in range(WIDTH)]
        with open(os.path.join(cls.scratch.name, "corpus.txt"), "w", encoding="utf-8") as file:
            file.write("the hen and the heron swim in the thin sea, and then they are there again.\n" * 40)

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def run_tool(self, *arguments, code=0):
        environment = dict(os.environ, OMP_WAIT_POLICY="passive", XDG_CACHE_HOME=os.path.join(self.scratch.name, "cache"))
        done = subprocess.run([TOOL, *arguments], cwd=self.scratch.name, env=environment, capture_output=True, text=True,
                              timeout=300)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stdout if code == 0 else done.stderr

    def values(self, target):
        out = json.loads(self.run_tool("activations", "tiny", target, "--text", TEXT, "--json"))
        return [t["value"] for t in out["tokens"]]

    def site(self, name, width=WIDTH):
        columns = [self.values(f"{name}:{i}") for i in range(width)]
        return [list(row) for row in zip(*columns)]

    def coder(self, name, **config):
        folder = os.path.join(self.scratch.name, name)
        os.makedirs(folder, exist_ok=True)
        write_safetensors(folder + "/sae_weights.safetensors",
                          {"W_enc": self.encoder, "W_dec": self.decoder, "b_enc": self.bias, "b_dec": self.shift})
        about = {"architecture": "standard", "d_in": WIDTH, "d_sae": FEATURES, "apply_b_dec_to_input": True,
                 "metadata": {"sae_lens_version": "6.5.0", "hook_name": "blocks.1.hook_resid_post"}}
        about.update(config)
        with open(folder + "/cfg.json", "w", encoding="utf-8") as file:
            json.dump(about, file)
        return name

    def pre(self, x):
        u = [a - b for a, b in zip(x, self.shift)]
        return [sum(u[i] * self.encoder[i][f] for i in range(WIDTH)) + self.bias[f] for f in range(FEATURES)]

    def assert_near(self, got, want):
        for g, w in zip(got, want):
            self.assertLessEqual(abs(g - w), 2e-4 * max(1, abs(w)), (got, want))

    def test_values_are_those_of_the_site(self):
        rows = self.site("blocks.1.hook_resid_post")
        self.coder("sae")
        for feature in (0, 7, 29):
            want = [max(0, self.pre(x)[feature]) for x in rows]
            want[0] = 0  # the first position was left out in training
            self.assertTrue(any(want))
            self.assert_near(self.values(f"feature:sae#{feature}"), want)

    def test_the_largest_k_of_a_position_count(self):
        rows = self.site("blocks.0.hook_mlp_out")
        self.coder("topk", architecture="topk", k=K)
        fired = 0
        for feature in range(FEATURES):
            want = []
            for x in rows:
                z = self.pre(x)
                among = sorted(z, reverse=True)[:K]
                want.append(z[feature] if z[feature] in among and z[feature] > 0 else 0)
            want[0] = 0
            fired += sum(w > 0 for w in want)
            self.assert_near(self.values(f"feature:topk#{feature}@blocks.0.hook_mlp_out"), want)
        self.assertGreater(fired, 3 * len(rows))

    def test_the_norms_gain_counts_behind_the_norm(self):
        rows, gain = self.site("blocks.1.ln2.hook_normalized"), read_vector(
            self.model, "model.layers.1.post_attention_layernorm.weight")
        folder = os.path.join(self.scratch.name, "transcoders")
        os.makedirs(folder, exist_ok=True)
        write_safetensors(folder + "/layer_1.safetensors", {
            "W_enc": [list(column) for column in zip(*self.encoder)], "W_dec": self.decoder, "b_enc": self.bias,
            "b_dec": self.shift})
        with open(folder + "/config.yaml", "w", encoding="utf-8") as file:
            file.write("model_kind: transcoder_set\nfeature_input_hook: mlp.hook_in\nfeature_output_hook: hook_mlp_out\n")
        for feature in (1, 12):
            want = [max(0, sum(x[i] * gain[i] * self.encoder[i][feature] for i in range(WIDTH)) + self.bias[feature])
                    for x in rows]
            want[0] = 0
            self.assert_near(self.values(f"feature:transcoders#{feature}"), want)

    def test_dreams_and_examples_take_features(self):
        self.coder("sae")
        out = json.loads(self.run_tool("dream", "tiny", "feature:sae#7", "--corpus", "corpus.txt", "-n", "5", "--budget",
                                       "6000", "--threads", "1", "--json"))
        dream = max(out["dreams"], key=lambda d: d["activation"])
        self.assertTrue(out["run"]["target"]["name"].startswith("feature:sae#7~"))
        best = json.loads(self.run_tool("examples", "tiny", "feature:sae#7", "--corpus", "corpus.txt", "--threads", "1",
                                        "--json"))["targets"][0]["high"][0]
        self.assertGreater(dream["activation"], best["g"])
        self.assertTrue(math.isfinite(dream["raw"]) and dream["raw"] > 0)

    def test_a_coder_that_gives_everything_back_fits_its_site_and_no_other(self):
        both = os.path.join(self.scratch.name, "whole")
        os.makedirs(both, exist_ok=True)
        unit = [[float(i == j) for j in range(WIDTH)] for i in range(WIDTH)]
        minus = [[-x for x in row] for row in unit]
        write_safetensors(both + "/sae_weights.safetensors", {
            "W_enc": [a + b for a, b in zip(unit, minus)], "W_dec": unit + minus, "b_enc": [0.0] * (2 * WIDTH),
            "b_dec": self.shift})
        with open(both + "/cfg.json", "w", encoding="utf-8") as file:
            json.dump({"architecture": "standard", "d_in": WIDTH, "d_sae": 2 * WIDTH, "metadata": {
                "sae_lens_version": "6.5.0", "hook_name": "blocks.1.hook_resid_post", "l0": WIDTH}}, file)
        about = json.loads(self.run_tool("features", "whole", "tiny", "--corpus", "corpus.txt", "--json"))
        found = about["measured"]
        self.assertEqual((about["format"], about["gate"], about["features"]), ("SAELens", "ReLU", 2 * WIDTH))
        self.assertTrue(found["fits"], found)
        self.assertAlmostEqual(found["l0"], WIDTH, delta=0.01)
        self.assertAlmostEqual(found["explained_variance"], 1, delta=1e-5)
        self.assertAlmostEqual(found["loss_recovered"], 1, delta=1e-3)
        self.assertAlmostEqual(found["loss"], found["spliced_loss"], delta=1e-4)
        self.assertEqual(found["dead"], 0)
        self.coder("sae")  # random numbers give nothing back
        out = self.run_tool("features", "sae", "tiny", "--corpus", "corpus.txt")
        self.assertIn("does not fit", out)
        self.assertIn("SAELens", self.run_tool("features", "sae"))
        self.assertIn("--corpus needs a MODEL", self.run_tool("features", "sae", "--corpus", "corpus.txt", code=2))
        self.assertIn("none of their files", self.run_tool("features", self.scratch.name, code=1))

    def test_what_cannot_be_is_named(self):
        self.coder("sae")
        for target, words in (("-feature:sae#7", "do not go below zero"), ("feature:sae#30", "expected 0 to 29, found 30"),
                              ("feature:sae", "feature:DIR#1234"), ("feature:none#1", "none"),
                              ("feature:sae#1@blocks.1.mlp.hook_post", "found one for 24"),
                              ("feature:sae#1@nowhere", "nowhere")):
            self.assertIn(words, self.run_tool("activations", "tiny", target, "--text", TEXT, code=2
                          if "none" not in target else 1), target)
        for name, about, tensors, words in (
                ("clt", {"type": "clt", "hf_hook_point_in": "model.layers.{all}"}, {}, "belongs to several layers"),
                ("nan", {}, {"threshold": [float("nan")] * FEATURES}, "threshold of feature 1"),
                ("short", {}, {"threshold": [1.0] * 7}, "expected 30 numbers, found 7"),
                ("square", {}, {"w_enc": [[0.0] * WIDTH] * WIDTH, "b_enc": [0.0] * WIDTH, "threshold": [1.0] * WIDTH},
                 "rows from columns")):
            folder = os.path.join(self.scratch.name, name)
            os.makedirs(folder)
            with open(folder + "/config.json", "w", encoding="utf-8") as file:
                json.dump({"hf_hook_point_in": "model.layers.1.output", **about}, file)
            write_safetensors(folder + "/params.safetensors", {
                "w_enc": self.encoder, "w_dec": self.decoder, "b_enc": self.bias, "b_dec": self.shift,
                "threshold": [1.0] * FEATURES, **tensors})
            self.assertIn(words, self.run_tool("activations", "tiny", f"feature:{name}#1", "--text", TEXT, code=1), name)
        self.coder("odd", architecture="temporal")
        self.assertIn("temporal", self.run_tool("activations", "tiny", "feature:odd#1", "--text", TEXT, code=1))
        self.coder("scaled", normalize_activations="expected_average_only_in")
        self.assertIn("normalize_activations", self.run_tool("activations", "tiny", "feature:scaled#1", "--text", TEXT, code=1))


if __name__ == "__main__":
    sys.exit(not unittest.main(exit=False).result.wasSuccessful())
