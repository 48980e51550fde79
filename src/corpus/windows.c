#include "corpus/windows.h"

#include <stdlib.h>

#include "base/memory.h"

enum { BATCH_ROWS = 3072 };

rv_status rv_windows_init(rv_windows *w, const rv_corpus *corpus, const rv_tokenizer *tokenizer,
                          const rv_corpus_options *options, const rv_config *config,
                          rv_error *err)
{
    size_t T = options->window;
    *w = (rv_windows){0};
    if (T < 2 || T > config->context || options->skip >= T)
        return rv_fail(err, RV_ERR_USAGE,
                       "corpus window: expected %zu to %zu tokens, found %zu",
                       options->skip + 1, config->context, T);
    *w = (rv_windows){.options = options, .room = T < BATCH_ROWS ? BATCH_ROWS / T : 1};
    rv_corpus_reader_init(&w->reader, corpus, tokenizer);
    RV_TRY(RV_NEW(w->ids, w->room * T, err));
    RV_TRY(RV_NEW(w->offsets, w->room * T, err));
    RV_TRY(RV_NEW(w->files, w->room, err));
    RV_TRY(RV_NEW(w->numbers, w->room, err));
    RV_TRY(RV_NEW(w->lengths, w->room, err));
    RV_TRY(RV_NEW(w->ends, w->room, err));
    return RV_NEW(w->sequences, w->room, err);
}

void rv_windows_release(rv_windows *w)
{
    rv_corpus_reader_release(&w->reader);
    void *const owned[] = {w->ids,     w->offsets, w->files,    w->numbers,
                           w->lengths, w->ends,    w->sequences};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) free(owned[i]);
    *w = (rv_windows){0};
}

void rv_windows_again(rv_windows *w, const size_t *reach)
{
    const rv_corpus *corpus = w->reader.corpus;
    const rv_tokenizer *tokenizer = w->reader.tokenizer;
    rv_corpus_reader_release(&w->reader);
    rv_corpus_reader_init(&w->reader, corpus, tokenizer);
    w->reach = reach;
    w->tokens = w->next = 0;
}

size_t rv_windows_rows(const rv_windows *w)
{
    return w->room * w->options->window;
}

/* The next window into place i; *got 0 at the end. */
static rv_status read_window(rv_windows *w, size_t i, size_t *got, rv_error *err)
{
    const rv_corpus_options *o = w->options;
    size_t T = o->window, bos = o->bos >= 0;
    int32_t *ids = w->ids + i * T;
    *got = 0;
    if (o->tokens && w->tokens >= o->tokens) return RV_OK;
    RV_TRY(rv_corpus_read(&w->reader, ids + bos, w->offsets + i * T + bos, T - bos, got,
                          &w->files[i], err));
    if (*got == 0) return RV_OK;
    if (bos) {
        ids[0] = o->bos;
        w->offsets[i * T] = w->offsets[i * T + 1];
    }
    w->lengths[i] = w->ends[i] = *got + bos;
    w->numbers[i] = w->next++;
    w->tokens += *got;
    return RV_OK;
}

rv_status rv_windows_read(rv_windows *w, rv_error *err)
{
    for (w->count = 0; w->count < w->room;) {
        size_t i = w->count, got;
        RV_TRY(read_window(w, i, &got, err));
        if (got == 0) return RV_OK;
        if (w->reach) {
            size_t reach = w->reach[w->numbers[i]];
            if (reach == 0) continue;
            if (reach < w->lengths[i]) { // what is shown behind a position is there too
                w->lengths[i] = reach;
                w->ends[i] = reach - w->options->after;
            }
        }
        w->sequences[i] =
            (rv_sequence){.ids = w->ids + i * w->options->window, .count = w->lengths[i]};
        w->count++;
    }
    return RV_OK;
}
