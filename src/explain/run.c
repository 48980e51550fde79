/* include/reverie/explain.h: evidence gathered, models to talk to, records written. */
#include "explain/explaining.h"
#include "explain/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/output.h"
#include "explain/chat_local.h"
#include "explain/explained.h"
#include "explain/explaining.h"
#include "explain/run.h"
#include "explain/simulate.h"
#include "record/run.h"

rv_explain_params rv_explain_params_default(void)
{
    rv_explain_plan p = rv_explain_plan_default();
    rv_chat_options c = rv_chat_options_default();
    return (rv_explain_params){.size = sizeof(rv_explain_params),
                               .style = "pairs",
                               .show = "both",
                               .scorers = "simulation,detection,fuzzing,rating",
                               .baselines = p.baselines,
                               .candidates = p.candidates,
                               .revisions = p.revisions,
                               .dreams = p.dreams,
                               .seed = p.bootstrap.seed,
                               .resamples = p.bootstrap.resamples,
                               .temperature = p.temperature,
                               .answer_tokens = p.answer_tokens,
                               .timeout = c.timeout,
                               .retries = c.retries};
}

/* ---- options --------------------------------------------------------------------------------- */
static rv_status parse_style(rv_style *out, const char *name, rv_error *err)
{
    for (*out = RV_STYLE_PAIRS; rv_style_name(*out); ++*out)
        if (strcmp(name, rv_style_name(*out)) == 0) return RV_OK;
    return rv_fail(err, RV_ERR_USAGE, "style: expected pairs or maxima, found '%s'", name);
}

static rv_status parse_scorers(unsigned *out, const char *list, rv_error *err)
{
    static const struct {
        const char *name;
        unsigned flag;
    } names[] = {{"simulation", RV_SCORE_SIMULATION},
                 {"detection", RV_SCORE_DETECTION},
                 {"fuzzing", RV_SCORE_FUZZING},
                 {"rating", RV_SCORE_RATING},
                 {"all", RV_SCORE_ALL}};
    *out = 0;
    for (const char *p = list; *p; p += *p == ',') {
        size_t length = strcspn(p, ","), i = 0, count = sizeof names / sizeof names[0];
        while (i < count &&
               (strlen(names[i].name) != length || strncmp(p, names[i].name, length) != 0))
            i++;
        if (i == count)
            return rv_fail(
                err, RV_ERR_USAGE,
                "scorers: expected simulation, detection, fuzzing, rating or all, found "
                "'%.*s'",
                (int)length, p);
        *out |= names[i].flag;
        p += length;
    }
    return RV_OK;
}

static rv_status make_params(rv_explain_plan *out, const rv_explain_params *o, rv_error *err)
{
    *out = rv_explain_plan_default();
    RV_TRY(parse_style(&out->style, o->style, err));
    RV_TRY(parse_scorers(&out->scorers, o->scorers, err));
    out->from_corpus = strcmp(o->show, "corpus") == 0 || strcmp(o->show, "both") == 0;
    out->from_dreams = strcmp(o->show, "dreams") == 0 || strcmp(o->show, "both") == 0;
    if (!out->from_corpus && !out->from_dreams)
        return rv_fail(err, RV_ERR_USAGE, "show: expected corpus, dreams or both, found '%s'",
                       o->show);
    if (o->candidates + o->given_count == 0 || o->candidates > 1000)
        return rv_fail(err, RV_ERR_USAGE, "candidates: expected 1 to 1000, found %llu",
                       (unsigned long long)o->candidates);
    if (o->seed > INT64_MAX - 1000000 || o->resamples > 1000000 || o->per_split > 1000000 ||
        o->answer_tokens > 1000000 || o->extra_tokens > 1000000)
        return rv_fail(err, RV_ERR_USAGE, "a number in the options is too large");
    out->given = o->given;
    out->given_count = o->given_count;
    out->candidates = (size_t)o->candidates;
    out->revisions = (size_t)o->revisions;
    out->per_split = (size_t)o->per_split;
    out->dreams = (size_t)o->dreams;
    out->written = o->written;
    out->baselines = o->baselines;
    out->other = o->other;
    out->temperature = o->temperature;
    out->answer_tokens = (size_t)o->answer_tokens;
    out->extra_tokens = (size_t)o->extra_tokens;
    out->bootstrap = (rv_bootstrap){(size_t)o->resamples, o->seed};
    out->progress = o->progress;
    out->progress_context = o->progress_context;
    return RV_OK;
}

