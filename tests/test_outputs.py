#!/usr/bin/env python3
"""What commands write: never over what they read, nor over another's file; and what is shown commands no terminal."""
import json
import os
import re
import shlex
import signal
import struct
import subprocess
import tempfile
import unittest

from tiny_models import make_model

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOOL = os.path.join(ROOT, os.environ.get("BUILD", "build"), "reverie")
TEXT = "the hen and the heron swim in the thin sea, and then they are there again.\n" * 20
TREACHEROUS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def content(path):
    with open(path, "rb") as file:
        return file.read()


def idx(path, count, pictures):
    """Images of 28 x 28, or labels, as MNIST has them."""
    with open(path, "wb") as file:
        file.write(struct.pack(">4I", 2051, count, 28, 28) if pictures else struct.pack(">2I", 2049, count))
        file.write(bytes((i * 37 + (i // 784) * 11) % 251 if pictures else i % 10
                         for i in range(count * 784 if pictures else count)))


class Outputs(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = scratch.name
        self.model = make_model(self.path("tiny"), "llama-grouped", special=[56, 57],
                                config={"bos_token": "<56>", "eos_token": "<57>", "add_bos_token": True})
        with open(self.path("corpus.txt"), "w", encoding="utf-8") as file:
            file.write(TEXT)
        with open(self.path("other.txt"), "w", encoding="utf-8") as file:
            file.write("somebody's own words\n")

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def run_tool(self, *arguments, code=0, **more):
        done = subprocess.run([TOOL, *arguments], cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=300,
                              env=dict(os.environ, OMP_WAIT_POLICY="passive", XDG_CACHE_HOME=self.path("cache"), **more))
        self.assertEqual(done.returncode, code, (arguments, done.stderr))
        return done.stdout.decode(), done.stderr.decode()

    SEARCH = ("-c", "corpus.txt", "-t", "1", "--corpus-tokens", "600")
    DREAM = ("dream", "tiny", "L1.N5", *SEARCH, "-n", "4", "-b", "300", "--no-attribution")

    def images(self):
        os.makedirs(self.path("data"), exist_ok=True)
        for part, count in (("train", 60), ("t10k", 20)):
            idx(self.path("data", part + "-images-idx3-ubyte"), count, True)
            idx(self.path("data", part + "-labels-idx1-ubyte"), count, False)

    def commands(self):
        """Every command that writes a file, but for its name; the files it reads."""
        self.run_tool(*self.DREAM, "-o", "run.jsonl")
        self.images()
        model = [os.path.join("tiny", name) for name in sorted(os.listdir(self.path("tiny")))]
        data = [os.path.join("data", name) for name in sorted(os.listdir(self.path("data")))]
        direction = "direction:way.json@blocks.0.hook_resid_pre"
        with open(self.path("way.json"), "w", encoding="utf-8") as file:
            json.dump([1.0] * 16, file)
        text = ["corpus.txt"]
        return [
            ((*self.DREAM, "-o"), model + text),
            (("dream", "tiny", direction, *self.DREAM[3:], "-o"), ["way.json"]),
            (("compare", "tiny", "L1.N5", *self.SEARCH, "-m", "naive", "-s", "1", "-n", "4", "-b", "300", "-o"), model + text),
            (("survey", "tiny", *self.SEARCH, "-o"), model + text),
            (("examples", "tiny", "L1.N5", *self.SEARCH, "-o"), model + text),
            (("report", "run.jsonl", "-o"), ["run.jsonl"]),
            (("report", "run.jsonl", "--plot"), ["run.jsonl"]),
            (("explain", "tiny", "L1.N5", *self.SEARCH, "-d", "run.jsonl", "--with", "local:tiny", "-o"),
             model + text + ["run.jsonl"]),
            (("explain", "tiny", "L1.N5", *self.SEARCH, "--with", "local:tiny", "--openai"), model + text),
            (("explain", "tiny", "L1.N5", *self.SEARCH, "--with", "local:tiny", "--neuron-record"), model + text),
            (("image", "train", "classifier", "-d", "data", "-e", "1", "-o"), data),
            (("image", "dream", "-d", "data", "--starts", "1", "--steps", "1", "-o"), []),
            (("autoencoder", "train", "tiny", "-c", "corpus.txt", "-o"), []),
        ]

    def test_what_is_read_is_not_written(self):
        """By its name, as a link, as a hard link, and with --force too."""
        for command, inputs in self.commands():
            for name in inputs:
                before = content(self.path(name))
                os.symlink(self.path(name), self.path("symbolic"))
                os.link(self.path(name), self.path("hard"))
                for wanted in (name, "./" + name, self.path(name), "symbolic", "hard"):
                    for force in ((), ("--force",)):
                        if force and command[0] in ("dream", "examples", "autoencoder"):
                            continue
                        _, err = self.run_tool(*command, wanted, *force, code=2)
                        self.assertRegex(err, "is what is read|is a file of|--force", (command, wanted))
                    self.assertEqual(content(self.path(name)), before, (command, wanted))
                os.unlink(self.path("symbolic"))
                os.unlink(self.path("hard"))

    def test_others_files_are_not_written(self):
        before = content(self.path("other.txt"))
        for command, _ in self.commands():
            _, err = self.run_tool(*command, "other.txt", code=2)
            self.assertIn("other.txt: ", err)
            self.assertEqual(content(self.path("other.txt")), before, command)
        for beside in ("new.jsonl.journal", "new.jsonl.resumed"):
            with open(self.path(beside), "wb") as file:
                file.write(before)
            self.run_tool(*self.DREAM, "-o", "new.jsonl", code=2)
            self.assertEqual(content(self.path(beside)), before)
            os.unlink(self.path(beside))

    def test_force_replaces_others_files(self):
        self.run_tool(*self.DREAM, "-o", "run.jsonl")
        for command in (("survey", "tiny", *self.SEARCH, "-o"), ("report", "run.jsonl", "-o"), ("report", "run.jsonl", "--plot")):
            self.run_tool(*command, "other.txt", "--force")
            self.assertNotIn(b"somebody", content(self.path("other.txt")))

    def test_outputs_are_looked_at_first(self):
        for command, _ in self.commands():
            if command[0] == "autoencoder":  # makes its folder
                continue
            _, err = self.run_tool(*command, "absent/out.html", code=1)
            self.assertIn("there is no folder absent", err)
        self.run_tool("report", "run.jsonl", "-o", "one", "--plot", "./one", code=2)
        self.assertFalse(os.path.exists(self.path("one")))

    def test_the_same_question_replaces_its_answer(self):
        survey = ("survey", "tiny", *self.SEARCH, "-o", "s.jsonl")
        self.run_tool(*survey)
        before = content(self.path("s.jsonl"))
        self.run_tool(*survey)
        self.assertEqual(content(self.path("s.jsonl")), before)
        _, err = self.run_tool("survey", "tiny", "-c", "other.txt", "-o", "s.jsonl", code=2)
        self.assertIn("another \"files\"", err)
        _, err = self.run_tool("survey", "tiny", *self.SEARCH, "--no-bos", "-o", "s.jsonl", code=2)
        self.assertEqual(content(self.path("s.jsonl")), before)
        self.run_tool(*self.DREAM, "-o", "run.jsonl")
        for option in ("-o", "--plot"):
            self.run_tool("report", "run.jsonl", option, "page")
            self.run_tool("report", "run.jsonl", option, "page")
            os.unlink(self.path("page"))
        for _ in range(2):
            self.run_tool("image", "dream", "--starts", "1", "--steps", "2", "--class", "3", "-o", "dreams")
        for name in ("dreams.html", "dreams.png", "dreams.jsonl"):
            with open(self.path("dreams", name), "wb") as file:
                file.write(b"mine")
            self.run_tool("image", "dream", "--starts", "1", "--steps", "2", "--class", "3", "-o", "dreams", code=2)
            self.assertEqual(content(self.path("dreams", name)), b"mine")
            os.unlink(self.path("dreams", name))

    def test_what_cannot_be_written_is_kept(self):
        """The folder goes away while the corpus is read."""
        with open(self.path("corpus.txt"), "w", encoding="utf-8") as file:
            file.write(TEXT * 40)
        fifo = self.path("pipe.txt")
        os.mkfifo(fifo)
        os.mkdir(self.path("out"))
        child = subprocess.Popen([TOOL, "survey", "tiny", "-c", fifo, "-o", "out/s.jsonl"], cwd=self.folder,
                                 stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                 env=dict(os.environ, XDG_CACHE_HOME=self.path("cache")))
        with open(fifo, "w", encoding="utf-8") as pipe:
            pipe.write(TEXT)
            pipe.flush()
            os.rmdir(self.path("out"))
        err = child.communicate(timeout=120)[1].decode()
        self.assertEqual(child.returncode, 1, err)
        kept = re.search("is kept in (.*)\n", err)
        self.assertTrue(kept, err)
        self.assertEqual(json.loads(content(kept[1]).split(b"\n")[0])["type"], "survey")

    def test_closed_descriptors_spare_the_record(self):
        for closed in (0, 1, 2):
            path = self.path(f"closed{closed}.jsonl")
            child = subprocess.Popen([TOOL, *self.DREAM[:-3], "-b", "3000", "-v", "-o", path], cwd=self.folder,
                                     preexec_fn=lambda fd=closed: os.close(fd), stdin=None if closed == 0 else subprocess.DEVNULL,
                                     stdout=None if closed == 1 else subprocess.DEVNULL,
                                     stderr=None if closed == 2 else subprocess.DEVNULL,
                                     env=dict(os.environ, XDG_CACHE_HOME=self.path("cache")))
            child.wait(120)
            types = [json.loads(line)["type"] for line in content(path).splitlines()]
            self.assertEqual((types[0], types[-1]), ("run", "end"), closed)

    def test_nothing_is_left_by_a_write(self):
        before = set(os.listdir(self.folder))
        self.run_tool("survey", "tiny", *self.SEARCH, "-o", "s.jsonl")
        self.assertEqual(set(os.listdir(self.folder)) - before - {"cache"}, {"s.jsonl"})


class Shown(unittest.TestCase):
    """What a file, a model or a user says, as it reaches a terminal or a pipe."""
    NASTY = "ab\u202ecd\u2066ef\u200fgh\u061ci\x1b[31mj\x9bk\x07l"

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = scratch.name

    def run_tool(self, *arguments, **more):
        done = subprocess.run([TOOL, *arguments], cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=120,
                              env=dict(os.environ, XDG_CACHE_HOME=self.folder, **more))
        return done.stdout.decode("utf-8", "surrogateescape"), done.stderr.decode("utf-8", "surrogateescape")

    def tamed(self, *arguments, **more):
        for text in self.run_tool(*arguments, **more):
            found = TREACHEROUS.search(text)
            self.assertIsNone(found, (arguments, text))

    def test_errors(self):
        make_model(os.path.join(self.folder, "odd"), "llama-grouped", model_type=self.NASTY, architectures=[self.NASTY])
        with open(os.path.join(self.folder, self.NASTY.replace("/", "")), "w", encoding="utf-8") as file:
            file.write('{"type": "' + self.NASTY.replace("\x1b", "").replace("\x07", "") + '"}\n')
        model = make_model(os.path.join(self.folder, self.NASTY + "m"), "llama-grouped")
        self.tamed("info", "odd")
        self.tamed("report", self.NASTY)
        self.tamed("info", self.NASTY + "m")
        self.tamed("score", model, "--" + self.NASTY)
        self.tamed("score", model, "--threads", self.NASTY)
        self.tamed("score", model, "--file", self.NASTY + "absent")
        self.tamed(self.NASTY)
        self.tamed("get", self.NASTY + "/b", "--offline")
        self.tamed("activations", model, "L0.N1", "--text", "abc")
        self.tamed("activations", model, self.NASTY, "--text", "abc")
        self.tamed("score", model, "--text", "abc", REVERIE_KERNELS=self.NASTY)

    def test_results(self):
        """A vocabulary whose characters are those that command."""
        model = make_model(os.path.join(self.folder, "m"), "llama-grouped")
        path = os.path.join(model, "tokenizer.json")
        with open(path, encoding="utf-8") as file:
            about = json.load(file)
        odd = "\u202e\u2066\u200e\u061c\x1b\x9b\x07\u2028\u202d\u2069\x08\x0c"
        vocabulary = about["model"]["vocab"]
        names = sorted(vocabulary, key=vocabulary.get)
        about["model"]["vocab"] = {odd[i % len(odd)] if i < len(odd) else name: i for i, name in enumerate(names)}
        with open(path, "w", encoding="utf-8") as file:
            json.dump(about, file)
        corpus = os.path.join(self.folder, "c.txt")
        with open(corpus, "w", encoding="utf-8") as file:
            file.write((odd + "mnopq ") * 60)
        search = ("-c", corpus, "-t", "1")
        self.tamed("generate", model, "--no-bos", "--text", "mno", "-n", "60", "--temperature", "3")
        self.tamed("tokenize", model, "--text", odd)
        self.tamed("tokenize", model, "--text", odd, "--json")
        self.tamed("score", model, "--no-bos", "--text", odd + "m", "--show")
        self.tamed("score", model, "--no-bos", "--text", odd + "m", "--json")
        self.tamed("activations", model, "L1.N2", "--no-bos", "--text", odd)
        self.tamed("examples", model, "L1.N2", *search)
        self.tamed("examples", model, "L1.N2", *search, "--json")
        self.tamed("dream", model, "L1.N2", *search, "-b", "300", "-n", "4", "-o", "r.jsonl")
        self.tamed("dream", model, "L1.N2", *search, "-b", "300", "-n", "4", "--json")
        self.tamed("report", "r.jsonl")
        self.tamed("report", "r.jsonl", "--json")
        out, _ = self.run_tool("tokenize", model, "--decode", "0 1")
        self.assertEqual(out, odd[:2])  # into a pipe, byte for byte

    def test_commands_can_be_pasted(self):
        model = make_model(os.path.join(self.folder, "m"), "llama-grouped")
        corpus = os.path.join(self.folder, "c.txt")
        with open(corpus, "w", encoding="utf-8") as file:
            file.write(TEXT)
        words = ("dream", model, "L1.N2", "-c", corpus, "-t", "1", "-b", "300", "-n", "4", "--no-attribution", "--forbid",
                 "it's", "--forbid", "$HOME `id` \"x\" \\ ! #", "--forbid", "a\nb\t\u202e'\\", "--forbid", "", "--forbid", "~",
                 "--forbid", "漢字", "--forbid", "*;&|<>(){}[]?")
        out, _ = self.run_tool(*words, "--json")
        line = json.loads(out)["run"]["command"]
        for shell in ("bash",):
            read = subprocess.run([shell, "-c", "printf '%s\\0' " + line], capture_output=True, check=True).stdout
            self.assertEqual(read.decode().split("\0")[:-1], ["reverie", *words, "--json"])
        self.assertIsNone(TREACHEROUS.search(line))
        self.assertEqual(shlex.split(line.split("--forbid", 1)[0])[:3], ["reverie", "dream", model])

    def test_hangup_is_heard(self):
        model = make_model(os.path.join(self.folder, "m"), "llama-grouped")
        corpus = os.path.join(self.folder, "c.txt")
        with open(corpus, "w", encoding="utf-8") as file:
            file.write(TEXT)
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            path = os.path.join(self.folder, f"{int(number)}.jsonl")
            child = subprocess.Popen([TOOL, "dream", model, "L1.N2", "-c", corpus, "-t", "1", "-b", "50M", "-n", "4", "-o", path],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                     env=dict(os.environ, XDG_CACHE_HOME=self.folder))
            while child.poll() is None:
                if os.path.exists(path) and b"trajectory" in content(path):
                    break
            child.send_signal(number)
            self.assertEqual(child.wait(60), 1, number)
            self.assertEqual(json.loads(content(path).splitlines()[-1])["status"], "interrupted", number)


if __name__ == "__main__":
    unittest.main(verbosity=1)
