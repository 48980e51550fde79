#include "reverie/examples.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "corpus/ask.h"
#include "corpus/examples.h"
#include "base/memory.h"

rv_examples_params rv_examples_params_default(void)
{
    return (rv_examples_params){.size = sizeof(rv_examples_params), .before = 32, .top = 10};
}

void rv_examples_release(rv_examples *e)
{
    for (size_t t = 0; e->targets && t < e->count; t++) {
        rv_target_examples *x = &e->targets[t];
        for (size_t i = 0; x->high && i < x->high_count; i++) free(x->high[i].tokens);
        for (size_t i = 0; x->low && i < x->low_count; i++) free(x->low[i].tokens);
        free(x->high);
        free(x->low);
        free(x->target);
    }
    free(e->targets);
    *e = (rv_examples){0};
}

static rv_status fill_list(rv_example **out, size_t *count, const rv_corpus_hit *hits,
                           size_t hit_count, const rv_model *model,
                           const rv_corpus_stats *stats, const rv_corpus *corpus, rv_error *err)
{
    RV_TRY(RV_NEW(*out, hit_count, err));
    *count = hit_count;
    for (size_t i = 0; i < hit_count; i++) {
        rv_example *e = &(*out)[i];
        const rv_corpus_hit *h = &hits[i];
        double scale = stats->deviation > 0 ? stats->deviation : 1;
        *e = (rv_example){.value = h->f,
                          .g = (h->f - stats->mean) / scale,
                          .count = h->count,
                          .at = h->at,
                          .file = corpus->files[h->file],
                          .offset = h->offset};
        RV_TRY(RV_NEW(e->tokens, h->count, err));
        for (size_t k = 0; k < h->count; k++) {
            size_t length = 0;
            const char *bytes = rv_token_bytes(model->tokenizer, h->ids[k], &length);
            e->tokens[k] =
                (rv_example_token){h->ids[k], bytes ? bytes : "", length, (double)h->values[k]};
        }
    }
    return RV_OK;
}

static rv_status fill(rv_target_examples *x, const rv_target *target, const rv_corpus_stats *s,
                      const rv_model *model, const rv_corpus *corpus, rv_error *err)
{
    x->target = rv_strndup(target->name, strlen(target->name));
    if (!x->target) return rv_fail_memory(err, strlen(target->name));
    x->positions = s->positions;
    x->mean = s->mean;
    x->deviation = s->deviation;
    x->minimum = s->minimum;
    x->maximum = s->maximum;
    x->screened = s->screened;
    x->margin = s->margin;
    x->error = s->error;
    for (size_t q = 0; q < RV_EXAMPLES_LEVELS; q++) {
        x->level[q] = rv_quantile_levels[q];
        x->quantile[q] = s->quantile[q];
    }
    RV_TRY(fill_list(&x->high, &x->high_count, s->high, s->high_count, model, s, corpus, err));
    return fill_list(&x->low, &x->low_count, s->low, s->low_count, model, s, corpus, err);
}

static rv_status find(rv_examples *e, rv_model *model, const rv_target *targets,
                      const rv_examples_params *p, rv_record_writer *writer, rv_error *err)
{
    rv_corpus corpus = {p->corpus, p->corpus_count};
    rv_corpus_options options = rv_corpus_options_default();
    options.tokens = p->corpus_tokens;
    options.window = rv_corpus_window(&model->transformer->config);
    options.context = p->before;
    options.narrow = !p->exact;
    options.threads = model->threads;
    options.progress = p->progress;
    options.progress_context = p->progress_context;
    const char *why;
    rv_dream_bos(&options.bos, &why, model);
    rv_corpus_stats *stats;
    RV_TRY(rv_corpus_ask(&stats, &corpus, model, targets, e->count, &options, err));
    rv_status status = RV_OK;
    for (size_t t = 0; status == RV_OK && t < e->count; t++)
        status = fill(&e->targets[t], &targets[t], &stats[t], model, &corpus, err);
    for (size_t t = 0; writer && status == RV_OK && t < e->count; t++)
        status = rv_examples_record(writer, model, &targets[t], &corpus, &options, &stats[t], p,
                                    why, err);
    rv_corpus_stats_free(stats, e->count);
    return status;
}

/* A question that failed leaves no file. */
static rv_status close_output(rv_record_writer *writer, const char *path, rv_status status,
                              rv_error *err)
{
    if (status != RV_OK) rv_record_writer_batch(writer)->length = 0;
    rv_status closed = rv_record_writer_close(writer, status == RV_OK ? err : NULL);
    if (status == RV_OK) status = closed;
    if (status != RV_OK) unlink(path);
    return status;
}

rv_status rv_examples_collect(rv_examples *out, rv_model *model, const char *const *names,
                              size_t count, const rv_examples_params *params, rv_error *err)
{
    *out = (rv_examples){.count = count, .shown = params->top};
    if (params->corpus_count == 0)
        return rv_fail(err, RV_ERR_USAGE,
                       "corpus: expected at least one text file, found none");
    if (params->before == 0)
        return rv_fail(err, RV_ERR_USAGE, "tokens shown: expected at least 1, found 0");
    rv_target *targets = NULL;
    rv_record_writer *writer = NULL;
    rv_status status;
    RV_GOTO(RV_NEW(targets, count, err));
    RV_GOTO(RV_NEW(out->targets, count, err));
    for (size_t t = 0; t < count; t++)
        RV_GOTO(rv_target_parse(&targets[t], names[t], &model->transformer->config,
                                model->tokenizer, err));
    if (params->output) RV_GOTO(rv_record_writer_open(&writer, params->output, false, err));
    RV_GOTO(find(out, model, targets, params, writer, err));
done:
    if (writer) status = close_output(writer, params->output, status, err);
    for (size_t t = 0; targets && t < count; t++) rv_target_release(&targets[t]);
    free(targets);
    if (status != RV_OK) rv_examples_release(out);
    return status;
}
