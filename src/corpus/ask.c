#include "corpus/ask.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "corpus/answer.h"
#include "store/store.h"

enum { ANSWER_VERSION = 2 };

typedef struct asking {
    const rv_corpus *corpus;
    rv_model *model;
    const rv_target *targets;
    size_t count;
    const rv_corpus_options *options;
    rv_store *store; /* NULL: nothing is kept, nor found */
    rv_corpus_identity identity;
    char *subject; /* what the question says of the model */
} asking;

/* ---- questions ------------------------------------------------------------------------------- */

/* Everything that decides the answer, as text. screened: by an answer that bf16 had a part in. */
static char *question(const asking *a, const rv_target *target, const rv_corpus_options *o,
                      bool screened)
{
    rv_text q = {0};
    char identity[RV_HASH_HEX];
    if (rv_target_identity(identity, target, NULL) != RV_OK) return NULL;
    rv_text_printf(&q,
                   "v%d %s target=%.32s tokens=%zu window=%zu skip=%zu top=%zu context=%zu "
                   "after=%zu values=%zu bos=%d",
                   ANSWER_VERSION, a->subject, identity, o->tokens, o->window, o->skip, o->top,
                   o->context, o->after, o->values, o->bos);
    if (screened) rv_text_puts(&q, " screened");
    rv_text_printf(&q, " corpus=%s", a->identity.digests);
    return rv_text_take(&q);
}

static rv_question labelled(const asking *a, const rv_target *target, const char *text)
{
    return (rv_question){.kind = "corpus",
                         .text = text,
                         .model = a->model->name,
                         .hash = a->model->hash,
                         .source = a->identity.name,
                         .about = target->name};
}

/* ---- what was asked before ------------------------------------------------------------------- */

static bool recall(rv_corpus_stats *out, const asking *a, const rv_target *target,
                   const rv_corpus_options *o, bool screened)
{
    char *text = question(a, target, o, screened), *bytes = NULL;
    size_t length;
    rv_question q = labelled(a, target, text);
    rv_corpus_bounds bounds = {.files = a->corpus->file_count,
                               .vocabulary = rv_tokenizer_size(a->model->tokenizer),
                               .top = o->top,
                               .tokens = o->context + 1 + o->after};
    bool found = text && rv_store_get(a->store, &bytes, &length, &q) &&
                 rv_corpus_answer_read(out, bytes, length, &bounds);
    free(bytes);
    free(text);
    return found;
}

static void remember(const asking *a, const rv_target *target, const rv_corpus_options *o,
                     const rv_corpus_stats *stats)
{
    char *text = question(a, target, o, stats->screened);
    rv_text bytes = {0};
    rv_question q = labelled(a, target, text);
    rv_corpus_answer_write(&bytes, stats);
    if (text && !bytes.failed) rv_store_put(a->store, &q, bytes.bytes, bytes.length, NULL);
    rv_text_release(&bytes);
    free(text);
}

/* Positions and tokens beyond what was asked for. */
static void cut(rv_corpus_stats *s, const rv_corpus_options *o)
{
    rv_corpus_hit *lists[] = {s->high, s->low};
    size_t *counts[] = {&s->high_count, &s->low_count};
    for (size_t l = 0; l < 2; l++) {
        for (; *counts[l] > o->top; --*counts[l]) {
            free(lists[l][*counts[l] - 1].ids);
            free(lists[l][*counts[l] - 1].values);
        }
        for (size_t i = 0; i < *counts[l]; i++)
            if (lists[l][i].count > lists[l][i].at + 1 + o->after)
                lists[l][i].count = lists[l][i].at + 1 + o->after;
    }
}

/* The question whose answer holds this one's. Tokens before a position are not cut: their bytes are not
 * known one by one. */
static rv_corpus_options widened(const rv_corpus_options *o)
{
    rv_corpus_options wide = *o;
    if (wide.top < RV_INDEX_TOP) wide.top = RV_INDEX_TOP;
    if (wide.after < RV_INDEX_AFTER) wide.after = RV_INDEX_AFTER;
    return wide;
}

