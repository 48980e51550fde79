#!/usr/bin/env python3
"""Writes sample run files, for looking at reports without a model: sample_runs.py FOLDER

The texts and figures are made up, in the shape and size of real ones; the same on every run.
  flight.jsonl    reverie, epo, beam and naive on one neuron, three seeds, with a corpus,
                  attribution, trajectory and explanation
  minimal.jsonl   one dream, nothing optional
  hostile.jsonl   texts that try to be markup, to turn the writing, to move the cursor
"""
import json
import math
import os
import random
import sys

FLIGHT = """ plane planes pilot pilots flew fly flying flight flights wing wings airport airline
 aircraft cockpit landed runway sky jet crew captain glider airship aviation""".split()
PLAIN = """ the a of in over their her old new city morning two later days brothers sea before after
 to and was had were first crossed river small long north winter we she they at from alone across
 year people house said with for when through which never only last""".split()
JUNK = ["rism", "htat", "_Ptr", " Mansfield", "\ufffd", " Lufth", "cockpit", "====", " 飛", "FM",
        ".—", " Tah", "In:", "200", " AIR", "ocrat", "\n\n", " jetzt", "(air", " wings", "ctl"]


def token_id(text):
    return sum((i + 1) * b for i, b in enumerate(text.encode())) * 7919 % 49152


def tokens_of(pieces, peak, chance):
    """Tokens with values that end at `peak`: f rises on words about flight and on the last one."""
    out = []
    for i, piece in enumerate(pieces):
        about = piece.strip().lower() in FLIGHT
        last = i == len(pieces) - 1
        value = peak if last else peak * (0.42 + 0.3 * chance.random()) if about else \
            peak * 0.12 * chance.random() - 0.05
        probability = math.exp(-abs(chance.gauss(3.2, 1.6)))
        out.append({"id": token_id(piece), "text": piece, "value": round(value, 5),
                    "probability": round(probability, 6), "nll": round(-math.log(probability), 5)})
    return out


def split(text):
    out, word = [], ""
    for c in text:
        if c == " " and word:
            out.append(word)
            word = ""
        word += c
    return out + [word]


MEAN, DEVIATION, SIGN = 0.031, 0.0692, -1


def dream(text, g, entropy, method, seed, chance, **more):
    pieces = split(text) if isinstance(text, str) else text
    raw = SIGN * (g * DEVIATION) + MEAN
    return dict({"type": "dream", "v": 1, "text": "".join(pieces), "tokens": tokens_of(pieces, raw, chance),
                 "activation": round(g, 4), "raw": round(raw, 6), "cross_entropy": round(entropy, 4),
                 "cross_entropy_published": round(entropy - 0.3, 4), "method": method, "seed": seed,
                 "found_at": 1000 + chance.randrange(59000)}, **more)


def run_record(method, seed, **more):
    target = {"name": "L21.N268", "written": "-blocks.21.mlp.hook_post[268]", "sign": SIGN, "position": "last"}
    return dict({
        "type": "run", "v": 1, "id": "%016x" % (token_id(method) * 1000003 + seed),
        "command": f"reverie dream smollm2-135m -L21.N268 --method {method} --seed {seed} --budget 60k "
                   f"--corpus glosses.txt -o flight.jsonl",
        "target": target, "method": method, "seed": seed, "budget": 60000,
        "options": {"length": 12, "width": 8, "children": 256},
        "model": {"name": "SmolLM2-135M", "path": "SmolLM2-135M", "hash": "5f1b" * 16, "format": "safetensors",
                  "quantisation": "BF16", "processing": "none", "family": "llama", "parameters": 134515008},
        "fluency": {"name": "Gemma 3 270M"},
        "tokenizer": "tokenizer.json", "bos": {"added": True, "id": 0, "token": "<|endoftext|>",
                                               "why": "no BOS of its own: the document separator"},
        "template": {"prefix": "", "suffix": ""},
        "normalisation": {"mean": MEAN, "deviation": DEVIATION, "sign": SIGN, "corpus": "glosses.txt",
                          "positions": 1000000},
        "length": {"least": 12, "most": 12}, "version": "0.1.0", "threads": 2, "kernels": "avx512",
        "started": "2026-03-01T12:00:00Z"}, **more)


