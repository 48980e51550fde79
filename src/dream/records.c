/* The records of a dream: provenance first, then the corpus, the way, and what was found, every number
 * computed again from the text. */
#include "dream/session.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "subject/describe.h"
#include "autoencoder/text_autoencoder.h"
#include "base/arena.h"
#include "base/file.h"
#include "base/memory.h"
#include "search/proposal.h"

enum { REPLACEMENTS = 64, DIVERSE = 4, EXAMPLES = 10, MEMBERS = 8 };

/* One record: into the lines, and to the file. */
#define EMIT(d, name, record, err)                           \
    do {                                                     \
        size_t before_ = (d)->lines.length;                  \
        RV_TRY(rv_put_##name(&(d)->lines, (record), (err))); \
        RV_TRY(pass_on((d), before_, (err)));                \
    } while (0)

static rv_status pass_on(rv_dreaming *d, size_t before, rv_error *err)
{
    if (d->lines.failed) return rv_fail_memory(err, d->lines.length);
    if (d->output.writer)
        rv_text_append(rv_record_writer_batch(d->output.writer), d->lines.bytes + before,
                       d->lines.length - before);
    return RV_OK;
}

static rv_status commit(rv_dreaming *d, rv_error *err)
{
    return d->output.writer ? rv_record_writer_commit(d->output.writer, err) : RV_OK;
}

static rv_string token_text(const rv_dreaming *d, int32_t id)
{
    return rv_token_text(d->model, id);
}

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
    json_t *json = json_pack("{s:b, s:b, s:b, s:b, s:f, s:o, s:o, s:I}", "as_published",
                             (int)p->as_published, "exact", (int)p->exact, "narrow",
                             (int)d->narrow, "int8", (int)d->int8, "repetition", p->repetition,
                             "prompts", texts_json(p->prompts, p->prompt_count), "forbidden",
                             texts_json(p->forbidden, p->forbidden_count), "corpus_tokens",
                             (json_int_t)p->corpus_tokens);
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
    if (d->bos >= 0) r.bos.token = token_text(d, d->bos);
    if (d->prefix_text && *d->prefix_text) r.template.prefix = RV_STRING(d->prefix_text);
    if (d->suffix_text && *d->suffix_text) r.template.suffix = RV_STRING(d->suffix_text);
    r.normalisation =
        (rv_normalisation_entry){d->stats->mean, d->stats->deviation, (double)d->target.sign,
                                 d->corpus_name, d->stats->positions};
    r.length = (rv_length_entry){p->least, p->most};
    r.version = RV_VERSION_STRING;
    r.threads = (uint64_t)d->model->threads;
    r.kernels = d->model->transformer->kernels->name;
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
    return status == RV_OK ? pass_on(d, before, err) : status;
}

static double normalised(const rv_dreaming *d, double f)
{
    return (double)d->target.sign * (f - d->stats->mean) / d->stats->deviation;
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
                                     .text = token_text(d, hit->ids[from + i]),
                                     .value = window ? NAN : (double)hit->values[from + i],
                                     .probability = NAN,
                                     .nll = NAN};
    const char *file = d->corpus.files[hit->file], *slash = strrchr(file, '/');
    e.kind = kind;
    e.tokens = tokens;
    e.token_count = count;
    e.raw = window ? window->f : hit->f;
    e.activation = normalised(d, e.raw);
    if (window) e.cross_entropy = window->xe;
    e.source = (rv_source_entry){slash ? slash + 1 : file, hit->offset};
    size_t before = d->lines.length;
    rv_status status = rv_put_example(&d->lines, &e, err);
    free(tokens);
    RV_TRY(status);
    return pass_on(d, before, err);
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
    return commit(d, err);
}

static rv_status decode(rv_string *out, rv_arena *arena, const rv_dreaming *d,
                        const rv_candidate *c, rv_error *err)
{
    rv_text text = {0};
    RV_TRY(rv_tokenizer_decode(d->model->tokenizer, c->ids, c->length, false, &text, err));
    char *bytes = rv_arena_alloc(arena, text.length + 1, 1);
    if (bytes && text.length) memcpy(bytes, text.bytes, text.length);
    *out = (rv_string){bytes, text.length};
    rv_text_release(&text);
    return bytes ? RV_OK : rv_fail_memory(err, out->length);
}

