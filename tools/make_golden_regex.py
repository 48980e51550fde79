#!/usr/bin/env python3
"""Golden values for tests/test_regex.c: what the tokenizers library (Oniguruma) makes of regular expressions.

    python3 tools/make_golden_regex.py          (needs: pip install tokenizers==0.23.3)

Writes tests/fixtures/regex.json: `classes`, sets of characters with the members of `sample` that each
matches; `patterns`, each with texts and the pieces that splitting at it leaves. Characters are those of Unicode 14,
PCRE2's edition.
"""
import json
import os
import random
import unicodedata

from tokenizers import Regex, normalizers, pre_tokenizers

OUT = os.path.join(os.path.dirname(__file__), "..", "tests", "fixtures", "regex.json")

CLASSES = r"""
\s \S \w \W \d \D \h \H . \N \O [[:alnum:]] [[:alpha:]] [[:blank:]] [[:cntrl:]] [[:digit:]] [[:graph:]] [[:lower:]] [[:print:]]
[[:punct:]] [[:space:]] [[:upper:]] [[:xdigit:]] [[:word:]] [[:ascii:]] [[:^alpha:]] [^[:^punct:]] \p{Alnum} \p{alpha} \p{Blank}
\p{Cntrl} \p{Digit} \p{Graph} \p{Lower} \p{Print} \p{Punct} \p{Space} \p{Upper} \p{XDigit} \p{Word} \p{ASCII} \p{Any} \p{Assigned}
\p{^Alpha} \P{Alpha} \P{^Word} \p{Letter} \p{Uppercase_Letter} \p{lowercase-letter} \p{LC} \p{CasedLetter} \p{Titlecase_Letter}
\p{Modifier_Letter} \p{Other_Letter} \p{Mark} \p{Combining_Mark} \p{Nonspacing_Mark} \p{Spacing_Mark} \p{Enclosing_Mark} \p{Number}
\p{Decimal_Number} \p{Letter_Number} \p{Other_Number} \p{Punctuation} \p{Connector_Punctuation} \p{Dash_Punctuation}
\p{Open_Punctuation} \p{Close_Punctuation} \p{Initial_Punctuation} \p{Final_Punctuation} \p{Other_Punctuation} \p{Symbol}
\p{Math_Symbol} \p{Currency_Symbol} \p{Modifier_Symbol} \p{Other_Symbol} \p{Separator} \p{Space_Separator} \p{Line_Separator}
\p{Paragraph_Separator} \p{Other} \p{Control} \p{Format} \p{Private_Use} \p{L} \p{Lu} \p{Ll} \p{Lt} \p{Lm} \p{Lo} \p{M} \p{Mn}
\p{Mc} \p{Me} \p{N} \p{Nd} \p{Nl} \p{No} \p{P} \p{Pc} \p{Pd} \p{Ps} \p{Pe} \p{Pi} \p{Pf} \p{Po} \p{S} \p{Sm} \p{Sc} \p{Sk} \p{So}
\p{Z} \p{Zs} \p{Zl} \p{Zp} \p{C} \p{Cc} \p{Cf} \p{Co} \p{Han} \p{Hani} \p{Latin} \p{Cyrillic} \p{Hiragana} \p{Katakana} \p{Hangul}
\p{Thai} \p{Arabic} \p{Hebrew} \p{Greek} \p{Devanagari} \p{Common} \p{Inherited} \p{Lao} \p{Khmer} \p{Myanmar} \p{Tibetan}
\p{Alphabetic} \p{Lowercase} \p{Uppercase} \p{White_Space} \p{Hex_Digit} \p{Dash} \p{Math} \p{Ideographic} \p{Diacritic}
\p{Emoji} \p{Emoji_Presentation} \p{Extended_Pictographic} \p{ID_Start} \p{Default_Ignorable_Code_Point}
[^\p{L}] [\p{L}&&\p{Lu}] [\p{L}&&[^\p{Han}]] [^\p{L}&&[^\p{Han}]] [a-z&&[^aeiou]] [\w&&[^\d_]] [[a-c][x-z]] [^[a-c][x-z]] [a[^b]]
[^a[^b]] [\W\d] [^\W\d] [\s&&\S] [\p{L}\p{N}&&[a-zA-Z0-9]] [a-z&&b-y&&c-x] [\S&&[^\p{P}]] [\D&&\W] [^\H] [[:alpha:]&&[^[:lower:]]]
[\p{^L}&&\p{^N}] [a-z&&[^aeiou]&&[^x-z]] (?i:[a-f]) (?i:[^a-f]) (?i:k) (?i:s) (?i:\p{Lu}) []] [^]] [-a] [a-] [+--] [\]\[] [a&b]
[\x41-\x{5A}] [\u0041-\u005A] [\101-\132] [\b\t\n\r\f\v\a\e] [\-\\] [\R\X] [{}()*+?.|^$] [\p{Hiragana}\p{Katakana}ー]
""".split()

