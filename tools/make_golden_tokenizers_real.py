#!/usr/bin/env python3
"""Makes tests/fixtures/tokenizer_real: what real tokenizers say about the corpus of
make_golden_tokenizers.py, and what the reference renders of their chat templates.

    python3 tools/make_golden_tokenizers_real.py MODELS DATA

MODELS holds smollm2-135m.gguf and gemma3-270m.gguf (tools/get-model), DATA the folders gpt2-tokenizer
(encoder.json, vocab.bpe) and stories260K (tok512.bin). Needs transformers 5.23, accelerate, tokenizers 0.23.

Who judges:
  smollm2   transformers from the GGUF file, with the pre-tokenizer of the published tokenizer.json (single
            digits, then ByteLevel): transformers takes GPT-2's, as it does not look at tokenizer.ggml.pre here.
            llama.cpp (llama-cpp-python 0.3.36) agrees on every text.
  gemma3    transformers from the GGUF file. llama.cpp agrees but for a literal U+2581, for runs of more than 31
            spaces, and for "</s>", which it takes for a control token.
  gpt2      tokenizers, from GPT-2's own two files.
  tok512    tokenizers, with the merge list that transformers derives from the scores."""
import json
import os
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from make_golden_tokenizers import HERE, expectations  # noqa: E402

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers  # noqa: E402
from transformers import AutoTokenizer  # noqa: E402
from transformers.tokenization_utils_base import generate_merges  # noqa: E402

OUT = os.path.join(HERE, "..", "tests", "fixtures", "tokenizer_real")
BYTE_LEVEL = pre_tokenizers.ByteLevel(add_prefix_space=False)


def smollm2(folder):
    tok = AutoTokenizer.from_pretrained(folder, gguf_file="smollm2-135m.gguf").backend_tokenizer
    tok.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), BYTE_LEVEL])
    return tok


def gemma3(folder):
    return AutoTokenizer.from_pretrained(folder, gguf_file="gemma3-270m.gguf").backend_tokenizer


def gpt2(folder):
    with open(os.path.join(folder, "gpt2-tokenizer", "encoder.json")) as f:
        vocab = json.load(f)
    with open(os.path.join(folder, "gpt2-tokenizer", "vocab.bpe"), encoding="utf-8") as f:
        merges = [tuple(line.split(" ")) for line in f.read().split("\n")[1:] if line]
    tok = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    tok.pre_tokenizer, tok.decoder = BYTE_LEVEL, decoders.ByteLevel()
    tok.add_special_tokens(["<|endoftext|>"])
    return tok


def tok512(folder):
    pieces, scores = [], []
    with open(os.path.join(folder, "stories260K", "tok512.bin"), "rb") as f:
        f.read(4)
        while header := f.read(8):
            score, length = struct.unpack("<fI", header)
            pieces.append(f.read(length).decode())
            scores.append(score)
    special = pieces[:3]
    vocab = {p: i for i, p in enumerate(pieces)}
    assert len(vocab) == len(pieces)
    ordinary = {p: s for p, s in list(zip(pieces, scores))[259:]}
    merges = generate_merges({p: vocab[p] for p in ordinary}, ordinary)
    tok = Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token=special[0], byte_fallback=True, fuse_unk=True))
    tok.normalizer = normalizers.Prepend(" ")
    tok.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return tok


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    os.makedirs(OUT, exist_ok=True)
    for make, folder in ((smollm2, sys.argv[1]), (gemma3, sys.argv[1]), (gpt2, sys.argv[2]), (tok512, sys.argv[2])):
        with open(os.path.join(OUT, make.__name__ + ".json"), "w") as f:
            f.write("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in expectations(make(folder))) + "\n]\n")


if __name__ == "__main__":
    main()
