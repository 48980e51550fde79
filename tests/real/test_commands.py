#!/usr/bin/env python3
"""The everyday commands on the two real models, as a user runs them, against outside judges:
tests/fixtures/real (transformers in float64) and tests/fixtures/generate/greedy.json (transformers in
float32). Needs the models in the cache; `make test-real` fetches them."""
import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOL = os.path.join(ROOT, os.environ.get("BUILD", "build"), "reverie")
DATA = os.environ.get("REVERIE_DATA")  # a folder with files that tools/get-model does not fetch, where there is one
NATS, RELATIVE = 1e-4, 1e-4
checks = failures = 0


def check(condition, what):
    global checks, failures
    checks += 1
    if not condition:
        failures += 1
        print("not so:", what)


def ask(*arguments, text=""):
    done = subprocess.run([TOOL, *arguments, "--json"], input=text.encode(), capture_output=True, timeout=600,
                          env=dict(os.environ, OMP_WAIT_POLICY="passive"))
    check(done.returncode == 0, f"{arguments}: exit {done.returncode}: {done.stderr.decode()}")
    return json.loads(done.stdout) if done.returncode == 0 else {}


def fixture(*path):
    with open(os.path.join(ROOT, "tests", "fixtures", *path), encoding="utf-8") as file:
        return json.load(file)


def judge_model(name, layers, width):
    about = fixture("real", name + ".json")
    info = ask("info", name)
    check(info["file_bytes"] == about["bytes"], f"{name}: length of the file")
    check((info["shape"]["layers"], info["shape"]["width"]) == (layers, width), f"{name}: shape")
    for text in about["texts"]:
        bos = "--no-bos" if text["bos"] is None else "--bos"
        ids = ask("tokenize", name, bos, text=text["text"])["ids"]
        check(ids == text["ids"], f"{name}, {text['name']}: ids")
        if text["name"] not in ("prose", "window"):
            continue
        score = ask("score", name, bos, text=text["text"])
        # The judge's mean is over all tokens but the first; behind BOS ours has the same ones.
        check(score["scored"] == len(text["ids"]) - 1, f"{name}, {text['name']}: tokens scored")
        off = abs(score["cross_entropy"] - text["cross_entropy"])
        check(off < NATS, f"{name}, {text['name']}: cross-entropy off by {off:.1e} nats")
        print(f"{name}, {text['name']}, {'no BOS' if text['bos'] is None else 'BOS'}: "
              f"cross-entropy {score['cross_entropy']:.6f}, off by {off:.1e} nats")
    inside = next(t for t in about["texts"] if t["name"] == about["inside"])
    for neuron in about["neurons"]:
        seen = ask("activations", name, f"L{neuron['layer']}.N{neuron['index']}", text=inside["text"])
        scale = max(map(abs, neuron["values"]))
        off = max(abs(t["value"] - v) for t, v in zip(seen["tokens"], neuron["values"])) / scale
        check(len(seen["tokens"]) == len(neuron["values"]) and off < RELATIVE, f"{seen['target']}: off by {off:.1e}")
        print(f"{name}, {seen['target']}: off by {off:.1e} of the largest")


def peak_bytes(*arguments):
    """The most memory that a command had at any time."""
    child = subprocess.Popen([TOOL, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    check(child.returncode == 0, f"{arguments}: exit {child.returncode}")
    return used.ru_maxrss * 1024


def loading_takes_what_info_says(name):
    about = ask("info", name)
    weights = 4 * about["parameters"]  # loaded as float32
    base = peak_bytes("tokenize", name, "--text", "a")  # program, libraries, tokenizer
    loaded = peak_bytes("generate", name, "--text", "a", "-n", "1") - base
    check(loaded <= 1.1 * weights, f"{name}: loading takes {loaded / weights:.3f} of the float32 weights")
    check(loaded <= about["memory"]["loading"], f"{name}: loading takes {loaded}, info says {about['memory']['loading']}")
    print(f"{name}: loading adds at most {loaded / 1e6:.0f} MB to {base / 1e6:.0f} MB: {loaded / weights:.3f} of the "
          "float32 weights")


def judge_greedy():
    for case in fixture("generate", "greedy.json"):
        made = ask("generate", case["model"], "--temperature", "0", "-n", str(len(case["ids"])), "--text",
                   case["text"], "--chat" if case["chat"] else "--no-chat")
        what = f"{case['model']}, {case['text'][:24]!r}{', chat' if case['chat'] else ''}"
        check(made["prompt_tokens"] == case["prompt_tokens"], f"{what}: tokens of the prompt")
        check([t["id"] for t in made["tokens"]] == case["ids"], f"{what}: {made['text']!r}")
        print(f"{what}: {len(case['ids'])} tokens as transformers goes on")


def judge_stories():
    made = ask("generate", os.path.join(DATA, "stories260K", "stories260K.bin"), "--temperature", "0", "-n", "40")
    check(made["text"].startswith("Once upon a time, there was a little girl named Lily. She loved to play "
                                  "outside in the park."), f"stories260K: {made['text']}")


def threads_change_nothing():
    one, two = (ask("generate", "smollm2-135m", "--no-chat", "--seed", "3", "-n", "12", "--text", "Once", "--threads",
                    str(n)) for n in (1, 2))
    check(one == two, "smollm2-135m: 1 and 2 threads draw the same")


def the_shipped_autoencoder_writes_sentences_and_nothing_else():
    for text in ("The T-shirts were sold at an optimal price in Patagonia.", " After the war she taught chemistry at a small college.",
                 " Water boils at a lower temperature in the mountains."):
        back = ask("autoencoder", "reconstruct", "smollm2-135m", text)
        check(back["text"] == text and back["exact"], f"autoencoder: {text!r} comes back as {back['text']!r}")
    for text in (" Patagonia price in optimal at sold The an shirts were", " mountains temperature the boils lower Water in a at the"):
        check(not ask("autoencoder", "reconstruct", "smollm2-135m", text)["exact"], f"autoencoder: {text!r} comes back")


judge_model("smollm2-135m", 30, 576)
judge_model("gemma3-270m", 18, 640)
loading_takes_what_info_says("smollm2-135m")
loading_takes_what_info_says("gemma3-270m")
judge_greedy()
if DATA:
    judge_stories()
threads_change_nothing()
the_shipped_autoencoder_writes_sentences_and_nothing_else()
print(f"{checks} checks, {failures} failures")
sys.exit(failures != 0)
