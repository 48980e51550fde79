#include "report/data.h"

#include <math.h>

#include "record/json.h"

enum { STAGES = 8 };

/* An object under construction: a failure is remembered and looked at once, at the end. */
typedef struct builder {
    json_t *json;
    bool failed;
} builder;

static builder begin(void)
{
    json_t *json = json_object();
    return (builder){json, !json};
}

/* Takes the value over; NULL is a failure. */
static void set(builder *b, const char *key, json_t *value)
{
    if (!value || b->failed || json_object_set_new(b->json, key, value) != 0) b->failed = true;
}

static void append(builder *b, json_t *list, json_t *value)
{
    if (!value || !list || json_array_append_new(list, value) != 0) b->failed = true;
}

/* Left out where it is not finite. */
static void set_number(builder *b, const char *key, double value)
{
    if (isfinite(value)) set(b, key, json_real(value));
}

static void set_count(builder *b, const char *key, uint64_t count)
{
    set(b, key, json_integer((json_int_t)count));
}

static json_t *end(builder *b, rv_error *err)
{
    if (!b->failed) return b->json;
    json_decref(b->json);
    if (err->status == RV_OK) rv_fail_memory(err, 0);
    return NULL;
}

static json_t *without_type(json_t *record)
{
    if (record) {
        json_object_del(record, "type");
        json_object_del(record, "v");
    }
    return record;
}

static json_t *dream_json(const rv_dream_record *dream, size_t run, rv_error *err)
{
    json_t *json = without_type(rv_dream_to_json(dream, err));
    if (json && json_object_set_new(json, "run", json_integer((json_int_t)run)) == 0)
        return json;
    json_decref(json);
    return NULL;
}

static size_t run_of(const rv_story *story, const rv_dream_record *dream)
{
    for (size_t r = 0; r < story->run_count; r++) {
        const rv_run *run = story->runs[r];
        if (run->dream_count && dream >= run->dreams && dream < run->dreams + run->dream_count)
            return r;
    }
    return 0;
}

static void set_best(builder *b, const double best[RV_COMPARE_BESTS])
{
    static const char *const keys[RV_COMPARE_BESTS] = {"4", "5", "6", "9"};
    builder inner = begin();
    for (int i = 0; i < RV_COMPARE_BESTS; i++) set_number(&inner, keys[i], best[i]);
    b->failed |= inner.failed;
    set(b, "best", inner.json);
}

static json_t *figures_json(const rv_run_figures *f, rv_error *err)
{
    builder b = begin();
    set_best(&b, f->best);
    set_number(&b, "area", f->area);
    set_number(&b, "seconds", f->seconds);
    set_count(&b, "forward_tokens", f->forward_tokens);
    set_number(&b, "reach", f->reach);
    if (f->judged) {
        set(&b, "wins_4", json_boolean(f->wins_4));
        set(&b, "wins_6", json_boolean(f->wins_6));
        set(&b, "wins_published", json_boolean(f->wins_published));
    }
    return end(&b, err);
}

static json_t *run_json(const rv_run *run, const rv_compare *compare, rv_error *err)
{
    builder b = {without_type(rv_run_to_json(&run->about, err)), false};
    if (!b.json) return NULL;
    set(&b, "label", rv_string_to_json(RV_STRING(run->label)));
    set(&b, "file", rv_string_to_json(RV_STRING(run->file)));
    set_count(&b, "dreams", run->dream_count);
    if (run->end.status) set(&b, "end", without_type(rv_end_to_json(&run->end, err)));
    for (size_t i = 0; i < compare->run_count; i++)
        if (compare->runs[i].run == run)
            set(&b, "figures", figures_json(&compare->runs[i], err));
    json_t *notes = json_array();
    for (size_t i = 0; i < run->note_count; i++)
        append(&b, notes, rv_string_to_json(run->notes[i].text));
    set(&b, "notes", notes);
    return end(&b, err);
}

/* Some moments of the headline's run, evenly spaced in its records. */
static json_t *stages_json(builder *owner, const rv_run *run, rv_error *err)
{
    json_t *list = json_array();
    size_t n = run->trajectory_count, shown = n < STAGES ? n : STAGES;
    for (size_t i = 0; i < shown; i++) {
        size_t at = shown < 2 ? 0 : i * (n - 1) / (shown - 1);
        append(owner, list, without_type(rv_trajectory_to_json(&run->trajectory[at], err)));
    }
    return list;
}

static json_t *points_json(builder *owner, const rv_figures *figures, rv_error *err)
{
    json_t *list = json_array();
    for (size_t i = 0; i < figures->mark_count; i++) {
        const rv_mark *mark = &figures->marks[i];
        append(owner, list,
               mark->dream ? dream_json(mark->dream, mark->run, err)
                           : without_type(rv_example_to_json(mark->window, err)));
    }
    return list;
}

