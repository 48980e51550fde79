#include "explain/sources.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "explain/exchange.h"
#include "explain/gather.h"
#include "explain/neuronpedia.h"
#include "record/run.h"

static const size_t RECORDS_LIMIT = (size_t)1 << 30;

void rv_gathered_release(rv_gathered *g)
{
    rv_evidence_release(&g->evidence);
}

rv_status rv_shelf_model(rv_model **out, rv_model_shelf *shelf, const char *name,
                         const rv_explain_params *o, rv_error *err)
{
    for (size_t i = 0; i < shelf->count; i++) {
        *out = shelf->models[i];
        if (strcmp((*out)->name, name) == 0) return RV_OK;
    }
    rv_model_params params = rv_model_params_default();
    params.threads = o->threads;
    params.progress = o->progress;
    params.progress_context = o->progress_context;
    params.notice = o->notice;
    params.notice_context = o->notice_context;
    RV_TRY(rv_subject_open(out, name, &params, err));
    shelf->models[shelf->count++] = *out;
    return RV_OK;
}

void rv_shelf_close(rv_model_shelf *shelf)
{
    for (size_t i = 0; i < shelf->count; i++) rv_model_close(shelf->models[i]);
    shelf->count = 0;
}

/* ---- files that others wrote ----------------------------------------------------------------- */
/* Moves everything of `from` to the end of `to`. */
static rv_status move_records(rv_activation_records *to, rv_activation_records *from,
                              rv_error *err)
{
    for (size_t i = 0; i < from->count; i++) {
        rv_activation_record record = from->items[i];
        from->items[i] = (rv_activation_record){0};
        RV_TRY(rv_activation_records_push(to, &record, err));
    }
    return RV_OK;
}

/* The first file that says which neuron it is about, which tokens it promotes and so on is believed. */
static rv_status merge(rv_evidence *to, rv_evidence *from, rv_error *err)
{
    rv_status status = RV_OK;
    RV_GOTO(move_records(&to->top, &from->top, err));
    RV_GOTO(move_records(&to->random, &from->random, err));
    if (to->layer < 0) to->layer = from->layer;
    if (to->neuron < 0) to->neuron = from->neuron;
    if (!to->promoted.count) {
        rv_token_weights promoted = to->promoted, suppressed = to->suppressed;
        to->promoted = from->promoted, to->suppressed = from->suppressed;
        from->promoted = promoted, from->suppressed = suppressed;
    }
    if (!to->quantiles) {
        to->quantiles = from->quantiles, to->quantile_count = from->quantile_count;
        to->boundaries = from->boundaries, to->boundary_count = from->boundary_count;
        from->quantiles = NULL, from->boundaries = NULL;
        from->quantile_count = from->boundary_count = 0;
    }
done:
    rv_evidence_release(from);
    return status;
}

/* The last number of a target's name: 131 of "L5.N131"; -1: none. */
static long long index_in(const char *target)
{
    const char *end = target ? target + strlen(target) : NULL, *p;
    while (end && end > target && (end[-1] < '0' || end[-1] > '9')) end--;
    for (p = end; p && p > target && p[-1] >= '0' && p[-1] <= '9';) p--;
    return end && p < end ? strtoll(p, NULL, 10) : -1;
}

/* A NeuronRecord or a Neuronpedia feature: told apart by their fields. */
static rv_status read_file(rv_evidence *out, const char *path, rv_error *err)
{
    json_t *root = NULL;
    *out = rv_evidence_empty();
    RV_TRY(rv_json_read(&root, path, RECORDS_LIMIT, err));
    bool feature = json_object_get(root, "activations") && json_object_get(root, "index");
    rv_status status = feature ? rv_neuronpedia_read(out, NULL, path, -1, err)
                               : rv_neuron_record_parse(out, root, path, err);
    json_decref(root);
    return status;
}

