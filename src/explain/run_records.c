/* The records of an explanation: what was asked, what was found, what a reader must know. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "explain/explained.h"
#include "explain/explaining.h"
#include "base/json.h"
#include "http/url.h"
#include "record/writer.h"
#include "subject/describe.h"

static rv_model_entry describe(const explaining *e)
{
    rv_model *m = e->gathered.model;
    rv_model_entry entry = {.name = e->model};
    if (!m) {
        if (e->gathered.run_hash[0] && strcmp(e->gathered.run_model, e->model) == 0)
            entry.hash = e->gathered.run_hash;
        return entry;
    }
    const char *slash = strrchr(m->path, '/');
    entry.path = slash ? slash + 1 : m->path;
    if (rv_model_hash(m, NULL) == RV_OK) entry.hash = m->hash;
    entry.format = m->format;
    entry.quantisation = m->quantisation;
    entry.processing = "none";
    entry.family = m->transformer->config.family;
    entry.parameters = rv_config_parameters(&m->transformer->config);
    return entry;
}

/* What a person wrote, as JSON; null for NULL. */
static json_t *as_json(const char *text)
{
    char *repaired = text ? rv_utf8_repair(text, strlen(text)) : NULL;
    json_t *value = text ? json_string(repaired) : json_null();
    free(repaired);
    return value;
}

/* The options that make the question, as JSON text; NULL when memory is short. */
static char *describe_options(const explaining *e)
{
    const rv_explain_params *o = e->options;
    json_t *given = json_array();
    for (size_t i = 0; i < o->given_count; i++)
        json_array_append_new(given, as_json(o->given[i]));
    json_t *root = json_pack(
        "{s:s, s:s, s:s, s:s, s:b, s:I, s:I, s:I, s:I, s:f, s:I, s:I, s:o, s:o, s:o, s:o}",
        "style", o->style, "show", o->show, "scorers", o->scorers, "simulator",
        e->simulator_name, "baselines", (int)o->baselines, "candidates",
        (json_int_t)o->candidates, "revisions", (json_int_t)o->revisions, "per_split",
        (json_int_t)o->per_split, "dreams", (json_int_t)o->dreams, "temperature",
        o->temperature, "answer_tokens", (json_int_t)o->answer_tokens, "extra_tokens",
        (json_int_t)o->extra_tokens, "with", as_json(rv_chat_name(e->explainer)),
        "simulate_with", as_json(rv_chat_name(e->simulator)), "given", given, "other",
        as_json(o->other));
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    return text;
}

/* `options` is lent by the caller. */
static rv_run_record describe_run(const explaining *e, const char *options)
{
    rv_run_record r = rv_run_record_empty();
    r.target = (rv_target_entry){e->gathered.target,
                                 e->gathered.written[0] ? e->gathered.written : NULL,
                                 e->gathered.sign, NULL};
    r.method = "explain";
    r.seed = e->options->seed;
    r.options = options;
    r.model = describe(e);
    r.version = RV_VERSION_STRING;
    return r;
}

rv_status explaining_identity(char out[17], const explaining *e, rv_error *err)
{
    char *options = describe_options(e);
    if (!options) return rv_fail_memory(err, 1);
    rv_run_record r = describe_run(e, options);
    rv_status status = rv_run_identity(out, &r, err);
    free(options);
    return status;
}

static rv_status put_run(rv_text *lines, const explaining *e, rv_error *err)
{
    char id[17], started[32], *options = describe_options(e);
    struct tm utc;
    rv_text command = {0};
    rv_status status = options ? explaining_identity(id, e, err) : rv_fail_memory(err, 1);
    if (status != RV_OK) goto done;
    rv_run_record r = describe_run(e, options);
    if (e->options->command) rv_url_hide_all(&command, e->options->command);
    if (command.failed) RV_GOTO(rv_fail_memory(err, 1));
    strftime(started, sizeof started, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&e->started.tv_sec, &utc));
    r.command = command.bytes;
    r.budget = e->options->budget_tokens;
    r.started = started;
    rv_model *m = e->gathered.model;
    if (m) rv_describe_program(&r, m, e->gathered.evidence.screened);
    r.id = id;
    status = rv_put_run(lines, &r, err);
done:
    rv_text_release(&command);
    free(options);
    return status;
}

static rv_status put_note(rv_text *lines, const char *text, rv_error *err)
{
    rv_note_record note = {RV_STRING(text)};
    return rv_put_note(lines, &note, err);
}

/* What a reader of the numbers must know. */
static rv_status put_notes(rv_text *lines, const explaining *e, const char *failure,
                           rv_error *err)
{
    const rv_explained *r = e->out;
    char text[1200];
    if (failure) {
        snprintf(text, sizeof text, "stopped before the end: %s", failure);
        RV_TRY(put_note(lines, text, err));
    }
    if (r->unread) {
        snprintf(
            text, sizeof text,
            "%zu of %zu simulated tokens had no answer that could be read; they count as 0",
            r->unread, r->simulated);
        RV_TRY(put_note(lines, text, err));
    }
    if (r->simulator && strcmp(r->simulator, "logprobs") == 0 && !r->probabilities)
        RV_TRY(put_note(lines,
                        "the endpoint offers no log-probabilities: the simulator's numbers "
                        "are taken as they stand",
                        err));
    if (r->silent) {
        snprintf(text, sizeof text, "%llu answers held no text: %s",
                 (unsigned long long)r->silent, r->silence);
        RV_TRY(put_note(lines, text, err));
    }
    if (!r->unsaved) return RV_OK;
    snprintf(text, sizeof text, "%llu answers could not be written to the cache",
             (unsigned long long)r->unsaved);
    return put_note(lines, text, err);
}

static rv_status put_end(rv_text *lines, const explaining *e, rv_error *err)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    rv_end_record end = rv_end_record_empty();
    end.forward_tokens = e->out->prompt_tokens + e->out->answer_tokens + e->out->cached_tokens;
    end.seconds = (double)(now.tv_sec - e->started.tv_sec) +
                  1e-9 * (double)(now.tv_nsec - e->started.tv_nsec);
    end.status = e->out->complete ? "complete" : "interrupted";
    return rv_put_end(lines, &end, err);
}

static const char *evidence_name(const explaining *e)
{
    bool corpus = e->params.from_corpus && e->gathered.evidence.top.count;
    bool dreams = e->params.from_dreams && e->gathered.evidence.dreams.count;
    return corpus && dreams ? "corpus and dreams" : dreams ? "dreams" : "corpus";
}

rv_status explaining_record(explaining *e, const char *failure, rv_error *err)
{
    rv_text lines = {0};
    const char *simulator = rv_chat_name(e->simulator);
    rv_explained_about about = {evidence_name(e), e->params.style, rv_chat_name(e->explainer),
                                simulator, e->options->seed};
    rv_status status = put_run(&lines, e, err);
    if (status == RV_OK) status = rv_explained_put(&lines, e->out, &about, err);
    if (status == RV_OK) status = put_notes(&lines, e, failure, err);
    if (status == RV_OK) status = put_end(&lines, e, err);
    if (status == RV_OK) {
        size_t length = lines.length;
        e->out->records = rv_text_take(&lines);
        if (!e->out->records) status = rv_fail_memory(err, length);
    }
    rv_text_release(&lines);
    return status;
}
