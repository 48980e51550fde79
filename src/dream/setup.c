/* A dream before its search: what was asked for is checked, the corpus learned, the problem stated. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autoencoder/open.h"
#include "base/memory.h"
#include "corpus/ask.h"
#include "corpus/pool.h"
#include "dream/session.h"

enum { STARTS = 64 };

static bool contains(const char *bytes, size_t length, const char *part)
{
    size_t n = strlen(part);
    for (size_t i = 0; n && i + n <= length; i++)
        if (memcmp(bytes + i, part, n) == 0) return true;
    return false;
}

static rv_status forbid(rv_dreaming *d, rv_error *err)
{
    const rv_tokenizer *tok = d->model->tokenizer;
    size_t V = d->model->transformer->config.vocabulary, left = 0;
    RV_TRY(RV_NEW(d->forbidden, V, err));
    for (size_t v = 0; v < V; v++) {
        size_t length;
        const char *bytes = rv_token_bytes(tok, (int32_t)v, &length);
        bool usable = bytes && length && !rv_token_is_special(tok, (int32_t)v);
        for (size_t i = 0; usable && i < d->params->forbidden_count; i++)
            usable = !contains(bytes, length, d->params->forbidden[i]);
        d->forbidden[v] = !usable;
        left += usable;
    }
    if (left) return RV_OK;
    return rv_fail(
        err, RV_ERR_USAGE,
        "forbidden tokens: expected some of %zu to be left to dream with, found none", V);
}

static rv_status parse_position(rv_target *t, const char *position, bool by_strongest,
                                rv_error *err)
{
    char *end;
    if (!position && by_strongest)
        t->reading = RV_READ_MAX;
    else if (!position || strcmp(position, "last") == 0)
        t->reading = RV_READ_LAST;
    else if (strcmp(position, "max") == 0)
        t->reading = RV_READ_MAX;
    else {
        t->reading = RV_READ_AT;
        t->position = strtol(position, &end, 10);
        if (end == position || *end)
            return rv_fail(err, RV_ERR_USAGE,
                           "position: expected last, max or a number, found \"%s\"", position);
    }
    return RV_OK;
}

/* A position is counted from the start of the whole text, BOS and template included, or back from its end. */
static rv_status check_position(const rv_dreaming *d, rv_error *err)
{
    const rv_target *t = &d->target;
    long first = (long)d->prefix.count, behind = (long)d->suffix.count;
    long last = first + (long)d->params->least - 1 + behind;
    if (t->reading != RV_READ_AT) return RV_OK;
    if (t->position >= 0 ? t->position >= first && t->position <= last
                         : -t->position <= (long)d->params->least + behind)
        return RV_OK;
    return rv_fail(err, RV_ERR_USAGE,
                   "position: expected %ld to %ld (BOS and prefix before them count), or -1 to "
                   "%ld from the end; found %ld",
                   first, last, -(long)d->params->least - behind, t->position);
}

static rv_status check_lengths(const rv_dream_params *p, rv_error *err)
{
    if (p->least > 0 && p->least <= p->most) return RV_OK;
    return rv_fail(err, RV_ERR_USAGE,
                   "dream length: expected 1 <= least <= most, found %zu and %zu",
                   (size_t)p->least, (size_t)p->most);
}

