#include "report/story.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

static bool same_name(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_text(rv_string a, rv_string b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.bytes, b.bytes, a.length) == 0);
}

bool rv_same_subject(const rv_run_record *a, const rv_run_record *b)
{
    bool same_model = a->model.hash && b->model.hash ? same_name(a->model.hash, b->model.hash)
                                                     : same_name(a->model.name, b->model.name);
    return same_model && same_name(a->target.name, b->target.name) &&
           a->target.sign == b->target.sign &&
           same_name(a->target.position, b->target.position);
}

const char *rv_model_title(const rv_model_entry *model)
{
    if (!strchr("/.~", model->name[0])) return model->name;
    return model->path ? model->path : model->name;
}

bool rv_is_naive(const char *method)
{
    return same_name(method, "naive");
}

rv_point *rv_run_points(rv_arena *arena, const rv_run *run)
{
    rv_point *points = rv_arena_alloc(arena, run->dream_count, sizeof *points);
    for (size_t i = 0; points && i < run->dream_count; i++)
        points[i] = (rv_point){run->dreams[i].activation, run->dreams[i].cross_entropy};
    return points;
}

enum { RUNS_MAX = 4096, WINDOWS_MAX = 4096 };

/* ---- what belongs together ------------------------------------------------------------------ */

static rv_status group_runs(rv_stories *out, const rv_runs *runs, rv_error *err)
{
    if (runs->count > RUNS_MAX)
        return rv_fail(err, RV_ERR_USAGE, "report: runs: expected at most %d, found %zu",
                       RUNS_MAX, runs->count);
    out->items = rv_arena_alloc(&out->arena, runs->count, sizeof *out->items);
    if (!out->items) return rv_fail_memory(err, runs->count * sizeof *out->items);
    for (size_t i = 0; i < runs->count; i++) {
        const rv_run *run = &runs->items[i];
        size_t s = 0;
        while (s < out->count && !rv_same_subject(&out->items[s].run->about, &run->about)) s++;
        rv_story *story = &out->items[s];
        if (s == out->count) {
            out->count++;
            story->run = run;
            story->runs = rv_arena_alloc(&out->arena, runs->count - i, sizeof *story->runs);
            if (!story->runs) return rv_fail_memory(err, runs->count * sizeof *story->runs);
        }
        story->runs[story->run_count++] = run;
    }
    return RV_OK;
}

size_t rv_method_index(const rv_stories *stories, const char *method)
{
    size_t i = 0;
    while (i < stories->method_count && strcmp(stories->methods[i], method) != 0) i++;
    return i;
}

bool rv_is_search(const rv_run *run)
{
    return run->dream_count + run->trajectory_count > 0;
}

/* The default dreamer first, the naive one last. */
static int rank_of(const rv_run *run)
{
    bool ours = same_name(run->label, "reverie") || same_name(run->label, "sentence");
    return ours ? 0 : rv_is_naive(run->about.method) ? 2 : 1;
}

static rv_status list_methods(rv_stories *out, const rv_runs *runs, rv_error *err)
{
    out->methods = rv_arena_alloc(&out->arena, runs->count, sizeof *out->methods);
    if (!out->methods) return rv_fail_memory(err, runs->count * sizeof *out->methods);
    for (int rank = 0; rank < 3; rank++)
        for (size_t i = 0; i < runs->count; i++) {
            const rv_run *run = &runs->items[i];
            if (!rv_is_search(run) || rank_of(run) != rank) continue;
            if (rv_method_index(out, run->label) == out->method_count)
                out->methods[out->method_count++] = run->label;
        }
    return RV_OK;
}

/* ---- the corpus ------------------------------------------------------------------------------ */

static bool same_tokens(const rv_example_record *a, const rv_example_record *b)
{
    if (a->token_count != b->token_count) return false;
    for (size_t i = 0; i < a->token_count; i++)
        if (a->tokens[i].id != b->tokens[i].id) return false;
    return true;
}

static bool is_kind(const rv_example_record *example, const char *kind)
{
    return same_name(example->kind, kind);
}

