/* How fluent windows of the dream's length are that are cut from the corpus at random: what "as fluent as text" means.
 * The same for every target, and therefore kept. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "corpus/ask.h"
#include "dream/session.h"
#include "store/pack.h"

enum { FLUENCY_VERSION = 2, CORPUS_SAMPLE = 512 };

static double mean_bytes(const rv_search *s, const rv_candidate *windows, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        const rv_candidate *c = &windows[i];
        sum += (double)rv_search_bytes(s, c->ids, c->length) / (double)c->length;
    }
    return count ? sum / (double)count : 0;
}

static rv_status summarise(rv_dreaming *d, const rv_search *judge, const rv_candidate *windows,
                           size_t count, rv_error *err)
{
    double *x;
    RV_TRY(RV_NEW(x, count ? count : 1, err));
    for (size_t i = 0; i < count; i++) x[i] = windows[i].xe;
    d->fluency_10 = rv_quantile(x, count, 0.1);
    d->fluency_50 = rv_quantile(x, count, 0.5);
    d->fluency_90 = rv_quantile(x, count, 0.9);
    for (size_t i = 0; i < count; i++) x[i] = windows[i].xb;
    d->byte_fluency_50 = rv_quantile(x, count, 0.5);
    d->problem.token_bytes = mean_bytes(judge, windows, count);
    d->sampled = count;
    free(x);
    return RV_OK;
}

static rv_status measure(rv_dreaming *d, const rv_search_params *params, rv_error *err)
{
    size_t n = d->params->most, found = 0;
    int32_t *ids = NULL;
    rv_candidate *windows = NULL;
    rv_search *judge = NULL;
    rv_status status;
    RV_GOTO(RV_NEW(ids, CORPUS_SAMPLE * n, err));
    RV_GOTO(RV_NEW(windows, CORPUS_SAMPLE, err));
    RV_GOTO(rv_corpus_sample(ids, &found, &d->corpus, d->model->tokenizer, n, CORPUS_SAMPLE,
                             d->params->corpus_tokens, 0, err));
    RV_GOTO(rv_search_new(&judge, &d->problem, params, 0, 256, err));
    for (size_t i = 0; i < found; i++)
        windows[i] = (rv_candidate){.ids = ids + i * n, .length = n, .parent = -1};
    RV_GOTO(rv_search_judge(judge, windows, found, err));
    for (size_t i = 0; i < found; i++)
        if (!isfinite(windows[i].xe))
            RV_GOTO(rv_fail(err, RV_ERR_NUMERIC,
                            "corpus: window %zu: expected a finite loss, found %g; the weights "
                            "may be damaged",
                            i, windows[i].xe));
    RV_GOTO(summarise(d, judge, windows, found, err));
done:
    rv_search_free(judge);
    free(windows);
    free(ids);
    return status;
}

enum { FIGURES = 5 };

/* The figures that are kept, behind the number of windows. */
static void list_figures(double *out[FIGURES], rv_dreaming *d)
{
    double *const all[FIGURES] = {&d->fluency_10, &d->fluency_50, &d->fluency_90,
                                  &d->byte_fluency_50, &d->problem.token_bytes};
    memcpy(out, all, sizeof all);
}

static bool recall(rv_dreaming *d, const rv_question *q)
{
    char *bytes;
    size_t length;
    double read[FIGURES], *figures[FIGURES];
    if (!rv_store_get(rv_model_store(d->model), &bytes, &length, q)) return false;
    rv_packed from = {(const unsigned char *)bytes, length, 0, false};
    uint64_t windows = rv_unpack_count(&from, CORPUS_SAMPLE);
    rv_unpack_doubles(read, &from, FIGURES);
    bool found = rv_unpacked(&from);
    list_figures(figures, d);
    for (size_t i = 0; found && i < FIGURES; i++) *figures[i] = read[i];
    if (found) d->sampled = (size_t)windows;
    free(bytes);
    return found;
}

static void remember(rv_dreaming *d, const rv_question *q)
{
    rv_text bytes = {0};
    double *figures[FIGURES];
    list_figures(figures, d);
    rv_pack_count(&bytes, d->sampled);
    for (size_t i = 0; i < FIGURES; i++) rv_pack_doubles(&bytes, figures[i], 1);
    if (!bytes.failed)
        rv_store_put(rv_model_store(d->model), q, bytes.bytes, bytes.length, NULL);
    rv_text_release(&bytes);
}

/* Everything that decides the answer. */
static rv_status question(rv_text *q, const rv_dreaming *d, const rv_corpus_identity *corpus,
                          rv_error *err)
{
    rv_text_printf(q, "v%d ", FLUENCY_VERSION);
    RV_TRY(rv_model_question(q, d->model, err));
    rv_text_printf(q, " length=%zu windows=%d tokens=%zu repetition=%.17g after",
                   d->params->most, CORPUS_SAMPLE, d->params->corpus_tokens,
                   d->params->repetition);
    for (size_t i = 0; i < d->prefix.count; i++)
        rv_text_printf(q, " %d", (int)d->prefix.items[i]);
    rv_text_printf(q, " corpus=%s", corpus->digests);
    return q->failed ? rv_fail_memory(err, q->length) : RV_OK;
}

static rv_status recall_or_measure(rv_dreaming *d, const rv_search_params *params,
                                   const rv_corpus_identity *corpus, rv_error *err)
{
    rv_text text = {0};
    rv_status status = question(&text, d, corpus, err);
    rv_question q = {.kind = "fluency",
                     .text = text.bytes,
                     .model = d->model->name,
                     .hash = d->model->hash,
                     .source = corpus->name};
    if (status == RV_OK && !recall(d, &q)) {
        status = measure(d, params, err);
        if (status == RV_OK && rv_corpus_is_still(corpus, &d->corpus)) remember(d, &q);
    }
    rv_text_release(&text);
    return status;
}

rv_status rv_dream_learn_fluency(rv_dreaming *d, const rv_search_params *params, rv_error *err)
{
    rv_corpus_identity corpus;
    rv_store *store = rv_model_store(d->model);
    // A second model has a part in the answer, or the corpus cannot be known again: none is kept.
    if (d->problem.second_opinion || !store ||
        rv_corpus_identify(&corpus, &d->corpus, store, NULL, NULL, NULL) != RV_OK)
        return measure(d, params, err);
    rv_status status = recall_or_measure(d, params, &corpus, err);
    rv_corpus_identity_release(&corpus);
    return status;
}
