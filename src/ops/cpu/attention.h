/* Attention as matrix products on small tiles.
 *
 * A task is one sequence, one key/value head, and a chunk of its rows: a row is a (query, head)
 * pair, so that the heads that share keys share their packing. Keys are taken in blocks of
 * KEYS positions that start at multiples of KEYS, and copied together from the segments: how a
 * sequence is cut into segments, or how long it goes on, does not change a row's result.
 *
 * Softmax runs over the blocks with a moving maximum (Milakov and Gimelshein, "Online normalizer
 * calculation for softmax", 2018); backward computes scores again (Dao et al., "FlashAttention",
 * 2022), so nothing larger than a tile is kept. */
#ifndef RV_OPS_CPU_ATTENTION_H
#define RV_OPS_CPU_ATTENTION_H

#include <math.h>

#include "ops/cpu/linear.h"
#include "ops/reference.h"

enum {
    KEYS = 32,
    MAX_HEAD = 512, /* larger heads go to the reference */
    ROWS = 56,
    ROW_NUMBERS = ROWS * 256 /* of a chunk: heads above 256 get fewer rows */
};

/* Rows [first, first + rows) of the pairs of one sequence and one key/value head. */
typedef struct chunk {
    const rv_attention_sequence *sequence;
    const rv_attention_shape *shape;
    size_t group, heads; /* heads of q per key/value head */
    size_t first, rows;
    size_t ld; /* D rounded up to whole panels: the stride of every buffer of rows */
} chunk;

static size_t rounded(size_t n, size_t unit)
{
    return blocks_of(n, unit) * unit;
}

static size_t chunk_limit(const rv_attention_shape *shape)
{
    return smaller(ROWS, ROW_NUMBERS / rounded(shape->D, PANEL));
}

/* False when the sequence has no chunk of this number. */
static bool make_chunk(chunk *c, const rv_attention_sequence *sequence,
                       const rv_attention_shape *shape, size_t group, size_t number)
{
    size_t heads = shape->H / shape->G, pairs = heads * sequence->count;
    size_t limit = chunk_limit(shape), first = number * limit;
    if (first >= pairs) return false;
    *c = (chunk){.sequence = sequence,
                 .shape = shape,
                 .group = group,
                 .heads = heads,
                 .first = first,
                 .rows = smaller(limit, pairs - first),
                 .ld = rounded(shape->D, PANEL)};
    return true;
}

static size_t chunk_count(const rv_attention_sequence *sequences, size_t count,
                          const rv_attention_shape *shape)
{
    size_t longest = 0;
    for (size_t s = 0; s < count; s++)
        if (sequences[s].count > longest) longest = sequences[s].count;
    return blocks_of(longest * (shape->H / shape->G), chunk_limit(shape));
}

static size_t query_of(const chunk *c, size_t r)
{
    return (c->first + r) / c->heads;
}

static size_t head_of(const chunk *c, size_t r)
{
    return c->group * c->heads + (c->first + r) % c->heads;
}

/* Row r sees positions [begin, end). */
static size_t end_of(const chunk *c, size_t r)
{
    return c->sequence->first + query_of(c, r) + 1;
}

static size_t begin_of(const chunk *c, size_t r)
{
    size_t end = end_of(c, r), window = c->shape->window;
    return window && end > window ? end - window : 0;
}

/* Where the numbers of row r start in q, out and their gradients. */
static size_t place_of(const chunk *c, size_t r, size_t ld)
{
    return (c->sequence->row + query_of(c, r)) * ld + head_of(c, r) * c->shape->D;
}

/* Where row r starts in a pattern (H, count, first + count). */
static size_t pattern_of(const chunk *c, size_t r)
{
    const rv_attention_sequence *s = c->sequence;
    return (head_of(c, r) * s->count + query_of(c, r)) * (s->first + s->count);
}

/* rows (c->rows, c->ld) = scale * the chunk's rows of `in`, zero beyond D. */
static void load_rows(float *rows, const chunk *c, const float *in, size_t ld, float scale)
{
    size_t D = c->shape->D;
    for (size_t r = 0; r < c->rows; r++) {
        const float *from = in + place_of(c, r, ld);
        float *to = rows + r * c->ld;
        for (size_t d = 0; d < D; d += LANES)
            v_store(to + d, v_set1(scale) * load_some(from + d, D - d));
        for (size_t d = rounded(D, LANES); d < c->ld; d += LANES) v_store(to + d, v_set1(0));
    }
}

