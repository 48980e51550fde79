#include "corpus/pool.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "corpus/reader.h"

enum { CHUNK = 8192, ROWS = 1024, REMEMBERED = 1 << 24 };

void rv_sentence_pool_free(rv_sentence_pool *p)
{
    if (!p) return;
    void *const owned[] = {p->ids,   p->first, p->nll,    p->rows,
                           p->owner, p->lse,   p->hidden, p->rarity};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) free(owned[i]);
    rv_words_release(&p->words);
    free(p);
}

/* Tokens of a sentence that the model can read. */
static size_t longest(const rv_transformer *m, const rv_pool_options *o)
{
    size_t context = m->config.context,
           room = context > o->prefix_count ? context - o->prefix_count : 0;
    return room < RV_SENTENCE_MOST ? room : RV_SENTENCE_MOST;
}

/* ---- sentences ----------------------------------------------------------------------------------- */

/* Sentences drawn evenly from a stream (Vitter's algorithm R); slots of RV_SENTENCE_MOST ids. */
typedef struct draw {
    const rv_tokenizer *tokenizer;
    rv_random random;
    int32_t *ids;
    size_t *lengths, room, count, longest;
    uint64_t seen;
    rv_ids encoded;
    rv_text decoded;
} draw;

static rv_status consider(draw *d, const char *text, size_t length, rv_error *err)
{
    if (rv_sentence_check(text, length, NULL) != RV_SENTENCE_WHOLE) return RV_OK;
    d->encoded.count = 0;
    RV_TRY(rv_tokenizer_encode(d->tokenizer, text, length, RV_ENCODE_PLAIN, &d->encoded, err));
    size_t n = d->encoded.count;
    if (n < RV_SENTENCE_LEAST || n > d->longest) return RV_OK;
    d->seen++;
    size_t at = d->count < d->room ? d->count++
                                   : (size_t)(rv_random_uniform(&d->random) * (double)d->seen);
    if (at >= d->room) return RV_OK;
    memcpy(d->ids + at * RV_SENTENCE_MOST, d->encoded.items, n * sizeof *d->ids);
    d->lengths[at] = n;
    return RV_OK;
}

static rv_status read_text(rv_sentence_pool *p, draw *d, const char *text, size_t length,
                           rv_error *err)
{
    for (size_t from = 0, start, end; rv_sentence_next(text, length, &from, &start, &end);) {
        RV_TRY(rv_words_read(&p->words, text + start, end - start, p->words.length < REMEMBERED,
                             err));
        RV_TRY(consider(d, text + start, end - start, err));
    }
    return RV_OK;
}

static rv_status read_corpus(rv_sentence_pool *p, draw *d, const rv_corpus *corpus,
                             const rv_pool_options *o, rv_error *err)
{
    int32_t *ids = NULL;
    uint64_t *offsets = NULL;
    rv_corpus_reader reader;
    rv_status status;
    size_t got, tokens = 0;
    uint32_t file;
    rv_corpus_reader_init(&reader, corpus, d->tokenizer);
    RV_GOTO(RV_NEW(ids, CHUNK, err));
    RV_GOTO(RV_NEW(offsets, CHUNK, err));
    RV_GOTO(RV_NEW(p->rarity, p->vocabulary, err));
    for (;;) {
        size_t most = o->corpus_tokens ? o->corpus_tokens - tokens : CHUNK;
        RV_GOTO(rv_corpus_read(&reader, ids, offsets, most < CHUNK ? most : CHUNK, &got, &file,
                               err));
        if (!got) break;
        tokens += got;
        for (size_t i = 0; i < got; i++)
            if ((size_t)ids[i] < p->vocabulary) p->rarity[ids[i]]++;
        d->decoded.length = 0;
        RV_GOTO(rv_tokenizer_decode(d->tokenizer, ids, got, false, &d->decoded, err));
        RV_GOTO(
            read_text(p, d, d->decoded.bytes ? d->decoded.bytes : "", d->decoded.length, err));
    }
    for (size_t v = 0; v < p->vocabulary; v++)
        p->rarity[v] = (float)log(((double)tokens + 0.5 * (double)p->vocabulary) /
                                  ((double)p->rarity[v] + 0.5));
done:
    free(ids);
    free(offsets);
    rv_corpus_reader_release(&reader);
    return status;
}

