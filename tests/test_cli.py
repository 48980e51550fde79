#!/usr/bin/env python3
"""The everyday commands from outside: info, tokenize, score, activations, generate.

Transcripts: what the tool prints, against tests/golden/cli.txt; `tests/test_cli.py --update` writes it anew.
Judges: values of tests/fixtures/models, which transformers computed, on texts that a tokenizer of one
character a token turns into the fixtures' ids. Wrong input: one sentence, the right exit code.
"""
import json
import math
import os
import pty
import re
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import tempfile

from tiny_models import CHARACTERS, MODELS, make_model, tokenizer

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOOL = os.path.join(ROOT, os.environ.get("BUILD", "build"), "reverie")
GOLDEN = os.path.join(ROOT, "tests", "golden", "cli.txt")
TEMPLATE = ("{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + "
            "'<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}"
            "{{ '<|im_start|>assistant\\n' }}{% endif %}")
RELATIVE = 1e-4
failures = 0


def check(condition, what):
    global failures
    if not condition:
        failures += 1
        print("not so:", what)


def run(*arguments, text=None, folder=None, **options):
    environment = dict(os.environ, OMP_WAIT_POLICY="passive", XDG_CACHE_HOME="/dev/null/nowhere", HF_HUB_CACHE="/dev/null/nowhere")
    done = subprocess.run([TOOL, *arguments], input=text, capture_output=True, timeout=60, cwd=folder,
                          env=environment, **options)
    return done.returncode, done.stdout, done.stderr.decode()


def ask(*arguments, text=None, folder=None):
    code, out, err = run(*arguments, "--json", text=text, folder=folder)
    check(code == 0 and err == "", f"{arguments}: exit {code}: {err}")
    return json.loads(out) if code == 0 else {}


def spell(ids):
    return "".join(CHARACTERS[i] for i in ids).encode()