/* Keeps the strongest examples in order. */
static void add_example(rv_story *story, const rv_example_record *example)
{
    for (size_t i = 0; i < story->example_count; i++)
        if (same_tokens(story->examples[i], example)) return;
    size_t at = story->example_count;
    while (at > 0 && story->examples[at - 1]->activation < example->activation) at--;
    if (at == RV_STORY_EXAMPLES) return;
    if (story->example_count < RV_STORY_EXAMPLES) story->example_count++;
    for (size_t i = story->example_count - 1; i > at; i--)
        story->examples[i] = story->examples[i - 1];
    story->examples[at] = example;
}

static bool has_window(const rv_story *story, const rv_example_record *window)
{
    for (size_t i = 0; i < story->window_count; i++)
        if (same_tokens(story->windows[i], window)) return true;
    return false;
}

/* Windows count from one run only, the one that has most: every run of a target brings its own
 * copy of the same ones. */
static rv_status collect_windows(rv_story *story, rv_arena *arena, rv_error *err)
{
    const rv_run *richest = NULL;
    size_t most = 0;
    for (size_t r = 0; r < story->run_count; r++) {
        size_t windows = 0;
        for (size_t i = 0; i < story->runs[r]->example_count; i++)
            windows += is_kind(&story->runs[r]->examples[i], "window");
        if (windows > most) {
            most = windows;
            richest = story->runs[r];
        }
    }
    story->windows = rv_arena_alloc(arena, most, sizeof *story->windows);
    story->window_points = rv_arena_alloc(arena, most, sizeof *story->window_points);
    if (!story->windows || !story->window_points) return rv_fail_memory(err, most);
    for (size_t i = 0;
         richest && i < richest->example_count && story->window_count < WINDOWS_MAX; i++) {
        const rv_example_record *window = &richest->examples[i];
        if (!is_kind(window, "window") || has_window(story, window)) continue;
        story->window_points[story->window_count] =
            (rv_point){window->activation, window->cross_entropy};
        story->windows[story->window_count++] = window;
    }
    return RV_OK;
}

static void look_at_corpus(rv_story *story)
{
    story->median = NAN;
    for (size_t r = 0; r < story->run_count; r++) {
        const rv_run *run = story->runs[r];
        for (size_t i = 0; i < run->example_count; i++)
            if (is_kind(&run->examples[i], "top")) add_example(story, &run->examples[i]);
        if (!story->quantiles && run->quantiles.positions) story->quantiles = &run->quantiles;
        if (isnan(story->median)) story->median = run->quantiles.cross_entropy_50;
    }
    for (size_t i = 0; story->example_count == 0 && i < story->window_count; i++)
        add_example(story, story->windows[i]);
}

/* ---- the dreams ------------------------------------------------------------------------------ */

/* The best of the dreams that their runs call the headline; if none does, of all of them. The
 * naive ones come into question only where there are no others. */
static rv_status choose_headline(rv_story *story, rv_arena *arena, rv_error *err)
{
    size_t all = 0;
    for (size_t r = 0; r < story->run_count; r++) all += story->runs[r]->dream_count;
    rv_point *points = rv_arena_alloc(arena, all, sizeof *points);
    const rv_dream_record **dreams = rv_arena_alloc(arena, all, sizeof *dreams);
    const rv_run **owners = rv_arena_alloc(arena, all, sizeof *owners);
    if (!points || !dreams || !owners) return rv_fail_memory(err, all * sizeof *points);
    // Round 0: headlines of serious methods; 1: their other dreams; 2: whatever there is.
    for (int round = 0; round < 3 && !story->headline; round++) {
        size_t n = 0;
        for (size_t r = 0; r < story->run_count; r++)
            for (size_t i = 0; i < story->runs[r]->dream_count; i++) {
                const rv_dream_record *dream = &story->runs[r]->dreams[i];
                if (round < 2 && rv_is_naive(dream->method)) continue;
                if (round == 0 && !dream->headline) continue;
                points[n] = (rv_point){dream->activation, dream->cross_entropy};
                owners[n] = story->runs[r];
                dreams[n++] = dream;
            }
        size_t best =
            rv_choose_headline(points, n, isnan(story->median) ? INFINITY : story->median);
        if (best == RV_NOT_FOUND) continue;
        story->headline = dreams[best];
        story->run = owners[best];
    }
    return RV_OK;
}

