#!/usr/bin/env python3
"""`reverie explain` as a user runs it, against a server that plays back what a real endpoint answered."""
import gzip
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import endpoint

KEY = "sk-neverToBeSeenElsewhere"


class Explain(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(endpoint.ANSWERS) as stream:
            cls.answers = json.load(stream)

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="reverie-explain-")
        self.records = self.write("neuron.json", json.dumps(endpoint.neuron()))
        self.server = endpoint.serve(self.answers)

    def tearDown(self):
        self.server.shutdown()
        self.server.server_close()
        shutil.rmtree(self.folder)

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as stream:
            stream.write(text)
        return path

    def command(self, *arguments, place=None, options=endpoint.OPTIONS):
        return [endpoint.TOOL, "explain", *arguments, *(["--with", place or self.server.url]), *options]

    def environment(self, **more):
        clean = {k: v for k, v in os.environ.items() if k not in ("OPENAI_API_KEY", "OPENROUTER_API_KEY")}
        return dict(clean, XDG_CACHE_HOME=os.path.join(self.folder, "cache"), NO_COLOR="1", **more)

    def explain(self, *arguments, place=None, options=endpoint.OPTIONS, **more):
        done = subprocess.run(self.command(*arguments, place=place, options=options), text=True, capture_output=True,
                              timeout=120, env=self.environment(**more))
        return done.returncode, done.stdout, done.stderr

    def lines(self, text):
        return [json.loads(line) for line in text.splitlines()]

    def test_the_whole_chain_answers(self):
        code, out, err = self.explain("colours", "--records", self.records)
        self.assertEqual(code, 0, err)
        for words in ("colours fires on", "simulation", "correlation", "detection", "balanced accuracy", "fuzzing",
                      "rating", "token lookup", "empty", "What was proposed", "Where it was most wrong"):
            self.assertIn(words, out)
        self.assertNotIn("nan", out.lower())
        self.assertRegex(err, r"\d+ requests \(\d+ answers more from the cache\)")
        self.assertTrue(any(body.get("logprobs") for _, _, body in self.server.asked))

    def test_endpoints_without_probabilities_will_do(self):
        whole = self.explain("colours", "--records", self.records, "--json")
        text = next(l["text"] for l in self.lines(whole[1]) if l.get("chosen"))
        given = ["colours", "--records", self.records, "--json", "--no-cache", "-e", text, "--scorers", "simulation"]
        options = ["--per-split", "1"]
        self.server.asked.clear()
        asked = self.explain(*given, "--written", options=options)
        self.assertEqual(asked[0], 0, asked[2])
        self.assertEqual(self.lines(asked[1])[0]["options"]["simulator"], "text")
        levels = [b for _, _, b in self.server.asked if "Number, token" in b["messages"][-1]["content"]]
        self.assertTrue(levels and not any(b.get("logprobs") for b in levels))
        self.server.mute = True
        unheard = self.explain(*given, options=options)
        self.assertEqual(unheard[0], 0, unheard[2])
        self.assertTrue(any("no log-probabilities" in l.get("text", "") for l in self.lines(unheard[1])))
        asked, unheard = [[s for l in self.lines(r[1]) for s in l.get("scores", []) if s["scorer"] == "simulation"]
                          for r in (asked, unheard)]
        self.assertEqual(asked, unheard)

    def test_records_are_run_records(self):
        path = os.path.join(self.folder, "run.jsonl")
        code, out, err = self.explain("colours", "L3.N14", "--records", self.records, "--json", "-o", path,
                                      OPENAI_API_KEY=KEY)
        self.assertEqual(code, 0, err)
        lines = self.lines(out)
        self.assertEqual(lines[0]["type"], "run")
        self.assertEqual(lines[0]["target"]["name"], "L3.N14")
        self.assertEqual(lines[-1], dict(lines[-1], type="end", status="complete"))
        explanations = [l for l in lines if l["type"] == "explanation"]
        chosen = [e for e in explanations if e.get("chosen")]
        self.assertEqual(len(chosen), 1)
        self.assertEqual(explanations[0], chosen[0])
        for score in chosen[0]["scores"]:
            self.assertTrue(("value" in score) != ("why" in score), score)
        self.assertEqual(len(chosen[0]["records"]), 2)
        for text in chosen[0]["records"]:
            self.assertTrue(all("real" in t and "simulated" in t for t in text["tokens"]))
        self.assertEqual({e.get("baseline") for e in explanations} - {None}, {"empty", "token lookup"})
        with open(path) as stream:
            self.assertEqual(stream.read(), out)
        self.assertEqual(self.server.asked[0][1]["Authorization"], "Bearer " + KEY)
        self.assertNotIn(KEY, out + err)
        self.assertNotEqual(subprocess.run(["grep", "-rq", KEY, self.folder]).returncode, 0)
        report = subprocess.run([endpoint.TOOL, "report", path], text=True, capture_output=True)
        self.assertEqual(report.returncode, 0, report.stderr)
        code, out, err = self.explain("colours", "--records", self.records, "-o", path)
        self.assertEqual(code, 2)
        self.assertIn("the file exists", err)

    def test_nothing_is_paid_for_twice(self):
        first = self.explain("colours", "--records", self.records, "--json")
        asked = len(self.server.asked)
        self.server.shutdown()
        self.server.server_close()
        again = self.explain("colours", "--records", self.records, "--json")
        self.assertEqual(again[0], 0, again[2])
        self.assertIn("0 requests", again[2])
        strip = [[l for l in self.lines(r[1]) if l["type"] == "explanation"] for r in (first, again)]
        self.assertEqual(*strip)
        self.assertEqual(len(self.server.asked), asked)
        self.server = endpoint.serve(self.answers)

    def test_a_dry_run_asks_nothing(self):
        code, out, err = self.explain("colours", "--records", self.records, "--dry-run")
        self.assertEqual(code, 0, err)
        self.assertIn("This neuron fires on", out)
        self.assertIn("[system]", out)
        self.assertIn("nothing was asked", err)
        self.assertEqual(self.server.asked, [])
        self.assertFalse(os.path.exists(os.path.join(self.folder, "cache")))

    def test_the_budget_ends_it_and_keeps_what_there_is(self):
        code, out, err = self.explain("colours", "--records", self.records, "--json", "--budget-requests", "5")
        self.assertEqual(code, 1)
        self.assertIn("the budget of 5 requests is spent", err)
        self.assertEqual(len(self.server.asked), 5)
        lines = self.lines(out)
        self.assertEqual(lines[-1]["status"], "interrupted")
        self.assertTrue(any("stopped before the end" in l.get("text", "") for l in lines))
        self.assertTrue(any(l.get("chosen") for l in lines))

    def test_interruption_keeps_what_there_is(self):
        slow = endpoint.serve(self.answers)
        slow.RequestHandlerClass = type("Slow", (endpoint.Replay,), {"do_POST": lambda s: (
            time.sleep(30) if len(slow.asked) >= 4 else endpoint.Replay.do_POST(s))})
        process = subprocess.Popen(self.command("colours", "--records", self.records, "--json", place=slow.url),
                                   text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment())
        for _ in range(600):
            if len(slow.asked) >= 4:
                break
            time.sleep(0.05)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        self.assertEqual(process.returncode, 1, err)
        self.assertEqual(self.lines(out)[-1]["status"], "interrupted")
        slow.shutdown()
        slow.server_close()

    def interrupted(self, command, place, when, signals):
        """Starts the command and ends it when the server has been asked so often."""
        process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=self.environment())
        for _ in range(600):
            if len(place.asked) >= when or process.poll() is not None:
                break
            time.sleep(0.02)
        process.send_signal(signals)
        process.communicate(timeout=60)
        return process.returncode

    def test_the_same_command_goes_on_whatever_ended_it(self):
        slow = endpoint.serve(self.answers)
        slow.RequestHandlerClass = type("Slow", (endpoint.Replay,), {"do_POST": lambda s: (
            time.sleep(0.1), endpoint.Replay.do_POST(s))})
        path, whole = (os.path.join(self.folder, name) for name in ("run.jsonl", "whole.jsonl"))
        command = self.command("colours", "--records", self.records, "-o", path, place=slow.url)
        asked = 0
        for step, (number, code) in enumerate(((signal.SIGINT, 1), (signal.SIGTERM, 1), (signal.SIGHUP, 1),
                                               (signal.SIGKILL, -signal.SIGKILL))):
            self.assertEqual(self.interrupted(command, slow, len(slow.asked) + 3, number), code)
            self.assertGreater(len(slow.asked), asked)
            asked = len(slow.asked)
            self.assertEqual(os.path.exists(path), step > 0 or os.path.exists(path))
        other = subprocess.run([*command, "--seed", "2"], text=True, capture_output=True, env=self.environment())
        self.assertEqual((other.returncode, len(slow.asked)), (2, asked))
        self.assertIn("another question", other.stderr)
        done = subprocess.run(command, text=True, capture_output=True, env=self.environment())
        self.assertEqual(done.returncode, 0, done.stderr)
        slow.shutdown()
        slow.server_close()
        self.explain("colours", "--records", self.records, "-o", whole, "--no-cache")
        pieces, uninterrupted = [], []
        for lines, name in ((pieces, path), (uninterrupted, whole)):
            with open(name) as stream:
                lines += self.lines(stream.read())
        for lines in (pieces, uninterrupted):
            for field in ("command", "started"):
                del lines[0][field]
            del lines[-1]["seconds"]
        self.assertEqual(pieces, uninterrupted)  # the count of tokens, too
        left = [n for n in os.listdir(self.folder) if n not in ("neuron.json", "cache", "run.jsonl", "whole.jsonl")]
        self.assertEqual(left, [])
        code, _, err = self.explain("colours", "--records", self.records, "-o", path)
        self.assertEqual(code, 2)  # it is complete
        self.assertIn("the file exists", err)
        code, _, err = self.explain("colours", "--records", self.records, "-o", path, "--force", "--scorers", "rating")
        self.assertEqual(code, 0, err)
        with open(path) as stream:
            self.assertEqual(json.loads(stream.readline())["options"]["scorers"], "rating")

    def test_files_that_are_no_unfinished_explanation_are_left(self):
        for text in ("hello\n", '{"type":"run"}\n', json.dumps({"type": "end", "status": "interrupted"}) + "\n", "{"):
            path = self.write("precious", text)
            code, _, err = self.explain("colours", "--records", self.records, "-o", path)
            self.assertEqual(code, 2, err)
            with open(path) as stream:
                self.assertEqual(stream.read(), text)
        self.assertEqual(self.server.asked, [])

    def test_secrets_of_an_address_are_written_nowhere(self):
        secret, path = "hunter2/hunter3+x", os.path.join(self.folder, "run.jsonl")
        place = self.server.url.replace("#", "?api-version=2024-06-01&whatever=hunter2%2Fhunter3%2Bx#")
        out = []
        for options in (["-o", path], ["--json"], ["--budget-requests", "1", "--no-cache"]):
            result = self.explain("colours", "--records", self.records, *options, place=place, OPENAI_API_KEY=KEY)
            out.append(result[1] + result[2])
        self.assertIn("whatever=hunter2%2Fhunter3%2Bx", self.server.asked[0][0])
        self.server.troubles = [lambda handler: handler.reply(400, handler.path.encode())]
        out.append(self.explain("colours", "--records", self.records, "--no-cache", place=place)[2])
        self.assertIn("answered 400", out[-1])
        out.append(self.explain("colours", "--records", self.records, place=place.replace("#", "&x="))[2])
        for base, _, names in os.walk(self.folder):
            for name in names:
                with open(os.path.join(base, name), errors="replace") as stream:
                    out.append(stream.read())
        for text in out:
            self.assertNotIn("hunter", text)
            self.assertNotIn(KEY, text)
        with open(path) as stream:
            self.assertIn("?api-version=2024-06-01&whatever=***#", json.loads(stream.readline())["command"])

    def test_others_can_read_the_result(self):
        openai, folder = os.path.join(self.folder, "results.jsonl"), os.path.join(self.folder, "export")
        code, _, err = self.explain("colours", "--records", self.records, "--openai", openai, "--neuronpedia", folder)
        self.assertEqual(code, 0, err)
        with open(openai) as stream:
            results = json.load(stream)
        self.assertEqual(results["dataclass_name"], "NeuronSimulationResults")
        self.assertEqual(results["neuron_id"]["neuron_index"], 14)
        scored = results["scored_explanations"][0]
        self.assertEqual(len(scored["scored_simulation"]["scored_sequence_simulations"]), 2)
        for table, count in (("features", 1), ("activations", 7), ("explanations", 1)):
            with gzip.open(os.path.join(folder, "colours", "3", table, "batch-0.jsonl.gz"), "rt") as stream:
                rows = [json.loads(line) for line in stream]
            self.assertEqual(len(rows), count)
            self.assertTrue(all(row["index"] == "14" for row in rows))
        self.assertEqual(rows[0]["description"], scored["explanation"])
        # and what was exported is evidence again
        code, out, err = self.explain("colours", "L3.N14", "--records", os.path.join(folder, "colours", "3"),
                                      "--dry-run")
        self.assertEqual(code, 0, err)

    def test_wrong_use_is_told(self):
        cases = [
            (["colours"], {}, 2, "which neuron?"),
            (["colours", "L3.N14"], {}, 2, "nothing to hold an explanation against"),
            (["colours", "L3.N15", "--records", self.records], {}, 2, "expected L3.N15, found L3.N14"),
            (["colours", "--records", self.records, "--openai", "/dev/null/nowhere/a.json"], {}, 1, "no folder /dev/null/nowhere"),
            (["colours", "--records", "/nowhere.json"], {}, 1, "/nowhere.json"),
            (["colours", "--records", self.write("empty.json", "{}")], {}, 1, "neuron_id: expected an object"),
            (["colours", "--records", self.records, "--style", "x"], {}, 2, "style: expected pairs or maxima"),
            (["colours", "--records", self.records, "--show", "dreams"], {}, 2, "expected dreams"),
            (["colours", "--records", self.records, "--scorers", "simulation,luck"], {}, 2, "found 'luck'"),
            (["colours", "--records", self.records, "--per-split", "9"], {}, 2, "expected at least 36"),
            (["colours", "--records", self.records, "--candidates", "0"], {}, 2, "candidates: expected 1"),
            (["colours", "--records", self.records, "--candidates", "x"], {}, 2, "candidates"),
            (["colours", "--records", self.records], {"place": "https://api.openai.com/v1#m"}, 2, "set OPENAI_API_KEY"),
            (["colours", "--records", self.records], {"place": "api.openai.com"}, 2, "https://host/v1#model"),
            (["colours", "--records", self.records], {"place": "local:/nowhere"}, 1, "nowhere"),
        ]
        for arguments, more, expected, words in cases:
            with self.subTest(words):
                options = endpoint.OPTIONS if "--per-split" not in arguments and "--candidates" not in arguments else []
                code, _, err = self.explain(*arguments, options=options, **more)
                self.assertIn(words, err)
                self.assertEqual(code, expected, err)
        done = subprocess.run([endpoint.TOOL, "explain", "colours"], text=True, capture_output=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--with", done.stderr)
        self.assertEqual(self.server.asked, [])

    def test_neurons_that_cannot_be_explained_are_told(self):
        silent = endpoint.neuron()
        for record in silent["most_positive_activation_records"]:
            record["activations"] = [-1.0 for _ in record["activations"]]
        code, _, err = self.explain("colours", "--records", self.write("silent.json", json.dumps(silent)))
        self.assertEqual(code, 2)
        self.assertIn("never fires", err)
        broken = endpoint.neuron()
        broken["most_positive_activation_records"][2]["activations"][1] = float("nan")
        code, _, err = self.explain("colours", "--records", self.write("broken.json", json.dumps(broken)))
        self.assertEqual(code, 1)
        self.assertIn("top record 2, token 1", err)
        self.assertEqual(self.server.asked, [])

    def test_an_endpoint_that_stumbles_is_asked_again(self):
        smooth = self.explain("colours", "--records", self.records, "--json", "--no-cache")
        self.assertEqual(smooth[0], 0, smooth[2])
        self.server.troubles = [endpoint.too_many, None, endpoint.broken, None, endpoint.cut_off, None,
                                endpoint.hangs_up]
        rough = self.explain("colours", "--records", self.records, "--json", "--no-cache")
        self.assertEqual(rough[0], 0, rough[2])
        self.assertEqual(self.server.troubles, [])
        self.assertEqual(*[[l for l in self.lines(r[1]) if l["type"] == "explanation"] for r in (smooth, rough)])

    def test_an_endpoint_that_talks_nonsense_is_told(self):
        for nonsense, words in ((b'{"choices":[{"message":', "expected JSON"), (b"[7]", "expected an object"),
                                (b'{"choices":[{"message":{"content":7}}]}', "content: expected a string")):
            with self.subTest(words):
                self.server.troubles = [lambda handler, text=nonsense: handler.reply(200, text)]
                code, out, err = self.explain("colours", "--records", self.records, "--json", "--no-cache")
                self.assertEqual(code, 1)
                self.assertIn(words, err)
                self.assertNotIn("Traceback", err)
        self.server.troubles = [endpoint.endless]
        code, out, err = self.explain("colours", "--records", self.records, "--json", "--no-cache")
        self.assertEqual(code, 1)
        self.assertIn("longer than", err)

    def test_an_endpoint_that_breaks_midway_loses_nothing(self):
        self.server.answers = {}
        code, out, err = self.explain("colours", "--records", self.records, "--json")
        self.assertEqual(code, 1)
        self.assertIn("404", err)
        self.assertEqual(out, "")
        self.server.answers = {k: v for k, v in self.answers.items() if "Complete the sentence" in k}
        code, out, err = self.explain("colours", "--records", self.records, "--json")
        self.assertEqual(code, 1)
        self.assertEqual(self.lines(out)[-1]["status"], "interrupted")
        self.assertTrue(any(l["type"] == "explanation" for l in self.lines(out)))


class Local(unittest.TestCase):
    """A model of our own, small and random: subject, explainer and simulator at once. Its words mean nothing."""
    CHARACTERS = " etaoinshrdlu0123456789\n\tcmfwypvbgkqjxzETAOINSHRDLUCMWFYPVBGKQJXZ.,:;<>()'\"#-|%[]!?+"

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="reverie-explain-")
        self.model = os.path.join(self.folder, "tiny")
        shutil.copytree(os.path.join(endpoint.HERE, "fixtures", "models", "llama-grouped"), self.model)
        with open(os.path.join(self.model, "config.json")) as stream:
            config = json.load(stream)
        with open(os.path.join(self.model, "config.json"), "w") as stream:
            json.dump(dict(config, max_position_embeddings=16384), stream)
        vocabulary = {c: i for i, c in enumerate(self.CHARACTERS[:config["vocab_size"]])}
        with open(os.path.join(self.model, "tokenizer.json"), "w") as stream:
            json.dump({"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
                       "pre_tokenizer": None, "post_processor": None, "decoder": {"type": "Fuse"},
                       "model": {"type": "BPE", "dropout": None, "unk_token": None, "vocab": vocabulary,
                                 "continuing_subword_prefix": None, "end_of_word_suffix": None, "merges": [],
                                 "fuse_unk": False, "byte_fallback": False, "ignore_merges": False}}, stream)
        draw = random.Random(3)
        self.corpus = os.path.join(self.folder, "corpus.txt")
        with open(self.corpus, "w") as stream:
            for _ in range(150):
                stream.write("".join(draw.choice(self.CHARACTERS[:20]) for _ in range(120)) + "\n")

    def tearDown(self):
        shutil.rmtree(self.folder)

    def reverie(self, *arguments):
        done = subprocess.run([endpoint.TOOL, *arguments], text=True, capture_output=True, timeout=120,
                              env=dict(os.environ, XDG_CACHE_HOME=os.path.join(self.folder, "cache"), NO_COLOR="1",
                                       OMP_WAIT_POLICY="passive"))
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout, done.stderr

    def test_a_neuron_is_explained_without_any_network(self):
        path, dreams = os.path.join(self.folder, "neuron.json"), os.path.join(self.folder, "dreams.jsonl")
        few = ["--with", "local:" + self.model, "--candidates", "1", "--revisions", "1", "--per-split", "1",
               "--answer-tokens", "8", "--threads", "1", "--json"]
        self.reverie("examples", self.model, "L1.N3", "--corpus", self.corpus, "--top", "1", "--threads", "1")
        self.reverie("dream", self.model, "L1.N3", "--corpus", self.corpus, "--budget", "2k", "--threads", "1",
                     "-o", dreams)
        out, err = self.reverie("explain", self.model, "L1.N3", "--corpus", self.corpus, "--dreams", dreams,
                                "--neuron-record", path, *few, "--style", "maxima")
        self.assertNotIn("scanning", err)  # one scan answers examples, dream and explain
        lines = [json.loads(line) for line in out.splitlines()]
        chosen = next(l for l in lines if l.get("chosen"))
        self.assertIn({"simulation", "detection", "fuzzing", "rating"},
                      [{s["scorer"] for s in chosen["scores"]}])
        self.assertEqual(chosen["evidence"], "corpus and dreams")
        for score in chosen["scores"]:
            self.assertTrue("value" in score or "why" in score)
        with open(path) as stream:
            record = json.load(stream)
        self.assertEqual(record["neuron_id"]["neuron_index"], 3)
        tops = [max(r["activations"]) for r in record["most_positive_activation_records"]]
        self.assertEqual(len(record["random_sample_by_quantile"]), 4)
        self.assertGreaterEqual(max(tops), max(max(r["activations"]) for r in record["random_sample"]))
        other = os.path.join(self.folder, "other.jsonl")  # the same run of a model with other weights
        with open(dreams) as source, open(other, "w") as copy:
            about = json.loads(source.readline())
            about["model"]["hash"] = "0" * len(about["model"]["hash"])
            copy.write(json.dumps(about) + "\n" + source.read())
        for run, wrong, words in ((dreams, "-L1.N3", "expected the negative direction"),
                                  (dreams, "L1.N4", "expected L1.N4, found L1.N3"), (other, "L1.N3", "with 000000000000")):
            done = subprocess.run([endpoint.TOOL, "explain", self.model, *few, "--corpus", self.corpus, "--dreams", run, "--",
                                   wrong],
                                  text=True, capture_output=True)
            self.assertEqual(done.returncode, 2)
            self.assertIn(words, done.stderr)
        # what was written is evidence again, and gives the same prompts (but for the tokens that are promoted)
        prompts = [self.reverie("explain", self.model, "L1.N3", *source, *few, "--dry-run")[0]
                   for source in (["--corpus", self.corpus], ["--records", path])]
        self.assertIn("Other texts from it", prompts[0])
        self.assertEqual(*prompts)


if __name__ == "__main__":
    unittest.main()
