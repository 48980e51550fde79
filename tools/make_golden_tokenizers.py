#!/usr/bin/env python3
"""Makes tests/fixtures/tokenizer: small tokenizers, one for each pipeline that Reverie reads, with
the ids that Hugging Face's `tokenizers` gives for a nasty corpus.

    python3 tools/make_golden_tokenizers.py        # needs the PyPI package tokenizers (0.23)

Text travels as hexadecimal, as it holds NULs and invalid UTF-8. A list of more than LONG ids is
stored as its length and a 64-bit FNV-1a hash over the ids as little-endian 32-bit numbers."""
import json
import os
import shutil
import sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers import processors, trainers

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "..", "tests", "fixtures", "tokenizer")
LONG = 150

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")

TRAINING = """
Once upon a time there was a little girl named Lily. She loved to play outside in the park with her friends.
The quick brown fox jumps over the lazy dog; it wasn't lazy at all, they'd say, and we'll see what you're up to.
I've been told that the neuron fires for the word "neuron", for neurons, and for nothing else in the world.
It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in want of a wife.
def main(argc, argv):
    for i in range(100):
        if (argv[i] == "--help") { printf("%d: %s\\n", i, argv[i]); return 0; }
        else:    x = 3.14159 + 2**10; y = x / 7; print(f"{x:.3f} {y}")
1984 2001 3000 12345 67890 100 200 1,000,000.00 $5.99 50% #hashtag @someone https://example.org/path?query=1&b=2
Le café était déjà fermé, mais l'élève à côté goûtait la crème brûlée. Ça va? Où est la bibliothèque?
Größe, Übermut, Straße, heißt; naïve façade, señor, mañana, São Paulo, Ærø, Łódź, Çelik, ığdır, Ελληνικά γλώσσα.
Съешь ещё этих мягких французских булок, да выпей чаю. Жил-был у бабушки серенький козлик.
日本語のテキストです。東京は日本の首都です。 中文文本也在这里。 한국어 텍스트도 있습니다.
مرحبا بالعالم שלום עולם नमस्ते दुनिया สวัสดีชาวโลก
😀 😂 👍🏽 👨‍👩‍👧‍👦 🇩🇪 ❤️ the end of the line.
"""

