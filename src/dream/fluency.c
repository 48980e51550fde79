/* How fluent windows of the dream's length are that are cut from the corpus at random: what "as fluent as text" means.
 * The same for every target, and therefore kept. */
#include <stdlib.h>

#include "store/answers.h"
#include "dream/session.h"
#include "base/memory.h"
#include "corpus/ask.h"

enum { FLUENCY_VERSION = 1, CORPUS_SAMPLE = 512 };

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
    RV_GOTO(summarise(d, judge, windows, found, err));
done:
    rv_search_free(judge);
    free(windows);
    free(ids);
    return status;
}

/* Everything that decides the answer; NULL: a second model has a part in it, and none is kept. */
static char *question(const rv_dreaming *d)
{
    rv_text q = {0};
    if (d->problem.second_opinion) return NULL;
    rv_text_printf(&q, "fluency v%d %s length=%zu windows=%d tokens=%zu repetition=%.17g after",
                   FLUENCY_VERSION, d->model->hash, d->params->most, CORPUS_SAMPLE,
                   d->params->corpus_tokens, d->params->repetition);
    for (size_t i = 0; i < d->prefix.count; i++)
        rv_text_printf(&q, " %d", (int)d->prefix.items[i]);
    rv_question_corpus(&q, &d->corpus);
    return rv_text_take(&q);
}

static bool recall(rv_dreaming *d, const char *asked)
{
    json_t *root = rv_answer_recall(asked);
    json_int_t count;
    bool found =
        root && json_unpack(root, "{s:I, s:F, s:F, s:F, s:F, s:F}", "windows", &count,
                            "nats_10", &d->fluency_10, "nats_50", &d->fluency_50, "nats_90",
                            &d->fluency_90, "byte_nats_50", &d->byte_fluency_50, "token_bytes",
                            &d->problem.token_bytes) == 0;
    if (found) d->sampled = (size_t)count;
    json_decref(root);
    return found;
}

rv_status rv_dream_learn_fluency(rv_dreaming *d, const rv_search_params *params, rv_error *err)
{
    char *asked = question(d);
    rv_status status = RV_OK;
    if (!asked || !recall(d, asked)) {
        status = measure(d, params, err);
        if (status == RV_OK && asked)
            rv_answer_keep(asked, json_pack("{s:I, s:f, s:f, s:f, s:f, s:f}", "windows",
                                            (json_int_t)d->sampled, "nats_10", d->fluency_10,
                                            "nats_50", d->fluency_50, "nats_90", d->fluency_90,
                                            "byte_nats_50", d->byte_fluency_50, "token_bytes",
                                            d->problem.token_bytes));
    }
    free(asked);
    return status;
}