/* ---- models to talk to ----------------------------------------------------------------------- */
static rv_status open_chat(rv_chat **out, rv_model_shelf *shelf, const char *place,
                           const rv_explain_params *o, rv_error *err)
{
    static const char local[] = "local:";
    rv_chat_options options = rv_chat_options_default();
    options.budget_requests = (size_t)o->budget_requests;
    options.budget_tokens = (size_t)o->budget_tokens;
    options.dry_run = o->dry_run;
    options.show = o->show_prompt;
    options.show_context = o->show_context;
    options.key = o->key;
    options.cache_folder = o->cache_folder;
    options.no_cache = o->no_cache;
    options.notice = o->notice;
    options.notice_context = o->notice_context;
    options.timeout = o->timeout;
    options.retries = o->retries;
    options.progress = o->progress;
    options.progress_context = o->progress_context;
    if (strncmp(place, local, sizeof local - 1) != 0)
        return rv_chat_open_endpoint(out, place, &options, err);
    rv_model *model;
    RV_TRY(rv_shelf_model(&model, shelf, place + sizeof local - 1, o, err));
    return rv_chat_open_local(out, model, &options, err);
}

static void count_usage(rv_explained *out, const rv_chat *chat)
{
    rv_chat_usage used = rv_chat_used(chat);
    out->requests += used.requests;
    out->cached += used.cached;
    out->prompt_tokens += used.prompt_tokens;
    out->answer_tokens += used.answer_tokens;
    out->cached_tokens += used.cached_tokens;
    out->unsaved += used.unsaved;
    out->silent += used.silent;
    if (used.silence) out->silence = used.silence;
}

/* ---- exchange -------------------------------------------------------------------------------- */
static rv_status write_openai(const explaining *e, rv_error *err)
{
    rv_simulation_results results;
    RV_TRY(rv_explained_results(&results, e->out, &e->gathered.evidence, err));
    rv_status status = rv_simulation_results_write(e->options->write_openai, &results, err);
    rv_simulation_results_release(&results);
    return status;
}

static rv_status write_evidence(const explaining *e, rv_error *err)
{
    const rv_evidence *evidence = &e->gathered.evidence;
    if (evidence->layer >= 0 && evidence->neuron >= 0)
        return rv_neuron_record_write(e->options->write_evidence, evidence, err);
    return rv_fail(err, RV_ERR_UNSUPPORTED, "%s: a NeuronRecord is for neurons; %s is none",
                   e->options->write_evidence, e->gathered.target);
}

static rv_status write_neuronpedia(const explaining *e, rv_error *err)
{
    const rv_evidence *evidence = &e->gathered.evidence;
    const rv_explanation *choice = rv_explained_choice(e->out);
    char source_name[32], hook[64], *name = rv_strndup(e->model, strlen(e->model));
    if (!name) return rv_fail_memory(err, strlen(e->model));
    for (char *p = name; *p; p++)
        if (*p == '/') *p = '-';
    snprintf(source_name, sizeof source_name, "%lld", evidence->layer);
    snprintf(hook, sizeof hook, "blocks.%lld.mlp.hook_post", evidence->layer);
    rv_neuronpedia_source source = {
        .model = name,
        .source = source_name,
        .set = "neurons",
        .hook = hook,
        .release = "reverie",
        .creator = "reverie",
        .layers =
            e->gathered.model ? (long long)e->gathered.model->transformer->config.layers : 0};
    rv_neuronpedia_explanation explanation = {choice ? choice->text : NULL,
                                              (char *)rv_style_method(e->params.style),
                                              (char *)rv_chat_name(e->explainer)};
    rv_neuronpedia_feature feature = {evidence->neuron, evidence, &explanation, choice != NULL};
    rv_status status =
        evidence->layer < 0 || evidence->neuron < 0
            ? rv_fail(err, RV_ERR_UNSUPPORTED,
                      "%s: Neuronpedia's layout is for neurons; %s is none",
                      e->options->write_neuronpedia, e->gathered.target)
            : rv_neuronpedia_write(e->options->write_neuronpedia, &source, &feature, 1, err);
    free(name);
    return status;
}

/* ---- the whole ------------------------------------------------------------------------------- */
static rv_status open_chats(explaining *e, rv_error *err)
{
    const rv_explain_params *o = e->options;
    if (!o->with)
        return rv_fail(
            err, RV_ERR_USAGE,
            "no language model to ask: expected https://host/v1#model or local:NAME");
    RV_TRY(open_chat(&e->explainer, &e->shelf, o->with, o, err));
    if (!o->simulate_with || strcmp(o->simulate_with, o->with) == 0)
        e->simulator = e->explainer;
    else
        RV_TRY(open_chat(&e->simulator, &e->shelf, o->simulate_with, o, err));
    e->simulator_name =
        rv_simulator_name(o->written ? RV_SIMULATE_TEXT : rv_simulator_for(e->simulator));
    return RV_OK;
}

static rv_status check_place(const char *path, rv_error *err)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    if (!slash || slash == path) return RV_OK;
    char *folder = rv_strndup(path, (size_t)(slash - path));
    if (!folder) return rv_fail_memory(err, (size_t)(slash - path));
    rv_status status =
        rv_folder_exists(folder)
            ? RV_OK
            : rv_fail(err, RV_ERR_IO, "%s: cannot be written: no folder %s", path, folder);
    free(folder);
    return status;
}