def tensors(path):
    """name -> (shape, numbers) of a float32 safetensors file."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    out = {}
    for name, t in header.items():
        if name != "__metadata__" and t["dtype"] == "F32":
            begin, end = t["data_offsets"]
            out[name] = t["shape"], struct.unpack(f"<{(end - begin) // 4}f", data[begin:end])
    return out


def close(a, b, scale=None):
    return abs(a - b) <= RELATIVE * max(abs(b), scale or 0, 1e-6)


# ---- judges ------------------------------------------------------------------------------------

def judge_fixture(folder, name):
    with open(os.path.join(MODELS, name, "golden.json"), encoding="utf-8") as file:
        about = json.load(file)
    golden = tensors(os.path.join(MODELS, name, "golden.safetensors"))
    model = make_model(os.path.join(folder, name), name)
    for s, ids in enumerate(about["ids"]):
        score = ask("score", model, "--no-bos", text=spell(ids))
        check(score["tokens"] == len(ids) and score["scored"] == len(ids) - 1, f"{name}: tokens scored")
        loss = golden[f"{s}.loss"][1][0]
        check(close(score["cross_entropy"], loss), f"{name}: loss {score['cross_entropy']}, expected {loss}")
        check(close(score["perplexity"], math.exp(score["cross_entropy"])), f"{name}: perplexity")
        covered = len(spell(ids[1:]))
        bits = score["cross_entropy"] * (len(ids) - 1) / math.log(2) / covered
        check(close(score["bits_per_byte"], bits), f"{name}: bits per byte")
        check(score["losses"][0]["nll"] is None, f"{name}: the first token is not scored")
        neuron = about["neuron"]
        seen = ask("activations", model, f"L{neuron['layer']}.N{neuron['index']}", "--no-bos", text=spell(ids))
        check([t["id"] for t in seen["tokens"]] == ids, f"{name}: ids")
        value = golden[f"{s}.neuron"][1][0]
        check(close(seen["tokens"][-1]["value"], value), f"{name}: neuron {seen['tokens'][-1]['value']}, {value}")
        (rows, columns), logits = golden[f"{s}.logits"]
        last = logits[(rows - 1) * columns:]
        made = ask("generate", model, "--no-bos", "--temperature", "0", "-n", "1", "--text", spell(ids).decode())
        check(last[made["tokens"][0]["id"]] == max(last), f"{name}: the likeliest token")
    for site, column in (("blocks.1.hook_resid_post", 3), ("ln_final.hook_normalized", 1), ("hook_embed", 0)):
        (rows, *_, columns), values = golden[f"0.site.{site}"]
        seen = ask("activations", model, f"{site}:{column}", "--no-bos", text=spell(about["ids"][0]))
        scale = max(map(abs, values))
        for row, token in enumerate(seen["tokens"]):
            check(close(token["value"], values[row * columns + column], scale), f"{name}: {site} at token {row}")
    shape, pattern = golden["0.site.blocks.1.attn.hook_pattern"]
    seen = ask("activations", model, "attention:L1.H0[-1,1]", "--no-bos", text=spell(about["ids"][0]))
    for row, token in enumerate(seen["tokens"]):
        expected = pattern[row * shape[2] + 1]
        check(token["value"] is None if row < 1 else close(token["value"], expected, 1), f"{name}: attention {row}")


def judge_info(folder):
    model = make_model(os.path.join(folder, "described"), "llama-grouped", special=[56, 57],
                       config={"bos_token": "<56>", "eos_token": "<57>"})
    info = ask("info", model)
    with open(os.path.join(model, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    for ours, theirs in (("layers", "num_hidden_layers"), ("width", "hidden_size"), ("heads", "num_attention_heads"),
                         ("key_heads", "num_key_value_heads"), ("neurons", "intermediate_size"),
                         ("vocabulary", "vocab_size"), ("context", "max_position_embeddings")):
        check(info["shape"][ours] == config[theirs], f"info: {ours}")
    stored = sum(math.prod(t[0]) for t in tensors(os.path.join(model, "model.safetensors")).values())
    check(info["parameters"] == stored, f"info: {info['parameters']} parameters, {stored} stored")
    check(info["memory"]["weights"] >= 4 * stored and info["memory"]["loading"] <= 1.1 * info["memory"]["weights"],
          "info: memory plan")
    check(info["bos"] == {"added": True, "id": 56, "token": "<56>", "why": "the tokenizer's configuration"},
          f"info: {info['bos']}")
    check("blocks.L.mlp.hook_post" in info["sites"] and "hook_embed" in info["sites"], "info: sites")


def printed_fields(value):
    """All names of fields, however deep."""
    if isinstance(value, list):
        return set().union(*map(printed_fields, value))
    if not isinstance(value, dict):
        return set()
    return set(value).union(*map(printed_fields, value.values()))


def json_is_as_documented(folder):
    """Every field that is printed stands in the command's section of docs/formats.md, every one with a * is there."""
    with open(os.path.join(ROOT, "docs", "formats.md"), encoding="utf-8") as file:
        sections = dict(part.split("\n", 1) for part in file.read().split("\n## What commands print")[1].split("\n### "))
    model = make_model(os.path.join(folder, "documented"), "llama-grouped", special=[56, 57], template=TEMPLATE,
                       config={"bos_token": "<56>", "eos_token": "<57>"})
    for name, *arguments in (("info",), ("tokenize", "--text", "ab"), ("score", "--text", "ab"),
                             ("activations", "L0.N1", "--text", "ab"), ("generate", "--no-chat", "--text", "ab", "-n", "3")):
        printed = printed_fields(ask(name, model, *arguments))
        section = sections[name]
        named = set(re.findall(r"`(\w+)`", section)) | {"added", "id", "token", "why"}
        always = set(re.findall(r"`(\w+)`\*", section))
        check(printed <= named, f"{name} --json: not in docs/formats.md: {printed - named}")
        check(always <= printed, f"{name} --json: promised by docs/formats.md: {always - printed}")


# ---- what is promised --------------------------------------------------------------------------

