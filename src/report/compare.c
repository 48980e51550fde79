#include "report/compare.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "report/heat.h"
#include "report/plot.h"

static const double LEVELS[RV_COMPARE_BESTS] = {4, 5, 6, 9};

/* ---- one run ---------------------------------------------------------------------------------- */

static double seconds_of(const rv_run *run)
{
    if (isfinite(run->end.seconds)) return run->end.seconds;
    return run->trajectory_count ? run->trajectory[run->trajectory_count - 1].seconds : NAN;
}

static uint64_t tokens_of(const rv_run *run)
{
    if (run->end.status) return run->end.forward_tokens;
    return run->trajectory_count ? run->trajectory[run->trajectory_count - 1].forward_tokens
                                 : 0;
}

static rv_status measure_run(rv_run_figures *out, rv_arena *arena, const rv_story *story,
                             size_t index, const rv_run *run, rv_error *err)
{
    rv_point *points = rv_run_points(arena, run);
    if (!points) return rv_fail_memory(err, run->dream_count * sizeof *points);
    size_t n = run->dream_count, m = story->window_count;
    const rv_point *windows = story->window_points;
    *out = (rv_run_figures){.run = run,
                            .story = index,
                            .area = rv_frontier_area(points, n),
                            .seconds = seconds_of(run),
                            .forward_tokens = tokens_of(run),
                            .judged = m > 0,
                            .wins_4 = rv_wins_at(points, n, windows, m, 4),
                            .wins_6 = rv_wins_at(points, n, windows, m, 6),
                            .wins_published = rv_wins_published(points, n, windows, m)};
    for (int i = 0; i < RV_COMPARE_BESTS; i++) out->best[i] = rv_best_at(points, n, LEVELS[i]);
    return RV_OK;
}

static bool is_published(const rv_run *run)
{
    return strcmp(run->label, "epo as published") == 0;
}

/* Seconds until each run's area is that of the published search with the largest budget on the
 * same target, at its end: methods.md's "time to frontier". One that found nothing is no mark to
 * reach. */
static void time_story(rv_run_figures *runs, size_t count)
{
    const rv_run_figures *published = NULL;
    for (size_t i = 0; i < count; i++)
        if (is_published(runs[i].run) && runs[i].area > 0 &&
            (!published || runs[i].run->about.budget > published->run->about.budget))
            published = &runs[i];
    for (size_t i = 0; i < count; i++) {
        const rv_run *run = runs[i].run;
        runs[i].timed = published && run->trajectory_count > 0;
        runs[i].reach = runs[i].timed ? INFINITY : NAN;
        for (size_t k = run->trajectory_count; runs[i].timed && k-- > 0;)
            if (run->trajectory[k].area >= published->area)
                runs[i].reach = run->trajectory[k].seconds;
    }
}

/* ---- one row ----------------------------------------------------------------------------------- */

/* A median that can hold -INFINITY ("none that fluent"), which interpolation cannot. */
static double median_of(double *values, size_t n)
{
    if (n == 0) return NAN;
    double middle = rv_quantile(values, n, 0.5);
    return isnan(middle) ? -INFINITY : middle;
}

static bool in_row(const rv_compare_row *row, const rv_run_figures *run)
{
    return run->run->about.budget == row->budget && strcmp(run->run->label, row->method) == 0;
}

/* Median over targets of the spread of the area over seeds. */
static double spread_of(const rv_compare *c, const rv_compare_row *row, double *areas,
                        double *spreads)
{
    size_t targets = 0;
    for (size_t i = 0; i < c->run_count;) {
        size_t n = 0, story = c->runs[i].story;
        for (; i < c->run_count && c->runs[i].story == story; i++)
            if (in_row(row, &c->runs[i])) areas[n++] = c->runs[i].area;
        double spread = rv_spread(areas, n);
        if (isfinite(spread)) spreads[targets++] = spread;
    }
    return median_of(spreads, targets);
}

