/* Causal attention over segments:
 *   s[j] = c(scale * q . k[j])   p = softmax(s)   out = sum_j p[j] v[j],   begin <= j < end
 * c(z) = softcap * tanh(z / softcap), or z. Sums run over positions in order, so it does not
 * matter how the positions are cut into segments. */
#include "ops/reference.h"

/* One query of one head, and the positions it sees. */
typedef struct query {
    const real *q; /* (D) */
    const rv_attention_sequence *sequence;
    const rv_attention_shape *shape;
    size_t offset; /* of the head's numbers in a key or value */
    size_t begin, end;
    real largest, sum; /* of the scores; sum of exp(s - largest) */
} query;

static const rv_segment *segment_of(const query *u, size_t position)
{
    const rv_segment *segment = u->sequence->segments;
    while (position >= segment->first + segment->count) segment++;
    return segment;
}

static const real *key_at(const query *u, size_t position)
{
    const rv_segment *s = segment_of(u, position);
    return s->keys + (position - s->first) * s->stride + u->offset;
}

static const real *value_at(const query *u, size_t position)
{
    const rv_segment *s = segment_of(u, position);
    return s->values + (position - s->first) * s->stride + u->offset;
}

static real dot(const real *a, const real *b, size_t n)
{
    real sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static real score(const query *u, size_t position)
{
    real z = u->shape->scale * dot(u->q, key_at(u, position), u->shape->D);
    real cap = u->shape->softcap;
    return cap > 0 ? cap * tanh(z / cap) : z;
}

static real probability(const query *u, size_t position)
{
    return exp(score(u, position) - u->largest) / u->sum;
}

static query make_query(const real *q, size_t ldq, const rv_attention_sequence *sequence,
                        const rv_attention_shape *shape, size_t h, size_t i)
{
    size_t end = sequence->first + i + 1, window = shape->window;
    query u = {.q = q + (sequence->row + i) * ldq + h * shape->D,
               .sequence = sequence,
               .shape = shape,
               .offset = h * shape->G / shape->H * shape->D,
               .begin = window && end > window ? end - window : 0,
               .end = end,
               .largest = -INFINITY};
    for (size_t j = u.begin; j < end; j++) u.largest = fmax(u.largest, score(&u, j));
    for (size_t j = u.begin; j < end; j++) u.sum += exp(score(&u, j) - u.largest);
    return u;
}

void rv_attention_forward(real *out, size_t ldo, real *const *probabilities, const real *q,
                          size_t ldq, const rv_attention_sequence *sequences, size_t count,
                          const rv_attention_shape *shape, int threads)
{
    (void)threads;
    size_t D = shape->D;
    for (size_t s = 0; s < count; s++)
        for (size_t h = 0; h < shape->H; h++)
            for (size_t i = 0; i < sequences[s].count; i++) {
                query u = make_query(q, ldq, &sequences[s], shape, h, i);
                size_t length = sequences[s].first + sequences[s].count;
                real *p = probabilities ? probabilities[s] : NULL;
                if (p) p += (h * sequences[s].count + i) * length;
                for (size_t j = 0; p && j < length; j++) p[j] = 0;

                real *o = out + (sequences[s].row + i) * ldo + h * D;
                for (size_t d = 0; d < D; d++) o[d] = 0;
                for (size_t j = u.begin; j < u.end; j++) {
                    real weight = probability(&u, j);
                    const real *v = value_at(&u, j);
                    for (size_t d = 0; d < D; d++) o[d] += weight * v[d];
                    if (p) p[j] = weight;
                }
            }
}

/* What arrives at one query: dout (D), and at its scores and pattern, by position (or NULL). */
typedef struct arrival {
    const real *dout, *dprobability, *dscore;
} arrival;

static real pattern_gradient(const query *u, const arrival *a, size_t position)
{
    real dp = dot(a->dout, value_at(u, position), u->shape->D);
    return a->dprobability ? dp + a->dprobability[position] : dp;
}

/* dp[j] = dout . v[j] + dprobability[j]         dv[j] += p[j] dout
 * ds[j] = p[j] (dp[j] - sum_l p[l] dp[l]) + dscore[j]
 * dz[j] = ds[j] c'(z[j]) scale                  dq += dz[j] k[j]     dk[j] += dz[j] q */
static void query_backward(real *dq, const query *u, const arrival *a)
{
    size_t D = u->shape->D;
    real cap = u->shape->softcap, mean = 0;
    for (size_t j = u->begin; j < u->end; j++)
        mean += probability(u, j) * pattern_gradient(u, a, j);
    for (size_t j = u->begin; j < u->end; j++) {
        real p = probability(u, j), s = score(u, j);
        real ds = p * (pattern_gradient(u, a, j) - mean) + (a->dscore ? a->dscore[j] : 0);
        real dz = ds * u->shape->scale * (cap > 0 ? 1 - (s / cap) * (s / cap) : 1);

        const real *k = key_at(u, j);
        for (size_t d = 0; d < D; d++) dq[d] += dz * k[d];
        const rv_segment *segment = segment_of(u, j);
        size_t at = (j - segment->first) * segment->stride + u->offset;
        for (size_t d = 0; segment->dkeys && d < D; d++) segment->dkeys[at + d] += dz * u->q[d];
        for (size_t d = 0; segment->dvalues && d < D; d++)
            segment->dvalues[at + d] += p * a->dout[d];
    }
}

void rv_attention_backward(real *dq, size_t lddq, const real *dout, size_t ldo,
                           real *const *probabilities, const real *const *dprobabilities,
                           const real *const *dscores, const real *q, size_t ldq,
                           const rv_attention_sequence *sequences, size_t count,
                           const rv_attention_shape *shape, int threads)
{
    (void)threads;
    (void)probabilities; // computed again
    for (size_t s = 0; s < count; s++)
        for (size_t h = 0; h < shape->H; h++)
            for (size_t i = 0; i < sequences[s].count; i++) {
                query u = make_query(q, ldq, &sequences[s], shape, h, i);
                size_t row = sequences[s].row + i,
                       length = sequences[s].first + sequences[s].count;
                size_t at = (h * sequences[s].count + i) * length;
                arrival a = {.dout = dout + row * ldo + h * shape->D};
                if (dprobabilities && dprobabilities[s])
                    a.dprobability = dprobabilities[s] + at;
                if (dscores && dscores[s]) a.dscore = dscores[s] + at;
                query_backward(dq + row * lddq + h * shape->D, &u, &a);
            }
}