static rv_status gather(rv_sentence_pool *p, const rv_corpus *corpus, size_t most,
                        const rv_tokenizer *tokenizer, const rv_pool_options *o, rv_error *err)
{
    draw d = {.tokenizer = tokenizer,
              .longest = most,
              .random = rv_random_stream(0, 0x9001, 0),
              .room = o->tokens / 12 + 1};
    rv_status status;
    RV_GOTO(RV_NEW(d.ids, d.room * RV_SENTENCE_MOST, err));
    RV_GOTO(RV_NEW(d.lengths, d.room, err));
    RV_GOTO(read_corpus(p, &d, corpus, o, err));
    for (size_t i = 0; i < d.count && p->token_count < o->tokens; i++, p->count++)
        p->token_count += d.lengths[i];
    RV_GOTO(RV_NEW(p->ids, p->token_count, err));
    RV_GOTO(RV_NEW(p->nll, p->token_count, err));
    RV_GOTO(RV_NEW(p->first, p->count + 1, err));
    for (size_t i = 0; i < p->count; i++) {
        p->first[i + 1] = p->first[i] + (uint32_t)d.lengths[i];
        memcpy(p->ids + p->first[i], d.ids + i * RV_SENTENCE_MOST,
               d.lengths[i] * sizeof *p->ids);
    }
done:
    free(d.ids);
    free(d.lengths);
    rv_ids_release(&d.encoded);
    rv_text_release(&d.decoded);
    return status;
}

/* ---- as the model reads them ---------------------------------------------------------------------- */

static bool goes_on_with_a_word(const rv_tokenizer *tokenizer, int32_t id)
{
    size_t length;
    const char *bytes = rv_token_bytes(tokenizer, id, &length);
    return bytes && length && (*bytes == ' ' || (unsigned char)*bytes >= 0xE3);
}

/* Which beginnings are kept: of 2 to RV_POOL_BEGINNING tokens, before a space. */
static rv_status choose_rows(rv_sentence_pool *p, const rv_tokenizer *tokenizer, rv_error *err)
{
    RV_TRY(RV_NEW(p->rows, p->token_count, err));
    RV_TRY(RV_NEW(p->owner, p->token_count, err));
    for (size_t s = 0; s < p->count; s++)
        for (size_t t = p->first[s] + 1;
             t + 1 < p->first[s + 1] && t - p->first[s] < RV_POOL_BEGINNING; t++) {
            if (!goes_on_with_a_word(tokenizer, p->ids[t + 1])) continue;
            p->rows[p->row_count] = (uint32_t)t;
            p->owner[p->row_count++] = (uint32_t)s;
        }
    RV_TRY(RV_NEW(p->lse, p->row_count, err));
    return RV_NEW(p->hidden, p->row_count * p->width, err);
}