/* From what was asked here before, or at a time when just this was scanned for. */
static bool recall_part(rv_corpus_stats *out, const asking *a, const rv_target *target,
                        bool screened)
{
    rv_corpus_options wide = widened(a->options);
    bool found = a->store && (recall(out, a, target, &wide, screened) ||
                              recall(out, a, target, a->options, screened));
    if (found) cut(out, a->options);
    return found;
}

/* ---- asking ---------------------------------------------------------------------------------- */

static rv_status scan(rv_corpus_stats **out, const asking *a, const rv_target *missing,
                      size_t count, rv_error *err)
{
    rv_corpus_options wide = widened(a->options);
    rv_transformer *t = a->model->transformer;
    if (rv_corpus_screens(a->corpus, t, missing, count, &wide))
        RV_TRY(rv_transformer_narrow(t, err));
    RV_TRY(rv_corpus_scan(out, a->corpus, t, a->model->tokenizer, missing, count, &wide, err));
    if (!a->store || !rv_corpus_is_still(&a->identity, a->corpus)) return RV_OK;
    rv_store_begin(a->store);
    for (size_t i = 0; i < count; i++) remember(a, &missing[i], &wide, &(*out)[i]);
    rv_store_end(a->store);
    return RV_OK;
}

static rv_status scan_missing(rv_corpus_stats *out, const asking *a, rv_error *err)
{
    rv_target *missing;
    size_t *place, n = 0;
    rv_corpus_stats *scanned = NULL;
    RV_TRY(RV_NEW(missing, a->count, err));
    rv_status status = RV_NEW(place, a->count, err);
    for (size_t t = 0; status == RV_OK && t < a->count; t++) {
        if (recall_part(&out[t], a, &a->targets[t], false) ||
            (a->options->narrow && recall_part(&out[t], a, &a->targets[t], true)))
            continue;
        place[n] = t;
        missing[n++] = a->targets[t];
    }
    if (status == RV_OK && n) status = scan(&scanned, a, missing, n, err);
    for (size_t i = 0; status == RV_OK && i < n; i++) {
        out[place[i]] = scanned[i];
        cut(&out[place[i]], a->options);
    }
    free(scanned);
    free(missing);
    free(place);
    return status;
}

/* What cannot be identified (a pipe, say) is scanned, and not kept; only what would end the scan too ends here. */
static rv_status identify(asking *a, rv_error *err)
{
    const rv_corpus_options *o = a->options;
    rv_text subject = {0};
    a->store = rv_model_store(a->model);
    if (!a->store) return RV_OK;
    RV_TRY(rv_model_question(&subject, a->model, err));
    a->subject = rv_text_take(&subject);
    rv_status status = rv_corpus_identify(&a->identity, a->corpus, a->store, o->progress,
                                          o->progress_context, err);
    if (status == RV_ERR_MEMORY || status == RV_ERR_CANCELLED) return status;
    if (status != RV_OK) a->store = NULL;
    return RV_OK;
}

rv_status rv_corpus_ask(rv_corpus_stats **out, const rv_corpus *corpus, rv_model *model,
                        const rv_target *targets, size_t count,
                        const rv_corpus_options *options, rv_error *err)
{
    asking a = {.corpus = corpus,
                .model = model,
                .targets = targets,
                .count = count,
                .options = options};
    rv_corpus_stats *stats = NULL;
    *out = NULL;
    rv_status status;
    RV_GOTO(rv_model_hash(model, err));
    RV_GOTO(identify(&a, err));
    RV_GOTO(RV_NEW(stats, count, err));
    RV_GOTO(scan_missing(stats, &a, err));
    *out = stats;
done:
    if (status != RV_OK) rv_corpus_stats_free(stats, count);
    rv_corpus_identity_release(&a.identity);
    free(a.subject);
    return status;
}