/* A neuron that is named plainly is not explained from what is about another. */
static rv_status check_name(const rv_gathered *g, const char *found, const char *path,
                            rv_error *err)
{
    unsigned long long layer, neuron;
    int length = 0;
    const char *asked = g->written + (g->written[0] == '-');
    if (!g->has_target || strcmp(asked, found) == 0 ||
        sscanf(asked, "L%llu.N%llu%n", &layer, &neuron, &length) != 2 || asked[length])
        return RV_OK;
    return rv_fail(err, RV_ERR_USAGE, "%s: target: expected %s, found %s", path, asked, found);
}

/* All files are about one neuron, and the one that was asked for. */
static rv_status check_neuron(const rv_gathered *g, const rv_evidence *more, const char *path,
                              rv_error *err)
{
    char name[64];
    const rv_evidence *e = &g->evidence;
    if (more->layer < 0 || more->neuron < 0) return RV_OK;
    if (e->layer >= 0 && e->neuron >= 0 &&
        (e->layer != more->layer || e->neuron != more->neuron))
        return rv_fail(err, RV_ERR_USAGE, "%s: neuron: expected L%lld.N%lld, found L%lld.N%lld",
                       path, e->layer, e->neuron, more->layer, more->neuron);
    snprintf(name, sizeof name, "L%lld.N%lld", more->layer, more->neuron);
    return check_name(g, name, path, err);
}

static rv_status gather_files(rv_gathered *g, const char *target, const rv_explain_params *o,
                              rv_error *err)
{
    for (size_t i = 0; i < o->record_count; i++) {
        rv_evidence more;
        const char *path = o->records[i];
        if (!rv_folder_exists(path)) {
            RV_TRY(read_file(&more, path, err));
        } else {
            if (index_in(target) < 0)
                return rv_fail(err, RV_ERR_USAGE,
                               "%s: which feature? expected a target with an index, found '%s'",
                               path, target ? target : "");
            RV_TRY(rv_neuronpedia_read(&more, NULL, path, index_in(target), err));
        }
        rv_status status = check_neuron(g, &more, path, err);
        if (status != RV_OK) {
            rv_evidence_release(&more);
            return status;
        }
        RV_TRY(merge(&g->evidence, &more, err));
    }
    return RV_OK;
}

/* ---- run files ------------------------------------------------------------------------------- */
static rv_status check_model(const rv_gathered *g, const rv_run_record *about, const char *path,
                             rv_error *err)
{
    if (!g->model || !about->model.hash || !*about->model.hash) return RV_OK;
    RV_TRY(rv_model_hash(g->model, err));
    if (strcmp(g->model->hash, about->model.hash) == 0) return RV_OK;
    return rv_fail(err, RV_ERR_USAGE,
                   "%s: model: expected %s with the weights %.12s, found %s with %.12s", path,
                   g->model->name, g->model->hash,
                   about->model.name ? about->model.name : "one", about->model.hash);
}

/* Examples are taken from the first run, and where nothing else has any: the same place of a corpus, cut out
 * twice, would be trained on and tested on. */
static rv_status add_run(rv_gathered *g, const rv_run *run, const char *path,
                         const rv_explain_params *o, rv_error *err)
{
    bool examples = !g->has_run && !o->corpus_count && !o->record_count;
    const rv_run_record *about = &run->about;
    const char *name = about->target.name;
    if (g->target[0] && strcmp(g->target, name) != 0)
        return rv_fail(err, RV_ERR_USAGE, "%s: target: expected %s, found %s", path, g->target,
                       name);
    RV_TRY(check_name(g, name, path, err));
    if ((g->has_run || g->has_target) && (about->target.sign < 0) != (g->sign < 0))
        return rv_fail(err, RV_ERR_USAGE,
                       "%s: target: expected the %s direction, found the other", path,
                       g->sign < 0 ? "negative" : "positive");
    RV_TRY(check_model(g, about, path, err));
    if (!g->has_run) {
        snprintf(g->target, sizeof g->target, "%s", name);
        if (!g->written[0]) snprintf(g->written, sizeof g->written, "%s", name);
        snprintf(g->run_model, sizeof g->run_model, "%s", about->model.name);
        snprintf(g->run_hash, sizeof g->run_hash, "%s",
                 about->model.hash ? about->model.hash : "");
        g->sign = about->target.sign < 0 ? -1 : 1;
        g->has_run = true;
    }
    return rv_evidence_add_run(&g->evidence, run, examples, err);
}

