#include "corpus/survey.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "corpus/survey_state.h"
#include "corpus/windows.h"

enum { BLOCK = 64, LANES = 16, TOP_MAX = 1000 }; /* neurons of a task; compared at a time */

typedef struct surveyor {
    rv_survey_sums sums;
    rv_survey_state *state;
    const rv_transformer *model;
    const rv_corpus_options *options;
    rv_windows windows;
    rv_pass *pass;
    real *above, *below; /* (layers, neurons): what a value must exceed to be kept */
} surveyor;

static rv_status allocate(surveyor *s, rv_error *err)
{
    const rv_config *c = &s->model->config;
    size_t top = s->options->top, all = c->layers * c->mlp_width;
    if (top == 0 || top > TOP_MAX)
        return rv_fail(err, RV_ERR_USAGE,
                       "survey: places of a neuron: expected 1 to %d, found %zu", TOP_MAX, top);
    RV_TRY(RV_NEW(s->sums.survey, 1, err));
    *s->sums.survey = (rv_survey){.layers = c->layers, .neurons = c->mlp_width, .top = top};
    RV_TRY(RV_NEW(s->sums.survey->mean, all, err));
    RV_TRY(RV_NEW(s->sums.survey->deviation, all, err));
    RV_TRY(RV_NEW(s->sums.survey->high, all * top, err));
    RV_TRY(RV_NEW(s->sums.survey->low, all * top, err));
    RV_TRY(RV_NEW(s->above, all, err));
    RV_TRY(RV_NEW(s->below, all, err));
    RV_TRY(RV_NEW(s->sums.sum, all, err));
    RV_TRY(RV_NEW(s->sums.squares, all, err));
    for (size_t n = 0; n < all; n++) s->above[n] = -INFINITY, s->below[n] = INFINITY;
    for (size_t i = 0; i < all * top; i++)
        s->sums.survey->high[i].f = -INFINITY, s->sums.survey->low[i].f = INFINITY;
    rv_pass_options options = {.rows = rv_windows_rows(&s->windows),
                               .sequences = s->windows.room,
                               .positions = s->options->window,
                               .threads = s->options->threads,
                               .narrow = s->options->narrow};
    return rv_pass_new(&s->pass, s->model, &options, err);
}

static void release(surveyor *s)
{
    rv_windows_release(&s->windows);
    rv_pass_free(s->pass);
    free(s->above);
    free(s->below);
    free(s->sums.sum);
    free(s->sums.squares);
}

/* Into a list sorted by sign * f; the earlier of equal ones stays in front. Returns the weakest kept. */
static real insert(rv_place *list, size_t top, float sign, rv_place place)
{
    size_t at = top - 1;
    for (; at > 0 && sign * place.f > sign * list[at - 1].f; at--) list[at] = list[at - 1];
    list[at] = place;
    return (real)list[top - 1].f;
}

/* LANES neurons at one row: sums, and whether any is stronger than what is kept. */
static bool add_lanes(real *restrict sum, real *restrict squares, const real *restrict x,
                      const real *restrict above, const real *restrict below)
{
    int any = 0; // of the width of a float: so that compilers vectorise it
    for (size_t j = 0; j < LANES; j++) {
        sum[j] += x[j];
        squares[j] += x[j] * x[j];
        any |= (x[j] > above[j]) | (x[j] < below[j]);
    }
    return any;
}

/* Neurons [n, n + count) of all, whose values at one row are x. */
static void keep_places(surveyor *s, const real *x, size_t n, size_t count, rv_place place)
{
    size_t top = s->sums.survey->top;
    for (size_t k = 0; k < count; k++) {
        place.f = (float)x[k];
        if (x[k] > s->above[n + k])
            s->above[n + k] = insert(s->sums.survey->high + (n + k) * top, top, 1, place);
        if (x[k] < s->below[n + k])
            s->below[n + k] = insert(s->sums.survey->low + (n + k) * top, top, -1, place);
    }
}

/* Sums over a window in float, over windows in double. */
static void take_block(surveyor *s, const real *post, size_t layer, size_t first, size_t count)
{
    const rv_windows *w = &s->windows;
    size_t F = s->sums.survey->neurons, n = layer * F + first, row = 0;
    for (size_t i = 0; i < w->count; row += w->lengths[i], i++) {
        real sum[BLOCK] = {0}, squares[BLOCK] = {0};
        for (size_t p = s->options->skip; p < w->lengths[i]; p++) {
            const real *x = post + (row + p) * F + first;
            rv_place place = {.offset = w->offsets[i * s->options->window + p],
                              .file = w->files[i]};
            size_t j = 0;
            for (; j + LANES <= count; j += LANES)
                if (add_lanes(sum + j, squares + j, x + j, s->above + n + j, s->below + n + j))
                    keep_places(s, x + j, n + j, LANES, place);
            keep_places(s, x + j, n + j, count - j, place);
            for (; j < count; j++) sum[j] += x[j], squares[j] += x[j] * x[j];
        }
        for (size_t j = 0; j < count; j++)
            s->sums.sum[n + j] += (double)sum[j], s->sums.squares[n + j] += (double)squares[j];
    }
}

static void take_layer(surveyor *s, size_t layer)
{
    const real *post = rv_pass_mlp_post(s->pass);
    size_t F = s->sums.survey->neurons, blocks = (F + BLOCK - 1) / BLOCK;
    int threads = s->options->threads > 0 ? s->options->threads : 1;
#pragma omp parallel for num_threads(threads)
    for (size_t b = 0; b < blocks; b++) {
        size_t first = b * BLOCK, count = first + BLOCK < F ? BLOCK : F - first;
        take_block(s, post, layer, first, count);
    }
}

