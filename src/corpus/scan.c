#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "base/random.h"
#include "corpus/windows.h"
#include "target/probe.h"

const double rv_quantile_levels[RV_QUANTILES] = {0.0001, 0.001, 0.01, 0.05, 0.1,   0.25,  0.5,
                                                 0.75,   0.9,   0.95, 0.99, 0.999, 0.9999};

rv_corpus_options rv_corpus_options_default(void)
{
    return (rv_corpus_options){.tokens = 0,
                               .window = 128,
                               .skip = 12,
                               .top = 64,
                               .context = 12,
                               .bos = -1,
                               .values = (size_t)1 << 26};
}

size_t rv_corpus_window(const rv_config *config)
{
    size_t window = rv_corpus_options_default().window;
    return window < config->context ? window : config->context;
}

enum { LEAST_KEPT = 1024 }; /* values of each target */

/* One target's running figures. */
typedef struct tally {
    float *values; /* all that counted, or a random sample of them */
    size_t kept, room, limit;
    uint64_t count;
    double minimum, maximum;
    double mean, m2, m3, m4; /* m2 = sum of (f - mean)^2, and so on */
    rv_random random;
} tally;

/* A position as bf16 sees it. */
typedef struct glimpse {
    uint64_t window; /* from the start of the corpus */
    size_t at;       /* in it */
    double f;
} glimpse;

/* The strongest positions of a target at one end. */
typedef struct glimpses {
    glimpse *items; /* strongest first */
    size_t count;
} glimpses;

enum { HIGH, LOW, ENDS };

typedef enum phase {
    IN_FULL,   /* everything in float32 */
    SCREENING, /* everything in bf16: moments, and positions worth another look */
    AGAIN      /* their windows in float32 */
} phase;

typedef struct scanner {
    const rv_transformer *model;
    const rv_target *targets;
    size_t count;
    const rv_corpus_options *options;
    rv_windows windows;
    rv_probe *probe;
    phase phase;
    tally *tallies;
    rv_corpus_stats *stats;
    glimpses (*seen)[ENDS]; /* (count), screening */
    size_t *reach;          /* of every window, tokens to run again; 0: none of it */
} scanner;

/* Positions kept by screening at either end. */
static size_t room_for(const rv_corpus_options *o)
{
    return o->top + o->top / 2;
}

static rv_status new_probe(scanner *s, rv_error *err)
{
    rv_pass_options options = {.rows = rv_windows_rows(&s->windows),
                               .sequences = s->windows.room,
                               .positions = s->options->window,
                               .threads = s->options->threads,
                               .narrow = s->phase == SCREENING};
    rv_probe_free(s->probe);
    return rv_probe_new(&s->probe, s->model, s->targets, s->count, &options, false, err);
}

static rv_status allocate(scanner *s, rv_error *err)
{
    RV_TRY(RV_NEW(s->tallies, s->count, err));
    RV_TRY(RV_NEW(s->stats, s->count, err));
    RV_TRY(RV_NEW(s->seen, s->count, err));
    for (size_t t = 0; t < s->count; t++) {
        RV_TRY(RV_NEW(s->stats[t].high, s->options->top, err));
        RV_TRY(RV_NEW(s->stats[t].low, s->options->top, err));
        size_t share = s->options->values / s->count;
        s->tallies[t].limit = share > LEAST_KEPT ? share : LEAST_KEPT;
        s->tallies[t].random = rv_random_stream(0, 0xc1, (uint32_t)t);
        s->tallies[t].minimum = INFINITY;
        s->tallies[t].maximum = -INFINITY;
        for (size_t e = 0; s->phase == SCREENING && e < ENDS; e++)
            RV_TRY(RV_NEW(s->seen[t][e].items, room_for(s->options), err));
    }
    return RV_OK;
}

static void release(scanner *s)
{
    rv_windows_release(&s->windows);
    rv_probe_free(s->probe);
    for (size_t t = 0; s->tallies && t < s->count; t++) free(s->tallies[t].values);
    for (size_t t = 0; s->seen && t < s->count; t++)
        for (size_t e = 0; e < ENDS; e++) free(s->seen[t][e].items);
    free(s->tallies);
    free(s->seen);
    free(s->reach);
}