/* The dreams that the headline's run ranks as diverse; if it ranks none, our own choice from its
 * frontier. */
static rv_status choose_others(rv_story *story, rv_arena *arena, rv_error *err)
{
    const rv_run *run = story->run;
    size_t n = run->dream_count, picked[RV_STORY_OTHERS];
    for (uint64_t rank = 1; rank <= RV_STORY_OTHERS; rank++)
        for (size_t i = 0; i < n; i++)
            if (run->dreams[i].diverse == rank && &run->dreams[i] != story->headline &&
                story->other_count < RV_STORY_OTHERS)
                story->others[story->other_count++] = &run->dreams[i];
    if (story->other_count || !story->headline) return RV_OK;
    rv_point *points = rv_run_points(arena, run);
    size_t *frontier = rv_arena_alloc(arena, n, sizeof *frontier);
    if (!points || !frontier) return rv_fail_memory(err, n * sizeof *points);
    size_t found = rv_non_dominated(frontier, points, n);
    if (found == RV_NOT_FOUND) return rv_fail_memory(err, n * sizeof *points);
    story->other_count = rv_choose_diverse(picked, RV_STORY_OTHERS, run->dreams, frontier,
                                           found, (size_t)(story->headline - run->dreams));
    for (size_t i = 0; i < story->other_count; i++) story->others[i] = &run->dreams[picked[i]];
    return RV_OK;
}

static void choose_naive(rv_story *story)
{
    for (size_t r = 0; r < story->run_count; r++)
        for (size_t i = 0; i < story->runs[r]->dream_count; i++) {
            const rv_dream_record *dream = &story->runs[r]->dreams[i];
            if (!rv_is_naive(dream->method) || dream == story->headline) continue;
            if (!story->naive || dream->activation > story->naive->activation)
                story->naive = dream;
        }
}

/* The attribution of the headline, in whichever run it stands; the chosen explanation, or else
 * the first that is no baseline. */
static void find_companions(rv_story *story)
{
    for (size_t r = 0; r < story->run_count; r++) {
        const rv_run *run = story->runs[r];
        for (size_t i = 0; story->headline && i < run->attribution_count; i++)
            if (same_text(run->attributions[i].text, story->headline->text))
                story->attribution = &run->attributions[i];
        for (size_t i = 0; i < run->explanation_count; i++) {
            const rv_explanation_record *e = &run->explanations[i];
            if (e->baseline) continue;
            if (!story->explanation || (e->chosen && !story->explanation->chosen))
                story->explanation = e;
        }
    }
}

static void heat_up(double *scale, const rv_token_entry *tokens, size_t count, double sign)
{
    for (size_t i = 0; i < count; i++)
        if (isfinite(tokens[i].value)) *scale = fmax(*scale, sign * tokens[i].value);
}

static void find_scale(rv_story *story)
{
    double sign = story->run->about.target.sign, *scale = &story->scale;
    if (story->headline)
        heat_up(scale, story->headline->tokens, story->headline->token_count, sign);
    for (size_t i = 0; i < story->other_count; i++)
        heat_up(scale, story->others[i]->tokens, story->others[i]->token_count, sign);
    for (size_t i = 0; i < story->example_count; i++)
        heat_up(scale, story->examples[i]->tokens, story->examples[i]->token_count, sign);
}

rv_status rv_stories_tell(rv_stories *out, const rv_runs *runs, rv_error *err)
{
    *out = (rv_stories){0};
    rv_status status;
    RV_GOTO(group_runs(out, runs, err));
    RV_GOTO(list_methods(out, runs, err));
    for (size_t i = 0; i < out->count; i++) {
        rv_story *story = &out->items[i];
        RV_GOTO(collect_windows(story, &out->arena, err));
        look_at_corpus(story);
        RV_GOTO(choose_headline(story, &out->arena, err));
        RV_GOTO(choose_others(story, &out->arena, err));
        choose_naive(story);
        find_companions(story);
        find_scale(story);
    }
    return RV_OK;
done:
    rv_stories_release(out);
    return status;
}

void rv_stories_release(rv_stories *stories)
{
    rv_arena_release(&stories->arena);
    *stories = (rv_stories){0};
}
