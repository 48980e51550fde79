/* What a dream's records begin with: where everything after them comes from, and what the corpus says. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "dream/emit.h"

enum { EXAMPLES = 10 };

static void position_name(char out[24], const rv_target *t)
{
    if (t->reading == RV_READ_AT)
        snprintf(out, 24, "%ld", t->position);
    else
        snprintf(out, 24, "%s", t->reading == RV_READ_MAX ? "max" : "last");
}

/* What a run record points at. */
typedef struct run_texts {
    char position[24], started[RV_TIME_ROOM], id[17], *options;
} run_texts;

static json_t *texts_json(const char *const *texts, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *text = json_string(texts[i]);
        json_array_append_new(list, text ? text : json_string("(not UTF-8)"));
    }
    return list;
}

static rv_status put_options(char **out, const rv_dreaming *d, rv_error *err)
{
    const rv_dream_params *p = d->params;
    json_t *json = json_pack("{s:b, s:b, s:f, s:o, s:o, s:I}", "as_published",
                             (int)p->as_published, "exact", (int)p->exact, "repetition",
                             p->repetition, "prompts", texts_json(p->prompts, p->prompt_count),
                             "forbidden", texts_json(p->forbidden, p->forbidden_count),
                             "corpus_tokens", (json_int_t)p->corpus_tokens);
    if (json && d->autoencoder) {
        char site[RV_SITE_NAME_MAX];
        rv_site_name(site, d->autoencoder->config.site);
        json_object_set_new(json, "autoencoder", json_string(d->autoencoder_digest));
        json_object_set_new(json, "autoencoder_site", json_string(site));
    }
    *out = json ? json_dumps(json, JSON_REAL_PRECISION(9)) : NULL;
    json_decref(json);
    return *out ? RV_OK : rv_fail_memory(err, 0);
}

bool rv_dream_screens(const rv_dreaming *d)
{
    return d->narrow || d->stats->screened;
}

static rv_status fill_run(rv_run_record *out, run_texts *texts, rv_dreaming *d, rv_error *err)
{
    const rv_dream_params *p = d->params;
    rv_time_now(texts->started);
    position_name(texts->position, &d->target);
    RV_TRY(put_options(&texts->options, d, err));
    rv_run_record r = rv_run_record_empty();
    r.command = p->command;
    r.target = (rv_target_entry){d->target.name, d->target.written, (double)d->target.sign,
                                 texts->position};
    r.method = d->dreamer->name;
    r.seed = p->seed;
    r.budget = p->budget;
    r.options = texts->options;
    r.model = rv_describe_model(d->model, err);
    if (p->fluency) r.fluency = rv_describe_model(p->fluency, err);
    r.bos = (rv_bos_entry){.added = d->bos >= 0, .id = d->bos, .why = d->bos_why};
    if (d->bos >= 0) r.bos.token = rv_emit_token(d, d->bos);
    if (d->prefix_text && *d->prefix_text) r.template.prefix = RV_STRING(d->prefix_text);
    if (d->suffix_text && *d->suffix_text) r.template.suffix = RV_STRING(d->suffix_text);
    r.normalisation =
        (rv_normalisation_entry){d->stats->mean, d->stats->deviation, (double)d->target.sign,
                                 d->corpus_name, d->stats->positions};
    r.length = (rv_length_entry){p->least, p->most};
    rv_describe_program(&r, d->model, rv_dream_screens(d));
    r.started = texts->started;
    RV_TRY(rv_run_identity(texts->id, &r, err));
    r.id = texts->id;
    *out = r;
    return RV_OK;
}

rv_status rv_record_identity(char out[17], rv_dreaming *d, rv_error *err)
{
    rv_run_record run;
    run_texts texts = {.options = NULL};
    rv_status status = fill_run(&run, &texts, d, err);
    if (status == RV_OK) memcpy(out, texts.id, sizeof texts.id);
    free(texts.options);
    return status;
}

static rv_status put_run(rv_dreaming *d, rv_error *err)
{
    rv_run_record run;
    run_texts texts = {.options = NULL};
    size_t before = d->lines.length;
    rv_status status = fill_run(&run, &texts, d, err);
    if (status == RV_OK) status = rv_put_run(&d->lines, &run, err);
    free(texts.options);
    return status == RV_OK ? rv_emit_lines(d, before, err) : status;
}

static rv_status put_quantiles(rv_dreaming *d, rv_error *err)
{
    rv_quantiles_record q = rv_quantiles_record_empty();
    q.corpus = d->corpus_name;
    q.positions = d->stats->positions;
    q.probabilities = rv_quantile_levels;
    q.values = d->stats->quantile;
    q.probability_count = q.value_count = RV_QUANTILES;
    q.minimum = d->stats->minimum;
    q.maximum = d->stats->maximum;
    q.windows = d->sampled;
    q.window_length = d->params->most;
    q.cross_entropy_10 = d->fluency_10;
    q.cross_entropy_50 = d->fluency_50;
    q.cross_entropy_90 = d->fluency_90;
    q.bits_per_byte_50 = d->byte_fluency_50 / log(2);
    EMIT(d, quantiles, &q, err);
    return RV_OK;
}

static rv_status put_example(rv_dreaming *d, const char *kind, const rv_corpus_hit *hit,
                             const rv_candidate *window, rv_error *err)
{
    rv_example_record e = rv_example_record_empty();
    size_t from = window ? hit->at + 1 - window->length : 0,
           count = window ? window->length : hit->count;
    rv_token_entry *tokens;
    RV_TRY(RV_NEW(tokens, count, err));
    for (size_t i = 0; i < count; i++)
        tokens[i] = (rv_token_entry){.id = hit->ids[from + i],
                                     .text = rv_emit_token(d, hit->ids[from + i]),
                                     .value = window ? NAN : (double)hit->values[from + i],
                                     .probability = NAN,
                                     .nll = NAN};
    const char *file = d->corpus.files[hit->file], *slash = strrchr(file, '/');
    e.kind = kind;
    e.tokens = tokens;
    e.token_count = count;
    e.raw = window ? window->f : hit->f;
    e.activation = rv_emit_normalised(d, e.raw);
    if (window) e.cross_entropy = window->xe;
    e.source = (rv_source_entry){slash ? slash + 1 : file, hit->offset};
    size_t before = d->lines.length;
    rv_status status = rv_put_example(&d->lines, &e, err);
    free(tokens);
    RV_TRY(status);
    return rv_emit_lines(d, before, err);
}

static rv_status put_corpus(rv_dreaming *d, rv_error *err)
{
    bool high = d->target.sign > 0;
    const rv_corpus_hit *hits = high ? d->stats->high : d->stats->low;
    size_t count = high ? d->stats->high_count : d->stats->low_count, w = 0;
    for (size_t i = 0; i < count && i < EXAMPLES; i++)
        RV_TRY(put_example(d, "top", &hits[i], NULL, err));
    for (size_t i = 0; i < count; i++) {
        size_t n = hits[i].at + 1 < d->params->most ? hits[i].at + 1 : d->params->most;
        if (n < d->params->least) continue; // as collect_starts passed it over
        if (w < d->window_count && isfinite(d->windows[w].g))
            RV_TRY(put_example(d, "window", &hits[i], &d->windows[w], err));
        w++;
    }
    return RV_OK;
}

rv_status rv_record_open(rv_dreaming *d, rv_error *err)
{
    RV_TRY(put_run(d, err));
    RV_TRY(put_quantiles(d, err));
    RV_TRY(put_corpus(d, err));
    return rv_emit_commit(d, err);
}
