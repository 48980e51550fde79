/* attention:L5.H3[-1,0]: one entry of an attention pattern, from a query's position to a key's. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "target/kind/kind.h"

static const char PREFIX[] = "attention:";

typedef struct entry {
    size_t head;
    long query, key; /* positions; negative: from the end */
} entry;

static const entry *own(const rv_target *t)
{
    return t->own;
}

static bool claims(const char *text)
{
    return rv_take_word(&text, PREFIX);
}

static rv_status parse(rv_target *t, const char *text, const rv_naming *from, rv_error *err)
{
    const char *c = text + strlen(PREFIX);
    size_t layer;
    entry *e;
    RV_TRY(RV_NEW(e, 1, err));
    t->own = e;
    if (!rv_take_word(&c, "L") || !rv_take_number(&c, &layer) ||
        (rv_take_word(&c, "."), !rv_take_word(&c, "H")) || !rv_take_number(&c, &e->head) ||
        !rv_take_word(&c, "[") || !rv_take_signed(&c, &e->query) || !rv_take_word(&c, ",") ||
        !rv_take_signed(&c, &e->key) || strcmp(c, "]") != 0)
        return rv_fail_form(t, err);
    if (layer >= from->config->layers)
        return rv_fail_range(t, "layer", from->config->layers, layer, err);
    if (e->head >= from->config->heads)
        return rv_fail_range(t, "head", from->config->heads, e->head, err);
    t->site = (rv_site){RV_SITE_PATTERN, layer};
    snprintf(t->name, sizeof t->name, "%sL%zu.H%zu[%ld,%ld]", PREFIX, layer, e->head, e->query,
             e->key);
    return RV_OK;
}

static size_t numbers(const rv_target *t, const rv_config *c, size_t rows, size_t positions)
{
    (void)t;
    return rows * c->heads * positions;
}

/* A map is (H, count, shared + count) for every sequence, one behind the other. NAN where the key is behind the query. */
static void values(real *out, const rv_target *t, const rv_pass *pass, const real *tapped,
                   size_t end, real *logits)
{
    size_t count, shared, heads = rv_pass_config(pass)->heads;
    (void)logits;
    for (size_t s = 0; s < rv_pass_sequences(pass); s++) {
        size_t row = rv_pass_span(pass, s, &count, &shared), total = shared + count;
        long key = rv_from_end(own(t)->key, end ? end : total);
        for (size_t i = 0; i < count; i++) {
            bool seen = key >= 0 && key <= (long)(shared + i);
            out[row + i] =
                seen ? tapped[(own(t)->head * count + i) * total + (size_t)key] : (real)NAN;
        }
        tapped += heads * count * total;
    }
}

static void seed(rv_tap taps[RV_TARGET_TAPS], real *out, const rv_target *t, const rv_climb *c)
{
    size_t count, shared, heads = rv_pass_config(c->pass)->heads, row;
    (void)taps;
    for (size_t s = 0; s < c->sequences; s++) {
        rv_pass_span(c->pass, s, &count, &shared);
        size_t total = shared + count;
        long key = rv_from_end(own(t)->key, total);
        if (rv_climbed_row(c, s, &row) && key >= 0 && key <= (long)(shared + c->rows[s]))
            out[(own(t)->head * count + c->rows[s]) * total + (size_t)key] =
                t->sign * c->weight[s];
        out += heads * count * total;
    }
}

static long position(const rv_target *t)
{
    return own(t)->query;
}

const rv_target_kind rv_kind_attention = {
    .form = "attention:L5.H3[-1,0]",
    .keep = true,
    .claims = claims,
    .parse = parse,
    .numbers = numbers,
    .values = values,
    .seed = seed,
    .position = position,
};