static rv_status gather_runs(rv_gathered *g, const rv_explain_params *o, rv_error *err)
{
    for (size_t i = 0; i < o->run_count; i++) {
        rv_runs runs = {0};
        rv_status status = rv_runs_read(&runs, o->runs[i], err);
        for (size_t r = 0; status == RV_OK && r < runs.count; r++)
            status = add_run(g, &runs.items[r], o->runs[i], o, err);
        rv_runs_release(&runs);
        RV_TRY(status);
    }
    return RV_OK;
}

/* ---- the model itself ------------------------------------------------------------------------ */
static rv_status gather_model(rv_gathered *g, rv_model_shelf *shelf, const char *model,
                              const char *target, const rv_explain_params *o, rv_error *err)
{
    rv_target parsed;
    if (!target) return rv_fail(err, RV_ERR_USAGE, "a corpus needs a target to look for in it");
    RV_TRY(rv_shelf_model(&g->model, shelf, model, o, err));
    RV_TRY(rv_target_parse(&parsed, target, &g->model->transformer->config, g->model->tokenizer,
                           err));
    snprintf(g->target, sizeof g->target, "%s", parsed.name);
    snprintf(g->written, sizeof g->written, "%s", parsed.written);
    g->sign = (double)parsed.sign;
    size_t layer, neuron;
    if (rv_target_is_neuron(&parsed, &layer, &neuron)) {
        g->evidence.layer = (long long)layer;
        g->evidence.neuron = (long long)neuron;
    }
    rv_status status = rv_gather_corpus(&g->evidence, g->model, &parsed, o, err);
    if (status == RV_OK) status = rv_gather_promoted(&g->evidence, g->model, &parsed, err);
    rv_target_release(&parsed);
    return status;
}

/* What a target is called, whoever wrote it down: a neuron of a file. */
static void name_neuron(rv_gathered *g)
{
    const rv_evidence *e = &g->evidence;
    if (g->target[0] || e->layer < 0 || e->neuron < 0) return;
    snprintf(g->target, sizeof g->target, "L%lld.N%lld", e->layer, e->neuron);
}

static rv_status gather(rv_gathered *g, rv_model_shelf *shelf, const char *model,
                        const char *target, const rv_explain_params *o, rv_error *err)
{
    if (target) {
        g->sign = *target == '-' ? -1 : 1;
        g->has_target = true;
        snprintf(g->written, sizeof g->written, "%s", target);
    }
    if (o->corpus_count) RV_TRY(gather_model(g, shelf, model, target, o, err));
    RV_TRY(gather_runs(g, o, err));
    RV_TRY(gather_files(g, target, o, err));
    if (!g->target[0] && target)
        snprintf(g->target, sizeof g->target, "%s", target + (*target == '-'));
    name_neuron(g);
    if (!g->target[0]) return rv_fail(err, RV_ERR_USAGE, "which neuron? expected a target");
    if (o->corpus_count || g->evidence.random.count) return RV_OK;
    return rv_fail(
        err, RV_ERR_USAGE,
        "nothing to hold an explanation against: expected a corpus, or records with a "
        "random sample, found %zu top and %zu random records",
        g->evidence.top.count, g->evidence.random.count);
}

rv_status rv_gather(rv_gathered *out, rv_model_shelf *shelf, const char *model,
                    const char *target, const rv_explain_params *options, rv_error *err)
{
    *out = (rv_gathered){.evidence = rv_evidence_empty(), .sign = 1};
    return gather(out, shelf, model, target, options, err);
}