/* What stands around row i of window w. */
static rv_status fill_hit(const scanner *s, rv_corpus_hit *hit, size_t w, size_t i, size_t row,
                          const real *values, rv_error *err)
{
    const rv_windows *x = &s->windows;
    size_t T = s->options->window, bos = s->options->bos >= 0;
    size_t from = i + 1 - bos > s->options->context ? i + 1 - s->options->context : bos;
    size_t to =
        i + 1 + s->options->after < x->lengths[w] ? i + 1 + s->options->after : x->lengths[w];
    free(hit->ids);
    free(hit->values);
    *hit = (rv_corpus_hit){
        .f = (double)values[row], .file = x->files[w], .offset = x->offsets[w * T + from]};
    hit->count = to - from;
    hit->at = i - from;
    RV_TRY(RV_NEW(hit->ids, hit->count, err));
    RV_TRY(RV_NEW(hit->values, hit->count, err));
    memcpy(hit->ids, x->ids + w * T + from, hit->count * sizeof *hit->ids);
    for (size_t k = 0; k < hit->count; k++) hit->values[k] = (float)values[row - i + from + k];
    return RV_OK;
}

/* Inserts into a list sorted by sign * f, strongest first; the earlier of equal ones stays in front. */
static rv_status offer(const scanner *s, rv_corpus_hit *list, size_t *count, double sign,
                       size_t w, size_t i, size_t row, const real *values, rv_error *err)
{
    double f = sign * (double)values[row];
    size_t top = s->options->top, at = *count;
    if (top == 0 || (*count == top && f <= sign * list[top - 1].f)) return RV_OK;
    if (*count < top)
        (*count)++;
    else
        at = top - 1;
    rv_corpus_hit spare = list[at];
    while (at > 0 && f > sign * list[at - 1].f) {
        list[at] = list[at - 1];
        at--;
    }
    list[at] = spare;
    return fill_hit(s, &list[at], w, i, row, values, err);
}

/* The same for screening. */
static void glance(const scanner *s, glimpses *list, double sign, size_t w, size_t i, double f)
{
    size_t room = room_for(s->options), at = list->count;
    if (room == 0 || (at == room && sign * f <= sign * list->items[room - 1].f)) return;
    if (at < room)
        list->count++;
    else
        at = room - 1;
    for (; at > 0 && sign * f > sign * list->items[at - 1].f; at--)
        list->items[at] = list->items[at - 1];
    list->items[at] = (glimpse){s->windows.numbers[w], i, f};
}

/* How far bf16 was off where float32 has now looked again. */
static void compare_glimpses(scanner *s, size_t t, size_t w, const real *values)
{
    for (size_t e = 0; e < ENDS; e++)
        for (size_t k = 0; k < s->seen[t][e].count; k++) {
            const glimpse *g = &s->seen[t][e].items[k];
            if (g->window != s->windows.numbers[w]) continue;
            double error = fabs((double)values[g->at] - g->f);
            if (error > s->stats[t].error) s->stats[t].error = error;
        }
}

/* Moments in one pass (Pebay 2008), quantiles from a reservoir (Vitter 1985, algorithm R). */
static rv_status tally_value(tally *a, double f, rv_error *err)
{
    double n = (double)++a->count, delta = f - a->mean, step = delta / n, step2 = step * step,
           term = delta * step * (n - 1);
    a->mean += step;
    a->m4 += term * step2 * (n * n - 3 * n + 3) + 6 * step2 * a->m2 - 4 * step * a->m3;
    a->m3 += term * step * (n - 2) - 3 * step * a->m2;
    a->m2 += term;
    if (f < a->minimum) a->minimum = f;
    if (f > a->maximum) a->maximum = f;
    if (a->kept < a->limit) {
        RV_TRY(rv_grow((void **)&a->values, &a->room, a->kept + 1, sizeof *a->values, err));
        a->values[a->kept++] = (float)f;
        return RV_OK;
    }
    uint64_t place = rv_random_below(&a->random, a->count);
    if (place < a->limit) a->values[place] = (float)f;
    return RV_OK;
}