# Each text is hex of bytes, repeated `times`.
CORPUS = [
    b"", b" ", b"  ", b"a", b"\n", b"\r\n", b"\t", b"\0",
    b"Hello, world!", b" Hello, world! ", b"Hello  world   with    spaces     and      more",
    b"   leading and trailing   ", b"tabs\tand\t\ttabs\n\nnewlines\r\n\r\nmixed \t \n \r x",
    b"line one\nline two\r\nline three\n\n\n", b"\n\n\n\n  \n\n", b" \n \n ", b"x \n", b"x\n ",
    b"it's they're we've I'm you'll he'd IT'S THEY'RE don'T 'sand 're 'x",
    "it\u2019s \u017ft'\u017f '\u212a K\u212a".encode(),
    b"1 12 123 1234 12345 123456 3.14 1,000 0x1F 1e-5 a1b2c3",
    "٠١٢٣ १२३ ໑໒ ④ ½ Ⅷ ㊿ 一二 𝟙𝟚 ²³ ⅓".encode(),
    "Café déjà vu.".encode(), "Cafe\u0301 de\u0301ja\u0300 A\u030a \u212b \u1e9b\u0323 \ufb01 ｆｕｌｌ ①".encode(),
    "İstanbul ISTANBUL ıI ß ẞ ΑΣ ΌΣΟΣ Ǆ ǅ".encode(),
    "😀 😂👍🏽 👨‍👩‍👧‍👦 🇩🇪🇫🇷 ❤️ 1️⃣ 🏴󠁧󠁢󠁥󠁮󠁧󠁿".encode(),
    "日本語のテキスト。東京、中文文本！ 한국어 텍스트".encode(), "ｶﾀｶﾅ　全角　スペース".encode(),
    "مرحبا بالعالم، שָׁלוֹם עוֹלָם नमस्ते दुनिया สวัสดีชาวโลก".encode(),
    "Zalgo: h\u0341\u0315e\u0300\u0301\u0302\u0303l\u0334\u0335l\u0336o\u0337".encode(),
    "\u00a0nbsp\u00a0 \u2003em\u2003space \u200bzw\u200b \u180e \u2028ls\u2029ps \u0085 \u3000 \ufeffbom".encode(),
    "▁literal▁▁marker ▁ x▁".encode(), "Ġbyte Ċlevel Ā chars".encode(),
    b"<0x41> <0x0A> <unk> <s> </s> <|endoftext|> <bos> <pad>",
    b"<s>Hello</s>", b"a<|endoftext|>b", b"<|endoftext|><|endoftext|>", b" <|endoftext|> x <|im_start|>user\nhi<|im_end|>\n",
    b"<mask> left <mask>right x<mask>y  <mask>  z<mask>", b"[SEP]x [SEP] y[SEP]", b"word xwordx word_word word-word (word)",
    b"NoRm nOrm NORM xnorm norm", b"user defined <tool> </tool>\n\n<tool>\n\n\n", b"<tool", b"tool>",
    b"invalid \xff\xfe utf-8 \x80 \xc3 \xe2\x82 \xf0\x9f\x98 end\xc3", b"\xed\xa0\x80 \xc0\x80 \xf5\x80\x80\x80 \xe0\x80\x80 \xf4\x90\x80\x80",
    b"\xf0\x9f\x98\x80\xf0\x9f\x98", b"nul\0inside\0\0two", b"\x01\x02\x1f\x7f\xc2\x80\xc2\x9f control",
    b"https://example.org/path?query=1&b=2#frag user@example.com C:\\dir\\file.txt",
    b'{"key": [1, 2.5, null, true], "s": "\\u00e9\\n"}', b"if (x<=y&&z!=0) { return ~x^y|z; } // comment --flag=val",
    b"snake_case camelCase PascalCase SCREAMING_CASE kebab-case dot.case", b"!!! ??? ... ---- ==== ~~~~ `code` $x$ a+b=c <tag> ^_^",
    "“quotes” ‘single’ – en — em … · • † ‡ ¿qué? ¡sí! «oui» €5 £6 ¥7 §8 ©®™ ×÷±".encode(),
    "𐍈𝓗𝓮𝓵𝓵𝓸 \U0001F9FF\U00020000\U000E0001\uE000\U0010FFFD".encode(),
    "a\u0308\u0304o\u0328\u0304 \u1112\u1161\u11ab \uac00\u11a8 \u0f71\u0f72 q\u0307\u0323".encode(),
    "x\u200dy\u200cz a\u00adb \u2060 \u00b2 ª º".encode(),
]
LONG_CORPUS = [(b"a", 10000), (b"ab", 5000), (b"xyzzy", 2000), (b" ", 5000), (b"\n", 1000), (b"7", 1000), (b"!", 3000), (b"the", 3000),
               ("é".encode(), 3000), ("日".encode(), 2000), ("😀".encode(), 1500), (b"once upon a time ", 500),
               ("▁".encode(), 1000), (b"\xff", 500), (b"e\xcc\x81", 1000), (b"don't ", 400), (b"\r\n\t ", 300), (b"\0", 300)]


def fnv(ids):
    h = 0xCBF29CE484222325
    for i in ids:
        for b in i.to_bytes(4, "little"):
            h = (h ^ b) * 0x100000001B3 % 2**64
    return "%016x" % h


def pack(ids):
    return ids if len(ids) <= LONG else {"count": len(ids), "fnv": fnv(ids)}


def texts():
    for b in CORPUS:
        yield b, 1
    yield from LONG_CORPUS


def expectations(tok, long_texts=True):
    cases = []
    template = None
    for b, times in texts():
        if times > 1 and not long_texts:
            continue
        text = (b * times).decode("utf-8", errors="replace")
        tok.encode_special_tokens = True
        plain = tok.encode(text, add_special_tokens=False).ids
        tok.encode_special_tokens = False
        special = tok.encode(text, add_special_tokens=False).ids
        full = tok.encode(text, add_special_tokens=True).ids
        if template is None:
            assert special == []
            template = full
        case = {"plain": pack(plain)}
        if special != plain:
            case["special"] = pack(special)
        if full != special:
            at = [k for k in range(len(template) + 1) if template[:k] + special + template[k:] == full]
            case["before"], case["after"] = template[:at[0]], template[at[0]:]
        decoded, skipped = tok.decode(special, skip_special_tokens=False), tok.decode(special, skip_special_tokens=True)
        if times == 1:
            if decoded != text:
                case["decoded"] = decoded.encode().hex()
            if skipped != decoded:
                case["skipped"] = skipped.encode().hex()
        cases.append(case)
    return cases


def train(pre=None, norm=None, size=420, special=(), byte_level=True, initial=None, **model):
    tok = Tokenizer(models.BPE(**{k: v for k, v in model.items() if k in ("unk_token", "byte_fallback", "fuse_unk", "ignore_merges",
                                                                         "continuing_subword_prefix", "end_of_word_suffix")}))
    if pre is not None:
        tok.pre_tokenizer = pre
    if norm is not None:
        tok.normalizer = norm
    extra = {k: v for k, v in model.items() if k in ("continuing_subword_prefix", "end_of_word_suffix")}
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=list(special), show_progress=False, limit_alphabet=model.get("limit_alphabet", 1000),
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if byte_level else (initial or []), **extra)
    tok.train_from_iterator(TRAINING.strip().split("\n"), trainer)
    return tok


