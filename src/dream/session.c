/* A dream from what a user asks for to the records of what was found. */
#include "reverie/dream.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "corpus/pool.h"
#include "dream/session.h"

rv_dream_params rv_dream_params_default(void)
{
    return (rv_dream_params){.size = sizeof(rv_dream_params),
                             .method = "reverie",
                             .seed = 1,
                             .budget = 60000,
                             .least = 12,
                             .most = 12,
                             .attribution = true};
}

const char *rv_dream_method(size_t index, const char **summary)
{
    const rv_dreamer *d = NULL;
    for (size_t i = 0; i <= index; i++)
        if (!(d = rv_dreamers[i])) return NULL;
    if (summary) *summary = d->summary;
    return d->name;
}

bool rv_dream_pulse(void *context)
{
    rv_dreaming *d = context;
    if (d->cancelled || !d->params->progress) return true;
    rv_progress event = d->told;
    if (!event.what) event = (rv_progress){.what = "judging the corpus"};
    d->cancelled = !d->params->progress(d->params->progress_context, &event);
    return !d->cancelled;
}

/* What random windows of the corpus cost, and what the strongest do as prompts of their own. */
static rv_status judge_windows(rv_dreaming *d, rv_error *err)
{
    rv_search *judge = NULL;
    rv_search_params params = d->search_params;
    params.journal = NULL;
    params.as_published = false;
    RV_TRY(rv_dream_learn_fluency(d, &params, err));
    d->window_count = d->start_count - d->first_window;
    RV_TRY(RV_NEW(d->windows, d->window_count ? d->window_count : 1, err));
    for (size_t i = 0; i < d->window_count; i++) {
        const rv_ids_view *at = &d->starts[d->first_window + i];
        d->windows[i] =
            (rv_candidate){.ids = (int32_t *)at->items, .length = at->count, .parent = -1};
    }
    rv_status status = rv_search_new(&judge, &d->problem, &params, 0, 256, err);
    if (status == RV_OK) status = rv_search_judge(judge, d->windows, d->window_count, err);
    rv_search_free(judge);
    return status;
}

/* Spent on the search, before a resumption too. */
static double seconds_of(const rv_dreaming *d)
{
    return d->output.before_seconds + rv_seconds() - d->started;
}

static bool on_step(void *context, const rv_search *search)
{
    rv_dreaming *d = context;
    char note[128];
    size_t memory = rv_search_planned(search)->bytes >> 20;
    double best = rv_front_best(&search->front, d->fluency_50);
    if (isfinite(best))
        snprintf(note, sizeof note, "area %.2f, fluent best %.2f, memory %zu MiB",
                 rv_front_area(&search->front), best, memory);
    else
        snprintf(note, sizeof note, "area %.2f, memory %zu MiB", rv_front_area(&search->front),
                 memory);
    rv_progress event = {"dreaming", "tokens", note, (double)search->work.forward,
                         (double)search->params.budget};
    if (d->params->progress && !d->params->progress(d->params->progress_context, &event))
        d->cancelled = true;
    d->told = event;
    d->told.note = NULL;
    if (rv_record_trajectory(d, search, seconds_of(d), &d->record_error) != RV_OK)
        d->record_failed = true;
    return !d->cancelled && !d->record_failed;
}

/* The published search scores without BOS, and children may be judged in bf16; what was found is judged again as
 * it should be. */
static rv_status search(rv_dreaming *d, rv_search **out, rv_error *err)
{
    rv_search_params params = d->search_params;
    d->bare = d->problem;
    params.step = on_step;
    params.context = d;
    params.journal = d->output.journal;
    params.run = d->output.identity;
    params.narrow = d->narrow;
    d->bare.prefix =
        (rv_ids_view){d->prefix.items + (d->bos >= 0), d->prefix.count - (d->bos >= 0)};
    RV_TRY(rv_search_new(out, d->params->as_published ? &d->bare : &d->problem, &params,
                         d->dreamer->members, d->dreamer->children, err));
    d->started = rv_seconds();
    rv_status status = d->dreamer->run(*out, err);
    if (status == RV_OK) status = rv_search_failure(*out, err);
    d->seconds = seconds_of(d);
    if (status == RV_ERR_CANCELLED && d->cancelled) status = RV_OK;
    if (status != RV_OK || !d->record_failed) return status;
    return rv_fail(err, d->record_error.status, "%s", d->record_error.message);
}

/* Searches and records. A search that failed, on a full disk for one, still gives what it had found. */
static rv_status dream(rv_dreaming *d, rv_error *err)
{
    rv_search *found = NULL;
    rv_error local;
    if (!err) err = &local;
    RV_TRY(judge_windows(d, err));
    RV_TRY(rv_output_begin(d, err));
    rv_status status = rv_record_open(d, err);
    if (status == RV_OK) status = search(d, &found, err);
    d->failed = status != RV_OK;
    d->output.discard = status == RV_ERR_USAGE;
    if (d->output.discard) d->lines.length = 0;
    if (found && !d->output.discard) {
        rv_error second;
        rv_status recorded = rv_record_results(d, found, d->failed ? &second : err);
        if (!d->failed) status = recorded;
    }
    rv_search_free(found);
    if (status == RV_ERR_IO && d->output.path)
        rv_context(err, status, "dreaming stopped (--resume goes on)");
    if (status == RV_OK && d->cancelled)
        status =
            rv_fail(err, RV_ERR_CANCELLED, "dreaming was interrupted; what was found is kept");
    return status;
}

static void release(rv_dreaming *d)
{
    rv_target_release(&d->target);
    rv_ids_release(&d->prefix);
    rv_ids_release(&d->suffix);
    for (size_t i = 0; d->prompt_ids && i < d->params->prompt_count; i++)
        rv_ids_release(&d->prompt_ids[i]);
    free(d->prompt_ids);
    free(d->forbidden);
    free(d->starts);
    free(d->allowed);
    free(d->windows);
    free(d->prefix_text);
    free(d->suffix_text);
    rv_text_autoencoder_free(d->autoencoder);
    rv_sentence_pool_free(d->sentences);
    free(d->corpus_name);
    free(d->own_corpus);
    rv_pass_free(d->second_pass);
    rv_ids_release(&d->second_ids);
    if (d->stats) rv_corpus_stats_free(d->stats, 1);
    rv_output_release(&d->output);
    rv_text_release(&d->lines);
}

rv_status rv_dream_run(rv_dreams *out, rv_model *model, const char *target,
                       const rv_dream_params *params, rv_error *err)
{
    *out = (rv_dreams){0};
    rv_dreaming d = {.model = model, .params = params};
    rv_status status;
    RV_GOTO(rv_output_open(&d, err));
    RV_GOTO(rv_dream_set_up(&d, target, err));
    RV_GOTO(rv_record_identity(d.output.identity, &d, err));
    RV_GOTO(rv_output_recall(&d, err));
    if (!d.output.whole) status = dream(&d, err);
    if (d.lines.length) {
        out->length = d.lines.length;
        out->records = rv_text_take(&d.lines);
    }
done:
    release(&d);
    return status;
}

void rv_dreams_release(rv_dreams *dreams)
{
    free(dreams->records);
    *dreams = (rv_dreams){0};
}
