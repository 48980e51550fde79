#include "corpus/ask.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/answers.h"
#include "base/memory.h"

enum { INDEX_VERSION = 1 };

char *rv_corpus_name(const rv_corpus *corpus)
{
    rv_text name = {0};
    for (size_t i = 0; i < corpus->file_count; i++) {
        const char *slash = strrchr(corpus->files[i], '/');
        rv_text_printf(&name, "%s%s", i ? "+" : "", slash ? slash + 1 : corpus->files[i]);
    }
    return rv_text_take(&name);
}

void rv_question_corpus(rv_text *question, const rv_corpus *corpus)
{
    for (size_t i = 0; i < corpus->file_count; i++) {
        struct stat info = {0};
        stat(corpus->files[i], &info);
        rv_text_printf(question, " %s:%lld:%lld.%09ld", corpus->files[i],
                       (long long)info.st_size, (long long)info.st_mtim.tv_sec,
                       info.st_mtim.tv_nsec);
    }
}

/* Everything that decides the answer, as text. screened: by an answer that bf16 had a part in. */
static char *question(const rv_corpus *corpus, const rv_model *model, const rv_target *target,
                      const rv_corpus_options *o, bool screened)
{
    rv_text q = {0};
    rv_text_printf(
        &q, "v%d %s %s tokens=%zu window=%zu skip=%zu top=%zu context=%zu after=%zu bos=%d",
        INDEX_VERSION, model->hash, target->name, o->tokens, o->window, o->skip, o->top,
        o->context, o->after, o->bos);
    if (screened) rv_text_puts(&q, " screened");
    rv_question_corpus(&q, corpus);
    return rv_text_take(&q);
}

static json_t *numbers(const double *values, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) json_array_append_new(array, json_real(values[i]));
    return array;
}

static json_t *write_hits(const rv_corpus_hit *hits, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        const rv_corpus_hit *h = &hits[i];
        json_t *ids = json_array(), *values = json_array();
        for (size_t k = 0; k < h->count; k++) {
            json_array_append_new(ids, json_integer(h->ids[k]));
            json_array_append_new(values, json_real((double)h->values[k]));
        }
        json_array_append_new(array,
                              json_pack("{s:f, s:i, s:I, s:I, s:o, s:o}", "f", h->f, "file",
                                        (int)h->file, "offset", (json_int_t)h->offset, "at",
                                        (json_int_t)h->at, "ids", ids, "values", values));
    }
    return array;
}

static void remember(const char *asked, const rv_corpus_stats *s)
{
    double moments[] = {s->mean,    s->deviation, s->minimum,
                        s->maximum, s->skewness,  s->kurtosis};
    rv_answer_keep(asked,
                   json_pack("{s:I, s:b, s:f, s:f, s:o, s:o, s:o, s:o}", "positions",
                             (json_int_t)s->positions, "screened", s->screened, "margin",
                             s->margin, "error", s->error, "moments", numbers(moments, 6),
                             "quantiles", numbers(s->quantile, RV_QUANTILES), "high",
                             write_hits(s->high, s->high_count), "low",
                             write_hits(s->low, s->low_count)));
}

static bool read_numbers(double *out, size_t count, const json_t *array)
{
    if (json_array_size(array) != count) return false;
    for (size_t i = 0; i < count; i++) out[i] = json_number_value(json_array_get(array, i));
    return true;
}

static bool read_hits(rv_corpus_hit **out, size_t *count, const json_t *array, size_t room)
{
    *count = 0;
    *out = rv_alloc(room, sizeof **out);
    if (!*out || json_array_size(array) > room) return false;
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *item = json_array_get(array, i), *ids = json_object_get(item, "ids"),
                     *values = json_object_get(item, "values");
        rv_corpus_hit *h = &(*out)[(*count)++];
        h->f = json_number_value(json_object_get(item, "f"));
        h->file = (uint32_t)json_integer_value(json_object_get(item, "file"));
        h->offset = (uint64_t)json_integer_value(json_object_get(item, "offset"));
        h->at = (size_t)json_integer_value(json_object_get(item, "at"));
        h->count = json_array_size(ids);
        h->ids = rv_alloc(h->count, sizeof *h->ids);
        h->values = rv_alloc(h->count, sizeof *h->values);
        if (!h->ids || !h->values || json_array_size(values) != h->count || h->at >= h->count)
            return false;
        for (size_t k = 0; k < h->count; k++) {
            h->ids[k] = (int32_t)json_integer_value(json_array_get(ids, k));
            h->values[k] = (float)json_number_value(json_array_get(values, k));
        }
    }
    return true;
}

