/* What a corpus and the weights say about a target. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "corpus/ask.h"
#include "explain/sources.h"
#include "base/memory.h"
#include "target/probe.h"

enum {
    BEFORE = 20,            /* tokens shown that end at a strong position */
    AFTER = RV_INDEX_AFTER, /* and behind it */
    WARM_UP = 32,           /* positions of a window that count nowhere */
    BATCH = 16,             /* texts run together */
    PLACES = 40,            /* strong positions that do not overlap */
    RANDOM = 15,            /* texts cut at random: at least so many, ... */
    MOST_RANDOM = 300,      /* ... at most so many where large splits want more, ... */
    OTHERS = 24,            /* ... and so many for the quantiles */
    QUANTILES = 4,
    SHOWN = 32, /* tokens of a random text */
    PROMOTED = 20
};

static rv_status set_token(rv_activation_record *record, size_t i, const rv_model *m,
                           int32_t id, double value, rv_error *err)
{
    size_t length = 0;
    const char *bytes = rv_token_bytes(m->tokenizer, id, &length);
    return rv_activation_record_set(record, i, bytes ? bytes : "", bytes ? length : 0,
                                    isfinite(value) ? value : 0, err);
}

static rv_status add_ids(rv_activation_records *list, const rv_model *m, const int32_t *ids,
                         const double *values, size_t count, rv_error *err)
{
    rv_activation_record record;
    RV_TRY(rv_activation_record_init(&record, count, err));
    for (size_t i = 0; i < count; i++) {
        rv_status status = set_token(&record, i, m, ids[i], values[i], err);
        if (status == RV_OK) continue;
        rv_activation_record_release(&record);
        return status;
    }
    return rv_activation_records_push(list, &record, err);
}

/* ---- the strongest --------------------------------------------------------------------------- */
/* Bytes of the text from its first token to the position. */
static uint64_t position_of(const rv_model *m, const rv_corpus_hit *hit)
{
    uint64_t at = hit->offset;
    for (size_t i = 0; i < hit->at; i++) {
        size_t length = 0;
        rv_token_bytes(m->tokenizer, hit->ids[i], &length);
        at += length;
    }
    return at;
}

/* Whether the position lies in the text around one that is already taken. */
static bool overlaps(const rv_model *m, const rv_corpus_hit *hits, const size_t *taken,
                     size_t count, const rv_corpus_hit *hit)
{
    uint64_t at = position_of(m, hit);
    for (size_t k = 0; k < count; k++) {
        const rv_corpus_hit *other = &hits[taken[k]];
        if (other->file != hit->file || at < other->offset) continue;
        uint64_t end = other->offset;
        for (size_t i = 0; i < other->count; i++) {
            size_t length = 0;
            rv_token_bytes(m->tokenizer, other->ids[i], &length);
            end += length;
        }
        if (at < end) return true;
    }
    return false;
}

static rv_status add_strongest(rv_evidence *out, const rv_model *m, const rv_target *target,
                               const rv_corpus_stats *stats, rv_error *err)
{
    const rv_corpus_hit *hits = target->sign > 0 ? stats->high : stats->low;
    size_t count = target->sign > 0 ? stats->high_count : stats->low_count, places = 0;
    size_t taken[PLACES];
    for (size_t i = 0; i < count && places < PLACES; i++) {
        double values[BEFORE + AFTER];
        const rv_corpus_hit *hit = &hits[i];
        if (overlaps(m, hits, taken, places, hit)) continue;
        taken[places++] = i;
        size_t from = hit->at + 1 > BEFORE ? hit->at + 1 - BEFORE : 0,
               shown = hit->count - from;
        if (shown > BEFORE + AFTER) shown = BEFORE + AFTER;
        for (size_t k = 0; k < shown; k++)
            values[k] = (double)target->sign * (double)hit->values[from + k];
        RV_TRY(add_ids(&out->top, m, hit->ids + from, values, shown, err));
    }
    return RV_OK;
}

/* ---- at random ------------------------------------------------------------------------------- */
typedef struct sampler {
    const rv_target *target;
    rv_probe *probe;
    int32_t first; /* BOS; -1: none */
    int32_t *ids;  /* (BATCH, rows): BOS, then a text */
} sampler;