static rv_status tally_target(scanner *s, size_t t, rv_error *err)
{
    const rv_windows *x = &s->windows;
    tally *a = &s->tallies[t];
    rv_corpus_stats *out = &s->stats[t];
    const real *values = rv_probe_values(s->probe, t);
    for (size_t w = 0, row = 0; w < x->count; row += x->lengths[w], w++) {
        if (s->phase == AGAIN) compare_glimpses(s, t, w, values + row);
        for (size_t i = s->options->skip; i < x->ends[w]; i++) {
            double f = (double)values[row + i];
            if (!isfinite(f) && rv_target_needs_keep(&s->targets[t])) continue; // no such entry
            if (!isfinite(f))
                return rv_fail(err, RV_ERR_NUMERIC,
                               "%s: byte %llu: expected a finite value of %s, found %g; the "
                               "weights may be damaged",
                               s->windows.reader.corpus->files[x->files[w]],
                               (unsigned long long)x->offsets[w * s->options->window + i],
                               s->targets[t].name, f);
            if (s->phase != AGAIN) RV_TRY(tally_value(a, f, err));
            if (s->phase == SCREENING) {
                glance(s, &s->seen[t][HIGH], 1, w, i, f);
                glance(s, &s->seen[t][LOW], -1, w, i, f);
                continue;
            }
            RV_TRY(offer(s, out->high, &out->high_count, 1, w, i, row + i, values, err));
            RV_TRY(offer(s, out->low, &out->low_count, -1, w, i, row + i, values, err));
        }
    }
    return RV_OK;
}

