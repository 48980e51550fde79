/* Triggers behind beginnings of corpus sentences after which the model expects them: chosen by products with rows that
 * are known, the best of them read. */
#include <math.h>
#include <string.h>
#include <utf8proc.h>

#include "base/memory.h"
#include "base/top_k.h"
#include "search/sentence/sentence.h"

enum { BEHIND = 30, TRIED = 8, LONGEST = 19, PICKED = 20, PICKED_OF_ONE = 5 };
static const double LATER = 0.4, /* weight of a trigger's later tokens: they tell the topic */
    LEAST_LOG_P = -16, JUNCTION = 3, SPIKE = 5;

/* How promising: strong, and the trigger is no surprise. */
static double promise(const rv_sentence_search *d, const rv_sentence *s)
{
    double junction = 0, spikes = 0;
    for (size_t i = 0; i < s->length; i++) {
        double nll = (double)s->nll[i];
        if (i && nll > SPIKE) spikes += nll - SPIKE;
        if (i + s->trigger >= s->length) junction += nll / (double)s->trigger;
    }
    double mean = s->nats / (double)s->length;
    return s->g / d->reference - 0.15 * fmax(0, junction - JUNCTION) - 0.03 * spikes -
           (s->length > 5 ? 0.1 * fmax(0, mean - 4.5) : 0);
}

/* The trigger as the beginning of a sentence. */
static rv_status capitalised(rv_sentence *out, const rv_sentence_search *d, const rv_trigger *t,
                             rv_error *err)
{
    const rv_tokenizer *tok = d->search->problem->tokenizer;
    rv_text text = {0}, upper = {0};
    rv_ids ids = {0};
    rv_status status;
    RV_GOTO(rv_tokenizer_decode(tok, t->ids, t->count, false, &text, err));
    size_t from = text.length && text.bytes[0] == ' ', length;
    unsigned code;
    char bytes[4];
    length = rv_utf8_decode(text.bytes + from, text.length - from, &code);
    if (!length) goto done;
    size_t wide = rv_utf8_encode((unsigned)utf8proc_toupper((utf8proc_int32_t)code), bytes);
    rv_text_append(&upper, bytes, wide);
    rv_text_append(&upper, text.bytes + from + length, text.length - from - length);
    if (upper.failed) RV_GOTO(rv_fail_memory(err, text.length));
    RV_GOTO(rv_tokenizer_encode(tok, upper.bytes, upper.length, RV_ENCODE_PLAIN, &ids, err));
    if (ids.count > RV_TRIGGER_MOST) goto done;
    *out = (rv_sentence){.length = ids.count, .trigger = ids.count, .origin = "transplant"};
    memcpy(out->ids, ids.items, ids.count * sizeof *out->ids);
done:
    rv_text_release(&text);
    rv_text_release(&upper);
    rv_ids_release(&ids);
    return status;
}

/* Whether the trigger begins with a word that is written so at the beginning of a sentence only: in the corpus it is
 * more common in small letters. */
static bool opens_sentence(const rv_sentence_search *d, const rv_trigger *t)
{
    const rv_tokenizer *tok = d->search->problem->tokenizer;
    size_t length;
    const char *bytes = rv_token_bytes(tok, t->ids[0], &length);
    char small[64];
    rv_ids ids = {0};
    if (!bytes || length < 2 || length > sizeof small || bytes[0] != ' ' ||
        (unsigned)(bytes[1] - 'A') >= 26)
        return false;
    memcpy(small, bytes, length);
    small[1] = (char)(small[1] | 32);
    rv_error error;
    rv_status encoded = rv_tokenizer_encode(tok, small, length, RV_ENCODE_PLAIN, &ids, &error);
    bool opens = rv_search_succeeded(d->search, encoded, &error) && ids.count == 1 &&
                 d->pool->rarity[ids.items[0]] < d->pool->rarity[t->ids[0]];
    rv_ids_release(&ids);
    return opens;
}