/* A block of keys or values: positions first .. first + count. */
typedef struct block {
    size_t first, count;
    float rows[KEYS * MAX_HEAD];   /* (count, ld), zero up to whole panels */
    float turned[MAX_HEAD * KEYS]; /* (panels, D, PANEL) */
} block;

static void gather(block *b, const chunk *c, bool values)
{
    size_t D = c->shape->D, at = c->group * D;
    for (size_t i = 0; i < c->sequence->segment_count; i++) {
        const rv_segment *s = &c->sequence->segments[i];
        const float *numbers = (values ? s->values : s->keys) + at;
        size_t from = s->first > b->first ? s->first : b->first;
        size_t to = smaller(s->first + s->count, b->first + b->count);
        for (size_t p = from; p < to; p++) {
            float *row = b->rows + (p - b->first) * c->ld;
            memcpy(row, numbers + (p - s->first) * s->stride, D * sizeof *row);
            for (size_t d = D; d < c->ld; d++) row[d] = 0;
        }
    }
    size_t used = b->count * c->ld, all = rounded(b->count, PANEL) * c->ld;
    memset(b->rows + used, 0, (all - used) * sizeof *b->rows);
}

static void turn(block *b, const chunk *c)
{
    size_t D = rounded(c->shape->D, LANES);
    for (size_t j = 0; j < rounded(b->count, PANEL); j += LANES)
        for (size_t d = 0; d < D; d += LANES)
            v_transpose(b->turned + (j / PANEL * D + d) * PANEL + j % PANEL, PANEL,
                        b->rows + j * c->ld + d, c->ld);
}

/* out (c->rows, KEYS) = rows (c->rows, c->ld) times the block's keys or values, turned. */
static void times_turned(float *out, const chunk *c, const float *rows, const block *b)
{
    size_t D = rounded(c->shape->D, LANES);
    for (size_t j = 0; j < b->count; j += PANEL)
        tile_rows((tile){.c = out + j,
                         .ldc = KEYS,
                         .a = rows,
                         .lda = c->ld,
                         .b = b->turned + j * D,
                         .ldb = PANEL,
                         .steps = c->shape->D,
                         .columns = smaller(PANEL, rounded(b->count - j, LANES))},
                  c->rows, false, NULL);
}

/* out (c->rows, c->ld) += weights (c->rows, KEYS) times rows (b->count, c->ld) */
static void add_weighted(float *out, const chunk *c, const float *weights, const block *b)
{
    for (size_t d = 0; d < c->ld; d += PANEL)
        tile_rows((tile){.c = out + d,
                         .ldc = c->ld,
                         .a = weights,
                         .lda = KEYS,
                         .b = b->rows + d,
                         .ldb = c->ld,
                         .steps = b->count,
                         .add = true,
                         .columns = PANEL},
                  c->rows, false, NULL);
}

/* The part [from, to) of a block that row r sees. */
typedef struct sight {
    size_t from, to;
} sight;

static sight sight_of(const chunk *c, size_t r, const block *b)
{
    size_t begin = begin_of(c, r), end = smaller(end_of(c, r), b->first + b->count);
    size_t from = begin > b->first ? begin : b->first;
    return from < end ? (sight){from - b->first, end - b->first} : (sight){0, 0};
}