def bos_is_added_and_recorded(folder):
    model = make_model(os.path.join(folder, "bos"), "llama-grouped", special=[56, 57],
                       config={"bos_token": "<56>", "eos_token": "<57>"})
    with_bos, without = ask("score", model, text=b"adorned"), ask("score", model, "--no-bos", text=b"adorned")
    check(with_bos["bos"]["added"] and with_bos["bos"]["token"] == "<56>", "score: BOS is recorded")
    check(with_bos["scored"] == with_bos["tokens"] == 7, "score: behind BOS every token counts")
    check(with_bos["losses"][0]["nll"] is not None, "score: the first token's loss")
    check(not without["bos"]["added"] and without["bos"]["why"] == "asked for" and without["scored"] == 6, "--no-bos")
    # The same by hand: BOS written as a special token.
    by_hand = ask("score", model, "--no-bos", "--special", text=b"<56>adorned")
    check([t["nll"] for t in by_hand["losses"][1:]] == [t["nll"] for t in with_bos["losses"]], "BOS by hand")
    seen = ask("activations", model, "L0.N0", text=b"ad")
    check([t["text"] for t in seen["tokens"]] == ["<56>", "a", "d"], "activations: BOS is shown")
    check(ask("tokenize", model, text=b"ad")["ids"] == [56, 0, 3], "tokenize: BOS")
    check(ask("tokenize", model, "--no-bos", text=b"ad")["ids"] == [0, 3], "tokenize: no BOS")


def long_texts_are_read_in_windows(folder):
    model = make_model(os.path.join(folder, "windows"), "gpt2-bare")  # a context of 24
    text = b"WhateverComesToMindTheLongerTheBetterAndNoStopAtAll"
    whole = ask("score", model, "--no-bos", text=text)
    check(whole["tokens"] == len(text) and whole["scored"] == len(text) - 1, "windows: all tokens but one")
    parts = []
    for at in range(23, len(text), 23):  # every later window begins with the token before it
        part = ask("score", model, "--no-bos", text=text[at:at + 24])
        parts += [t["nll"] for t in part["losses"][1:]]
    check([t["nll"] for t in whole["losses"][24:]] == parts, "windows: losses as of each window alone")
    seen = ask("activations", model, "L1.N3", "--no-bos", text=text)
    check(len(seen["tokens"]) == len(text), "windows: values of all tokens")


def generation_is_repeatable(folder):
    model = make_model(os.path.join(folder, "repeat"), "llama-biased")
    arguments = ("generate", model, "--text", "abc", "--temperature", "1.5", "--top-k", "20", "--top-p", "0.9", "-n", "30")
    one = ask(*arguments, "--seed", "4", "--threads", "1")
    check(len(one["tokens"]) == 30 and one["stopped"] == "length" and one["prompt_tokens"] == 3, "generate: counts")
    check("".join(t["text"] for t in one["tokens"]) == one["text"], "generate: text")
    check(one == ask(*arguments, "--seed", "4", "--threads", "2"), "generate: same seed, same text, 1 and 2 threads")
    check(one["text"] != ask(*arguments, "--seed", "5")["text"], "generate: another seed, another text")
    plain = run(*arguments, "--seed", "4")
    check(plain[1].decode() == one["text"] + "\n", "generate: the streamed text is the same")
    # Each step as a prompt of its own: the cache changes nothing.
    greedy = ask("generate", model, "--text", "abc", "--temperature", "0", "-n", "12")["text"]
    grown = "abc"
    for _ in range(12):
        grown += ask("generate", model, "--text", grown, "--temperature", "0", "-n", "1")["text"]
    check(grown == "abc" + greedy, "generate: cached and uncached steps agree")
    full = ask("generate", model, "--text", "a" * 120, "-n", "100")
    check(full["stopped"] == "context" and len(full["tokens"]) == 8, "generate: stops where the context ends")


def vocabularies_may_differ_from_the_embedding(folder):
    """64 rows; tokenizers of 80 and 50 entries. Nothing is written that is not a token with a row."""
    plain = make_model(os.path.join(folder, "rows"), "llama-grouped")
    for size in (80, 50):
        model = make_model(os.path.join(folder, f"rows{size}"), "llama-grouped")
        with open(os.path.join(model, "tokenizer.json"), "w", encoding="utf-8") as file:
            json.dump(tokenizer(size, []), file)
        check(ask("score", model, "--no-bos", "--text", "theXcat")["losses"] ==
              ask("score", plain, "--no-bos", "--text", "theXcat")["losses"],
              f"vocabulary of {size}: the same losses")
        made = ask("generate", model, "--text", "ab", "--no-bos", "--temperature", "9", "--top-p", "1", "-n", "50")
        check(len(made["tokens"]) == 50 and all(t["id"] < min(size, 64) for t in made["tokens"]),
              f"vocabulary of {size}: only tokens with rows are written")


