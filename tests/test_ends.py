#!/usr/bin/env python3
"""Generation ends at every token that config.json and generation_config.json name: what transformers writes up to
there (tests/fixtures/generate/ends.json)."""
import json
import os
import subprocess
import tempfile
import unittest

from tiny_models import CHARACTERS, MODELS, make_model

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOOL = os.path.join(ROOT, os.environ.get("BUILD", "build"), "reverie")


class Ends(unittest.TestCase):
    def setUp(self):
        with open(os.path.join(ROOT, "tests", "fixtures", "generate", "ends.json")) as stream:
            self.golden = json.load(stream)
        self.prompt = "".join(CHARACTERS[i] for i in self.golden["prompt"])

    def generate(self, model):
        done = subprocess.run([TOOL, "generate", model, "--text", self.prompt, "--no-bos", "--temperature", "0", "-n",
                               str(self.golden["max_tokens"]), "--threads", "1", "--json"],
                              text=True, capture_output=True, env=dict(os.environ, OMP_WAIT_POLICY="passive"))
        self.assertEqual(done.returncode, 0, done.stderr)
        out = json.loads(done.stdout)
        return [token["id"] for token in out["tokens"]], out["stopped"]

    def check(self, case, folder, **changes):
        model = make_model(os.path.join(folder, "m"), "neox-pythia", **changes)
        if case["generation_config"] is not None:
            with open(os.path.join(model, "generation_config.json"), "w") as stream:
                json.dump({"eos_token_id": case["generation_config"]}, stream)
        ids, stopped = self.generate(model)
        self.assertEqual(ids, case["ids"], case)
        self.assertEqual(stopped, "length" if len(ids) == self.golden["max_tokens"] else "end", case)
        return model

    def test_every_end_token_counts(self):
        for case in self.golden["cases"]:
            with tempfile.TemporaryDirectory() as folder:
                self.check(case, folder, eos_token_id=case["config"])

    def test_a_nested_config_and_broken_ones(self):
        case = next(c for c in self.golden["cases"] if c["config"] == 15 and c["generation_config"] is None)
        whole = self.golden["cases"][0]
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(MODELS, "neox-pythia", "config.json")) as stream:
                inner = dict(json.load(stream), eos_token_id=[15])
            model = self.check(case, folder, eos_token_id=None, text_config=inner)
            for config, expected in (({"eos_token_id": None}, whole), ({"eos_token_id": "end"}, whole),
                                     ({"eos_token_id": [-1, 1e9, 10**18, None, [15]]}, whole), ([15], whole),
                                     ({"eos_token_id": [None, 15]}, case)):
                with open(os.path.join(model, "config.json")) as stream:
                    about = json.load(stream)
                about.pop("text_config", None)
                with open(os.path.join(model, "config.json"), "w") as stream:
                    json.dump(about, stream)
                with open(os.path.join(model, "generation_config.json"), "w") as stream:
                    json.dump(config, stream)
                self.assertEqual(self.generate(model)[0], expected["ids"], config)
            with open(os.path.join(model, "generation_config.json"), "w") as stream:
                stream.write("{")
            self.assertEqual(self.generate(model)[0], whole["ids"])


if __name__ == "__main__":
    unittest.main()