static size_t choose_headline(const rv_point *points, const double *per_byte, size_t n,
                              const rv_dreaming *d)
{
    double strongest = -INFINITY;
    for (size_t i = 0; i < d->window_count; i++) strongest = fmax(strongest, d->windows[i].g);
    return rv_choose_headline_by_byte(points, per_byte, n, d->fluency_50, d->byte_fluency_50,
                                      strongest);
}

/* The headline of the moment, and texts from the most fluent to the most active one. */
static rv_status some_of_front(rv_member_entry *out, size_t *count, rv_arena *arena,
                               const rv_dreaming *d, const rv_front *front, rv_error *err)
{
    size_t n = front->count, picked[MEMBERS + 1], kept = 0;
    rv_point *points = rv_arena_alloc(arena, n + 1, sizeof *points);
    size_t *order = rv_arena_alloc(arena, n + 1, sizeof *order);
    double *per_byte = rv_arena_alloc(arena, n + 1, sizeof *per_byte);
    if (!points || !order || !per_byte) return rv_fail_memory(err, n * sizeof *points);
    for (size_t i = 0; i < n; i++) {
        points[i] = (rv_point){front->items[i].g, front->items[i].xe};
        per_byte[i] = front->items[i].xb;
    }
    size_t sorted = rv_non_dominated(order, points, n), first = 0;
    if (sorted > 0 && sorted != RV_NOT_FOUND) {
        picked[kept++] = choose_headline(points, per_byte, n, d);
        size_t spread = sorted < MEMBERS ? sorted : MEMBERS;
        for (size_t i = 0; i < spread; i++)
            picked[kept++] = order[spread > 1 ? i * (sorted - 1) / (spread - 1) : 0];
    }
    for (*count = 0; first < kept; first++) {
        const rv_candidate *c = &front->items[picked[first]];
        bool shown = false;
        for (size_t i = 0; i < first; i++) shown |= picked[i] == picked[first];
        if (shown) continue;
        rv_member_entry *m = &out[(*count)++];
        *m = (rv_member_entry){.activation = c->g, .cross_entropy = c->xe};
        RV_TRY(decode(&m->text, arena, d, c, err));
    }
    return RV_OK;
}

rv_status rv_record_trajectory(rv_dreaming *d, const rv_search *s, double seconds,
                               rv_error *err)
{
    static const double levels[RV_BEST_COUNT] = {4, 5, 6, 9};
    rv_trajectory_record t = rv_trajectory_record_empty();
    t.forward_tokens = s->work.forward;
    t.backward_tokens = s->work.backward;
    t.seconds = seconds;
    t.area = rv_front_area(&s->front);
    for (size_t i = 0; i < RV_BEST_COUNT; i++) {
        double best = rv_front_best(&s->front, levels[i]);
        t.best[i] = isfinite(best) ? best : NAN;
    }
    rv_arena arena = {0};
    rv_member_entry members[MEMBERS + 1];
    size_t before = d->lines.length;
    rv_status status = some_of_front(members, &t.member_count, &arena, d, &s->front, err);
    t.members = members;
    if (status == RV_OK) status = rv_put_trajectory(&d->lines, &t, err);
    rv_arena_release(&arena);
    RV_TRY(status);
    RV_TRY(pass_on(d, before, err));
    return commit(d, err);
}

/* ---- results ---------------------------------------------------------------------------------- */

/* One pass over a whole prompt by itself: nothing cached, nothing shared. */
typedef struct fresh {
    rv_pass *pass;
    real *nll, *values, *tapped, *logits;
    size_t rows;
} fresh;

static rv_status fresh_new(fresh *f, const rv_dreaming *d, rv_error *err)
{
    const rv_transformer *m = d->model->transformer;
    f->rows = d->prefix.count + d->params->most + d->suffix.count;
    rv_pass_options options = {.rows = f->rows,
                               .sequences = 1,
                               .positions = f->rows,
                               .keep = rv_target_needs_keep(&d->target),
                               .threads = d->model->threads};
    RV_TRY(rv_pass_new(&f->pass, m, &options, err));
    RV_TRY(RV_NEW(f->nll, f->rows, err));
    RV_TRY(RV_NEW(f->values, f->rows, err));
    RV_TRY(RV_NEW(f->tapped, rv_target_buffer(&d->target, &m->config, f->rows, f->rows), err));
    return RV_NEW(f->logits, m->config.vocabulary, err);
}