static void sampler_release(sampler *s)
{
    rv_probe_free(s->probe);
    free(s->ids);
}

static rv_status sampler_new(sampler *s, rv_model *m, const rv_target *target, rv_error *err)
{
    size_t positions = WARM_UP + SHOWN + 1, rows = BATCH * positions;
    const char *why;
    *s = (sampler){.target = target};
    rv_dream_bos(&s->first, &why, m);
    rv_pass_options options = {
        .rows = rows, .sequences = BATCH, .positions = positions, .threads = m->threads};
    RV_TRY(rv_probe_new(&s->probe, m->transformer, target, 1, &options, false, err));
    return RV_NEW(s->ids, rows, err);
}

/* The target at the last SHOWN tokens of each of `count` texts of WARM_UP + SHOWN: out (count, SHOWN). */
static rv_status measure(sampler *s, double *out, const int32_t *texts, size_t count,
                         rv_error *err)
{
    size_t length = WARM_UP + SHOWN, bos = s->first >= 0, rows = bos + length;
    rv_sequence sequences[BATCH];
    for (size_t t = 0; t < count; t++) {
        int32_t *ids = s->ids + t * rows;
        if (bos) ids[0] = s->first;
        memcpy(ids + bos, texts + t * length, length * sizeof *ids);
        sequences[t] = (rv_sequence){.ids = ids, .count = rows};
    }
    RV_TRY(rv_probe_run(s->probe, sequences, count, err));
    const real *values = rv_probe_values(s->probe, 0);
    for (size_t t = 0; t < count; t++)
        for (size_t i = 0; i < SHOWN; i++)
            out[t * SHOWN + i] =
                (double)s->target->sign * (double)values[t * rows + bos + WARM_UP + i];
    return RV_OK;
}

static int weaker(const void *a, const void *b)
{
    double x = rv_record_maximum(a), y = rv_record_maximum(b);
    return (x > y) - (x < y);
}

/* Deals sorted texts into as many lists as there are quantiles, weakest first. */
static rv_status deal_quantiles(rv_evidence *out, rv_activation_records *texts, rv_error *err)
{
    qsort(texts->items, texts->count, sizeof *texts->items, weaker);
    RV_TRY(RV_NEW(out->quantiles, QUANTILES, err));
    out->quantile_count = QUANTILES;
    RV_TRY(RV_NEW(out->boundaries, QUANTILES - 1, err));
    out->boundary_count = QUANTILES - 1;
    size_t count = texts->count;
    for (size_t i = 0; i < count; i++) {
        size_t q = i * QUANTILES / count, next = (i + 1) * QUANTILES / count;
        if (next > q && next < QUANTILES)
            out->boundaries[q] = rv_record_maximum(&texts->items[i]);
        rv_activation_record record = texts->items[i];
        texts->items[i] = (rv_activation_record){0};
        RV_TRY(rv_activation_records_push(&out->quantiles[q], &record, err));
    }
    return RV_OK;
}

static rv_status add_random(rv_evidence *out, rv_model *m, const rv_target *target,
                            const rv_corpus *corpus, const rv_explain_params *o, rv_error *err)
{
    size_t length = WARM_UP + SHOWN, found = 0, count,
           random = o->per_split > MOST_RANDOM / 3 ? MOST_RANDOM : 3 * (size_t)o->per_split;
    if (random < RANDOM) random = RANDOM;
    int32_t *ids = NULL;
    sampler s = {0};
    rv_activation_records others = {0};
    rv_status status = RV_OK;
    RV_GOTO(RV_NEW(ids, (random + OTHERS) * length, err));
    RV_GOTO(rv_corpus_sample(ids, &found, corpus, m->tokenizer, length, random + OTHERS,
                             (size_t)o->corpus_tokens, o->seed, err));
    RV_GOTO(sampler_new(&s, m, target, err));
    for (size_t first = 0; first < found; first += count) {
        double values[BATCH][SHOWN];
        count = found - first < BATCH ? found - first : BATCH;
        RV_GOTO(measure(&s, values[0], ids + first * length, count, err));
        for (size_t t = 0; t < count; t++)
            RV_GOTO(add_ids(first + t < random ? &out->random : &others, m,
                            ids + (first + t) * length + WARM_UP, values[t], SHOWN, err));
    }
    if (others.count >= QUANTILES) status = deal_quantiles(out, &others, err);
done:
    rv_activation_records_release(&others);
    sampler_release(&s);
    free(ids);
    return status;
}

