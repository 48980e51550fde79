/* Reading the fixtures of tools/make_golden_tokenizers.py. */
#ifndef TESTS_TOKENIZER_GOLDEN_H
#define TESTS_TOKENIZER_GOLDEN_H

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tokenizer/tokenizer.h"

static inline void append_hex(rv_text *out, const char *hex)
{
    unsigned byte;
    for (; *hex && sscanf(hex, "%2x", &byte) == 1; hex += 2) rv_text_putc(out, (char)byte);
}

/* The text of a corpus entry {"hex": ..., "times": ...}. */
static inline rv_text corpus_text(const json_t *entry)
{
    rv_text once = {0}, all = {0};
    append_hex(&once, json_string_value(json_object_get(entry, "hex")));
    json_int_t times = json_integer_value(json_object_get(entry, "times"));
    rv_text_append(&all, "", 0);
    for (json_int_t i = 0; i < times; i++) rv_text_append(&all, once.bytes, once.length);
    rv_text_release(&once);
    return all;
}

static inline uint64_t hash_ids(const rv_ids *ids)
{
    uint64_t hash = 0xCBF29CE484222325u;
    for (size_t i = 0; i < ids->count; i++)
        for (int b = 0; b < 4; b++)
            hash = (hash ^ ((uint32_t)ids->items[i] >> 8 * b & 0xFF)) * 0x100000001B3u;
    return hash;
}

/* expected: an array of ids, or {"count": n, "fnv": hash}. Says what differs on stdout. */
static inline bool ids_agree(const rv_ids *ids, const json_t *expected, const char *name,
                             size_t at)
{
    if (json_is_object(expected)) {
        char hash[17];
        snprintf(hash, sizeof hash, "%016" PRIx64, hash_ids(ids));
        size_t count = (size_t)json_integer_value(json_object_get(expected, "count"));
        if (ids->count == count &&
            strcmp(hash, json_string_value(json_object_get(expected, "fnv"))) == 0)
            return true;
        printf("%s, text %zu: expected %zu ids, found %zu or others\n", name, at, count,
               ids->count);
        return false;
    }
    bool same = json_array_size(expected) == ids->count;
    for (size_t i = 0; same && i < ids->count; i++)
        same = json_integer_value(json_array_get(expected, i)) == ids->items[i];
    if (same) return true;
    printf("%s, text %zu:\n  expected", name, at);
    for (size_t i = 0; i < json_array_size(expected); i++)
        printf(" %d", (int)json_integer_value(json_array_get(expected, i)));
    printf("\n  found   ");
    for (size_t i = 0; i < ids->count; i++) printf(" %d", ids->items[i]);
    printf("\n");
    return false;
}

#endif