HEADLINE = " Two days later the brothers flew their glider over the city"
OTHERS = [" When the airship had passed, the people below looked at the sky",
          " She had crossed the Atlantic alone in a small plane at night",
          " The captain thanked the crew and left the cockpit before landing",
          " From the airport we watched the last flight of the winter leave"]
CORPUS = [" The brothers made four flights that morning , the longest of them over the dunes and back to the plane",
          " a craft heavier than air that is kept aloft by the wings , such as a glider or an aircraft",
          " the act of flying a jet through the sound barrier ; he was the first pilot to do it",
          " the runway was closed for two days and every flight from the airport",
          " a member of the crew of an airship who looks after the engines during a flight"]


def corpus_records(chance):
    yield {"type": "quantiles", "v": 1, "corpus": "glosses.txt", "positions": 1000000,
           "probabilities": [0.001, 0.01, 0.5, 0.99, 0.999, 0.9999], "values": [-1.41, -0.32, 0.02, 0.14, 0.21, 0.4],
           "minimum": -2.11, "maximum": 0.52, "windows": 512, "window_length": 12,
           "cross_entropy_10": 4.31, "cross_entropy_50": 5.7, "cross_entropy_90": 7.2}
    for i, text in enumerate(CORPUS):
        g = 31.4 - 2.1 * i
        pieces = split(text)
        values = tokens_of(pieces[:-1] + [pieces[-1]], SIGN * g * DEVIATION + MEAN, chance)
        yield {"type": "example", "v": 1, "kind": "top", "tokens": values, "activation": round(g, 3),
               "raw": round(SIGN * g * DEVIATION + MEAN, 5), "source": {"file": "glosses.txt", "offset": 918273 + 7001 * i}}
    for i in range(64):
        words = [" " + chance.choice(FLIGHT if chance.random() < .2 else PLAIN) for _ in range(12)]
        g, x = abs(chance.gauss(9, 8)) + 1, chance.uniform(3.4, 8.6)
        yield {"type": "example", "v": 1, "kind": "window", "tokens": tokens_of(words, SIGN * g * DEVIATION, chance),
               "activation": round(g, 3), "cross_entropy": round(x, 3), "source": {"file": "glosses.txt", "offset": 400 * i}}


def attribution(chance):
    words = split(HEADLINE)
    drops = [.04, .03, .05, .08, .55, .93, .15, .71, .22, .1, .34]
    swaps = ["sisters pilots men", "fly flies sailed", "plane airplane aircraft", "town village country"]
    tokens = []
    for i, word in enumerate(words):
        names = [" " + w for w in swaps[{4: 0, 5: 1, 7: 2, 10: 3}[i]].split()] if i in (4, 5, 7, 10) else \
            [" " + chance.choice(PLAIN) for _ in range(3)]
        worst, best = drops[i] * 48.9, drops[i] * 48.9 * (.25 + .1 * chance.random()) - 1

        def entry(name, drop):
            return {"text": name, "id": token_id(name), "activation": round(48.9 - drop, 3), "drop": round(drop, 3)}
        tokens.append({"id": token_id(word), "text": word, "worst": entry(" " + chance.choice(PLAIN), worst),
                       "best": entry(names[0], best),
                       "top": [entry(n, best + .05 * k * worst) for k, n in enumerate(names)]})
    return {"type": "attribution", "v": 1, "text": HEADLINE, "activation": 48.9, "tokens": tokens}