/* Texts to start from: the user's, then the tokens that end at the corpus's strongest positions. */
static rv_status collect_starts(rv_dreaming *d, rv_error *err)
{
    const rv_dream_params *p = d->params;
    const rv_corpus_hit *hits = d->target.sign > 0 ? d->stats->high : d->stats->low;
    size_t hit_count = d->target.sign > 0 ? d->stats->high_count : d->stats->low_count;
    RV_TRY(RV_NEW(d->starts, p->prompt_count + hit_count, err));
    RV_TRY(RV_NEW(d->prompt_ids, p->prompt_count, err));
    for (size_t i = 0; i < p->prompt_count; i++) {
        RV_TRY(rv_tokenizer_encode(d->model->tokenizer, p->prompts[i], strlen(p->prompts[i]),
                                   RV_ENCODE_PLAIN, &d->prompt_ids[i], err));
        size_t count = d->prompt_ids[i].count;
        if (count < p->least || count > p->most)
            return rv_fail(err, RV_ERR_USAGE,
                           "prompt \"%.60s\": expected %zu to %zu tokens, found %zu",
                           p->prompts[i], (size_t)p->least, (size_t)p->most, count);
        d->starts[d->start_count++] = (rv_ids_view){d->prompt_ids[i].items, count};
    }
    d->first_window = d->start_count;
    for (size_t i = 0; i < hit_count; i++) {
        size_t n = hits[i].at + 1 < p->most ? hits[i].at + 1 : p->most;
        if (n < p->least) continue;
        d->starts[d->start_count++] = (rv_ids_view){hits[i].ids + hits[i].at + 1 - n, n};
    }
    return RV_OK;
}

/* What the search starts from: the starts without those that hold a forbidden token. */
static rv_status allow_starts(rv_dreaming *d, rv_error *err)
{
    RV_TRY(RV_NEW(d->allowed, d->start_count, err));
    for (size_t i = 0; i < d->start_count; i++) {
        bool allowed = true;
        for (size_t k = 0; k < d->starts[i].count; k++)
            allowed &= !d->forbidden[d->starts[i].items[k]];
        if (!allowed && i < d->first_window)
            return rv_fail(err, RV_ERR_USAGE,
                           "prompt \"%.60s\": expected no forbidden token, found one",
                           d->params->prompts[i]);
        if (allowed) d->allowed[d->allowed_count++] = d->starts[i];
    }
    return RV_OK;
}

/* Tokens of a dream: as asked for; of sentences, as many as the rule and the model's context allow. */
static size_t longest_dream(const rv_dreaming *d)
{
    size_t asked = d->params->most, context = d->model->transformer->config.context,
           fixed = d->prefix.count + d->suffix.count,
           room = context > fixed ? context - fixed : 0,
           most = room < RV_SENTENCE_MOST ? room : RV_SENTENCE_MOST;
    return d->dreamer->sentences && most > asked ? most : asked;
}

static rv_status learn_corpus(rv_dreaming *d, rv_error *err)
{
    const rv_dream_params *p = d->params;
    rv_corpus_options options = rv_corpus_options_default();
    options.tokens = p->corpus_tokens;
    options.window = rv_corpus_window(&d->model->transformer->config);
    options.context = p->most > 32 ? p->most : 32;
    options.top = STARTS;
    if (d->dreamer->sentences) options.after = RV_INDEX_AFTER;
    options.bos = d->corpus_bos;
    options.narrow = !p->exact;
    options.threads = d->model->threads;
    options.progress = p->progress;
    options.progress_context = p->progress_context;
    RV_TRY(rv_own_corpus(d, err));
    d->corpus_name = rv_corpus_name(&d->corpus);
    if (!d->corpus_name) return rv_fail_memory(err, 256);
    RV_TRY(rv_corpus_ask(&d->stats, &d->corpus, d->model, &d->target, 1, &options, err));
    return collect_starts(d, err);
}

static rv_status open_autoencoder(rv_dreaming *d, rv_error *err)
{
    char *shipped = NULL;
    const char *path = d->params->autoencoder;
    if (path && !d->dreamer->autoencoder)
        return rv_fail(err, RV_ERR_USAGE,
                       "autoencoder: expected with the methods latent and evolve, found %s",
                       d->dreamer->name);
    if (!d->dreamer->autoencoder) return RV_OK;
    if (!path) {
        RV_TRY(rv_autoencoder_shipped(&shipped, d->model, err));
        path = shipped;
    }
    rv_status status = rv_autoencoder_load(&d->autoencoder, path, d->model, err);
    free(shipped);
    RV_TRY(status);
    rv_hash *hash;
    RV_TRY(rv_hash_new(&hash, RV_SHA256, err));
    rv_hash_add(hash, d->autoencoder->parameters,
                d->autoencoder->parameter_count * sizeof *d->autoencoder->parameters);
    rv_hash_finish(hash, d->autoencoder_digest);
    rv_hash_free(hash);
    return RV_OK;
}