# Several texts a pattern; most are cut by patterns of real tokenizers.
TEXTS = [
    "it's Don'T 12345  a..\n\n x\r\ny\t\u3000z!? \u00bd\u00b2 _a_b", "ab\u4e2d\u6587cd \u3042\u30a2 \ud55c\uad6d\u0e44\u0e17\u0e22 na\u00efve e\u0301e\u0301",
    "aaaaabbbab ABab aB Ab", "foo(bar) [baz] {x,y} a-b a+b=c; #tag @me $5 50%", "line one\nline two\n\nline four\n", "\u017f\u212a\u00df\u0130 I\u0307 \ufb01 \u01c5",
    "", "  ", "\n", "a", "123 1234567 12,345.67", "HTTPServer XMLHttpRequest camelCase snake_case", "\U0001f600\U0001f1e9\U0001f1ea a\u200db \u200c",
]

PATTERNS = [
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"\p{N}{1,3}(?=(?:\p{N}{3})*(?:\P{N}|$))", r"(?=(\d{3})+(?!\d))", r"\d{1,3}(?=(?:\d{3})*\b)", "[一-龥\u3040-ゟ゠-ヿ]+", r"[一-龥぀-ゟ゠-ヿ]+",
    r"\p{L}+", r" ?\p{L}+", r"\s+$", r"^\s+", r"^", r"$", r"\A", r"\z", r"\Z", r"^.", r".$", r"\b", r"\B", r"\w+", r"\W+", r"\h+", r"\H+", r"\R", r"\N+", r"\O+",
    r"a{2}", r"a{2}?", r"a{,2}", r"a{2,}", r"a{1,2}?", r"a{1,3}+", r"a{2}+", r"a{2,}+b", r"a{3,1}", r"a{3,1}a", r"a++a", r"a*+b", r"a?+a", r"a+?b", r"a??b", r"a*?b", r"a{1,2}{2}", r"a**", r"a+*",
    r"(?:a+)+b", r"a{x}", r"a{", r"{x", r"a{,}", r"x{0}a", r"(a|ab)(b|c)?", r"(?>a+)b", r"(?>a|ab)b", r"ab(?i)a|b", r"(?:x(?i)a|B)b", r"(?i)ab", r"(?i:a)B", r"(?i)a(?-i)B", r"(?-i:a)B", r"(?i:\u0041b)",
    r"(?m:a.)", r"(?m).+", r".+", r"(?x: a b # comment" + "\n)", r"(?x)a \  b", r"(?x:[ ]a)", r"(?ix: A b )", r"(?#comment)a", r"a(?#x)+", r"(?=a)", r"(?!a)", r"(?<=a)b", r"(?<!a)b", r"(?<=a|bc)d", r"(?<=^|\s)\S+", r"(?<=\n)", r"(?<![\p{L}])a",
    r"(a)\1", r"(?<x>a)\k<x>", r"(?'x'a)b", r"(?<p>\((?:[^()]|\g<p>)*\))", r"a\Kb", r"\Ga", r"\x61", r"\x{4e2d}", r"\xE4\xB8\xAD", r"\u4e2d", r"\o{141}", r"\141", r"\061", r"\t|\n|\r|\f|\v|\a|\e", r"\cJ",
    r"\.", r"\#", r"\-", r"\/", r"\_", r"\'", r"\"", r"\%", r"\@", r"\!", r"\ ", r"\中", r"\Qa", r"\q", r"\i", r"]", r"}", r"a]", r"[]a]+", r"[^]a]+", r"[a\]b]+", r"[\[\]]", r"[-+]", r"[+-]", r"[a\-z]+", r"[\w-]+", r"[\w.-]+", r"[\d,.]+",
    r"[[:alpha:]_]+", r"[^[:space:]]+", r"[[:upper:]][[:lower:]]*", r"[a-z[A-Z]]+", r"[a-z&&[^b]]+", r"[^a-z&&[^b]]+", r"[\p{L}&&[^a-z]]+", r"[[a-z]&&[^aeiou]]+", r"[\p{L}\p{N}&&[^\p{Han}]]{1,2}", r"[^\s&&[^a]]+", r"(?<=[a-z&&[^b]])b", r"(?<![\w&&[^a]])b", r"(?i:[a-z&&[^b]])+",
    r"\p{Lu}\p{Ll}+|\p{Lu}+(?!\p{Ll})|\p{Ll}+", r"(?<=\p{Ll})(?=\p{Lu})", r"(?<=\p{Lu})(?=\p{Lu}\p{Ll})", r"[A-Z]{2,}(?=[A-Z][a-z])|[A-Z]?[a-z]+", r"\p{^L}+", r"\P{L}+", r"\P{^L}+", r"\p{L}\p{M}*", r"(?i:k)", r"(?i:s)+", r"(?i)[ks]", r"[\p{Emoji}&&\p{^ASCII}]+", r"", r"|a", r"a|", r"()", r"(?:)", r"(|a)b",
    r"\s+(?!\S)", r"\s*\n", r"\s*[\r\n]+", r"(?:\r\n|\r|\n)", r"[\r\n]+", r" +", r" {2,}", r"\d+(?:[.,]\d+)*", r"[\p{P}\$\+<=>\^~\|]+", r"[^\P{P}]+", r"\S+|\s+", r"a(?=b(?!a))",
]


