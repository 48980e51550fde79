/* Attention backwards, on the tiles of attention.h: scores are computed again, block by block. */
#ifndef RV_OPS_CPU_ATTENTION_BACKWARD_H
#define RV_OPS_CPU_ATTENTION_BACKWARD_H

#include "ops/cpu/attention.h"

/* What one chunk of rows needs while it goes back. */
typedef struct way_back {
    chunk c;
    const float *dpattern, *dscore; /* of the sequence; or NULL */
    float q[ROW_NUMBERS];           /* scaled */
    float dout[ROW_NUMBERS], dq[ROW_NUMBERS];
    float p[ROWS * KEYS], dp[ROWS * KEYS]; /* of one block: pattern, and d loss / d pattern */
    float s[ROWS * KEYS];                  /* capped scores */
    softmax state[ROWS];
    float mean[ROWS]; /* sum_j p[j] dp[j] */
    block keys, values;
} way_back;

static void pack_block(way_back *w, size_t first)
{
    w->keys.first = w->values.first = first;
    w->keys.count = w->values.count = smaller(KEYS, chunk_end(&w->c) - first);
    gather(&w->values, &w->c, true);
    turn(&w->values, &w->c);
    gather(&w->keys, &w->c, false);
    turn(&w->keys, &w->c);
}

/* s and dp of the block that was packed; dp is 0 where a row does not see. */
static void look_at_block(way_back *w)
{
    const chunk *c = &w->c;
    const block *b = &w->keys;
    score_block(w->s, c, w->q, b);
    times_turned(w->dp, c, w->dout, &w->values);
    for (size_t r = 0; r < c->rows; r++) {
        sight s = sight_of(c, r, b);
        float *dp = w->dp + r * KEYS;
        const float *extra = w->dpattern ? w->dpattern + pattern_of(c, r) + b->first : NULL;
        for (size_t j = s.from; extra && j < s.to; j++) dp[j] += extra[j];
        for (size_t j = 0; j < rounded(b->count, LANES); j += LANES)
            v_store(dp + j, v_seen(v_load(dp + j), j, s, v_set1(0)));
    }
}

/* Brings state and mean (not yet divided by the sum) up to date with the block in s and dp. */
static void take_in_block(way_back *w)
{
    size_t columns = rounded(w->keys.count, LANES);
    for (size_t r = 0; r < w->c.rows; r++) {
        sight seen = sight_of(&w->c, r, &w->keys);
        if (seen.from == seen.to) continue;
        const float *dp = w->dp + r * KEYS;
        float e[KEYS];
        memcpy(e, w->s + r * KEYS, columns * sizeof *e);
        float shrink = softmax_add(&w->state[r], e, columns);
        vec sum = v_set1(0);
        for (size_t j = 0; j < columns; j += LANES)
            sum = v_fma(v_load(e + j), v_load(dp + j), sum);
        w->mean[r] = w->mean[r] * shrink + v_sum(sum);
    }
}

/* p from s; s becomes what arrives at q . k:  (p (dp - mean) + dscore) c'(z). */
static void differentiate_block(way_back *w)
{
    const chunk *c = &w->c;
    vec cap = v_set1(c->shape->softcap);
    for (size_t r = 0; r < c->rows; r++) {
        sight seen = sight_of(c, r, &w->keys);
        float *s = w->s + r * KEYS, *p = w->p + r * KEYS;
        const float *dp = w->dp + r * KEYS;
        const float *extra = w->dscore ? w->dscore + pattern_of(c, r) + w->keys.first : NULL;
        float arriving[KEYS] = {0};
        for (size_t j = seen.from; extra && j < seen.to; j++) arriving[j] = extra[j];
        vec largest = v_set1(w->state[r].largest), scale = v_set1(1 / w->state[r].sum);
        vec mean = v_set1(w->mean[r]);
        for (size_t j = 0; j < rounded(w->keys.count, LANES); j += LANES) {
            vec z = v_load(s + j), probability = v_exp(z - largest) * scale;
            vec ds = v_fma(probability, v_load(dp + j) - mean, v_load(arriving + j));
            if (c->shape->softcap > 0) {
                vec ratio = v_seen(z, j, seen, v_set1(0)) / cap;
                ds = v_fnma(ratio * ratio, ds, ds);
            }
            v_store(p + j, probability);
            v_store(s + j, ds);
        }
    }
}

