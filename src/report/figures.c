#include "report/figures.h"

#include <math.h>

#include "base/memory.h"

enum { MARKS_MAX = 2000 };

/* Which dreams of a run are marked: all, or its frontier and what is shown elsewhere. */
static rv_status mark_run(rv_figures *f, const rv_story *story, size_t index, bool all,
                          rv_error *err)
{
    const rv_run *run = story->runs[index];
    size_t n = run->dream_count, found = 0;
    rv_point *points = rv_run_points(&f->arena, run);
    size_t *frontier = rv_arena_alloc(&f->arena, n, sizeof *frontier);
    bool *wanted = rv_arena_alloc(&f->arena, n, sizeof *wanted);
    if (!points || !frontier || !wanted) return rv_fail_memory(err, n);
    found = rv_non_dominated(frontier, points, n);
    if (found == RV_NOT_FOUND) return rv_fail_memory(err, n);
    for (size_t i = 0; i < found; i++) wanted[frontier[i]] = true;
    for (size_t i = 0; i < n; i++) {
        const rv_dream_record *dream = &run->dreams[i];
        if (all || wanted[i] || dream == story->headline || dream == story->naive ||
            dream->diverse)
            f->marks[f->mark_count++] = (rv_mark){.dream = dream, .run = index};
    }
    return RV_OK;
}

rv_status rv_figures_prepare(rv_figures *out, const rv_stories *stories, size_t index,
                             rv_error *err)
{
    const rv_story *story = &stories->items[index];
    *out = (rv_figures){.stories = stories};
    size_t dreams = 0;
    rv_status status = RV_OK;
    for (size_t r = 0; r < story->run_count; r++) dreams += story->runs[r]->dream_count;
    out->marks = rv_arena_alloc(&out->arena, dreams + story->window_count, sizeof *out->marks);
    if (!out->marks) return rv_fail_memory(err, dreams * sizeof *out->marks);
    for (size_t m = 0; m < stories->method_count; m++)
        for (size_t r = 0; r < story->run_count; r++)
            if (strcmp(story->runs[r]->label, stories->methods[m]) == 0)
                RV_GOTO(mark_run(out, story, r, dreams <= MARKS_MAX, err));
    out->windows_at = out->mark_count;
    for (size_t i = 0; i < story->window_count; i++)
        out->marks[out->mark_count++] = (rv_mark){.window = story->windows[i]};
    return RV_OK;
done:
    rv_figures_release(out);
    return status;
}

void rv_figures_release(rv_figures *figures)
{
    rv_arena_release(&figures->arena);
    *figures = (rv_figures){0};
}

/* ---- scatter ------------------------------------------------------------------------------------ */

static rv_point point_of(const rv_mark *mark)
{
    return mark->dream ? (rv_point){mark->dream->activation, mark->dream->cross_entropy}
                       : (rv_point){mark->window->activation, mark->window->cross_entropy};
}

/* The non-dominated set of some marks as a line of steps. */
static rv_status frontier_of(rv_series *out, rv_arena *arena, const rv_mark *marks, size_t n,
                             rv_error *err)
{
    rv_point *points = rv_arena_alloc(arena, n, sizeof *points);
    size_t *order = rv_arena_alloc(arena, n, sizeof *order);
    rv_xy *line = rv_arena_alloc(arena, n, sizeof *line);
    if (!points || !order || !line) return rv_fail_memory(err, n * sizeof *points);
    for (size_t i = 0; i < n; i++) points[i] = point_of(&marks[i]);
    size_t found = rv_non_dominated(order, points, n);
    if (found == RV_NOT_FOUND) return rv_fail_memory(err, n);
    for (size_t i = 0; i < found; i++)
        line[i] = (rv_xy){points[order[i]].cross_entropy, points[order[i]].activation};
    *out = (rv_series){.kind = RV_SERIES_STEPS, .points = line, .count = found};
    return RV_OK;
}

static rv_status marks_of(rv_series *out, rv_arena *arena, const char *name,
                          const rv_figures *f, size_t from, size_t to, rv_error *err)
{
    rv_xy *points = rv_arena_alloc(arena, to - from, sizeof *points);
    if (!points) return rv_fail_memory(err, (to - from) * sizeof *points);
    for (size_t i = from; i < to; i++) {
        rv_point p = point_of(&f->marks[i]);
        points[i - from] = (rv_xy){p.cross_entropy, p.activation};
    }
    *out = (rv_series){.name = name,
                       .kind = RV_SERIES_POINTS,
                       .points = points,
                       .count = to - from,
                       .first_mark = from,
                       .marked = true};
    return RV_OK;
}