/* The values of one row's runs, column by column. */
typedef struct row_values {
    double *best[RV_COMPARE_BESTS], *area, *seconds, *reach;
    size_t seconds_count, reach_count;
} row_values;

enum { COLUMN_ARRAYS = RV_COMPARE_BESTS + 3 };

/* scratch (COLUMN_ARRAYS * room) */
static row_values lay_out(double *scratch, size_t room)
{
    row_values v = {.area = scratch, .seconds = scratch + room, .reach = scratch + 2 * room};
    for (size_t b = 0; b < RV_COMPARE_BESTS; b++) v.best[b] = scratch + (3 + b) * room;
    return v;
}

static void collect_row(rv_compare_row *row, row_values *v, const rv_compare *c)
{
    size_t last_story = SIZE_MAX;
    for (size_t i = 0; i < c->run_count; i++) {
        const rv_run_figures *run = &c->runs[i];
        if (!in_row(row, run)) continue;
        for (int b = 0; b < RV_COMPARE_BESTS; b++) v->best[b][row->runs] = run->best[b];
        v->area[row->runs++] = run->area;
        if (isfinite(run->seconds)) v->seconds[v->seconds_count++] = run->seconds;
        if (run->timed) v->reach[v->reach_count++] = run->reach;
        row->reaches += run->timed && isfinite(run->reach);
        row->targets += run->story != last_story;
        last_story = run->story;
        row->judged += run->judged;
        row->wins_4 += run->wins_4;
        row->wins_6 += run->wins_6;
        row->wins_published += run->wins_published;
    }
}

static void fill_row(rv_compare_row *row, const rv_compare *c, double *scratch)
{
    row_values v = lay_out(scratch, c->run_count);
    collect_row(row, &v, c);
    for (int b = 0; b < RV_COMPARE_BESTS; b++) row->best[b] = median_of(v.best[b], row->runs);
    row->area = median_of(v.area, row->runs);
    row->seconds = median_of(v.seconds, v.seconds_count);
    row->timed = v.reach_count;
    row->reach = median_of(v.reach, v.reach_count);
    row->reaches /= v.reach_count ? (double)v.reach_count : NAN;
    double judged = row->judged ? (double)row->judged : NAN;
    row->wins_4 /= judged;
    row->wins_6 /= judged;
    row->wins_published /= judged;
    row->spread = spread_of(c, row, v.area, v.seconds);
}

/* The corpus windows as if they were a method: medians over targets. */
static void fill_corpus(rv_compare_row *row, const rv_stories *stories, double *scratch)
{
    for (int b = 0; b <= RV_COMPARE_BESTS; b++) {
        size_t n = 0;
        for (size_t s = 0; s < stories->count; s++) {
            const rv_story *story = &stories->items[s];
            if (story->window_count == 0) continue;
            scratch[n++] =
                b < RV_COMPARE_BESTS
                    ? rv_best_at(story->window_points, story->window_count, LEVELS[b])
                    : rv_frontier_area(story->window_points, story->window_count);
        }
        if (b < RV_COMPARE_BESTS)
            row->best[b] = median_of(scratch, n);
        else
            row->area = median_of(scratch, n);
        row->targets = n;
    }
}

static int by_budget_and_area(const void *left, const void *right)
{
    const rv_compare_row *a = left, *b = right;
    if (a->budget != b->budget) return a->budget < b->budget ? -1 : 1;
    if (a->area != b->area) return a->area > b->area ? -1 : 1;
    return strcmp(a->method, b->method);
}