static uint16_t to_bf16(real x)
{
    float f = (float)x;
    uint32_t bits;
    memcpy(&bits, &f, 4);
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

static float from_bf16(uint16_t x)
{
    uint32_t bits = (uint32_t)x << 16;
    float f;
    memcpy(&f, &bits, 4);
    return f;
}

static double capped(const rv_transformer *m, double logit)
{
    double most = m->config.logit_softcap;
    return most > 0 ? most * tanh(logit / most) : logit;
}

typedef struct run {
    const rv_transformer *model;
    rv_prefix *fixed;
    rv_pass *pass;
    real *nll;
    size_t fixed_count;
} run;

static rv_status begin_run(run *r, const rv_transformer *m, const rv_pool_options *o,
                           rv_error *err)
{
    r->model = m;
    r->fixed_count = o->prefix_count;
    rv_pass_options options = {.rows = ROWS > o->prefix_count ? ROWS : o->prefix_count,
                               .sequences = ROWS / RV_SENTENCE_LEAST,
                               .positions = o->prefix_count + longest(m, o),
                               .threads = o->threads,
                               .narrow = o->narrow};
    RV_TRY(rv_pass_new(&r->pass, m, &options, err));
    RV_TRY(RV_NEW(r->nll, options.rows, err));
    if (!o->prefix_count) return RV_OK;
    RV_TRY(rv_prefix_new(&r->fixed, m, o->prefix_count, err));
    rv_sequence fixed = {.ids = o->prefix, .count = o->prefix_count, .save = r->fixed};
    RV_TRY(rv_pass_begin(r->pass, &fixed, 1, NULL, 0, err));
    rv_pass_finish(r->pass);
    rv_pass_losses(r->pass, r->nll);
    return RV_OK;
}

/* Sentences [from, to) in one pass; *row: the next beginning to fill. */
static rv_status run_some(run *r, rv_sentence_pool *p, size_t from, size_t to, size_t *row,
                          rv_error *err)
{
    rv_sequence q[ROWS / RV_SENTENCE_LEAST];
    for (size_t s = from; s < to; s++)
        q[s - from] = (rv_sequence){.ids = p->ids + p->first[s],
                                    .count = p->first[s + 1] - p->first[s],
                                    .prefix = r->fixed,
                                    .shared = r->fixed_count};
    RV_TRY(rv_pass_begin(r->pass, q, to - from, NULL, 0, err));
    rv_pass_finish(r->pass);
    rv_pass_losses(r->pass, r->nll);
    size_t base = p->first[from];
    for (size_t t = base; t < p->first[to]; t++) p->nll[t] = (float)r->nll[t - base];
    const real *hidden = rv_pass_hidden(r->pass);
    for (; *row < p->row_count && p->rows[*row] < p->first[to]; ++*row) {
        size_t t = p->rows[*row];
        const real *h = hidden + (t - base) * p->width;
        double logit = (double)rv_matrix_dot(r->model->head, (size_t)p->ids[t + 1], h);
        p->lse[*row] = (float)(capped(r->model, logit) + (double)r->nll[t + 1 - base]);
        for (size_t i = 0; i < p->width; i++) p->hidden[*row * p->width + i] = to_bf16(h[i]);
    }
    return RV_OK;
}

static rv_status read_all(rv_sentence_pool *p, const rv_transformer *m,
                          const rv_pool_options *o, rv_error *err)
{
    run r = {0};
    size_t row = 0;
    rv_status status;
    RV_GOTO(begin_run(&r, m, o, err));
    for (size_t from = 0, to; from < p->count; from = to) {
        for (to = from + 1; to < p->count && p->first[to + 1] - p->first[from] <= ROWS; to++) {
        }
        RV_GOTO(run_some(&r, p, from, to, &row, err));
        rv_progress event = {"reading sentences", "tokens", NULL, (double)p->first[to],
                             (double)p->token_count};
        if (o->progress && !o->progress(o->progress_context, &event))
            RV_GOTO(rv_fail(err, RV_ERR_CANCELLED, "reading sentences was interrupted"));
    }
done:
    rv_pass_free(r.pass);
    rv_prefix_free(r.fixed);
    free(r.nll);
    return status;
}

void rv_sentence_pool_score(real *score, const rv_sentence_pool *p, const rv_transformer *m,
                            int32_t id, double weight, double least, int threads)
{
    real *word = rv_alloc(p->width, sizeof *word);
    if (!word) return;
    rv_matrix_get_row(m->head, (size_t)id, word);
#pragma omp parallel for schedule(static) \
    num_threads(threads > 0 ? threads : omp_get_max_threads())
    for (size_t r = 0; r < p->row_count; r++) {
        const uint16_t *h = p->hidden + r * p->width;
        float dot[8] = {0}; // eight sums, which the compiler may take side by side
        size_t i = 0;
        for (; i + 8 <= p->width; i += 8)
            for (size_t k = 0; k < 8; k++) dot[k] += from_bf16(h[i + k]) * (float)word[i + k];
        for (; i < p->width; i++) dot[0] += from_bf16(h[i]) * (float)word[i];
        for (size_t k = 1; k < 8; k++) dot[0] += dot[k];
        double log_p = capped(m, (double)dot[0]) - (double)p->lse[r];
        score[r] += (real)(weight * fmax(log_p, least));
    }
    free(word);
}

/* ---- the file --------------------------------------------------------------------------------------- */

/* Every array with its bytes, in the order in which they are kept. */
typedef struct part {
    void **at;
    size_t bytes;
} part;

enum { PARTS = 8, SIZES = 5 };

static void list_parts(part out[PARTS], rv_sentence_pool *p)
{
    const part parts[PARTS] = {{(void **)&p->ids, p->token_count * sizeof *p->ids},
                               {(void **)&p->first, (p->count + 1) * sizeof *p->first},
                               {(void **)&p->nll, p->token_count * sizeof *p->nll},
                               {(void **)&p->rows, p->row_count * sizeof *p->rows},
                               {(void **)&p->owner, p->row_count * sizeof *p->owner},
                               {(void **)&p->lse, p->row_count * sizeof *p->lse},
                               {(void **)&p->hidden, p->row_count * p->width * 2},
                               {(void **)&p->rarity, p->vocabulary * sizeof *p->rarity}};
    memcpy(out, parts, sizeof parts);
}

static void keep(rv_sentence_pool *p, const rv_pool_options *o)
{
    rv_text bytes = {0};
    part parts[PARTS];
    uint64_t sizes[SIZES] = {p->count, p->token_count, p->row_count, p->width, p->vocabulary};
    if (!o->store) return;
    rv_text_append(&bytes, sizes, sizeof sizes);
    list_parts(parts, p);
    for (size_t i = 0; i < PARTS; i++) rv_text_append(&bytes, *parts[i].at, parts[i].bytes);
    if (!bytes.failed) rv_store_put(o->store, o->question, bytes.bytes, bytes.length, NULL);
    rv_text_release(&bytes);
}

/* Indices that were kept lead nowhere else. */
static bool sound(const rv_sentence_pool *p)
{
    bool good = p->first[0] == 0 && p->first[p->count] == p->token_count;
    for (size_t s = 0; good && s < p->count; s++)
        good = p->first[s] < p->first[s + 1] && p->first[s + 1] <= p->token_count &&
               p->first[s + 1] - p->first[s] <= RV_SENTENCE_MOST;
    for (size_t t = 0; good && t < p->token_count; t++)
        good = p->ids[t] >= 0 && (size_t)p->ids[t] < p->vocabulary;
    for (size_t r = 0; good && r < p->row_count; r++)
        good = p->owner[r] < p->count && p->rows[r] >= p->first[p->owner[r]] &&
               p->rows[r] < p->first[p->owner[r] + 1];
    return good;
}

static bool read_parts(rv_sentence_pool *p, const char *bytes, size_t length)
{
    part parts[PARTS];
    uint64_t sizes[SIZES];
    size_t at = sizeof sizes, all = at;
    if (length < at) return false;
    memcpy(sizes, bytes, sizeof sizes);
    if (sizes[3] != p->width || sizes[4] != p->vocabulary) return false;
    for (size_t i = 0; i < 3; i++)
        if (sizes[i] > length) return false;
    p->count = sizes[0], p->token_count = sizes[1], p->row_count = sizes[2];
    list_parts(parts, p);
    for (size_t i = 0; i < PARTS; i++) all += parts[i].bytes;
    if (all != length) return false;
    for (size_t i = 0; i < PARTS; at += parts[i].bytes, i++) {
        if (!(*parts[i].at = rv_alloc(parts[i].bytes, 1))) return false;
        if (parts[i].bytes) memcpy(*parts[i].at, bytes + at, parts[i].bytes);
    }
    return sound(p);
}

static bool recall(rv_sentence_pool *p, const rv_pool_options *o)
{
    char *bytes;
    size_t length;
    bool good = o->store && rv_store_get(o->store, &bytes, &length, o->question);
    if (!good) return false;
    good = read_parts(p, bytes, length);
    free(bytes);
    return good;
}

/* The words of a pool that was recalled: they are read again, the sentences are there. */
static rv_status read_words(rv_sentence_pool *p, const rv_corpus *corpus,
                            const rv_tokenizer *tokenizer, const rv_pool_options *o,
                            rv_error *err)
{
    draw none = {.tokenizer = tokenizer};
    free(p->rarity);
    p->rarity = NULL;
    rv_status status = read_corpus(p, &none, corpus, o, err);
    rv_ids_release(&none.encoded);
    rv_text_release(&none.decoded);
    return status;
}

static rv_status make(rv_sentence_pool **out, const rv_transformer *m, rv_error *err)
{
    RV_TRY(RV_NEW(*out, 1, err));
    (*out)->width = m->config.width;
    (*out)->vocabulary = m->config.vocabulary;
    return RV_OK;
}

rv_status rv_sentence_pool_new(rv_sentence_pool **out, const rv_corpus *corpus,
                               const rv_transformer *m, const rv_tokenizer *tokenizer,
                               const rv_pool_options *o, rv_error *err)
{
    rv_status status;
    RV_TRY(make(out, m, err));
    if (recall(*out, o)) {
        RV_GOTO(read_words(*out, corpus, tokenizer, o, err));
        return RV_OK;
    }
    rv_sentence_pool_free(*out);
    *out = NULL;
    RV_TRY(make(out, m, err));
    RV_GOTO(gather(*out, corpus, longest(m, o), tokenizer, o, err));
    RV_GOTO(choose_rows(*out, tokenizer, err));
    RV_GOTO(read_all(*out, m, o, err));
    keep(*out, o);
done:
    if (status != RV_OK) {
        rv_sentence_pool_free(*out);
        *out = NULL;
    }
    return status;
}