static void fresh_free(fresh *f)
{
    rv_pass_free(f->pass);
    free(f->nll);
    free(f->values);
    free(f->tapped);
    free(f->logits);
}

static rv_status fresh_run(fresh *f, const rv_dreaming *d, const int32_t *ids, size_t count,
                           rv_error *err)
{
    rv_sequence sequence = {.ids = ids, .count = count};
    rv_tap tap;
    size_t taps = rv_target_tap(&tap, &d->target, f->tapped);
    RV_TRY(rv_pass_begin(f->pass, &sequence, 1, &tap, taps, err));
    rv_pass_finish(f->pass);
    rv_pass_losses(f->pass, f->nll);
    rv_target_values(f->values, &d->target, f->pass, f->tapped, f->logits);
    return RV_OK;
}

/* Everything that a dream's record says, computed from its tokens. */
static rv_status measure(rv_dream_record *out, rv_token_entry *tokens, fresh *f, rv_dreaming *d,
                         const rv_candidate *c, rv_error *err)
{
    size_t P = d->prefix.count, n = c->length, skip = d->bos >= 0;
    int32_t *whole;
    RV_TRY(RV_NEW(whole, f->rows, err));
    memcpy(whole, d->prefix.items, P * sizeof *whole);
    memcpy(whole + P, c->ids, n * sizeof *whole);
    memcpy(whole + P + n, d->suffix.items, d->suffix.count * sizeof *whole);
    rv_status status = fresh_run(f, d, whole + skip, P + n + d->suffix.count - skip, err);
    double published = 0, sum = 0;
    for (size_t i = P == skip; status == RV_OK && i < n; i++)
        published += (double)f->nll[P - skip + i];
    if (status == RV_OK) status = fresh_run(f, d, whole, P + n + d->suffix.count, err);
    free(whole);
    RV_TRY(status);
    // as in the search, the fixed prefix does not compete for the maximum
    size_t row = rv_target_row(&d->target, f->values + P, P, n + d->suffix.count);
    if (row != SIZE_MAX) row += P;
    for (size_t i = 0; i < n; i++) {
        double nll = (double)f->nll[P + i];
        bool scored = P + i > 0;
        sum += nll;
        tokens[i] = (rv_token_entry){.id = c->ids[i],
                                     .text = token_text(d, c->ids[i]),
                                     .value = (double)f->values[P + i],
                                     .probability = scored ? exp(-nll) : NAN,
                                     .nll = scored ? nll : NAN};
    }
    out->tokens = tokens;
    out->token_count = n;
    out->raw = row == SIZE_MAX ? NAN : (double)f->values[row];
    out->activation = normalised(d, out->raw);
    out->cross_entropy = sum / (double)(n > (P == 0) ? n - (P == 0) : 1);
    size_t all = out->text.length, unscored = P == 0 && n ? tokens[0].text.length : 0;
    if (all > unscored) out->bits_per_byte = sum / log(2) / (double)(all - unscored);
    size_t scored = n - (P == skip);
    if (scored) out->cross_entropy_published = published / (double)scored;
    return RV_OK;
}

/* Nats a byte of the tokens from `first` on. */
static double nats_per_byte(const rv_dream_record *dream, size_t first)
{
    double nats = 0;
    size_t bytes = 0;
    for (size_t i = first; i < dream->token_count; i++) {
        if (isnan(dream->tokens[i].nll)) continue;
        nats += dream->tokens[i].nll;
        bytes += dream->tokens[i].text.length;
    }
    return bytes ? nats / (double)bytes : INFINITY;
}

/* The headline and a few that differ from it, among those at least as fluent as nine in ten corpus windows. */
static rv_status mark(rv_dream_record *dreams, size_t count, const rv_dreaming *d,
                      rv_error *err)
{
    rv_point *points = NULL;
    double *per_byte = NULL;
    size_t *fluent = NULL, fluent_count = 0, picked[DIVERSE];
    rv_status status;
    RV_GOTO(RV_NEW(points, count, err));
    RV_GOTO(RV_NEW(per_byte, count, err));
    RV_GOTO(RV_NEW(fluent, count, err));
    for (size_t i = 0; i < count; i++) {
        points[i] = (rv_point){dreams[i].activation, dreams[i].cross_entropy};
        per_byte[i] = fmax(nats_per_byte(&dreams[i], 0),
                           nats_per_byte(&dreams[i], dreams[i].token_count / 2));
        if (dreams[i].cross_entropy <= d->fluency_90) fluent[fluent_count++] = i;
    }
    size_t headline = choose_headline(points, per_byte, count, d);
    if (headline != RV_NOT_FOUND) {
        dreams[headline].headline = true;
        size_t others =
            rv_choose_diverse(picked, DIVERSE, dreams, fluent, fluent_count, headline);
        for (size_t i = 0; i < others; i++) dreams[picked[i]].diverse = i + 1;
    }
done:
    free(points);
    free(per_byte);
    free(fluent);
    return status;
}