static rv_status make_rows(rv_compare *c, const rv_stories *stories, rv_error *err)
{
    size_t room = c->run_count > stories->count ? c->run_count : stories->count;
    double *scratch = rv_arena_alloc(&c->arena, COLUMN_ARRAYS * (room + 1), sizeof *scratch);
    c->rows = rv_arena_alloc(&c->arena, c->run_count + 1, sizeof *c->rows);
    if (!scratch || !c->rows) return rv_fail_memory(err, c->run_count * sizeof *c->rows);
    rv_compare_row corpus = {.method = "corpus windows",
                             .wins_4 = NAN,
                             .wins_6 = NAN,
                             .wins_published = NAN,
                             .spread = NAN,
                             .seconds = NAN,
                             .reach = NAN,
                             .reaches = NAN};
    fill_corpus(&corpus, stories, scratch);
    size_t first = corpus.targets > 0;
    if (first) c->rows[c->row_count++] = corpus;
    for (size_t i = 0; i < c->run_count; i++) {
        size_t r = first;
        while (r < c->row_count && !in_row(&c->rows[r], &c->runs[i])) r++;
        if (r < c->row_count) continue;
        const rv_run *run = c->runs[i].run;
        c->rows[c->row_count++] =
            (rv_compare_row){.method = run->label, .budget = run->about.budget};
    }
    for (size_t r = first; r < c->row_count; r++) fill_row(&c->rows[r], c, scratch);
    qsort(c->rows + first, c->row_count - first, sizeof *c->rows, by_budget_and_area);
    return RV_OK;
}

rv_status rv_compare_stories(rv_compare *out, const rv_stories *stories, rv_error *err)
{
    *out = (rv_compare){0};
    size_t all = 0;
    for (size_t s = 0; s < stories->count; s++) all += stories->items[s].run_count;
    rv_status status = RV_OK;
    out->runs = rv_arena_alloc(&out->arena, all, sizeof *out->runs);
    if (!out->runs) return rv_fail_memory(err, all * sizeof *out->runs);
    for (size_t s = 0; s < stories->count; s++) {
        const rv_story *story = &stories->items[s];
        size_t first = out->run_count;
        for (size_t r = 0; r < story->run_count; r++) {
            const rv_run *run = story->runs[r];
            if (!rv_is_search(run)) continue;
            RV_GOTO(measure_run(&out->runs[out->run_count++], &out->arena, story, s, run, err));
        }
        time_story(out->runs + first, out->run_count - first);
    }
    RV_GOTO(make_rows(out, stories, err));
    return RV_OK;
done:
    rv_compare_release(out);
    return status;
}

void rv_compare_release(rv_compare *compare)
{
    rv_arena_release(&compare->arena);
    *compare = (rv_compare){0};
}

/* ---- as a table -------------------------------------------------------------------------------- */

enum { NAME_COLUMNS = 28 };

static void put_share(rv_text *out, double share)
{
    rv_put_figure(out, 100 * share, 0);
    if (isfinite(share)) rv_text_puts(out, " %");
}

static void put_count(rv_text *out, size_t count)
{
    if (count == 0)
        rv_text_puts(out, "–");
    else if (count % 1000 == 0)
        rv_text_printf(out, "%zuk", count / 1000);
    else
        rv_text_printf(out, "%zu", count);
}

typedef enum column_kind { NAME, COUNT, FIGURE, SHARE } column_kind;

typedef struct column {
    const char *title;
    column_kind kind;
    size_t offset; /* in a row */
} column;

/* The last one only where there is a published search to reach. */
static const column table[] = {{"method", NAME, offsetof(rv_compare_row, method)},
                               {"budget", COUNT, offsetof(rv_compare_row, budget)},
                               {"runs", COUNT, offsetof(rv_compare_row, runs)},
                               {"best(4)", FIGURE, offsetof(rv_compare_row, best[0])},
                               {"best(5)", FIGURE, offsetof(rv_compare_row, best[1])},
                               {"best(6)", FIGURE, offsetof(rv_compare_row, best[2])},
                               {"area", FIGURE, offsetof(rv_compare_row, area)},
                               {"win(4)", SHARE, offsetof(rv_compare_row, wins_4)},
                               {"win(6)", SHARE, offsetof(rv_compare_row, wins_6)},
                               {"win", SHARE, offsetof(rv_compare_row, wins_published)},
                               {"spread", SHARE, offsetof(rv_compare_row, spread)},
                               {"seconds", FIGURE, offsetof(rv_compare_row, seconds)},
                               {"reach", FIGURE, offsetof(rv_compare_row, reach)}};