static rv_status find_dreamer(rv_dreaming *d, rv_error *err)
{
    d->dreamer = rv_dreamer_find(d->params->method);
    if (d->dreamer) return RV_OK;
    rv_text known = {0};
    for (const rv_dreamer *const *x = rv_dreamers; *x; x++)
        rv_text_printf(&known, "%s%s", known.length ? ", " : "", (*x)->name);
    rv_status status = rv_fail(err, RV_ERR_USAGE, "method: expected one of %s; found \"%s\"",
                               known.bytes ? known.bytes : "", d->params->method);
    rv_text_release(&known);
    return status;
}

/* What is searched, and how. */
static void state_problem(rv_dreaming *d)
{
    const rv_dream_params *p = d->params;
    d->problem = (rv_problem){.model = d->model->transformer,
                              .tokenizer = d->model->tokenizer,
                              .target = &d->target,
                              .mean = d->stats->mean,
                              .deviation = d->stats->deviation,
                              .prefix = {d->prefix.items, d->prefix.count},
                              .suffix = {d->suffix.items, d->suffix.count},
                              .forbidden = d->forbidden,
                              .starts = d->allowed,
                              .start_count = d->allowed_count,
                              .given_count = d->first_window,
                              .autoencoder = d->autoencoder,
                              .sentences = d->sentences,
                              .hits = d->target.sign > 0 ? d->stats->high : d->stats->low,
                              .hit_count = d->target.sign > 0 ? d->stats->high_count
                                                              : d->stats->low_count};
    if (p->fluency) {
        d->problem.second_opinion = rv_second_opinion;
        d->problem.second_context = d;
    }
    d->search_params = (rv_search_params){.seed = p->seed,
                                          .budget = p->budget,
                                          .least = p->least,
                                          .most = d->longest,
                                          .fragment = p->most,
                                          .repetition = p->repetition,
                                          .as_published = p->as_published,
                                          .exact = p->exact,
                                          .memory = p->memory,
                                          .threads = d->model->threads,
                                          .pulse = rv_dream_pulse,
                                          .context = d};
}

rv_status rv_dream_set_up(rv_dreaming *d, const char *target, rv_error *err)
{
    const rv_dream_params *p = d->params;
    RV_TRY(find_dreamer(d, err));
    RV_TRY(rv_target_parse(&d->target, target, &d->model->transformer->config,
                           d->model->tokenizer, err));
    RV_TRY(parse_position(&d->target, p->position, d->dreamer->sentences, err));
    RV_TRY(check_lengths(p, err));
    RV_TRY(rv_dream_fix_text(d, err));
    d->longest = longest_dream(d);
    if (d->longest == 1 && d->prefix.count == 0)
        return rv_fail(
            err, RV_ERR_USAGE,
            "dream length: expected at least 2 tokens where neither BOS nor a prefix "
            "stands before them, found 1: a first token has no likelihood");
    RV_TRY(check_position(d, err));
    RV_TRY(forbid(d, err));
    RV_TRY(learn_corpus(d, err));
    RV_TRY(allow_starts(d, err));
    RV_TRY(open_autoencoder(d, err));
    if (d->dreamer->sentences) RV_TRY(rv_dream_learn_sentences(d, err));
    state_problem(d);
    // screening is not for the published search, which has none, nor where it is not faster
    rv_transformer *model = d->model->transformer;
    bool screening = !p->exact && !p->as_published;
    d->narrow = screening && model->kernels->narrow;
    if (d->narrow) RV_TRY(rv_transformer_narrow(model, err));
    size_t needed = d->dreamer->members * p->most;
    if (p->budget < needed)
        return rv_fail(
            err, RV_ERR_USAGE,
            "budget: expected at least %zu forward tokens, one step of %s; found %zu", needed,
            d->dreamer->name, (size_t)p->budget);
    return RV_OK;
}