/* Worst and best of the 64 replacements that the gradient of the activation likes best, token by token. */
static rv_status attribute(rv_dreaming *d, const rv_candidate *c, const rv_dream_record *dream,
                           rv_error *err)
{
    size_t V = d->model->transformer->config.vocabulary, n = c->length, total = 0;
    rv_search_params params = d->search_params;
    params.journal = NULL;
    params.as_published = false;
    rv_search *s = NULL;
    rv_arena arena = {0};
    rv_status status;
    RV_GOTO(rv_search_new(&s, &d->problem, &params, 1, 256, err));
    RV_GOTO(rv_search_expand(s, &c, 1, err));
    real *score = rv_arena_alloc(&arena, V, sizeof *score);
    int32_t *top = rv_arena_alloc(&arena, n * REPLACEMENTS, sizeof *top),
            *ids = rv_arena_alloc(&arena, n * n * REPLACEMENTS, sizeof *ids);
    rv_candidate *tried = rv_arena_alloc(&arena, n * REPLACEMENTS, sizeof *tried);
    rv_attribution_entry *entries = rv_arena_alloc(&arena, n, sizeof *entries);
    rv_replacement_entry *best = rv_arena_alloc(&arena, 3 * n, sizeof *best);
    size_t *counts = rv_arena_alloc(&arena, n, sizeof *counts);
    if (!score || !top || !ids || !tried || !entries || !best || !counts)
        RV_GOTO(rv_fail_memory(err, n * V));
    for (size_t i = 0; i < n; i++) {
        rv_swap_scores(score, s, &s->members[0], i, 0, false);
        counts[i] = rv_top_k(top + i * REPLACEMENTS, score, V, REPLACEMENTS);
        for (size_t k = 0; k < counts[i]; k++, total++) {
            tried[total] = (rv_candidate){.ids = ids + total * n, .length = n, .parent = 0};
            memcpy(tried[total].ids, c->ids, n * sizeof *ids);
            tried[total].ids[i] = top[i * REPLACEMENTS + k];
        }
    }
    RV_GOTO(rv_search_judge(s, tried, total, err));
    for (size_t i = 0, at = 0; i < n; at += counts[i], i++) {
        rv_attribution_entry *e = &entries[i];
        *e = (rv_attribution_entry){
            .id = c->ids[i], .text = token_text(d, c->ids[i]), .top = best + 3 * i};
        size_t order[3], kept = 0, worst = at;
        for (size_t k = at; k < at + counts[i]; k++) {
            if (tried[k].g < tried[worst].g) worst = k;
            size_t p = kept < 3 ? kept++ : 3;
            for (; p > 0 && tried[k].g > tried[order[p - 1]].g; p--)
                if (p < 3) order[p] = order[p - 1];
            if (p < 3) order[p] = k;
        }
        if (kept == 0) continue;
        for (size_t k = 0; k < kept; k++) {
            int32_t id = tried[order[k]].ids[i];
            best[3 * i + k] = (rv_replacement_entry){token_text(d, id), id, tried[order[k]].g,
                                                     dream->activation - tried[order[k]].g};
        }
        int32_t id = tried[worst].ids[i];
        e->worst = (rv_replacement_entry){token_text(d, id), id, tried[worst].g,
                                          dream->activation - tried[worst].g};
        e->best = best[3 * i];
        e->top_count = kept;
    }
    rv_attribution_record r = rv_attribution_record_empty();
    r.text = dream->text;
    r.activation = dream->activation;
    r.tokens = entries;
    r.token_count = n;
    size_t before = d->lines.length;
    RV_GOTO(rv_put_attribution(&d->lines, &r, err));
    RV_GOTO(pass_on(d, before, err));
done:
    rv_arena_release(&arena);
    rv_search_free(s);
    return status;
}