rv_status rv_gather_corpus(rv_evidence *out, rv_model *m, const rv_target *target,
                           const rv_explain_params *o, rv_error *err)
{
    rv_corpus corpus = {o->corpus, o->corpus_count};
    rv_corpus_options options = rv_corpus_options_default();
    rv_corpus_stats *stats = NULL;
    const char *why;
    options.tokens = o->corpus_tokens;
    options.top = RV_INDEX_TOP;
    options.context = RV_INDEX_CONTEXT;
    options.after = AFTER;
    options.narrow = true;
    rv_dream_bos(&options.bos, &why, m);
    options.threads = m->threads;
    options.progress = o->progress;
    options.progress_context = o->progress_context;
    RV_TRY(rv_corpus_ask(&stats, &corpus, m, target, 1, &options, err));
    out->screened = stats->screened;
    out->mean = stats->mean;
    out->variance = stats->deviation * stats->deviation;
    out->skewness = stats->skewness;
    out->kurtosis = stats->kurtosis;
    rv_status status = add_strongest(out, m, target, stats, err);
    rv_corpus_stats_free(stats, 1);
    return status == RV_OK ? add_random(out, m, target, &corpus, o, err) : status;
}

/* ---- promoted tokens ------------------------------------------------------------------------- */
/* direction *= weight (C); a norm that is not there changes nothing. */
static void scale_by(real *direction, const real *weight, size_t C)
{
    for (size_t i = 0; weight && i < C; i++) direction[i] *= weight[i];
}

typedef struct ranked {
    int32_t id;
    double logit;
} ranked;

static int by_logit(const void *a, const void *b)
{
    double x = ((const ranked *)a)->logit, y = ((const ranked *)b)->logit;
    return (x < y) - (x > y);
}

/* Tokens that can be shown, by <unembedding, direction>, strongest first; returns how many. */
static size_t rank_tokens(ranked *out, const rv_model *m, const real *direction)
{
    size_t tokens = rv_writable_tokens(m), count = 0;
    for (size_t v = 0; v < tokens; v++) {
        size_t length;
        unsigned code_point;
        const char *bytes = rv_token_bytes(m->tokenizer, (int32_t)v, &length);
        if (!bytes || rv_token_is_special(m->tokenizer, (int32_t)v) ||
            rv_utf8_decode(bytes, length, &code_point) == 0)
            continue;
        out[count++] =
            (ranked){(int32_t)v, (double)rv_matrix_dot(m->transformer->head, v, direction)};
    }
    qsort(out, count, sizeof *out, by_logit);
    return count;
}

static rv_status add_promoted(rv_token_weights *list, const rv_model *m, const ranked *token,
                              rv_error *err)
{
    size_t length = 0;
    const char *bytes = rv_token_bytes(m->tokenizer, token->id, &length);
    return rv_token_weights_push(list, bytes, length, token->logit, err);
}

rv_status rv_gather_promoted(rv_evidence *out, const rv_model *m, const rv_target *target,
                             rv_error *err)
{
    const rv_transformer *t = m->transformer;
    real *direction = NULL;
    ranked *tokens = NULL;
    bool writes;
    rv_status status;
    RV_GOTO(RV_NEW(direction, t->config.width, err));
    RV_GOTO(rv_target_output(direction, &writes, target, t, err));
    if (!writes) goto done;
    scale_by(direction, t->final_norm.weight, t->config.width);
    for (size_t i = 0; i < t->config.width; i++) direction[i] *= target->sign;
    RV_GOTO(RV_NEW(tokens, rv_writable_tokens(m), err));
    size_t count = rank_tokens(tokens, m, direction);
    for (size_t i = 0; i < PROMOTED && i < count; i++) {
        RV_GOTO(add_promoted(&out->promoted, m, &tokens[i], err));
        RV_GOTO(add_promoted(&out->suppressed, m, &tokens[count - 1 - i], err));
    }
done:
    free(direction);
    free(tokens);
    return status;
}