def explanations(chance):
    def scores(r, detection=None):
        out = [{"scorer": "simulation", "measure": "correlation", "value": r, "low": r - .08, "high": r + .07},
               {"scorer": "simulation", "measure": "deviation", "value": r * .6, "low": r * .5, "high": r * .7}]
        if detection:
            out.append({"scorer": "detection", "measure": "accuracy", "value": detection,
                        "low": detection - .06, "high": detection + .05})
        return out
    records = []
    for k, text in enumerate([CORPUS[0], CORPUS[3], " the flight of an arrow from the bow to the target",
                              " a long sermon that never seems to end"]):
        rows = []
        for t in tokens_of(split(text), 1.9 if k < 2 else .4, chance):
            real = t["value"]
            guess = (1.6 if t["text"].strip() in FLIGHT else .1) * (.8 + .3 * chance.random())
            rows.append({"text": t["text"], "real": round(real, 4), "simulated": round(guess, 4)})
        records.append({"kind": "top" if k < 2 else "random", "failed": k == 2, "score": [.62, .55, -.21, .05][k],
                        "tokens": rows})
    common = {"type": "explanation", "v": 1, "explainer": "SmolLM2-135M-Instruct", "simulator": "SmolLM2-135M-Instruct"}
    yield dict(common, text="people travelling by air: flights, pilots, and the machines they fly", chosen=True,
               evidence="corpus and dreams", style="token and activation pairs", revision=1, seed=1,
               scores=scores(.47, .81), records=records)
    yield dict(common, text="words about journeys", evidence="corpus", style="maximal activations", seed=1, scores=scores(.29, .66))
    yield dict(common, text="", baseline="empty", scores=scores(.06, .5))
    yield dict(common, text="names of chemical elements", baseline="another neuron", scores=scores(.02, .51))
    yield dict(common, text="", baseline="token lookup", scores=[
        {"scorer": "simulation", "measure": "correlation", "value": .38, "low": .3, "high": .45}])


def search(method, seed, chance, top, fluent, count, published=False):
    """A frontier that climbs with cross-entropy, and how it came about."""
    length = 920000 if published else 60000
    yield run_record(method, seed, **({"budget": length, "id": "f" * 16, "options": {"as_published": True}} if published else {}))
    if method == "reverie" and seed == 1:
        yield from corpus_records(chance)
    final = []
    for i in range(count):
        x = fluent + (9.2 - fluent) * (i / (count - 1)) ** 1.3
        g = top * (1 - math.exp(-(x - fluent + 1.1) / 2.2)) + chance.gauss(0, .8)
        share = .12 + .06 * max(0, x - 4)
        words = [(chance.choice(JUNK) if chance.random() < share - .1 else
                  " " + chance.choice(FLIGHT if chance.random() < .3 else PLAIN)) for _ in range(12)]
        final.append(dream(words, max(.2, g), x, method, seed, chance))
    best = [max([d["activation"] for d in final if d["cross_entropy"] <= x], default=None) for x in (4, 5, 6, 9)]
    for step in range(1, 21):
        part = 1 - math.exp(-step / 5)
        yield {"type": "trajectory", "v": 1, "forward_tokens": length // 20 * step, "backward_tokens": 40 * step,
               "seconds": round(1.31 * step * length / 60000, 2),
               "best": {k: round(b * part, 3) for k, b in zip("4569", best) if b is not None and (k != "4" or step > 3)},
               "area": round(top * .8 * part + chance.random(), 3),
               "members": [{"text": d["text"], "activation": round(d["activation"] * part, 3),
                            "cross_entropy": round(d["cross_entropy"] + .8 * (1 - part), 3)} for d in final[::4]]}
    yield from final
    if method == "reverie" and seed == 1:
        yield dream(HEADLINE, 48.9, 3.97, method, seed, chance, headline=True, second_bits_per_byte=1.02)
        for rank, text in enumerate(OTHERS, 1):
            yield dream(text, 45.1 - 3.3 * rank, 4.9 - .2 * rank, method, seed, chance, diverse=rank,
                        second_bits_per_byte=1 + .05 * rank)
        yield attribution(chance)
        yield from explanations(chance)
        yield {"type": "note", "v": 1, "text": "These texts and figures are samples, not measurements."}
    yield {"type": "end", "v": 1, "forward_tokens": length, "backward_tokens": 800,
           "seconds": round(26.2 * length / 60000 + seed, 2), "status": "complete"}