static int compare(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static rv_status summarise(const scanner *s, size_t t, rv_error *err)
{
    tally *a = &s->tallies[t];
    rv_corpus_stats *o = &s->stats[t];
    if (a->count == 0)
        return rv_fail(
            err, RV_ERR_USAGE,
            "corpus: expected at least %zu tokens in a row, found none; give a longer text",
            s->options->skip + 1);
    o->positions = a->count;
    o->minimum = a->minimum;
    o->maximum = a->maximum;
    double n = (double)a->count, variance = a->m2 / n;
    o->mean = a->mean;
    o->deviation = sqrt(variance);
    o->skewness = variance > 0 ? a->m3 / n / pow(variance, 1.5) : 0;
    o->kurtosis = variance > 0 ? a->m4 / n / (variance * variance) : 0;
    qsort(a->values, a->kept, sizeof *a->values, compare);
    for (size_t q = 0; q < RV_QUANTILES; q++) {
        double at = rv_quantile_levels[q] * (double)(a->kept - 1);
        size_t below = (size_t)at, above = below + 1 < a->kept ? below + 1 : below;
        double part = at - (double)below;
        o->quantile[q] =
            (double)a->values[below] * (1 - part) + (double)a->values[above] * part;
    }
    return RV_OK;
}

static rv_status run_corpus(scanner *s, rv_error *err)
{
    RV_TRY(new_probe(s, err));
    for (;;) {
        RV_TRY(rv_windows_read(&s->windows, err));
        if (s->windows.count == 0) return RV_OK;
        RV_TRY(rv_probe_run(s->probe, s->windows.sequences, s->windows.count, err));
        for (size_t t = 0; t < s->count; t++) RV_TRY(tally_target(s, t, err));
        rv_progress event = {
            s->phase == AGAIN ? "judging the strongest again" : "scanning the corpus", "tokens",
            NULL, (double)s->windows.tokens, (double)s->options->tokens};
        if (s->options->progress && !s->options->progress(s->options->progress_context, &event))
            return rv_fail(err, RV_ERR_CANCELLED, "scanning was cancelled");
    }
}

/* Which windows must run again, and how far. */
static rv_status choose_windows(scanner *s, rv_error *err)
{
    RV_TRY(RV_NEW(s->reach, s->windows.next ? s->windows.next : 1, err));
    for (size_t t = 0; t < s->count; t++)
        for (size_t e = 0; e < ENDS; e++)
            for (size_t k = 0; k < s->seen[t][e].count; k++) {
                const glimpse *g = &s->seen[t][e].items[k];
                size_t reach = g->at + 1 + s->options->after;
                if (reach > s->reach[g->window]) s->reach[g->window] = reach;
            }
    return RV_OK;
}

/* Those that screening left out lie behind the last that it kept. */
static void fill_margin(const scanner *s, size_t t)
{
    rv_corpus_stats *o = &s->stats[t];
    size_t room = room_for(s->options);
    o->screened = true;
    o->margin = o->maximum - o->minimum;
    if (o->high_count && s->seen[t][HIGH].count == room)
        o->margin =
            fmin(o->margin, o->high[o->high_count - 1].f - s->seen[t][HIGH].items[room - 1].f);
    if (o->low_count && s->seen[t][LOW].count == room)
        o->margin =
            fmin(o->margin, s->seen[t][LOW].items[room - 1].f - o->low[o->low_count - 1].f);
}

static rv_status scan(scanner *s, rv_error *err)
{
    RV_TRY(run_corpus(s, err));
    bool screened = s->phase == SCREENING;
    if (screened) {
        RV_TRY(choose_windows(s, err));
        rv_windows_again(&s->windows, s->reach);
        s->phase = AGAIN;
        RV_TRY(run_corpus(s, err));
    }
    for (size_t t = 0; t < s->count; t++) {
        rv_corpus_stats *o = &s->stats[t];
        RV_TRY(summarise(s, t, err));
        if (!screened) continue;
        if (o->high_count) o->maximum = o->high[0].f;
        if (o->low_count) o->minimum = o->low[0].f;
        fill_margin(s, t);
    }
    return RV_OK;
}

bool rv_corpus_screens(const rv_corpus *corpus, const rv_transformer *model,
                       const rv_target *targets, size_t count, const rv_corpus_options *o)
{
    enum { BYTES_A_TOKEN = 4 };
    double tokens = 0;
    if (!o->narrow || !model->kernels->narrow) return false;
    for (size_t t = 0; t < count; t++)
        if (rv_target_needs_keep(&targets[t])) return false;
    for (size_t i = 0; i < corpus->file_count; i++) {
        struct stat info = {0};
        stat(corpus->files[i], &info);
        tokens += (double)info.st_size / BYTES_A_TOKEN;
    }
    if (o->tokens && (double)o->tokens < tokens) tokens = (double)o->tokens;
    double places = (double)(ENDS * room_for(o) * count), windows = tokens / (double)o->window;
    return places > 0 && 1 - exp(-places / windows) < 1.0 / 3;
}

rv_status rv_corpus_scan(rv_corpus_stats **out, const rv_corpus *corpus,
                         const rv_transformer *model, const rv_tokenizer *tokenizer,
                         const rv_target *targets, size_t count,
                         const rv_corpus_options *options, rv_error *err)
{
    *out = NULL;
    scanner s = {.model = model, .targets = targets, .count = count, .options = options};
    bool screens =
        model->embedding.narrow && rv_corpus_screens(corpus, model, targets, count, options);
    s.phase = screens ? SCREENING : IN_FULL;
    rv_status status =
        rv_windows_init(&s.windows, corpus, tokenizer, options, &model->config, err);
    if (status == RV_OK) status = allocate(&s, err);
    if (status == RV_OK) status = scan(&s, err);
    release(&s);
    if (status == RV_OK)
        *out = s.stats;
    else if (s.stats)
        rv_corpus_stats_free(s.stats, count);
    return status;
}

void rv_corpus_stats_clear(rv_corpus_stats *stats)
{
    rv_corpus_hit *lists[] = {stats->high, stats->low};
    size_t counts[] = {stats->high_count, stats->low_count};
    for (size_t l = 0; l < 2; l++) {
        for (size_t i = 0; i < counts[l]; i++) free(lists[l][i].ids), free(lists[l][i].values);
        free(lists[l]);
    }
    *stats = (rv_corpus_stats){0};
}

void rv_corpus_stats_free(rv_corpus_stats *stats, size_t count)
{
    for (size_t t = 0; stats && t < count; t++) rv_corpus_stats_clear(&stats[t]);
    free(stats);
}

/* Reservoir sampling over windows that follow each other without overlap (Vitter 1985, algorithm R). */
rv_status rv_corpus_sample(int32_t *ids, size_t *found, const rv_corpus *corpus,
                           const rv_tokenizer *tokenizer, size_t length, size_t count,
                           size_t tokens, uint64_t seed, rv_error *err)
{
    rv_corpus_reader reader;
    rv_random random = rv_random_stream(seed, 0xc0, 0);
    int32_t *window = NULL;
    uint64_t *offsets = NULL;
    size_t got, seen = 0, done = 0;
    uint32_t file;
    rv_status status;
    rv_corpus_reader_init(&reader, corpus, tokenizer);
    RV_GOTO(RV_NEW(window, length, err));
    RV_GOTO(RV_NEW(offsets, length, err));
    while (!tokens || done < tokens) {
        RV_GOTO(rv_corpus_read(&reader, window, offsets, length, &got, &file, err));
        if (got == 0) break;
        done += got;
        if (got < length) continue;
        size_t place = seen < count ? seen : rv_random_below(&random, seen + 1);
        seen++;
        if (place < count) memcpy(ids + place * length, window, length * sizeof *ids);
    }
    *found = seen < count ? seen : count;
done:
    rv_corpus_reader_release(&reader);
    free(window);
    free(offsets);
    return status;
}