static bool same_ids(const rv_candidate *a, const rv_candidate *b)
{
    return a->length == b->length && memcmp(a->ids, b->ids, a->length * sizeof *a->ids) == 0;
}

/* The front as the problem defines it: what was found without BOS or with children in bf16 is judged again. */
static rv_status settle_front(rv_dreaming *d, rv_search *found, rv_search **judged,
                              rv_error *err)
{
    rv_search_params params = d->search_params;
    params.as_published = false;
    params.journal = NULL;
    for (size_t i = 0; i < found->front.count; i++) found->front.items[i].parent = -1;
    if (!d->params->as_published && !d->narrow) return RV_OK;
    RV_TRY(rv_search_new(judged, &d->problem, &params, 0, 256, err));
    const rv_front *old = &found->front;
    uint64_t *found_at;
    RV_TRY(RV_NEW(found_at, old->count, err));
    for (size_t i = 0; i < old->count; i++) found_at[i] = old->items[i].found_at;
    rv_status status = rv_search_judge(*judged, old->items, old->count, err);
    rv_front *front = &(*judged)->front;
    for (size_t i = 0; i < front->count; i++)
        for (size_t k = 0; k < old->count; k++)
            if (same_ids(&front->items[i], &old->items[k]))
                front->items[i].found_at = found_at[k];
    free(found_at);
    return status;
}

static int by_fluency(const void *a, const void *b)
{
    double x = ((const rv_candidate *)a)->xe, y = ((const rv_candidate *)b)->xe;
    return (x > y) - (x < y);
}

static const char nothing_survives[] =
    "Nothing that this search tried comes back from its text as the same tokens.";

static rv_status put_note(rv_dreaming *d, const char *text, rv_error *err)
{
    rv_note_record note = rv_note_record_empty();
    note.text = RV_STRING(text);
    EMIT(d, note, &note, err);
    return RV_OK;
}

static rv_status put_dreams(rv_dreaming *d, const rv_front *front, rv_arena *arena,
                            rv_error *err)
{
    fresh f = {0};
    size_t n = d->params->most, headline = front->count;
    rv_dream_record *dreams = rv_arena_alloc(arena, front->count + 1, sizeof *dreams);
    rv_token_entry *tokens = rv_arena_alloc(arena, (front->count + 1) * n, sizeof *tokens);
    rv_status status = dreams && tokens
                           ? fresh_new(&f, d, err)
                           : rv_fail_memory(err, front->count * n * sizeof *tokens);
    for (size_t i = 0; status == RV_OK && i < front->count; i++) {
        const rv_candidate *c = &front->items[i];
        dreams[i] = rv_dream_record_empty();
        status = decode(&dreams[i].text, arena, d, c, err);
        if (status == RV_OK) status = measure(&dreams[i], tokens + i * n, &f, d, c, err);
        dreams[i].method = d->dreamer->name;
        dreams[i].seed = d->params->seed;
        dreams[i].found_at = c->found_at;
    }
    fresh_free(&f);
    RV_TRY(status);
    RV_TRY(mark(dreams, front->count, d, err));
    if (front->count == 0) RV_TRY(put_note(d, nothing_survives, err));
    for (size_t i = 0; i < front->count; i++) {
        EMIT(d, dream, &dreams[i], err);
        if (dreams[i].headline) headline = i;
    }
    if (d->params->attribution && headline < front->count && !d->cancelled && !d->failed)
        RV_TRY(attribute(d, &front->items[headline], &dreams[headline], err));
    return RV_OK;
}

rv_status rv_record_results(rv_dreaming *d, rv_search *found, rv_error *err)
{
    rv_search *judged = NULL;
    rv_arena arena = {0};
    bool complete = !d->cancelled && !d->failed;
    rv_status status = settle_front(d, found, &judged, err);
    rv_front *front = judged ? &judged->front : &found->front;
    qsort(front->items, front->count, sizeof *front->items, by_fluency);
    if (status == RV_OK) status = put_dreams(d, front, &arena, err);
    rv_arena_release(&arena);
    rv_search_free(judged);
    RV_TRY(status);
    rv_end_record end = rv_end_record_empty();
    end.forward_tokens = found->work.forward;
    end.backward_tokens = found->work.backward;
    end.seconds = d->seconds;
    end.status = complete ? "complete" : "interrupted";
    EMIT(d, end, &end, err);
    return rv_output_end(d, found->work.forward, complete, err);
}
