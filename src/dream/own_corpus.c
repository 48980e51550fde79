/* Where nobody gives a corpus: texts that the model itself writes. And the opinion of a second model. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dream/session.h"
#include "base/file.h"
#include "base/memory.h"
#include "search/proposal.h"

enum { OWN_TEXTS = 128, OWN_LENGTH = 64 };

/* One text a line, sampled after BOS; seed 0, so that it is the same for everyone. */
static rv_status write_texts(rv_dreaming *d, rv_error *err)
{
    rv_problem problem = {.model = d->model->transformer,
                          .tokenizer = d->model->tokenizer,
                          .target = &d->target,
                          .deviation = 1,
                          .prefix = {&d->corpus_bos, d->corpus_bos >= 0}};
    rv_search_params params = {.least = 1,
                               .most = OWN_LENGTH,
                               .threads = d->model->threads,
                               .pulse = rv_dream_pulse,
                               .context = d};
    rv_search *sampler = NULL;
    rv_text text = {0};
    int32_t *ids = NULL;
    rv_status status;
    RV_GOTO(RV_NEW(ids, OWN_TEXTS * OWN_LENGTH, err));
    RV_GOTO(rv_search_new(&sampler, &problem, &params, 0, OWN_TEXTS, err));
    RV_GOTO(rv_sample_texts(ids, sampler, OWN_TEXTS, OWN_LENGTH, 0.95, err));
    for (size_t i = 0; i < OWN_TEXTS; i++) {
        size_t start = text.length;
        RV_GOTO(rv_tokenizer_decode(d->model->tokenizer, ids + i * OWN_LENGTH, OWN_LENGTH, true,
                                    &text, err));
        for (size_t k = start; k < text.length; k++)
            if (text.bytes[k] == '\n' || text.bytes[k] == '\r') text.bytes[k] = ' ';
        rv_text_putc(&text, '\n');
    }
    RV_GOTO(rv_write_private_file(d->own_corpus, text.bytes, text.length, err));
done:
    rv_search_free(sampler);
    rv_text_release(&text);
    free(ids);
    return status;
}

rv_status rv_own_corpus(rv_dreaming *d, rv_error *err)
{
    if (d->params->corpus_count) {
        d->corpus = (rv_corpus){d->params->corpus, d->params->corpus_count};
        return RV_OK;
    }
    RV_TRY(rv_model_hash(d->model, err));
    char name[32], *cache = rv_cache_folder(),
                   *folder = cache ? rv_path_join(cache, "corpus") : NULL;
    free(cache);
    if (!folder)
        return rv_fail(err, RV_ERR_USAGE,
                       "corpus: expected --corpus FILE, or HOME or XDG_CACHE_HOME to be set");
    snprintf(name, sizeof name, "own-%.16s.txt", d->model->hash);
    rv_status status = rv_make_private_folders(folder, err);
    d->own_corpus = rv_path_join(folder, name);
    free(folder);
    RV_TRY(status);
    if (!d->own_corpus) return rv_fail_memory(err, 64);
    if (!rv_file_exists(d->own_corpus)) RV_TRY(write_texts(d, err));
    d->own_file = d->own_corpus;
    d->corpus = (rv_corpus){&d->own_file, 1};
    return RV_OK;
}

static rv_status score_second(rv_dreaming *d, const char *text, size_t length, double *nll,
                              rv_error *err)
{
    const rv_model *m = d->params->fluency;
    rv_special_ids special = rv_tokenizer_special(m->tokenizer);
    int32_t bos = m->bos >= 0 ? m->bos : special.separator;
    d->second_ids.count = 0;
    if (bos >= 0) RV_TRY(rv_ids_push(&d->second_ids, bos, err));
    RV_TRY(
        rv_tokenizer_encode(m->tokenizer, text, length, RV_ENCODE_PLAIN, &d->second_ids, err));
    size_t rows = d->second_ids.count, room = d->second_pass ? d->second_ids.capacity : 0;
    if (rows == 0) {
        *nll = 0;
        return RV_OK;
    }
    if (rows > room || !d->second_pass) {
        rv_pass_free(d->second_pass);
        d->second_pass = NULL;
        rv_pass_options options = {
            .rows = d->second_ids.capacity, .sequences = 1, .threads = m->threads};
        RV_TRY(rv_pass_new(&d->second_pass, m->transformer, &options, err));
    }
    real *losses;
    RV_TRY(RV_NEW(losses, rows, err));
    rv_sequence sequence = {.ids = d->second_ids.items, .count = rows};
    rv_status status = rv_pass_begin(d->second_pass, &sequence, 1, NULL, 0, err);
    if (status == RV_OK) {
        rv_pass_finish(d->second_pass);
        rv_pass_losses(d->second_pass, losses);
        *nll = 0;
        for (size_t i = 0; i < rows; i++) *nll += (double)losses[i];
    }
    free(losses);
    return status;
}

rv_status rv_second_opinion(void *context, double *nll, const int32_t *ids, size_t count,
                            rv_error *err)
{
    rv_dreaming *d = context;
    rv_text text = {0};
    rv_status status = rv_tokenizer_decode(d->model->tokenizer, ids, count, true, &text, err);
    if (status == RV_OK)
        status = score_second(d, text.bytes ? text.bytes : "", text.length, nll, err);
    rv_text_release(&text);
    *nll /= (double)count;
    return status;
}