/* The gradients of the block's keys or values: (count, D) += weights^T rows. */
static void add_to_segments(const way_back *w, const float *weights, const float *rows,
                            bool values)
{
    const chunk *c = &w->c;
    const block *b = &w->keys;
    for (size_t i = 0; i < c->sequence->segment_count; i++) {
        const rv_segment *s = &c->sequence->segments[i];
        float *gradient = values ? s->dvalues : s->dkeys;
        size_t from = s->first > b->first ? s->first : b->first;
        size_t to = smaller(s->first + s->count, b->first + b->count);
        if (!gradient || from >= to) continue;
        for (size_t d = 0; d < c->shape->D; d += PANEL)
            tile_rows((tile){.c = gradient + (from - s->first) * s->stride +
                                  c->group * c->shape->D + d,
                             .ldc = s->stride,
                             .a = weights + (from - b->first),
                             .lda = KEYS,
                             .b = rows + d,
                             .ldb = c->ld,
                             .steps = c->rows,
                             .add = true,
                             .columns = smaller(PANEL, c->shape->D - d)},
                      to - from, true, NULL);
    }
}

static void attention_backward_task(float *dq, size_t lddq, const float *dout, size_t ldo,
                                    const float *q, size_t ldq, way_back *w)
{
    const chunk *c = &w->c;
    size_t D = c->shape->D, start = chunk_start(c), end = chunk_end(c);
    load_rows(w->q, c, q, ldq, c->shape->scale);
    load_rows(w->dout, c, dout, ldo, 1);
    memset(w->dq, 0, c->rows * c->ld * sizeof *w->dq);
    for (size_t r = 0; r < c->rows; r++) w->state[r] = (softmax){-INFINITY, 0}, w->mean[r] = 0;
    for (size_t first = start; first < end; first += KEYS) {
        pack_block(w, first);
        look_at_block(w);
        take_in_block(w);
    }
    for (size_t r = 0; r < c->rows; r++) w->mean[r] /= w->state[r].sum;
    for (size_t first = start; first < end; first += KEYS) {
        if (end - start > KEYS) { // a single block is still there
            pack_block(w, first);
            look_at_block(w);
        }
        differentiate_block(w);
        add_weighted(w->dq, c, w->s, &w->keys);
        add_to_segments(w, w->s, w->q, false);
        add_to_segments(w, w->p, w->dout, true);
    }
    for (size_t r = 0; r < c->rows; r++) {
        float *to = dq + place_of(c, r, lddq);
        for (size_t d = 0; d < D; d += LANES) {
            vec sum = v_load(w->dq + r * c->ld + d) * v_set1(c->shape->scale);
            store_some(to + d, load_some(to + d, D - d) + sum, D - d);
        }
    }
}

/* Whether two sequences may add to the same keys: only then has one more than its own segment
 * to add to. */
static bool shares_gradients(const rv_attention_sequence *sequences, size_t count)
{
    for (size_t s = 0; s < count; s++) {
        size_t wanted = 0;
        for (size_t i = 0; i < sequences[s].segment_count; i++) {
            const rv_segment *g = &sequences[s].segments[i];
            wanted += g->dkeys || g->dvalues;
        }
        if (wanted > 1) return true;
    }
    return false;
}

static void attention_backward(float *dq, size_t lddq, const float *dout, size_t ldo,
                               float *const *probabilities, const float *const *dprobabilities,
                               const float *const *dscores, const float *q, size_t ldq,
                               const rv_attention_sequence *sequences, size_t count,
                               const rv_attention_shape *shape, int threads)
{
    if (shape->D > MAX_HEAD) {
        rv_attention_backward(dq, lddq, dout, ldo, probabilities, dprobabilities, dscores, q,
                              ldq, sequences, count, shape, threads);
        return;
    }
    // the chunks of a sequence, and sequences that share gradients, go one after the other
    size_t chunks = chunk_count(sequences, count, shape);
    size_t together = shares_gradients(sequences, count) ? count : 1;
    size_t tasks = blocks_of(count, together) * shape->G;
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (size_t task = 0; task < tasks; task++) {
        way_back w;
        size_t first = task / shape->G * together;
        for (size_t s = first; s < first + together; s++) {
            w.dpattern = dprobabilities ? dprobabilities[s] : NULL;
            w.dscore = dscores ? dscores[s] : NULL;
            for (size_t i = 0; i < chunks; i++)
                if (make_chunk(&w.c, &sequences[s], shape, task % shape->G, i))
                    attention_backward_task(dq, lddq, dout, ldo, q, ldq, &w);
        }
    }
}

#endif