def cut(pattern, text, behavior):
    return [piece for piece, _ in pre_tokenizers.Split(Regex(pattern), behavior).pre_tokenize_str(text)]


def sample():
    random.seed(7)
    assigned = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000 and unicodedata.category(chr(c)) != "Cn"]
    few = set(range(0x180)) | {0x1680, 0x180E, 0x2028, 0x2029, 0x200B, 0x200C, 0x200D, 0x202F, 0x205F, 0x3000, 0x24B6, 0x1F130, 0x1F170, 0xE000, 0xFEFF, 0x212A, 0x17F, 0x4E2D, 0x3042, 0x30A2, 0x30FC}
    categories = {}
    for c in assigned:
        categories.setdefault(unicodedata.category(chr(c)), []).append(c)
    for members in categories.values():
        few |= set(random.sample(members, min(14, len(members))))
    return "".join(map(chr, sorted(few)))


def main():
    assert unicodedata.unidata_version == "14.0.0", "Unicode 14 is Python 3.11's"
    chars = sample()
    out = {"sample": chars, "classes": {}, "patterns": []}
    for pattern in CLASSES:
        rest = set(normalizers.Replace(Regex(pattern), "").normalize_str(chars))
        out["classes"][pattern] = "".join("0" if c in rest else "1" for c in chars)
    for pattern in PATTERNS:
        cases = []
        for text in TEXTS:
            isolated, removed = cut(pattern, text, "isolated"), cut(pattern, text, "removed")
            cases.append([text, isolated, removed])
        out["patterns"].append({"pattern": pattern, "cases": [c for c in cases if c[1] != [c[0]] or c[2] != [c[0]]] or cases[:1]})
    with open(OUT, "w") as f:
        json.dump(out, f, indent=0, ensure_ascii=True)
        f.write("\n")


if __name__ == "__main__":
    main()