/* Two series a method, its marks and its frontier. The corpus is drawn first, below the others. */
static rv_status fill_scatter(rv_series *series, size_t *count, rv_arena *arena,
                              const rv_figures *f, const rv_story *story, rv_error *err)
{
    *count = 0;
    if (f->windows_at < f->mark_count) {
        RV_TRY(marks_of(&series[0], arena, "corpus windows", f, f->windows_at, f->mark_count,
                        err));
        RV_TRY(frontier_of(&series[1], arena, f->marks + f->windows_at,
                           f->mark_count - f->windows_at, err));
        series[0].style = series[1].style = RV_STYLE_MUTED;
        *count = 2;
    }
    for (size_t m = 0, from = 0; m < f->stories->method_count; m++) {
        size_t to = from;
        while (to < f->windows_at &&
               strcmp(story->runs[f->marks[to].run]->label, f->stories->methods[m]) == 0)
            to++;
        if (to == from) continue;
        rv_series *pair = series + *count;
        RV_TRY(marks_of(&pair[0], arena, f->stories->methods[m], f, from, to, err));
        RV_TRY(frontier_of(&pair[1], arena, f->marks + from, to - from, err));
        pair[0].style = pair[1].style = m % RV_STYLE_COUNT;
        *count += 2;
        from = to;
    }
    return RV_OK;
}

rv_status rv_draw_scatter(rv_text *out, const rv_figures *figures, const rv_story *story,
                          double width, bool standalone, rv_error *err)
{
    rv_arena arena = {0};
    size_t count = 0;
    rv_series *series =
        rv_arena_alloc(&arena, 2 * figures->stories->method_count + 2, sizeof *series);
    rv_status status = series ? fill_scatter(series, &count, &arena, figures, story, err)
                              : rv_fail_memory(err, figures->stories->method_count);
    if (status == RV_OK)
        status = rv_plot_svg(
            out,
            &(rv_plot){.title = "Activation against cross-entropy of everything that was found",
                       .x_label = "cross-entropy, nats per token",
                       .y_label = "activation g, deviations",
                       .series = series,
                       .series_count = count,
                       .width = width,
                       .height = width > 0 && width < 500 ? 320 : 420,
                       .x_rule = story->median,
                       .x_rule_label = "median of the corpus",
                       .standalone = standalone},
            err);
    rv_arena_release(&arena);
    return status;
}

/* ---- trajectory --------------------------------------------------------------------------------- */

/* Whether the searches are of such different lengths that only a logarithm shows them all. */
static bool differ_in_length(const rv_story *story)
{
    double least = INFINITY, most = 0;
    for (size_t r = 0; r < story->run_count; r++) {
        const rv_run *run = story->runs[r];
        if (run->trajectory_count == 0) continue;
        double last = (double)run->trajectory[run->trajectory_count - 1].forward_tokens;
        least = fmin(least, last);
        most = fmax(most, last);
    }
    return most > 5 * least;
}

/* One line a run; the first of each method carries the name. */
static rv_status fill_lines(rv_series *series, size_t *count, rv_arena *arena,
                            const rv_figures *f, const rv_story *story, rv_error *err)
{
    *count = 0;
    for (size_t m = 0; m < f->stories->method_count; m++) {
        bool named = false;
        for (size_t r = 0; r < story->run_count; r++) {
            const rv_run *run = story->runs[r];
            if (run->trajectory_count == 0 || strcmp(run->label, f->stories->methods[m]) != 0)
                continue;
            rv_xy *line = rv_arena_alloc(arena, run->trajectory_count, sizeof *line);
            if (!line) return rv_fail_memory(err, run->trajectory_count * sizeof *line);
            for (size_t i = 0; i < run->trajectory_count; i++)
                line[i] =
                    (rv_xy){(double)run->trajectory[i].forward_tokens, run->trajectory[i].area};
            series[(*count)++] = (rv_series){.name = named ? NULL : f->stories->methods[m],
                                             .kind = RV_SERIES_STAIRS,
                                             .points = line,
                                             .count = run->trajectory_count,
                                             .style = m % RV_STYLE_COUNT};
            named = true;
        }
    }
    return RV_OK;
}

rv_status rv_draw_trajectory(rv_text *out, const rv_figures *figures, const rv_story *story,
                             double width, bool standalone, rv_error *err)
{
    rv_arena arena = {0};
    size_t count = 0;
    rv_series *series = rv_arena_alloc(&arena, story->run_count, sizeof *series);
    rv_status status = series ? fill_lines(series, &count, &arena, figures, story, err)
                              : rv_fail_memory(err, story->run_count);
    if (status == RV_OK)
        status = rv_plot_svg(out,
                             &(rv_plot){.title = "Frontier area against work",
                                        .x_label = "forward tokens",
                                        .y_label = "frontier area",
                                        .series = series,
                                        .series_count = count,
                                        .width = width,
                                        .height = width > 0 && width < 500 ? 240 : 260,
                                        .log_x = differ_in_length(story),
                                        .standalone = standalone},
                             err);
    rv_arena_release(&arena);
    return status;
}