/* What stands in the output may be replaced if it is an explanation that did not come to its end. */
static rv_status check_unfinished(char id[17], const char *path, rv_error *err)
{
    rv_runs runs = {0};
    rv_mapping file = {0};
    *id = '\0';
    if (!path || !rv_file_exists(path)) return RV_OK;
    RV_TRY(rv_map_file(&file, path, err));
    bool empty = file.length == 0;
    rv_unmap(&file);
    if (empty) return RV_OK;
    bool unfinished =
        rv_runs_read(&runs, path, NULL) == RV_OK && runs.count == 1 &&
        strcmp(runs.items[0].about.method, "explain") == 0 &&
        (!runs.items[0].end.status || strcmp(runs.items[0].end.status, "complete") != 0);
    if (unfinished) snprintf(id, 17, "%s", runs.items[0].about.id);
    rv_runs_release(&runs);
    return unfinished ? RV_OK
                      : rv_fail(err, RV_ERR_USAGE,
                                "%s: the file exists; expected a new one, or what the same "
                                "question left when it was interrupted (--force replaces it)",
                                path);
}

/* Before anything is read or paid for. */
static rv_status check_output(explaining *e, rv_error *err)
{
    const rv_explain_params *o = e->options;
    RV_TRY(check_place(o->output, err));
    RV_TRY(check_place(o->write_openai, err));
    RV_TRY(check_place(o->write_evidence, err));
    return o->force ? RV_OK : check_unfinished(e->unfinished, o->output, err);
}

static rv_status check_question(const explaining *e, rv_error *err)
{
    char id[17];
    if (!e->unfinished[0]) return RV_OK;
    RV_TRY(explaining_identity(id, e, err));
    if (strcmp(id, e->unfinished) == 0) return RV_OK;
    return rv_fail(err, RV_ERR_USAGE,
                   "%s: holds the unfinished answer to another question; expected a new file",
                   e->options->output);
}

static rv_status write_output(const explaining *e, rv_error *err)
{
    char id[17]; // somebody else may have written there meanwhile
    const char *path = e->options->output;
    if (!e->options->force) RV_TRY(check_unfinished(id, path, err));
    if (!e->options->force && id[0] && strcmp(id, e->unfinished) != 0)
        return rv_fail(err, RV_ERR_USAGE, "%s: was written by another process meanwhile", path);
    return rv_output_write(path, e->out->records, strlen(e->out->records), err);
}

/* The texts of the result point into the evidence: it goes along. */
static rv_status keep_evidence(explaining *e, rv_error *err)
{
    rv_evidence *kept;
    RV_TRY(RV_NEW(kept, 1, err));
    *kept = e->gathered.evidence;
    e->gathered.evidence = rv_evidence_empty();
    e->out->evidence = kept;
    return RV_OK;
}

static rv_status explain(explaining *e, rv_error *err)
{
    rv_error failure = {0};
    rv_status status = rv_explain_evidence(e->out, &e->gathered.evidence, e->explainer,
                                           e->simulator, &e->params, &failure);
    count_usage(e->out, e->explainer);
    if (e->simulator != e->explainer) count_usage(e->out, e->simulator);
    if (e->out->count)
        RV_TRY(explaining_record(e, status == RV_OK ? NULL : failure.message, err));
    if (e->out->count && !e->options->dry_run) {
        if (e->options->output) RV_TRY(write_output(e, err));
        if (e->options->write_openai) RV_TRY(write_openai(e, err));
        if (e->options->write_neuronpedia) RV_TRY(write_neuronpedia(e, err));
    }
    if (status != RV_OK && err) *err = failure;
    return status;
}

rv_status rv_explain_run(rv_explained *out, const char *model, const char *target,
                         const rv_explain_params *options, rv_error *err)
{
    explaining e = {.out = out, .options = options, .model = model};
    *out = (rv_explained){0};
    clock_gettime(CLOCK_REALTIME, &e.started);
    rv_status status = make_params(&e.params, options, err);
    if (status == RV_OK) status = check_output(&e, err);
    if (status == RV_OK) status = open_chats(&e, err); // first, for it fails fast
    if (status == RV_OK) status = rv_gather(&e.gathered, &e.shelf, model, target, options, err);
    if (status == RV_OK) status = rv_evidence_check(&e.gathered.evidence, err);
    if (status == RV_OK) status = check_question(&e, err);
    if (status == RV_OK && options->write_evidence) status = write_evidence(&e, err);
    if (status == RV_OK) {
        status = explain(&e, err);
        rv_error again;
        rv_status kept = keep_evidence(&e, status == RV_OK ? err : &again);
        if (kept != RV_OK) { // texts must not point at what is gone
            rv_explained_release(out);
            status = status == RV_OK ? kept : status;
        }
    }
    if (e.simulator != e.explainer) rv_chat_close(e.simulator);
    rv_chat_close(e.explainer);
    rv_gathered_release(&e.gathered);
    rv_shelf_close(&e.shelf);
    return status;
}

rv_status rv_explained_json(char **out, const rv_explained *e, rv_error *err)
{
    const char *records = e->records ? e->records : "";
    *out = rv_strndup(records, strlen(records));
    return *out ? RV_OK : rv_fail_memory(err, strlen(records));
}