enum { COLUMNS = sizeof table / sizeof table[0] };

/* A cell of a row; of the titles if row is NULL. */
static void put_cell(rv_text *out, const rv_compare_row *row, const column *c)
{
    const char *at = row ? (const char *)row + c->offset : NULL;
    if (!row)
        rv_text_puts(out, c->title);
    else if (c->kind == NAME)
        rv_put_fitting(out, row->method, strlen(row->method), NAME_COLUMNS);
    else if (c->kind == COUNT)
        put_count(out, *(const size_t *)at);
    else if (c->kind == SHARE)
        put_share(out, *(const double *)at);
    else
        rv_put_figure(out, *(const double *)at, 1);
}

/* One cell, padded to the width; "|" would end it in Markdown. */
static void put_padded(rv_text *out, const rv_text *cell, size_t width, bool left,
                       bool markdown)
{
    size_t own = rv_visible_width(out, cell->bytes, cell->length),
           pad = own < width ? width - own : 0;
    rv_text_printf(out, "%*s", left ? 0 : (int)pad, "");
    for (size_t i = 0; i < cell->length; i++) {
        if (markdown && cell->bytes[i] == '|') rv_text_putc(out, '\\');
        rv_text_putc(out, cell->bytes[i]);
    }
    rv_text_printf(out, "%*s", left ? (int)pad : 0, "");
}

static const rv_compare_row *row_of(const rv_compare *compare, size_t line)
{
    return line ? &compare->rows[line - 1] : NULL;
}

void rv_compare_table(rv_text *out, const rv_compare *compare, rv_table_format format)
{
    bool markdown = format == RV_TABLE_MARKDOWN, timed = false;
    for (size_t r = 0; r < compare->row_count; r++) timed |= compare->rows[r].timed > 0;
    int columns = timed ? COLUMNS : COLUMNS - 1;
    size_t widths[COLUMNS] = {0};
    rv_text cell = {0};
    for (size_t line = 0; line <= compare->row_count; line++)
        for (int k = 0; k < columns; k++) {
            cell.length = 0;
            put_cell(&cell, row_of(compare, line), &table[k]);
            size_t width = rv_visible_width(out, cell.bytes, cell.length);
            if (width > widths[k]) widths[k] = width;
        }
    for (size_t line = 0; line <= compare->row_count; line++) {
        rv_text_puts(out, markdown ? "| " : "");
        for (int k = 0; k < columns; k++) {
            if (k) rv_text_puts(out, markdown ? " | " : "  ");
            cell.length = 0;
            put_cell(&cell, row_of(compare, line), &table[k]);
            put_padded(out, &cell, widths[k], k == 0, markdown);
        }
        rv_text_puts(out, markdown ? " |\n" : "\n");
        for (int k = 0; markdown && line == 0 && k < columns; k++)
            rv_text_puts(out, k ? "---:|" : "|---|");
        if (markdown && line == 0) rv_text_puts(out, "\n");
    }
    out->failed |= cell.failed;
    rv_text_release(&cell);
}

/* ---- as a plot --------------------------------------------------------------------------------- */

enum { STEPS = 61 };

static double level(size_t step)
{
    return (double)(30 + step) / 10;
}

/* The median over the row's runs of max(0, best(x)). */
static rv_status row_curve(rv_xy *curve, rv_arena *arena, const rv_compare *c,
                           const rv_compare_row *row, rv_error *err)
{
    double *values = rv_arena_alloc(arena, STEPS * (c->run_count + 1), sizeof *values);
    if (!values) return rv_fail_memory(err, STEPS * c->run_count * sizeof *values);
    size_t n = 0;
    for (size_t i = 0; i < c->run_count; i++) {
        if (!in_row(row, &c->runs[i])) continue;
        rv_point *points = rv_run_points(arena, c->runs[i].run);
        if (!points) return rv_fail_memory(err, c->runs[i].run->dream_count);
        for (size_t k = 0; k < STEPS; k++)
            values[k * c->run_count + n] =
                fmax(0, rv_best_at(points, c->runs[i].run->dream_count, level(k)));
        n++;
    }
    for (size_t k = 0; k < STEPS; k++)
        curve[k] = (rv_xy){level(k), rv_quantile(values + k * c->run_count, n, 0.5)};
    return RV_OK;
}

