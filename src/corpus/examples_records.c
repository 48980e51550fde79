#include "corpus/examples.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpus/ask.h"
#include "subject/describe.h"
#include "base/memory.h"

static rv_status put_run(rv_text *out, rv_model *model, const rv_target *target,
                         const rv_corpus_options *o, const rv_corpus_stats *stats,
                         const rv_examples_params *p, const char *corpus, const char *bos_why,
                         rv_error *err)
{
    char started[RV_TIME_ROOM], id[17], options[96];
    rv_time_now(started);
    snprintf(options, sizeof options, "{\"corpus_tokens\": %zu, \"before\": %zu, \"top\": %zu}",
             o->tokens, o->context, (size_t)p->top);
    rv_run_record r = rv_run_record_empty();
    r.command = p->command;
    r.target = (rv_target_entry){target->name, target->written, (double)target->sign, "last"};
    r.method = "examples";
    r.seed = r.budget = 0;
    r.options = options;
    r.model = rv_describe_model(model, err);
    r.bos = (rv_bos_entry){.added = o->bos >= 0, .id = o->bos, .why = bos_why};
    if (o->bos >= 0) r.bos.token = rv_token_text(model, o->bos);
    r.normalisation = (rv_normalisation_entry){stats->mean, stats->deviation,
                                               (double)target->sign, corpus, stats->positions};
    r.length = (rv_length_entry){o->context, o->context};
    rv_describe_program(&r, model, stats->screened);
    r.started = started;
    RV_TRY(rv_run_identity(id, &r, err));
    r.id = id;
    return rv_put_run(out, &r, err);
}

static rv_status put_quantiles(rv_text *out, const rv_corpus_stats *stats, const char *corpus,
                               rv_error *err)
{
    rv_quantiles_record q = rv_quantiles_record_empty();
    q.corpus = corpus;
    q.positions = stats->positions;
    q.probabilities = rv_quantile_levels;
    q.values = stats->quantile;
    q.probability_count = q.value_count = RV_QUANTILES;
    q.minimum = stats->minimum;
    q.maximum = stats->maximum;
    return rv_put_quantiles(out, &q, err);
}

static rv_status put_hit(rv_text *out, const rv_model *model, const rv_target *target,
                         const rv_corpus *corpus, const rv_corpus_stats *stats,
                         const rv_corpus_hit *hit, rv_error *err)
{
    rv_example_record e = rv_example_record_empty();
    rv_token_entry *tokens;
    RV_TRY(RV_NEW(tokens, hit->count, err));
    for (size_t i = 0; i < hit->count; i++)
        tokens[i] = (rv_token_entry){.id = hit->ids[i],
                                     .text = rv_token_text(model, hit->ids[i]),
                                     .value = (double)hit->values[i],
                                     .probability = NAN,
                                     .nll = NAN};
    const char *file = corpus->files[hit->file], *slash = strrchr(file, '/');
    double scale = stats->deviation > 0 ? stats->deviation : 1;
    e.kind = "top";
    e.tokens = tokens;
    e.token_count = hit->count;
    e.raw = hit->f;
    e.activation = (double)target->sign * (hit->f - stats->mean) / scale;
    e.source = (rv_source_entry){slash ? slash + 1 : file, hit->offset};
    rv_status status = rv_put_example(out, &e, err);
    free(tokens);
    return status;
}

rv_status rv_examples_record(rv_record_writer *writer, rv_model *model, const rv_target *target,
                             const rv_corpus *corpus, const rv_corpus_options *options,
                             const rv_corpus_stats *stats, const rv_examples_params *params,
                             const char *bos_why, rv_error *err)
{
    rv_text *out = rv_record_writer_batch(writer);
    bool high = target->sign > 0;
    const rv_corpus_hit *hits = high ? stats->high : stats->low;
    size_t count = high ? stats->high_count : stats->low_count;
    char *name = rv_corpus_name(corpus);
    if (!name) return rv_fail_memory(err, 256);
    rv_status status = put_run(out, model, target, options, stats, params, name, bos_why, err);
    if (status == RV_OK) status = put_quantiles(out, stats, name, err);
    for (size_t i = 0; status == RV_OK && i < count && i < params->top; i++)
        status = put_hit(out, model, target, corpus, stats, &hits[i], err);
    free(name);
    if (status != RV_OK) return status;
    rv_end_record end = rv_end_record_empty();
    end.forward_tokens = stats->positions;
    end.status = "complete";
    RV_TRY(rv_put_end(out, &end, err));
    return rv_record_writer_commit(writer, err);
}
