/* A folder with a model that the public interface opens: the weights of a fixture, a tokenizer of letters and a few
 * pairs of letters (so that not every sequence of tokens is what its text is cut into), a corpus. */
#ifndef TINY_MODEL_H
#define TINY_MODEL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/random.h"
#include "base/text.h"
#include "reverie/reverie.h"

static const char TINY_LETTERS[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ .,!\n<"; // 58, then pairs
static const char *const TINY_PAIRS[] = {"th", "he", "in", "er", "an", "re"};

static char tiny_folder[] = "/tmp/reverie-tiny-XXXXXX";

/* "FOLDER/name" in one of a few buffers that take turns. */
static inline const char *tiny_path(const char *name)
{
    static char paths[8][128];
    static size_t turn;
    char *path = paths[turn++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", tiny_folder, name);
    return path;
}

static inline void tiny_write(const char *name, const char *bytes, size_t length)
{
    rv_error err;
    if (rv_write_file(tiny_path(name), bytes, length, &err) != RV_OK)
        fail_msg("%s", err.message);
}

static inline void tiny_copy(const char *name)
{
    char from[128], *bytes;
    size_t length;
    rv_error err;
    snprintf(from, sizeof from, "tests/fixtures/models/llama-grouped/%s", name);
    if (rv_read_file(&bytes, &length, from, 1 << 20, &err) != RV_OK)
        fail_msg("%s", err.message);
    tiny_write(name, bytes, length);
    free(bytes);
}

static inline void tiny_write_tokenizer(void)
{
    rv_text t = {0};
    rv_text_puts(&t,
                 "{\"version\":\"1.0\",\"added_tokens\":[],\"normalizer\":null,"
                 "\"pre_tokenizer\":null,\"post_processor\":null,\"decoder\":{\"type\":"
                 "\"Fuse\"},\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,"
                 "\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,"
                 "\"fuse_unk\":false,\"byte_fallback\":false,\"vocab\":{");
    size_t letters = strlen(TINY_LETTERS), pairs = sizeof TINY_PAIRS / sizeof *TINY_PAIRS;
    for (size_t i = 0; i < letters; i++) {
        const char *form = TINY_LETTERS[i] == '\n' ? "\"\\n\":%zu," : "\"%c\":%zu,";
        if (TINY_LETTERS[i] == '\n')
            rv_text_printf(&t, "\"\\n\":%zu,", i);
        else
            rv_text_printf(&t, form, TINY_LETTERS[i], i);
    }
    for (size_t i = 0; i < pairs; i++)
        rv_text_printf(&t, "%s\"%s\":%zu", i ? "," : "", TINY_PAIRS[i], letters + i);
    rv_text_puts(&t, "},\"merges\":[");
    for (size_t i = 0; i < pairs; i++)
        rv_text_printf(&t, "%s\"%c %c\"", i ? "," : "", TINY_PAIRS[i][0], TINY_PAIRS[i][1]);
    rv_text_puts(&t, "]}}");
    tiny_write("tokenizer.json", t.bytes, t.length);
    rv_text_release(&t);
}

/* Lines of words that no one ever said; the same at every call. */
static inline void tiny_write_corpus(const char *name, size_t lines, uint64_t seed)
{
    static const char *const words[] = {"the",   "hen",  "and", "heron", "in",  "there",
                                        "other", "anew", "win", "Robin", "sea", "thin"};
    rv_text t = {0};
    rv_random random = rv_random_stream(seed, 0, 0);
    for (size_t i = 0; i < lines; i++) {
        for (size_t w = 0; w < 12; w++)
            rv_text_printf(&t, "%s%s", w ? " " : "", words[rv_random_below(&random, 12)]);
        rv_text_puts(&t, ".\n");
    }
    tiny_write(name, t.bytes, t.length);
    rv_text_release(&t);
}

/* For cmocka's group set-up and tear-down; also the cache folder is inside. */
static inline int tiny_make(void **state)
{
    (void)state;
    if (!mkdtemp(tiny_folder)) return -1;
    setenv("XDG_CACHE_HOME", tiny_path("cache"), 1);
    tiny_copy("config.json");
    tiny_copy("model.safetensors");
    tiny_write_tokenizer();
    tiny_write_corpus("corpus.txt", 60, 1);
    return 0;
}

static inline int tiny_remove(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", tiny_folder);
    return system(command);
}

static inline rv_model *tiny_open(int threads)
{
    rv_model *model;
    rv_error err;
    rv_model_params params = rv_model_params_default();
    params.threads = threads;
    if (rv_model_open(&model, tiny_folder, &params, &err) != RV_OK) fail_msg("%s", err.message);
    return model;
}

#endif
