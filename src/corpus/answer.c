#include "corpus/answer.h"

#include <stdlib.h>

#include "base/memory.h"
#include "store/pack.h"

enum { FIGURES = 8 };

/* ---- writing: column by column, so that like stands beside like and deflates well ------------- */

static void write_hits(rv_text *out, const rv_corpus_hit *hits, size_t count)
{
    rv_pack_count(out, count);
    for (size_t i = 0; i < count; i++) rv_pack_doubles(out, &hits[i].f, 1);
    for (size_t i = 0; i < count; i++) rv_pack_count(out, hits[i].file);
    for (size_t i = 0; i < count; i++) rv_pack_count(out, hits[i].offset);
    for (size_t i = 0; i < count; i++) rv_pack_count(out, hits[i].count);
    for (size_t i = 0; i < count; i++) rv_pack_count(out, hits[i].at);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < hits[i].count; k++) rv_pack_count(out, (uint64_t)hits[i].ids[k]);
    for (size_t i = 0; i < count; i++) rv_pack_floats(out, hits[i].values, hits[i].count);
}

void rv_corpus_answer_write(rv_text *out, const rv_corpus_stats *s)
{
    const double figures[FIGURES] = {s->margin,  s->error,   s->mean,     s->deviation,
                                     s->minimum, s->maximum, s->skewness, s->kurtosis};
    rv_pack_count(out, s->positions);
    rv_pack_count(out, s->screened);
    rv_pack_doubles(out, figures, FIGURES);
    rv_pack_doubles(out, s->quantile, RV_QUANTILES);
    write_hits(out, s->high, s->high_count);
    write_hits(out, s->low, s->low_count);
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool read_places(rv_corpus_hit *hits, size_t count, rv_packed *from,
                        const rv_corpus_bounds *bounds)
{
    for (size_t i = 0; i < count; i++) rv_unpack_doubles(&hits[i].f, from, 1);
    for (size_t i = 0; i < count; i++)
        hits[i].file = (uint32_t)rv_unpack_count(from, bounds->files - 1);
    for (size_t i = 0; i < count; i++) hits[i].offset = rv_unpack_count(from, INT64_MAX);
    for (size_t i = 0; i < count; i++)
        hits[i].count = (size_t)rv_unpack_count(from, bounds->tokens);
    for (size_t i = 0; i < count; i++) {
        hits[i].at = (size_t)rv_unpack_count(from, bounds->tokens);
        if (hits[i].at >= hits[i].count) return false;
    }
    return !from->failed;
}

static bool read_tokens(rv_corpus_hit *hits, size_t count, rv_packed *from,
                        const rv_corpus_bounds *bounds)
{
    for (size_t i = 0; i < count; i++) {
        hits[i].ids = rv_alloc(hits[i].count, sizeof *hits[i].ids);
        hits[i].values = rv_alloc(hits[i].count, sizeof *hits[i].values);
        if (!hits[i].ids || !hits[i].values) return false;
        for (size_t k = 0; k < hits[i].count; k++)
            hits[i].ids[k] = (int32_t)rv_unpack_count(from, bounds->vocabulary - 1);
    }
    for (size_t i = 0; i < count; i++) rv_unpack_floats(hits[i].values, from, hits[i].count);
    return !from->failed;
}

static bool read_hits(rv_corpus_hit **out, size_t *count, rv_packed *from,
                      const rv_corpus_bounds *bounds)
{
    size_t n = (size_t)rv_unpack_count(from, bounds->top);
    // What is asked for stays in proportion to the bytes there are.
    if (from->failed || n > from->length || !(*out = rv_alloc(n, sizeof **out))) return false;
    *count = n;
    return read_places(*out, n, from, bounds) && read_tokens(*out, n, from, bounds);
}

static bool read_figures(rv_corpus_stats *s, rv_packed *from)
{
    double f[FIGURES];
    s->positions = rv_unpack_count(from, INT64_MAX);
    s->screened = rv_unpack_count(from, 1) == 1;
    rv_unpack_doubles(f, from, FIGURES);
    s->margin = f[0], s->error = f[1], s->mean = f[2], s->deviation = f[3];
    s->minimum = f[4], s->maximum = f[5], s->skewness = f[6], s->kurtosis = f[7];
    rv_unpack_doubles(s->quantile, from, RV_QUANTILES);
    return !from->failed;
}

bool rv_corpus_answer_read(rv_corpus_stats *out, const char *bytes, size_t length,
                           const rv_corpus_bounds *bounds)
{
    rv_packed from = {(const unsigned char *)bytes, length, 0, false};
    *out = (rv_corpus_stats){0};
    if (bounds->files && bounds->vocabulary && read_figures(out, &from) &&
        read_hits(&out->high, &out->high_count, &from, bounds) &&
        read_hits(&out->low, &out->low_count, &from, bounds) && rv_unpacked(&from))
        return true;
    rv_corpus_stats_clear(out);
    return false;
}
