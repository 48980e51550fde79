#include "subject/sample.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"
#include "base/top_k.h"

rv_status rv_sampler_new(rv_sampler *out, const rv_generate_params *p, size_t V, rv_error *err)
{
    *out = (rv_sampler){.vocabulary = V, .params = p};
    if (!(p->temperature >= 0 && isfinite(p->temperature)))
        return rv_fail(err, RV_ERR_USAGE, "temperature: expected a number from 0 on, found %g",
                       p->temperature);
    if (!(p->top_p > 0 && p->top_p <= 1))
        return rv_fail(err, RV_ERR_USAGE,
                       "top-p: expected a probability above 0 and up to 1, found %g", p->top_p);
    rv_status status = RV_NEW(out->heap, V, err);
    if (status == RV_OK) status = RV_NEW(out->weight, V, err);
    if (status != RV_OK) rv_sampler_release(out);
    return status;
}

void rv_sampler_release(rv_sampler *s)
{
    free(s->heap);
    free(s->weight);
    *s = (rv_sampler){0};
}

static bool likelier(const real *logits, int32_t a, int32_t b)
{
    return logits[a] > logits[b] || (logits[a] == logits[b] && a < b);
}

/* Restores the heap below `at` (the likeliest on top). */
static void sink(int32_t *heap, size_t at, size_t count, const real *logits)
{
    for (;;) {
        size_t best = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < count; child++)
            if (likelier(logits, heap[child], heap[best])) best = child;
        if (best == at) return;
        int32_t moved = heap[at];
        heap[at] = heap[best];
        heap[best] = moved;
        at = best;
    }
}

static int32_t likeliest(const real *logits, size_t V)
{
    size_t best = 0;
    for (size_t v = 1; v < V; v++)
        if (logits[v] > logits[best]) best = v;
    return (int32_t)best;
}

/* Draws among the likeliest: they come off the heap one by one, heap[V - 1] first, with their weights in
 * the same order. */
static int32_t draw_likely(rv_sampler *s, const real *logits, double top, rv_random *random)
{
    size_t V = s->vocabulary, most = s->params->top_k ? (size_t)s->params->top_k : V, n = 0;
    bool cut_by_rank = most < V;
    double temperature = s->params->temperature, total = 0, sum = 0;
    for (size_t v = 0; v < V; v++) s->heap[v] = (int32_t)v;
    for (size_t i = V / 2; i-- > 0;) sink(s->heap, i, V, logits);
    for (size_t v = 0; !cut_by_rank && v < V; v++)
        total += exp((logits[v] - top) / temperature);
    while (n < most && n < V && (cut_by_rank || sum < s->params->top_p * total)) {
        int32_t id = s->heap[0];
        s->heap[0] = s->heap[V - 1 - n];
        s->heap[V - 1 - n] = id;
        sink(s->heap, 0, V - 1 - n, logits);
        s->weight[n] = exp((logits[id] - top) / temperature);
        sum += s->weight[n++];
    }
    if (cut_by_rank) {
        total = sum;
        size_t all = n;
        for (n = 0, sum = 0; n < all && sum < s->params->top_p * total; n++)
            sum += s->weight[n];
    }
    return s->heap[V - 1 - rv_random_weighted(random, s->weight, n)];
}

int32_t rv_sample(rv_sampler *s, const real *logits, uint32_t step)
{
    const rv_generate_params *p = s->params;
    size_t V = s->vocabulary, odd = rv_first_odd(logits, V);
    if (odd < V) return (int32_t)odd;
    int32_t best = likeliest(logits, V);
    if (p->temperature == 0) return best;
    double top = logits[best];
    rv_random random = rv_random_stream(p->seed, 0, step);
    if ((p->top_k && p->top_k < V) || p->top_p < 1) return draw_likely(s, logits, top, &random);
    for (size_t v = 0; v < V; v++) s->weight[v] = exp((logits[v] - top) / p->temperature);
    return (int32_t)rv_random_weighted(&random, s->weight, V);
}