static void set_dreams(builder *b, const rv_story *story, rv_error *err)
{
    if (story->headline)
        set(b, "headline", dream_json(story->headline, run_of(story, story->headline), err));
    json_t *others = json_array();
    for (size_t i = 0; i < story->other_count; i++)
        append(b, others, dream_json(story->others[i], run_of(story, story->others[i]), err));
    set(b, "others", others);
    if (story->naive)
        set(b, "naive", dream_json(story->naive, run_of(story, story->naive), err));
}

static void set_corpus(builder *b, const rv_story *story, rv_error *err)
{
    json_t *examples = json_array();
    for (size_t i = 0; i < story->example_count; i++)
        append(b, examples, without_type(rv_example_to_json(story->examples[i], err)));
    set(b, "examples", examples);
    if (story->quantiles)
        set(b, "quantiles", without_type(rv_quantiles_to_json(story->quantiles, err)));
    set_number(b, "median", story->median);
    set_number(b, "strongest_window",
               rv_best_at(story->window_points, story->window_count, INFINITY));
}

static void set_explanations(builder *b, const rv_story *story, rv_error *err)
{
    json_t *list = json_array();
    for (size_t r = 0; r < story->run_count; r++)
        for (size_t i = 0; i < story->runs[r]->explanation_count; i++) {
            const rv_explanation_record *e = &story->runs[r]->explanations[i];
            json_t *json = without_type(rv_explanation_to_json(e, err));
            if (json)
                json_object_set_new(json, "chosen", json_boolean(e == story->explanation));
            append(b, list, json);
        }
    set(b, "explanations", list);
}

static json_t *subject_json(const rv_story *story, const rv_figures *figures,
                            const rv_compare *compare, rv_error *err)
{
    builder b = begin();
    json_t *runs = json_array();
    for (size_t r = 0; r < story->run_count; r++)
        append(&b, runs, run_json(story->runs[r], compare, err));
    set(&b, "runs", runs);
    set_count(&b, "run", story->headline ? run_of(story, story->headline) : 0);
    set(&b, "model", rv_string_to_json(RV_STRING(rv_model_title(&story->run->about.model))));
    set_number(&b, "scale", story->scale);
    set_dreams(&b, story, err);
    set_corpus(&b, story, err);
    if (story->attribution)
        set(&b, "attribution", without_type(rv_attribution_to_json(story->attribution, err)));
    set_explanations(&b, story, err);
    set(&b, "stages", stages_json(&b, story->run, err));
    set(&b, "points", points_json(&b, figures, err));
    return end(&b, err);
}

static json_t *row_json(const rv_compare_row *row, rv_error *err)
{
    builder b = begin();
    set(&b, "method", rv_string_to_json(RV_STRING(row->method)));
    set_count(&b, "budget", row->budget);
    set_count(&b, "runs", row->runs);
    set_count(&b, "targets", row->targets);
    set_best(&b, row->best);
    set_number(&b, "area", row->area);
    set_number(&b, "wins_4", row->wins_4);
    set_number(&b, "wins_6", row->wins_6);
    set_number(&b, "wins_published", row->wins_published);
    set_number(&b, "spread", row->spread);
    set_number(&b, "seconds", row->seconds);
    if (row->timed) {
        set_number(&b, "reach", row->reach);
        set_number(&b, "reaches", row->reaches);
    }
    return end(&b, err);
}

json_t *rv_compare_to_json(const rv_compare *compare, rv_error *err)
{
    err->status = RV_OK;
    builder b = begin();
    json_t *rows = json_array();
    set(&b, "type", json_string("comparison"));
    set_count(&b, "v", RV_RECORD_VERSION);
    for (size_t i = 0; i < compare->row_count; i++)
        append(&b, rows, row_json(&compare->rows[i], err));
    set(&b, "rows", rows);
    return end(&b, err);
}

json_t *rv_report_to_json(const rv_stories *stories, const rv_figures *figures,
                          const rv_compare *compare, rv_error *err)
{
    err->status = RV_OK;
    builder b = begin();
    json_t *subjects = json_array(), *rows = json_array(), *methods = json_array();
    set(&b, "type", json_string("report"));
    set_count(&b, "v", RV_RECORD_VERSION);
    set(&b, "version", json_string(RV_VERSION_STRING));
    for (size_t i = 0; i < stories->count; i++)
        append(&b, subjects, subject_json(&stories->items[i], &figures[i], compare, err));
    for (size_t i = 0; i < compare->row_count; i++)
        append(&b, rows, row_json(&compare->rows[i], err));
    for (size_t m = 0; m < stories->method_count; m++)
        append(&b, methods, rv_string_to_json(RV_STRING(stories->methods[m])));
    set(&b, "methods", methods);
    set(&b, "subjects", subjects);
    set(&b, "rows", rows);
    return end(&b, err);
}