/* x where from <= j + lane < to, `other` elsewhere. */
ALWAYS_INLINE vec v_seen(vec x, size_t j, sight s, vec other)
{
    static const float lanes[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    vec at = v_load(lanes) + v_set1((float)j);
    x = v_less(at, v_set1((float)s.from), other, x);
    return v_less(at, v_set1((float)s.to), x, other);
}

/* scores (rows, KEYS) of scaled queries, capped, minus infinity where a row does not see. */
static void score_block(float *scores, const chunk *c, const float *q, const block *keys)
{
    times_turned(scores, c, q, keys);
    vec cap = v_set1(c->shape->softcap);
    bool capped = c->shape->softcap > 0;
    for (size_t r = 0; r < c->rows; r++) {
        sight s = sight_of(c, r, keys);
        for (size_t j = 0; j < rounded(keys->count, LANES); j += LANES) {
            vec z = v_load(scores + r * KEYS + j);
            if (capped) z = cap * v_tanh(z / cap);
            v_store(scores + r * KEYS + j, v_seen(z, j, s, v_set1(-INFINITY)));
        }
    }
}

/* The moving softmax of a row: sum = sum exp(score - largest). */
typedef struct softmax {
    float largest, sum;
} softmax;

/* Takes in the scores of a block, which become exp(score - largest). Returns by how much
 * everything summed before shrinks. */
static float softmax_add(softmax *m, float *scores, size_t count)
{
    vec top = v_load(scores), sum = v_set1(0);
    for (size_t j = LANES; j < count; j += LANES) top = v_max(top, v_load(scores + j));
    float largest = v_largest(top);
    if (!(largest > m->largest)) largest = m->largest;
    float shrink = largest > m->largest ? expf(m->largest - largest) : 1;
    for (size_t j = 0; j < count; j += LANES) {
        vec e = v_exp(v_load(scores + j) - v_set1(largest));
        v_store(scores + j, e);
        sum += e;
    }
    m->sum = m->sum * shrink + v_sum(sum);
    m->largest = largest;
    return shrink;
}

/* The blocks that some row of the chunk sees: positions [start, end). Rows are in the order of
 * queries, so the first row sees furthest back and the last furthest on. */
static size_t chunk_start(const chunk *c)
{
    return begin_of(c, 0) / KEYS * KEYS;
}
static size_t chunk_end(const chunk *c)
{
    return end_of(c, c->rows - 1);
}

static void scale_row(float *row, float factor, size_t count)
{
    for (size_t d = 0; d < count; d += LANES)
        v_store(row + d, v_load(row + d) * v_set1(factor));
}

/* Row r of the pattern from its scores, in place. */
static void finish_pattern(float *pattern, const chunk *c, size_t r, softmax m)
{
    size_t end = end_of(c, r);
    for (size_t j = begin_of(c, r); j < end; j += LANES) {
        vec p = v_exp(load_some(pattern + j, end - j) - v_set1(m.largest));
        store_some(pattern + j, p * v_set1(1 / m.sum), end - j);
    }
}

static void attention_forward_task(float *out, size_t ldo, float *pattern, const float *q,
                                   size_t ldq, const chunk *c)
{
    float queries[ROW_NUMBERS], sums[ROW_NUMBERS], scores[ROWS * KEYS];
    softmax state[ROWS];
    block b;
    size_t length = c->sequence->first + c->sequence->count, D = c->shape->D;
    load_rows(queries, c, q, ldq, c->shape->scale);
    memset(sums, 0, c->rows * c->ld * sizeof *sums);
    for (size_t r = 0; r < c->rows; r++) {
        state[r] = (softmax){-INFINITY, 0};
        if (pattern) memset(pattern + pattern_of(c, r), 0, length * sizeof *pattern);
    }
    for (b.first = chunk_start(c); b.first < chunk_end(c); b.first += KEYS) {
        b.count = smaller(KEYS, chunk_end(c) - b.first);
        size_t columns = rounded(b.count, LANES);
        gather(&b, c, false);
        turn(&b, c);
        score_block(scores, c, queries, &b);
        for (size_t r = 0; r < c->rows; r++) {
            float *z = scores + r * KEYS;
            sight s = sight_of(c, r, &b);
            if (s.from == s.to) {
                memset(z, 0, columns * sizeof *z);
                continue;
            }
            if (pattern)
                memcpy(pattern + pattern_of(c, r) + b.first + s.from, z + s.from,
                       (s.to - s.from) * sizeof *z);
            float shrink = softmax_add(&state[r], z, columns);
            if (shrink != 1) scale_row(sums + r * c->ld, shrink, c->ld);
        }
        gather(&b, c, true);
        add_weighted(sums, c, scores, &b);
    }
    for (size_t r = 0; r < c->rows; r++) {
        float *o = out + place_of(c, r, ldo);
        for (size_t d = 0; d < D; d += LANES)
            store_some(o + d, v_load(sums + r * c->ld + d) * v_set1(1 / state[r].sum), D - d);
        if (pattern) finish_pattern(pattern + pattern_of(c, r), c, r, state[r]);
    }
}

static void attention_forward(float *out, size_t ldo, float *const *probabilities,
                              const float *q, size_t ldq,
                              const rv_attention_sequence *sequences, size_t count,
                              const rv_attention_shape *shape, int threads)
{
    if (shape->D > MAX_HEAD) {
        rv_attention_forward(out, ldo, probabilities, q, ldq, sequences, count, shape, threads);
        return;
    }
    size_t chunks = chunk_count(sequences, count, shape), tasks = count * shape->G * chunks;
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (size_t task = 0; task < tasks; task++) {
        size_t s = task / (shape->G * chunks), g = task / chunks % shape->G;
        chunk c;
        if (make_chunk(&c, &sequences[s], shape, g, task % chunks))
            attention_forward_task(out, ldo, probabilities ? probabilities[s] : NULL, q, ldq,
                                   &c);
    }
}

#endif