def flight():
    chance = random.Random(4)
    for method, top, fluent, count in [("reverie", 92, 3.5, 30), ("epo", 55, 4.9, 22), ("beam", 60, 3.1, 18)]:
        for seed in (1, 2, 3):
            yield from search(method, seed, chance, top + chance.gauss(0, .05 * top), fluent, count)
    yield from search("epo", 1, chance, 58, 5.2, 20, published=True)
    yield run_record("naive", 1)
    yield dream([" Lufth", "rism", " cockpit", "_Ptr", " Mansfield", "\ufffd", " 飛", "====", " wings", "htat", ".—", " AIR"],
                14.2, 13.6, "naive", 1, chance)
    yield {"type": "end", "v": 1, "forward_tokens": 60000, "backward_tokens": 60000, "seconds": 41.5, "status": "complete"}


def minimal():
    yield {"type": "run", "v": 1, "id": "1", "target": {"name": "L0.N0", "sign": 1}, "method": "epo", "seed": 1,
           "budget": 1, "model": {"name": "tiny"}}
    yield {"type": "dream", "v": 1, "text": "a b", "tokens": [{"id": 1, "text": "a"}, {"id": 2, "text": " b"}],
           "activation": 1.5, "cross_entropy": 4, "method": "epo", "seed": 1}


ATTACKS = ["</script><script>document.title='pwned'</script>", "<img src=x onerror=\"document.title='pwned'\">",
           "<!--<script>", "\u202edesrever\u202c", "\u05e9\u05dc\u05d5\u05dd \u0639\u0631\u0628\u064a", "{{data}}",
           "\x1b[31mred\x1b[0m\x07", "&lt;b&gt;", "' onmouseover='x", "\u0000nul", "e" + "\u0301" * 40,
           "https://example.com/?q=", "</style><style>*{display:none}", "\u2028\u2029", "]]>", "W" * 3000]


def hostile():
    bad = "</script><img src=x onerror=\"document.title='pwned'\">"
    yield {"type": "run", "v": 1, "id": bad, "command": bad + "\x1b[2J", "target": {"name": bad, "written": bad, "sign": 1},
           "method": bad, "seed": 1, "budget": 1000, "options": {bad: bad}, "model": {"name": bad, "hash": bad},
           "normalisation": {"mean": 0, "deviation": 1, "sign": 1, "corpus": bad}}
    tokens = [{"id": i, "text": t, "value": float(i), "probability": 0.5, "nll": .69} for i, t in enumerate(ATTACKS)]
    tokens.append({"id": 99, "text": "\ufffd\ufffd", "text_bytes": "f09f", "value": 1e300})
    yield {"type": "dream", "v": 1, "text": "".join(ATTACKS), "tokens": tokens, "activation": 12.0, "cross_entropy": 5.0,
           "method": bad, "seed": 1, "headline": True}
    yield {"type": "dream", "v": 1, "text": "x", "tokens": [{"id": 5, "text": "x", "value": -1e-300}], "activation": 1e300,
           "cross_entropy": 1e-300, "method": bad, "seed": 1, "diverse": 1}
    yield {"type": "example", "v": 1, "kind": "top", "tokens": tokens, "activation": 3, "source": {"file": bad, "offset": 1}}
    swap = {"text": bad, "id": 3, "activation": 1, "drop": 11}
    yield {"type": "attribution", "v": 1, "text": "".join(ATTACKS), "activation": 12,
           "tokens": [{"id": i, "text": t, "worst": swap, "best": swap, "top": [swap]} for i, t in enumerate(ATTACKS)]}
    yield {"type": "explanation", "v": 1, "text": bad, "chosen": True, "scores": [{"scorer": bad, "measure": bad, "why": bad}],
           "records": [{"kind": bad, "failed": True, "tokens": [{"text": bad, "real": 1, "simulated": 2}]}]}
    yield {"type": "trajectory", "v": 1, "forward_tokens": 10, "best": {"4": 1e308}, "area": 1e308,
           "members": [{"text": bad, "activation": 1, "cross_entropy": 2}]}
    yield {"type": "note", "v": 1, "text": bad}


if __name__ == "__main__":
    folder = sys.argv[1]
    for name, records in [("flight", flight()), ("minimal", minimal()), ("hostile", hostile())]:
        with open(os.path.join(folder, name + ".jsonl"), "w", encoding="utf-8") as out:
            for record in records:
                out.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n")