/* The trigger behind the beginnings that expect it most. */
static rv_status behind_beginnings(rv_sentences *out, rv_sentence_search *d,
                                   const rv_trigger *t, real *score, rv_error *err)
{
    const rv_sentence_pool *p = d->pool;
    const rv_transformer *m = d->search->problem->model;
    int32_t best[BEHIND];
    size_t most = d->search->params.most, longest = most < LONGEST ? most : LONGEST;
    memset(score, 0, p->row_count * sizeof *score);
    rv_sentence_pool_score(score, p, m, t->ids[0], 1, LEAST_LOG_P, d->search->params.threads);
    for (size_t i = 1; i < t->count && i < 4; i++)
        rv_sentence_pool_score(score, p, m, t->ids[i],
                               LATER / (double)(t->count < 4 ? t->count - 1 : 3), LEAST_LOG_P,
                               d->search->params.threads);
    for (size_t r = 0; r < p->row_count; r++) {
        size_t n = p->rows[r] + 1 - p->first[p->owner[r]];
        if (n + t->count > longest) score[r] = -(real)INFINITY;
        score[r] -= (real)(0.3 * log(-log(rv_random_uniform(&d->random) + 1e-12) + 1e-12));
    }
    size_t found = rv_top_k(best, score, p->row_count, BEHIND);
    for (size_t k = 0; k < found; k++) {
        size_t first = p->first[p->owner[best[k]]], n = p->rows[best[k]] + 1 - first;
        rv_sentence s = {.length = n + t->count, .trigger = t->count, .origin = "transplant"};
        memcpy(s.ids, p->ids + first, n * sizeof *s.ids);
        memcpy(s.ids + n, t->ids, t->count * sizeof *s.ids);
        RV_TRY(rv_sentences_push(out, &s, err));
    }
    return RV_OK;
}

static int by_merit(const void *a, const void *b)
{
    double x = ((const rv_sentence *)a)->merit, y = ((const rv_sentence *)b)->merit;
    return (x < y) - (x > y);
}

/* The most promising, at most PICKED_OF_ONE that end alike. */
static void pick(rv_sentences *list)
{
    size_t kept = 0;
    if (list->count) qsort(list->items, list->count, sizeof *list->items, by_merit);
    for (size_t i = 0; i < list->count && kept < PICKED; i++) {
        const rv_sentence *s = &list->items[i];
        size_t alike = 0;
        for (size_t k = 0; k < kept; k++) {
            const rv_sentence *o = &list->items[k];
            alike += o->ids[o->length - 1] == s->ids[s->length - 1];
        }
        if (alike < PICKED_OF_ONE) list->items[kept++] = *s;
    }
    list->count = kept;
}

rv_status rv_transplant(rv_sentences *out, rv_sentence_search *d, rv_error *err)
{
    real *score = NULL;
    rv_status status;
    size_t first = d->trigger_count > TRIED
                       ? rv_random_below(&d->random, d->trigger_count - TRIED + 1)
                       : 0;
    if (d->search->step < 2) first = 0;
    RV_GOTO(RV_NEW(score, d->pool->row_count, err));
    for (size_t i = first; i < d->trigger_count && i < first + TRIED; i++) {
        const rv_trigger *t = &d->triggers[i];
        rv_sentence s = {.length = 0};
        size_t n;
        const char *b = rv_token_bytes(d->search->problem->tokenizer, t->ids[0], &n);
        if (b && n && !opens_sentence(d, t) &&
            (*b == ' ' || (unsigned char)*b >= 0xE3 || *b == ',' || *b == ';'))
            RV_GOTO(behind_beginnings(out, d, t, score, err));
        RV_GOTO(capitalised(&s, d, t, err));
        if (s.length > 1) RV_GOTO(rv_sentences_push(out, &s, err));
    }
    RV_GOTO(rv_sentences_judge(d, out->items, out->count, err));
    for (size_t i = 0; i < out->count; i++) out->items[i].merit = promise(d, &out->items[i]);
    pick(out);
done:
    free(score);
    return status;
}
