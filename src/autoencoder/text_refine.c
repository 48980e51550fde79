#include "autoencoder/text_refine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "autoencoder/text_pass.h"
#include "base/memory.h"
#include "model/unembed.h"
#include "base/top_k.h"

enum { EXCHANGES = 24, ROUNDS = 4 };

/* Mean square a number: two encodings of one text differ by rounding only. */
static const double SAME = 1e-6;

typedef struct refiner {
    const rv_text_autoencoder *ae;
    size_t length, numbers; /* of a text, of its latent */
    int threads;
    rv_text_pass *pass;
    real *hidden, *u; /* (length, C) */
    real *logits;     /* (length, V) */
    real *code;       /* (EXCHANGES, numbers) */
    int32_t *ids;     /* (EXCHANGES, length) */
} refiner;

static double distance(const real *a, const real *b, size_t numbers)
{
    double sum = 0;
    for (size_t i = 0; i < numbers; i++)
        sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return sum / (double)numbers;
}

/* logits (length, V) - the logit of the token that stands there; its own is -INFINITY. */
static rv_status compare_tokens(refiner *r, const real *z, const int32_t *ids, rv_error *err)
{
    const rv_transformer *m = r->ae->subject;
    size_t n = r->length, C = m->config.width, V = m->config.vocabulary;
    RV_TRY(rv_text_subject(r->hidden, NULL, r->ae, ids, &n, 1, false, r->threads, err));
    RV_TRY(rv_text_pass_begin(r->pass, &n, 1, err));
    RV_TRY(rv_text_pass_decode(r->u, NULL, r->pass, z, ids, r->hidden, NULL, err));
    for (size_t i = 0; i < n * C; i++) r->u[i] += r->hidden[i];
    rv_unembed(r->logits, m, r->u, n, r->threads);
    for (size_t t = 0; t < n; t++) {
        real *row = r->logits + t * V, own = row[ids[t]];
        for (size_t v = 0; v < V; v++) row[v] -= own;
        row[ids[t]] = -(real)INFINITY;
    }
    return RV_OK;
}

/* The likeliest exchanges of one token of ids. */
static size_t exchange(refiner *r, const int32_t *ids)
{
    size_t n = r->length, V = r->ae->subject->config.vocabulary;
    int32_t place[EXCHANGES];
    size_t count = rv_top_k(place, r->logits, n * V, EXCHANGES);
    for (size_t k = 0; k < count; k++) {
        memcpy(r->ids + k * n, ids, n * sizeof *ids);
        r->ids[k * n + (size_t)place[k] / V] = (int32_t)((size_t)place[k] % V);
    }
    return count;
}

static rv_status refine(refiner *r, int32_t *ids, const real *z, rv_error *err)
{
    size_t n = r->length;
    RV_TRY(rv_text_autoencoder_encode(r->code, r->ae, ids, 1, n, r->threads, err));
    double nearest = distance(r->code, z, r->numbers);
    for (size_t round = 0; round < ROUNDS && nearest > SAME; round++) {
        double before = nearest;
        RV_TRY(compare_tokens(r, z, ids, err));
        size_t count = exchange(r, ids), best = count;
        if (count == 0) return RV_OK;
        RV_TRY(rv_text_autoencoder_encode(r->code, r->ae, r->ids, count, n, r->threads, err));
        for (size_t k = 0; k < count; k++) {
            double d = distance(r->code + k * r->numbers, z, r->numbers);
            if (d < nearest) nearest = d, best = k;
        }
        if (best < count) memcpy(ids, r->ids + best * n, n * sizeof *ids);
        // At this pace it would not arrive: not a slip, but something that cannot be said.
        if (nearest > (before - nearest) * (double)(ROUNDS - 1 - round)) return RV_OK;
    }
    return RV_OK;
}

rv_status rv_text_autoencoder_refine(int32_t *ids, const rv_text_autoencoder *ae, const real *z,
                                     size_t count, size_t length, int threads, rv_error *err)
{
    size_t C = ae->subject->config.width, V = ae->subject->config.vocabulary;
    refiner r = {.ae = ae,
                 .length = length,
                 .numbers = rv_text_slots(&ae->config, length) * ae->config.code,
                 .threads = threads};
    rv_status status;
    RV_GOTO(rv_text_pass_new(&r.pass, ae, 1, length, false, threads, err));
    RV_GOTO(RV_NEW(r.hidden, length * C, err));
    RV_GOTO(RV_NEW(r.u, length * C, err));
    RV_GOTO(RV_NEW(r.logits, length * V, err));
    RV_GOTO(RV_NEW(r.code, EXCHANGES * r.numbers, err));
    RV_GOTO(RV_NEW(r.ids, EXCHANGES * length, err));
    for (size_t s = 0; s < count; s++)
        RV_GOTO(refine(&r, ids + s * length, z + s * r.numbers, err));
done:
    rv_text_pass_free(r.pass);
    void *const owned[] = {r.hidden, r.u, r.logits, r.code, r.ids};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) free(owned[i]);
    return status;
}
