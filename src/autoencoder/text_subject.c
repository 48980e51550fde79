/* What the subject says about texts: its expectation before every token, its residual stream at the site. */
#include <stdlib.h>
#include <string.h>

#include "autoencoder/text_pass.h"
#include "base/memory.h"

enum { TEXTS = 32 };

typedef struct subject_batch {
    const rv_text_autoencoder *ae;
    rv_pass *pass;
    rv_sequence sequences[TEXTS];
    int32_t ids[TEXTS * (RV_TEXT_TOKENS_MAX + 1)];
    real *site; /* (rows, C) or NULL */
} subject_batch;

/* BOS and the tokens of `count` texts; the last only where its own row is wanted. */
static rv_status run(subject_batch *b, real *hidden, real *rows, const int32_t *ids,
                     const size_t *length, size_t count, rv_error *err)
{
    const rv_text_autoencoder *ae = b->ae;
    size_t C = ae->subject->config.width;
    int32_t *to = b->ids;
    for (size_t s = 0; s < count; s++) {
        b->sequences[s] = (rv_sequence){.ids = to, .count = length[s] + (rows != NULL)};
        to[0] = ae->config.bos;
        memcpy(to + 1, ids, length[s] * sizeof *ids);
        to += length[s] + 1;
        ids += length[s];
    }
    rv_tap tap = {.site = ae->config.site, .value = b->site};
    RV_TRY(rv_pass_begin(b->pass, b->sequences, count, &tap, b->site != NULL, err));
    if (hidden)
        rv_pass_finish(b->pass);
    else
        rv_pass_forward(b->pass, ae->config.site.layer + 1); // the tap is read on its way
    size_t row = 0;
    for (size_t s = 0; s < count; s++) {
        size_t numbers = length[s] * C;
        if (hidden) {
            memcpy(hidden, rv_pass_hidden(b->pass) + row * C, numbers * sizeof *hidden);
            hidden += numbers;
        }
        if (rows) {
            memcpy(rows, b->site + (row + 1) * C, numbers * sizeof *rows);
            rows += numbers;
        }
        row += b->sequences[s].count;
    }
    return RV_OK;
}

static rv_status run_all(subject_batch *b, real *hidden, real *rows, const int32_t *ids,
                         const size_t *length, size_t count, bool narrow, int threads,
                         rv_error *err)
{
    const rv_text_autoencoder *ae = b->ae;
    size_t C = ae->subject->config.width, most = 0, texts = count < TEXTS ? count : TEXTS;
    for (size_t s = 0; s < count; s++) {
        if (length[s] < 1 || length[s] > RV_TEXT_TOKENS_MAX)
            return rv_fail(err, RV_ERR_USAGE,
                           "autoencoder: text %zu: expected 1 to %d tokens, found %zu", s,
                           RV_TEXT_TOKENS_MAX, length[s]);
        if (length[s] + 1 > most) most = length[s] + 1;
    }
    rv_pass_options options = {.rows = texts * most,
                               .sequences = texts,
                               .positions = most,
                               .threads = threads,
                               .narrow = narrow};
    RV_TRY(rv_pass_new(&b->pass, ae->subject, &options, err));
    if (rows) RV_TRY(RV_NEW(b->site, texts * most * C, err));
    for (size_t s = 0; s < count; s += texts) {
        size_t n = count - s < texts ? count - s : texts, tokens = 0;
        RV_TRY(run(b, hidden, rows, ids, length + s, n, err));
        for (size_t i = 0; i < n; i++) tokens += length[s + i];
        ids += tokens;
        if (hidden) hidden += tokens * C;
        if (rows) rows += tokens * C;
    }
    return RV_OK;
}

rv_status rv_text_subject(real *hidden, real *rows, const rv_text_autoencoder *ae,
                          const int32_t *ids, const size_t *length, size_t count, bool narrow,
                          int threads, rv_error *err)
{
    size_t N = 0;
    for (size_t s = 0; s < count; s++) N += length[s];
    if (rows && ae->config.site.kind == RV_SITE_EMBED) {
        rv_text_embed(rows, ae->subject, ids, N);
        rows = NULL;
    }
    if (hidden && !ae->config.language_model) {
        memset(hidden, 0, N * ae->subject->config.width * sizeof *hidden);
        hidden = NULL;
    }
    if ((!hidden && !rows) || count == 0) return RV_OK;
    subject_batch *b;
    RV_TRY(RV_NEW(b, 1, err));
    b->ae = ae;
    rv_status status = run_all(b, hidden, rows, ids, length, count, narrow, threads, err);
    rv_pass_free(b->pass);
    free(b->site);
    free(b);
    return status;
}