def numbers_that_are_not_finite_are_told(folder):
    """Weights that are infinite or no number are refused; so is what overflows only on the way."""
    corpus = os.path.join(folder, "letters.txt")
    with open(corpus, "w", encoding="utf-8") as file:
        file.write("abc abd bca cab dab\n" * 40)
    for value, code, words in ((float("inf"), 1, "model.norm.weight: number 3: expected a finite one, found inf"),
                               (float("nan"), 1, "model.norm.weight: number 3: expected a finite one, found nan"),
                               (3e38, 1, "finite")):
        model = make_model(os.path.join(folder, f"damaged{value}"), "llama-biased")
        path = os.path.join(model, "model.safetensors")
        with open(path, "r+b") as file:
            length = struct.unpack("<Q", file.read(8))[0]
            first, last = json.loads(file.read(length))["model.norm.weight"]["data_offsets"]
            if value == 3e38:
                file.seek(8 + length + first)
                file.write(struct.pack("<f", value) * ((last - first) // 4))
            else:
                file.seek(8 + length + first + 12)
                file.write(struct.pack("<f", value))
        for arguments in (("generate", model, "--text", "abc", "--no-chat"), ("score", model, "--text", "abc"),
                          ("dream", model, "L0.N3", "--corpus", corpus, "--budget", "600", "--length", "5")):
            got, out, err = run(*arguments)
            check(got == code and words in err, f"{arguments} with {value}: exit {got}: {err}")


def chats_use_the_template(folder):
    names = {"<|im_start|>": 60, "<|im_end|>": 61}
    model = make_model(os.path.join(folder, "chat"), "llama-biased", template=TEMPLATE)
    path = os.path.join(model, "tokenizer.json")
    with open(path, encoding="utf-8") as file:
        about = json.load(file)
    for name, index in names.items():
        about["model"]["vocab"] = {k: v for k, v in about["model"]["vocab"].items() if v != index} | {name: index}
        about["added_tokens"].append({"id": index, "content": name, "single_word": False, "lstrip": False,
                                      "rstrip": False, "normalized": False, "special": True})
    # The last id becomes the newline that the template needs.
    about["model"]["vocab"] = {k: v for k, v in about["model"]["vocab"].items() if v != 69} | {"\n": 69}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(about, file)
    chat = ask("generate", model, "--text", "hi", "-n", "5")
    rendered = "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    ids = ask("tokenize", model, "--special", text=rendered.encode())["ids"]
    check(chat["chat"] and chat["prompt_tokens"] == len(ids), f"chat: {chat}")
    plain = ask("generate", model, "--no-chat", "--special", "--text", rendered, "-n", "5")
    check(plain["text"] == chat["text"] and not plain["chat"], "chat: as the rendered text")
    system = ask("generate", model, "--text", "hi", "--system", "be", "-n", "5")
    check(system["prompt_tokens"] > chat["prompt_tokens"], "chat: system message")
    # A template that refuses the system's role gets its message in front of the user's.
    refuses = "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}{% endfor %}"
    with open(os.path.join(model, "chat_template.jinja"), "w", encoding="utf-8") as file:
        file.write(refuses + TEMPLATE)
    folded = ask("generate", model, "--text", "hi", "--system", "be", "-n", "5")
    whole = ask("generate", model, "--text", "be\n\nhi", "-n", "5")
    check(folded["prompt_tokens"] == whole["prompt_tokens"] and folded["text"] == whole["text"],
          "chat: a system message that the template refuses")


def bytes_pass_through(folder):
    model = make_model(os.path.join(folder, "bytes"), "llama-biased")
    path = os.path.join(folder, "bytes.txt")
    with open(path, "wb") as file:
        file.write(b"ab\0cd\xff\xfe" + "漢".encode())
    check(ask("tokenize", model, "--file", path)["ids"][:2] == [0, 1], "tokenize: NUL and invalid UTF-8")
    check(run("tokenize", model, "--decode", "0,1, 67")[1].decode() == "ab" + CHARACTERS[67], "tokenize --decode")
    check(ask("tokenize", model, "--decode", "[0, 1]") == {"text": "ab"}, "tokenize --decode --json")
    piped = run("score", model, "--no-bos", "--json", text=b"abc")
    given = run("score", model, "--no-bos", "--json", "--text", "abc")
    check(piped == given, "standard input is as --text")


def terminals_get_colours(folder):
    model = make_model(os.path.join(folder, "terminal"), "llama-biased")
    shown = b""
    master, slave = pty.openpty()
    environment = dict(os.environ, TERM="xterm-256color", OMP_WAIT_POLICY="passive")
    for name in "NO_COLOR", "COLORTERM":
        environment.pop(name, None)
    child = subprocess.Popen([TOOL, "activations", model, "L1.N2", "--text", "see\x1b[2Jme"], stdout=slave, stderr=slave,
                             env=environment)
    os.close(slave)
    while True:
        try:
            piece = os.read(master, 4096)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        shown += piece
    os.close(master)
    check(child.wait() == 0, "terminal: exit code")
    check(b"\x1b[38;5;" in shown, "terminal: heat is in colours")
    check(b"\x1b[2J" not in shown, "terminal: a text cannot send commands to the terminal")


# ---- wrong input -------------------------------------------------------------------------------

def wrong_input_is_explained(folder):
    def model(name, fixture="llama-grouped", **options):
        return make_model(os.path.join(folder, name), fixture, **options)

    good, base = model("good", special=[56, 57]), os.path.join(MODELS, "llama-grouped")
    long = "a" * 80
    damaged, wide, unknown, folded = (model(n) for n in ("damaged", "wide", "unknown", "folded"))
    with open(os.path.join(damaged, "model.safetensors"), "r+b") as file:
        file.truncate(20000)
    with open(os.path.join(wide, "tokenizer.json"), "w", encoding="utf-8") as file:
        json.dump(tokenizer(80, []), file)
    with open(os.path.join(folded, "tokenizer.json"), "w", encoding="utf-8") as file:
        file.write('{"model": ')
    with open(os.path.join(unknown, "config.json"), encoding="utf-8") as file:
        about = json.load(file)
    about.update(model_type="perceptron", architectures=["PerceptronForCausalLM"])
    with open(os.path.join(unknown, "config.json"), "w", encoding="utf-8") as file:
        json.dump(about, file)
    text = ("--text", "abc")
    for code, arguments, words in (
            (2, (), "usage"),
            (2, ("dreem", "x"), "unknown command 'dreem'"),
            (2, ("score",), "usage: reverie score"),
            (2, ("score", good, "extra", *text), "usage: reverie score"),
            (2, ("score", good, "--loud"), "unknown option --loud"),
            (2, ("score", good, "--text"), "--text needs a value"),
            (2, ("score", good, *text, "--file", "x"), "not both"),
            (1, ("score", "no-such-model", *text), "no such model"),
            (1, ("score", "./missing.gguf", *text), "no such file"),
            (1, ("score", good, "--file", os.path.join(folder, "none.txt")), "none.txt"),
            (1, ("score", good, "--file", folder), "cannot read"),
            (2, ("score", good, "--text", ""), "at least one token"),
            (2, ("score", good, "--no-bos", "--text", "a"), "at least two tokens"),
            (2, ("score", good, *text, "--kernels", "abacus"), "abacus"),
            (1, ("score", base, *text), "tokenizer.json"),
            (1, ("score", damaged, *text), "model.safetensors"),
            (2, ("score", wide, "--no-bos", "--text", CHARACTERS[70] + "a"), "row of the embedding, 0 to 63; found id 70"),
            (1, ("score", folded, *text), "tokenizer.json"),
            (1, ("info", unknown), "perceptron"),
            (1, ("info", os.path.join(good, "config.json")), "config.json"),
            (2, ("activations", good, "L99.N0", *text), "layer: expected 0 to"),
            (2, ("activations", good, "L0.N9999", *text), "neuron"),
            (2, ("activations", good, "blocks.0.hook_nothing:1", *text), "hook_nothing"),
            (2, ("activations", good, "neuron five", *text), "expected L5.N131"),
            (2, ("activations", good, "attention:L0.H77[-1,0]", *text), "head: expected"),
            (2, ("activations", good, 'logit:"abc"', *text), "exactly one token"),
            (2, ("activations", good, "L0.N0", "--no-bos", "--text", ""), "at least one token"),
            (2, ("generate", good, "--text", long), "expected fewer tokens than the context's 64"),
            (2, ("generate", good, "--no-bos", "--text", ""), "no BOS"),
            (2, ("generate", good, *text, "--temperature", "-1"), "temperature"),
            (2, ("generate", good, *text, "--temperature", "nan"), "temperature"),
            (2, ("generate", good, *text, "--temperature", "hot"), "--temperature"),
            (2, ("generate", good, *text, "--top-p", "0"), "top-p"),
            (2, ("generate", good, *text, "--seed", "-3"), "--seed"),
            (2, ("generate", good, *text, "--system", "be brief"), "system message"),
            (1, ("generate", good, *text, "--chat"), "chat template"),
            (2, ("tokenize", good, "--decode", "1 two"), "two"),
            (2, ("tokenize", good, "--decode", "5,99999"), "99999"),
            (2, ("tokenize", good, "--decode", "-5"), "-5"),
            (2, ("tokenize", good, "--decode", "1", *text), "not both")):
        got, out, err = run(*arguments)
        check(got == code, f"{arguments}: exit {got}, expected {code}: {err}")
        check(words in err, f"{arguments}: expected '{words}' in: {err}")
        check(out == b"", f"{arguments}: printed {out[:80]}")
        lines = err.strip().split("\n")
        check(lines[0].startswith("reverie: ") or not arguments, f"{arguments}: {err}")
        check(len(lines) == 1 or words.startswith(("usage", "unknown command")), f"{arguments}: one sentence: {err}")


def lost_output_is_an_error(folder):
    model = make_model(os.path.join(folder, "output"), "llama-grouped")
    for arguments in (("info", model), ("info", model, "--json"), ("tokenize", model, "--text", "abc"),
                      ("tokenize", model, "--decode", "1 2"), ("score", model, "--no-bos", "--text", "abc"),
                      ("activations", model, "L0.N0", "--no-bos", "--text", "abc"),
                      ("generate", model, "--no-bos", "--text", "abc", "-n", "4"), ("score", "--help"), ("help",)):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([TOOL, *arguments], stdout=full, stderr=subprocess.PIPE, timeout=60)
        check(done.returncode == 1 and b"cannot write to standard output" in done.stderr,
              f"{arguments} to a full disk: exit {done.returncode}: {done.stderr}")
        done = subprocess.run(["sh", "-c", shlex.join([TOOL, *arguments]) + " >&-"], stderr=subprocess.PIPE, timeout=60)
        check(done.returncode == 1, f"{arguments} to a closed output: exit {done.returncode}")


def interrupts_stop_loading(folder):
    model = make_model(os.path.join(folder, "interrupted"), "llama-grouped")
    fifo = os.path.join(folder, "text")
    os.mkfifo(fifo)
    for name in ("score", "generate"):
        child = subprocess.Popen([TOOL, name, model, "--no-bos", "--file", fifo], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE)
        with open(fifo, "wb") as writer:  # opens when the command does: it now waits for the text
            child.send_signal(signal.SIGINT)
            writer.write(b"abcdef")
        out, err = child.communicate(timeout=60)
        check(child.returncode == 1 and out == b"" and err == b"reverie: loading was cancelled\n",
              f"{name}: Ctrl-C while loading: exit {child.returncode}: {err}")


def interrupts_stop_reading():
    child = subprocess.Popen([TOOL, "score", "x"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    child.stdin.write(b"a")
    child.stdin.flush()
    while True:  # until it waits for more
        with open(f"/proc/{child.pid}/stat", encoding="utf-8") as stat:
            waiting = stat.read().rsplit(")", 1)[1].split()[0] == "S"
        with open(f"/proc/{child.pid}/syscall", encoding="utf-8") as call:
            if waiting and call.read().startswith("0 0x0 "):
                break
    child.send_signal(signal.SIGINT)
    child.wait(timeout=60)  # with its input still open
    out, err = child.communicate()
    check(child.returncode == 1 and err == b"reverie: cannot read standard input: interrupted\n",
          f"Ctrl-C instead of a text: exit {child.returncode}: {err}")


# ---- transcripts -------------------------------------------------------------------------------

TRANSCRIPT = r"""
reverie info --help
reverie tokenize --help
reverie score --help
reverie activations --help
reverie generate --help
reverie dream --help
reverie compare --help
reverie examples --help
reverie survey --help
reverie info tiny
reverie info bare
reverie tokenize tiny --text "no tea"
reverie tokenize tiny --no-bos --special --text "go<57> on" --json
reverie tokenize tiny --decode "13 14 62 19 4 0"
reverie score tiny --text "the cat sat" --show
reverie score tiny --no-bos --text "at" --json
reverie activations tiny L1.N5 --text "the cat sat"
reverie activations tiny -L1.N5 --no-bos --text "sat" --json
reverie activations tiny 'logit:"e"' --text "the mat"
reverie activations tiny attention:L0.H1[-1,2] --text "eel"
reverie generate tiny --text "once" --temperature 0 -n 12
reverie generate tiny --text "once" --seed 3 --top-k 5 -n 6 --json
reverie score tiny --text ""
reverie activations tiny L7.N5 --text "the cat sat"
reverie generate nowhere/to-be-found --text "once"
reverie compare tiny L7.N5
reverie compare tiny L1.N5 --methods epo,guess
reverie compare tiny L1.N5 --table --json
"""


def transcript(folder):
    make_model(os.path.join(folder, "tiny"), "llama-grouped", special=[56, 57],
               config={"bos_token": "<56>", "eos_token": "<57>"})
    shutil.copytree(os.path.join(MODELS, "gpt2-bare"), os.path.join(folder, "bare"))
    out = ""
    for line in TRANSCRIPT.strip().split("\n"):
        arguments = shlex.split(line)[1:]
        if arguments[0] in ("score", "activations", "generate") and arguments[1] != "--help":
            arguments += ["--kernels", "reference"]
        code, printed, err = run(*arguments, folder=folder)
        shown = [x for x in printed.decode().split("\n") if "available now" not in x]
        out += f"$ {line}\n" + "\n".join(shown) + err + (f"[exit {code}]\n" if code else "") + "\n"
    return out


def compare_transcript(folder):
    found = transcript(folder)
    if "--update" in sys.argv[1:]:
        with open(GOLDEN, "w", encoding="utf-8") as file:
            file.write(found)
    with open(GOLDEN, encoding="utf-8") as file:
        expected = file.read()
    if found == expected:
        return
    for a, b in zip(found.split("\n") + [""], expected.split("\n") + [""]):
        if a != b:
            check(False, f"transcript (tests/test_cli.py --update writes it anew):\n  found    {a}\n  expected {b}")
            return


with tempfile.TemporaryDirectory() as scratch:
    for fixture in sorted(os.listdir(MODELS)):
        if os.path.isdir(os.path.join(MODELS, fixture)):
            judge_fixture(scratch, fixture)
    judge_info(scratch)
    json_is_as_documented(scratch)
    bos_is_added_and_recorded(scratch)
    long_texts_are_read_in_windows(scratch)
    generation_is_repeatable(scratch)
    vocabularies_may_differ_from_the_embedding(scratch)
    numbers_that_are_not_finite_are_told(scratch)
    chats_use_the_template(scratch)
    bytes_pass_through(scratch)
    terminals_get_colours(scratch)
    wrong_input_is_explained(os.path.join(scratch, "wrong"))
    lost_output_is_an_error(scratch)
    interrupts_stop_loading(scratch)
    interrupts_stop_reading()
    compare_transcript(scratch)
print(f"{failures} failures")
sys.exit(failures != 0)