static bool read_stats(rv_corpus_stats *out, const json_t *root, size_t top)
{
    double moments[6];
    if (!read_numbers(moments, 6, json_object_get(root, "moments")) ||
        !read_numbers(out->quantile, RV_QUANTILES, json_object_get(root, "quantiles")))
        return false;
    out->positions = (uint64_t)json_integer_value(json_object_get(root, "positions"));
    out->screened = json_is_true(json_object_get(root, "screened"));
    out->margin = json_number_value(json_object_get(root, "margin"));
    out->error = json_number_value(json_object_get(root, "error"));
    out->mean = moments[0], out->deviation = moments[1], out->minimum = moments[2],
    out->maximum = moments[3];
    out->skewness = moments[4], out->kurtosis = moments[5];
    return read_hits(&out->high, &out->high_count, json_object_get(root, "high"), top) &&
           read_hits(&out->low, &out->low_count, json_object_get(root, "low"), top);
}

/* False: not there. */
static bool recall(rv_corpus_stats *out, const char *asked, size_t top)
{
    json_t *root = rv_answer_recall(asked);
    rv_corpus_stats *read = rv_alloc(1, sizeof *read);
    bool found = root && read && read_stats(read, root, top);
    json_decref(root);
    if (found) {
        *out = *read;
        free(read);
    } else if (read) {
        rv_corpus_stats_free(read, 1);
    }
    return found;
}

/* Positions and tokens beyond what was asked for. */
static void cut(rv_corpus_stats *s, const rv_corpus_options *o)
{
    rv_corpus_hit *lists[] = {s->high, s->low};
    size_t *counts[] = {&s->high_count, &s->low_count};
    for (size_t l = 0; l < 2; l++) {
        for (; *counts[l] > o->top; --*counts[l]) {
            free(lists[l][*counts[l] - 1].ids);
            free(lists[l][*counts[l] - 1].values);
        }
        for (size_t i = 0; i < *counts[l]; i++)
            if (lists[l][i].count > lists[l][i].at + 1 + o->after)
                lists[l][i].count = lists[l][i].at + 1 + o->after;
    }
}

/* The question whose answer holds this one's. Tokens before a position are not cut: their bytes are not
 * known one by one. */
static rv_corpus_options widened(const rv_corpus_options *o)
{
    rv_corpus_options wide = *o;
    if (wide.top < RV_INDEX_TOP) wide.top = RV_INDEX_TOP;
    if (wide.after < RV_INDEX_AFTER) wide.after = RV_INDEX_AFTER;
    return wide;
}

/* From what was asked here before, or at a time when just this was scanned for. */
static bool recall_part(rv_corpus_stats *out, const rv_corpus *corpus, const rv_model *model,
                        const rv_target *target, const rv_corpus_options *o, bool screened)
{
    rv_corpus_options wide = widened(o);
    char *whole = question(corpus, model, target, &wide, screened),
         *exact = question(corpus, model, target, o, screened);
    bool found =
        (whole && recall(out, whole, wide.top)) || (exact && recall(out, exact, o->top));
    if (found) cut(out, o);
    free(whole);
    free(exact);
    return found;
}

static rv_status scan_missing(rv_corpus_stats *out, const rv_corpus *corpus, rv_model *model,
                              const rv_target *targets, size_t count,
                              const rv_corpus_options *options, rv_error *err)
{
    rv_target *missing;
    size_t *place, n = 0;
    rv_corpus_stats *scanned = NULL;
    rv_corpus_options wide = widened(options);
    RV_TRY(RV_NEW(missing, count, err));
    rv_status status = RV_NEW(place, count, err);
    for (size_t t = 0; status == RV_OK && t < count; t++) {
        if (recall_part(&out[t], corpus, model, &targets[t], options, false) ||
            (options->narrow &&
             recall_part(&out[t], corpus, model, &targets[t], options, true)))
            continue;
        place[n] = t;
        missing[n++] = targets[t];
    }
    if (status == RV_OK && n &&
        rv_corpus_screens(corpus, model->transformer, missing, n, &wide))
        status = rv_transformer_narrow(model->transformer, err);
    if (status == RV_OK && n)
        status = rv_corpus_scan(&scanned, corpus, model->transformer, model->tokenizer, missing,
                                n, &wide, err);
    for (size_t i = 0; status == RV_OK && i < n; i++) {
        char *asked = question(corpus, model, &missing[i], &wide, scanned[i].screened);
        if (asked) remember(asked, &scanned[i]);
        free(asked);
        out[place[i]] = scanned[i];
        cut(&out[place[i]], options);
    }
    free(scanned);
    free(missing);
    free(place);
    return status;
}

rv_status rv_corpus_ask(rv_corpus_stats **out, const rv_corpus *corpus, rv_model *model,
                        const rv_target *targets, size_t count,
                        const rv_corpus_options *options, rv_error *err)
{
    *out = NULL;
    RV_TRY(rv_model_hash(model, err));
    rv_corpus_stats *stats;
    RV_TRY(RV_NEW(stats, count, err));
    rv_status status = scan_missing(stats, corpus, model, targets, count, options, err);
    if (status == RV_OK)
        *out = stats;
    else
        rv_corpus_stats_free(stats, count);
    return status;
}