static bool wanted(const surveyor *s, const char *what)
{
    const rv_corpus_options *o = s->options;
    rv_progress event = {what, "tokens", NULL, (double)s->windows.tokens, (double)o->tokens};
    return !o->progress || o->progress(o->progress_context, &event);
}

/* Behind what an interrupted survey has read, with what it had found there. */
static rv_status go_on(surveyor *s, rv_error *err)
{
    rv_survey *out = s->sums.survey;
    bool found;
    RV_TRY(rv_survey_state_load(&found, s->state, &s->sums, err));
    for (size_t n = 0; found && n < out->layers * out->neurons; n++) {
        s->above[n] = (real)out->high[(n + 1) * out->top - 1].f;
        s->below[n] = (real)out->low[(n + 1) * out->top - 1].f;
    }
    while (s->windows.next < s->sums.windows) {
        RV_TRY(rv_windows_read(&s->windows, err));
        if (s->windows.count == 0) break;
        if (!wanted(s, "finding where the survey stopped"))
            return rv_fail(err, RV_ERR_CANCELLED, "the survey was cancelled");
    }
    out->tokens = s->windows.tokens;
    return s->windows.next == s->sums.windows
               ? RV_OK
               : rv_fail(err, RV_ERR_FORMAT,
                         "%s: expected %llu windows of the corpus, found another batch at %llu",
                         s->state->path, (unsigned long long)s->sums.windows,
                         (unsigned long long)s->windows.next);
}

/* Cancelled: what was read is kept, where there is a place for it. */
static rv_status stop(surveyor *s, rv_error *err)
{
    rv_error why;
    if (!s->state->path) return rv_fail(err, RV_ERR_CANCELLED, "the survey was cancelled");
    if (rv_survey_state_save(s->state, &s->sums, &why) == RV_OK)
        return rv_fail(err, RV_ERR_CANCELLED,
                       "the survey was cancelled; the same command goes on from %s",
                       s->state->path);
    return rv_fail(err, RV_ERR_CANCELLED,
                   "the survey was cancelled, and what it read could not be kept: %s",
                   why.message);
}

static rv_status run(surveyor *s, rv_error *err)
{
    rv_survey *out = s->sums.survey;
    rv_error ignored; // a state that cannot be saved is no reason to stop
    RV_TRY(go_on(s, err));
    for (s->state->saved = rv_seconds();;) {
        RV_TRY(rv_windows_read(&s->windows, err));
        if (s->windows.count == 0) return RV_OK;
        RV_TRY(rv_pass_begin(s->pass, s->windows.sequences, s->windows.count, NULL, 0, err));
        for (size_t layer = 0; layer < out->layers; layer++) {
            rv_pass_forward(s->pass, layer + 1);
            take_layer(s, layer);
        }
        for (size_t i = 0; i < s->windows.count; i++)
            if (s->windows.lengths[i] > s->options->skip)
                out->positions += s->windows.lengths[i] - s->options->skip;
        out->tokens = s->windows.tokens;
        s->sums.windows = s->windows.next;
        if (rv_survey_state_due(s->state)) rv_survey_state_save(s->state, &s->sums, &ignored);
        if (!wanted(s, "surveying the corpus")) return stop(s, err);
    }
}

static rv_status summarise(surveyor *s, rv_error *err)
{
    rv_survey *out = s->sums.survey;
    double positions = (double)out->positions;
    if (out->positions == 0)
        return rv_fail(
            err, RV_ERR_USAGE,
            "corpus: expected at least %zu tokens in a row, found none; give a longer text",
            s->options->skip + 1);
    out->kept = out->positions < out->top ? (size_t)out->positions : out->top;
    for (size_t n = 0; n < out->layers * out->neurons; n++) {
        double mean = s->sums.sum[n] / positions,
               variance = s->sums.squares[n] / positions - mean * mean;
        out->mean[n] = mean;
        out->deviation[n] = variance > 0 ? sqrt(variance) : 0;
        if (!isfinite(mean) || !isfinite(variance))
            return rv_fail(err, RV_ERR_NUMERIC,
                           "corpus: expected finite values of L%zu.N%zu, found others; the "
                           "weights may be damaged",
                           n / out->neurons, n % out->neurons);
    }
    return RV_OK;
}

rv_status rv_survey_new(rv_survey **out, const rv_corpus *corpus, const rv_transformer *model,
                        const rv_tokenizer *tokenizer, const rv_corpus_options *options,
                        rv_survey_state *state, rv_error *err)
{
    *out = NULL;
    surveyor s = {.state = state, .model = model, .options = options};
    rv_status status =
        rv_windows_init(&s.windows, corpus, tokenizer, options, &model->config, err);
    if (status == RV_OK) status = allocate(&s, err);
    if (status == RV_OK) status = run(&s, err);
    if (status == RV_OK) status = summarise(&s, err);
    release(&s);
    if (status == RV_OK)
        *out = s.sums.survey;
    else
        rv_survey_free(s.sums.survey);
    return status;
}

void rv_survey_free(rv_survey *survey)
{
    if (!survey) return;
    free(survey->mean);
    free(survey->deviation);
    free(survey->high);
    free(survey->low);
    free(survey);
}

const rv_place *rv_survey_high(const rv_survey *s, size_t layer, size_t neuron)
{
    return s->high + (layer * s->neurons + neuron) * s->top;
}

const rv_place *rv_survey_low(const rv_survey *s, size_t layer, size_t neuron)
{
    return s->low + (layer * s->neurons + neuron) * s->top;
}