def as_json(tok):
    return json.loads(tok.to_str())


def old_merges(spec):
    """The spelling of merges before tokenizers 0.20."""
    spec["model"]["merges"] = [" ".join(m) for m in spec["model"]["merges"]]
    return spec


def byte_fallback_vocab(tok, specials):
    """A SentencePiece-like vocabulary: specials, 256 bytes, then the trained pieces."""
    spec = as_json(tok)
    pieces = [p for p, _ in sorted(spec["model"]["vocab"].items(), key=lambda x: x[1]) if p not in specials]
    names = list(specials) + ["<0x%02X>" % b for b in range(256)] + pieces
    spec["model"]["vocab"] = {p: i for i, p in enumerate(names)}
    for t in spec["added_tokens"]:
        t["id"] = spec["model"]["vocab"][t["content"]]
    return spec


def bos_template(tok_spec, bos, eos=None):
    vocab = tok_spec["model"]["vocab"]
    single = ([{"SpecialToken": {"id": bos, "type_id": 0}}] if bos else []) + [{"Sequence": {"id": "A", "type_id": 0}}] + \
             ([{"SpecialToken": {"id": eos, "type_id": 0}}] if eos else [])
    tok_spec["post_processor"] = {
        "type": "TemplateProcessing", "single": single, "pair": single + [{"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {t: {"id": t, "ids": [vocab[t]], "tokens": [t]} for t in (bos, eos) if t}}
    return tok_spec


def make_all():
    made = {}
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    no_regex = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)

    # GPT-2: ByteLevel, old spelling of merges.
    tok = train(byte_level, special=["<|endoftext|>"])
    tok.post_processor = processors.ByteLevel(trim_offsets=False)
    tok.decoder = decoders.ByteLevel()
    made["gpt2"] = old_merges(as_json(tok))

    # SmolLM2: single digits, then ByteLevel; the chat tokens are special.
    tok = train(pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level]),
                special=["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    tok.decoder = decoders.ByteLevel()
    made["smollm2"] = as_json(tok)

    # Qwen 2: NFC, a regular expression, ByteLevel without one; added tokens outside the model.
    tok = train(pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(QWEN2), "isolated", invert=False), no_regex]), normalizers.NFC())
    tok.decoder = decoders.ByteLevel()
    tok.post_processor = processors.ByteLevel(trim_offsets=False)
    tok.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in ("<|endoftext|>", "<|im_start|>", "<|im_end|>")])
    tok.add_tokens([AddedToken("<tool>", normalized=False), AddedToken("</tool>", normalized=False)])
    made["qwen2"] = as_json(tok)

    # Llama 3: whole words that are pieces are taken as they are; BOS template.
    tok = train(pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), "isolated", invert=False), no_regex]), size=520, ignore_merges=True)
    tok.decoder = decoders.ByteLevel()
    tok.add_special_tokens(["<|endoftext|>", "<s>", "</s>"])
    spec = as_json(tok)
    spec["model"]["vocab"]["Ġuniversally"] = len(spec["model"]["vocab"])  # a piece that no merge makes
    for t in spec["added_tokens"]:
        t["id"] += 1
    spec["model"]["ignore_merges"] = True
    ids = {t["content"]: t["id"] for t in spec["added_tokens"]}
    spec["post_processor"] = {"type": "Sequence", "processors": [
        {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True},
        {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
         "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
         "special_tokens": {"<s>": {"id": "<s>", "ids": [ids["<s>"]], "tokens": ["<s>"]}}}]}
    made["llama3"] = spec

    # Gemma: spaces become a marker, the text stays one word, bytes for what is unknown.
    specials = ["<pad>", "</s>", "<s>", "<unk>"]
    tok = train(None, normalizers.Replace(" ", "▁"), special=specials, byte_level=False, unk_token="<unk>", limit_alphabet=120, size=500)
    tok.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tok.add_tokens([AddedToken(t, normalized=False) for t in ("\n\n", "\n\n\n", "<tool>", "</tool>")])
    spec = as_json(tok)
    added = [t["content"] for t in spec["added_tokens"]]
    spec["model"]["vocab"].update({t: 0 for t in added})
    spec = byte_fallback_vocab(Tokenizer.from_str(json.dumps(renumber(spec))), specials)
    spec["model"].update(byte_fallback=True, fuse_unk=True)
    spec["pre_tokenizer"] = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}
    made["gemma"] = bos_template(spec, "<s>")

    # Llama 2: a marker before the text, old spelling of merges, BOS and EOS.
    specials = ["<unk>", "<s>", "</s>"]
    norm = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tok = train(None, norm, special=specials, byte_level=False, unk_token="<unk>", limit_alphabet=100, size=500)
    tok.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    spec = byte_fallback_vocab(tok, specials)
    spec["model"].update(byte_fallback=True, fuse_unk=True)
    made["llama2"] = old_merges(bos_template(spec, "<s>", "</s>"))

    # Metaspace in its three ways, unknown pieces fused and not, no bytes.
    for scheme in ("first", "always", "never"):
        pre = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme=scheme, split=scheme != "never")
        tok = train(pre, special=specials, byte_level=False, unk_token="<unk>", limit_alphabet=60, fuse_unk=scheme == "first", size=300)
        tok.decoder = decoders.Metaspace(replacement="▁", prepend_scheme=scheme)
        made["metaspace-" + scheme] = as_json(tok)

    # Words by Unicode's rules, and what old models did; lower case, NFKC, strip.
    norm = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase(), normalizers.Strip()])
    tok = train(pre_tokenizers.Whitespace(), norm, special=["[UNK]"], byte_level=False, unk_token="[UNK]", limit_alphabet=150, size=400)
    made["whitespace"] = as_json(tok)
    tok = train(pre_tokenizers.BertPreTokenizer(), normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()]), special=["[UNK]"],
                byte_level=False, unk_token="[UNK]", limit_alphabet=150, continuing_subword_prefix="##", size=400)
    tok.decoder = decoders.WordPiece(prefix="##", cleanup=False)
    made["bert"] = as_json(tok)
    pre = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.Digits(False)])
    tok = train(pre, normalizers.NFKD(), special=["<unk>"], byte_level=False, unk_token="<unk>", limit_alphabet=150, end_of_word_suffix="</w>", size=400)
    tok.decoder = decoders.BPEDecoder("</w>")
    made["suffix"] = as_json(tok)

    # The five behaviours of Split, and Punctuation's.
    for behavior in ("removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"):
        for invert in (False, True):
            pre = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(r"\s|[,.!?aeiou]"), behavior, invert=invert),
                                           pre_tokenizers.Punctuation(behavior), no_regex])
            made["split-" + behavior.replace("_", "-") + ("-inverted" if invert else "")] = pre
    base = train(pre_tokenizers.ByteLevel(add_prefix_space=False), size=330)
    base.decoder = decoders.ByteLevel()
    for name, pre in list(made.items()):
        if name.startswith("split-"):
            base.pre_tokenizer = pre
            made[name] = as_json(base)
    base.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split("'", "merged_with_next"), pre_tokenizers.Split(Regex(r"(?=[A-Z])"), "isolated"),
                                                  pre_tokenizers.CharDelimiterSplit("x"), pre_tokenizers.ByteLevel(add_prefix_space=True)])
    made["split-mixed"] = as_json(base)

    # Added tokens with every switch, seen in raw and in normalised text.
    tok = train(byte_level, normalizers.Sequence([normalizers.Lowercase(), normalizers.Replace(Regex(r"\d+"), "0")]), special=["<|endoftext|>"])
    tok.add_special_tokens([AddedToken("<mask>", lstrip=True, rstrip=True, normalized=False), AddedToken("[SEP]", rstrip=True, normalized=False),
                            AddedToken("<s>", lstrip=True, normalized=False)])
    tok.add_tokens([AddedToken("word", single_word=True, normalized=False), AddedToken("NORM", normalized=True), AddedToken("<tool>", lstrip=True),
                    AddedToken("\n\n", normalized=False), AddedToken("defined", single_word=True, normalized=True)])
    tok.decoder = decoders.ByteLevel()
    tok.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", tok.token_to_id("<s>")), trim_offsets=False)
    made["added"] = as_json(tok)
    return made


def renumber(spec):
    """Ids 0, 1, ... in the order of the vocabulary, added tokens follow."""
    spec["model"]["vocab"] = {p: i for i, p in enumerate(spec["model"]["vocab"])}
    for t in spec["added_tokens"]:
        t["id"] = spec["model"]["vocab"][t["content"]]
    return spec


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    os.makedirs(OUT)
    with open(os.path.join(OUT, "corpus.json"), "w") as f:
        json.dump([{"hex": b.hex(), "times": n} for b, n in texts()], f, indent=0)
    for name, spec in make_all().items():
        folder = os.path.join(OUT, name)
        os.makedirs(folder)
        tok = Tokenizer.from_str(json.dumps(spec))
        with open(os.path.join(folder, "tokenizer.json"), "w") as f:
            json.dump(spec, f, ensure_ascii=False, separators=(",", ":"))
        with open(os.path.join(folder, "expected.json"), "w") as f:
            f.write("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in expectations(tok)) + "\n]\n")


if __name__ == "__main__":
    sys.exit(main())