static rv_status corpus_curve(rv_xy *curve, rv_arena *arena, const rv_stories *stories,
                              rv_error *err)
{
    double *values = rv_arena_alloc(arena, stories->count, sizeof *values);
    if (!values) return rv_fail_memory(err, stories->count * sizeof *values);
    for (size_t k = 0; k < STEPS; k++) {
        size_t n = 0;
        for (size_t s = 0; s < stories->count; s++) {
            const rv_story *story = &stories->items[s];
            if (story->window_count)
                values[n++] =
                    fmax(0, rv_best_at(story->window_points, story->window_count, level(k)));
        }
        curve[k] = (rv_xy){level(k), rv_quantile(values, n, 0.5)};
    }
    return RV_OK;
}

/* "epo, 60k" where the budget is needed to tell rows apart. */
static const char *row_name(rv_arena *arena, const rv_compare *c, const rv_compare_row *row)
{
    bool ambiguous = false;
    for (size_t r = 0; r < c->row_count; r++)
        ambiguous |= &c->rows[r] != row && strcmp(c->rows[r].method, row->method) == 0;
    if (!ambiguous) return row->method;
    rv_text name = {0};
    rv_text_puts(&name, row->method);
    rv_text_puts(&name, ", ");
    put_count(&name, (size_t)row->budget);
    const char *copy = name.failed ? NULL : rv_arena_copy(arena, name.bytes, name.length);
    rv_text_release(&name);
    return copy;
}

static rv_status fill_series(rv_series *series, rv_arena *arena, const rv_compare *c,
                             const rv_stories *stories, rv_error *err)
{
    for (size_t r = 0; r < c->row_count; r++) {
        rv_xy *curve = rv_arena_alloc(arena, STEPS, sizeof *curve);
        if (!curve) return rv_fail_memory(err, STEPS * sizeof *curve);
        bool corpus = c->rows[r].runs == 0;
        RV_TRY(corpus ? corpus_curve(curve, arena, stories, err)
                      : row_curve(curve, arena, c, &c->rows[r], err));
        series[r] = (rv_series){.name = row_name(arena, c, &c->rows[r]),
                                .kind = RV_SERIES_STEPS,
                                .points = curve,
                                .count = STEPS,
                                .style = corpus ? RV_STYLE_MUTED
                                                : rv_method_index(stories, c->rows[r].method) %
                                                      RV_STYLE_COUNT};
        if (!series[r].name) return rv_fail_memory(err, 0);
    }
    return RV_OK;
}

rv_status rv_compare_plot(rv_text *out, const rv_compare *compare, const rv_stories *stories,
                          double width, bool standalone, rv_error *err)
{
    rv_arena arena = {0};
    rv_series *series = rv_arena_alloc(&arena, compare->row_count + 1, sizeof *series);
    rv_status status = series ? fill_series(series, &arena, compare, stories, err)
                              : rv_fail_memory(err, compare->row_count * sizeof *series);
    if (status == RV_OK) {
        rv_plot plot = {.title =
                            "The best activation that each method finds at each cross-entropy",
                        .x_label = "cross-entropy at most x, nats per token",
                        .y_label = "best(x), deviations",
                        .series = series,
                        .series_count = compare->row_count,
                        .width = width,
                        .height = 300,
                        .standalone = standalone};
        status = rv_plot_svg(out, &plot, err);
    }
    rv_arena_release(&arena);
    return status;
}
