/* What the two halves of the translation share: regex_translate.c and, for sets, regex_set.c. */
#ifndef RV_TOKENIZER_REGEX_PARSER_H
#define RV_TOKENIZER_REGEX_PARSER_H

#include <stdio.h>

#include "tokenizer/regex_translate.h"

enum { REGEX_LIMIT_DEPTH = 100 };

typedef struct regex_parser {
    const char *pattern;
    size_t length, at;
    rv_text *out;
    bool extended;   /* (?x) */
    unsigned groups; /* that capture, so far */
    int depth;
    rv_error *err;
} regex_parser;

/* One of: what stands in PCRE2's brackets, and matchers of one character with '|' between them. */
typedef struct regex_set {
    rv_text items, others;
} regex_set;

rv_status regex_unsupported(const regex_parser *p, const char *what, const char *name,
                            size_t length);

/* The next character, written plainly or as an escape (in a set \b is a backspace). */
rv_status regex_take_char(regex_parser *p, unsigned *c, bool in_set);

/* \s, \w, \d, \h, \p and their opposites at p->at, added to the set; else *known is false. in_set: the
 * escape stands in brackets, where \w means less. */
rv_status regex_set_escape(regex_parser *p, regex_set *set, bool in_set, bool *known);

/* A set past its '[', added to `out`. */
rv_status regex_parse_set(regex_parser *p, regex_set *out);

/* Appends a pattern of one character; (?!) for the empty set. */
void regex_set_print(rv_text *out, const regex_set *set);
void regex_set_release(regex_set *set);

#endif
