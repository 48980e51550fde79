/* What was found: every number computed again from the text. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "dream/emit.h"
#include "target/probe.h"

enum { DIVERSE = 4 };

/* One pass over a whole prompt by itself: nothing cached, nothing shared. */
typedef struct fresh {
    rv_probe *probe;
    real *nll;
    const real *values;
    size_t rows;
} fresh;

static rv_status fresh_new(fresh *f, const rv_dreaming *d, rv_error *err)
{
    f->rows = d->prefix.count + d->longest + d->suffix.count;
    rv_pass_options options = {
        .rows = f->rows, .sequences = 1, .positions = f->rows, .threads = d->model->threads};
    RV_TRY(RV_NEW(f->nll, f->rows, err));
    return rv_probe_new(&f->probe, d->model->transformer, &d->target, 1, &options, false, err);
}

static void fresh_free(fresh *f)
{
    rv_probe_free(f->probe);
    free(f->nll);
}

static rv_status fresh_run(fresh *f, const int32_t *ids, size_t count, rv_error *err)
{
    rv_sequence sequence = {.ids = ids, .count = count};
    RV_TRY(rv_probe_run(f->probe, &sequence, 1, err));
    rv_pass_finish(f->probe->pass);
    rv_pass_losses(f->probe->pass, f->nll);
    f->values = rv_probe_values(f->probe, 0);
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
    rv_status status = fresh_run(f, whole + skip, P + n + d->suffix.count - skip, err);
    double published = 0, sum = 0;
    for (size_t i = P == skip; status == RV_OK && i < n; i++)
        published += (double)f->nll[P - skip + i];
    if (status == RV_OK) status = fresh_run(f, whole, P + n + d->suffix.count, err);
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
                                     .text = rv_emit_token(d, c->ids[i]),
                                     .value = (double)f->values[P + i],
                                     .probability = scored ? exp(-nll) : NAN,
                                     .nll = scored ? nll : NAN};
    }
    out->tokens = tokens;
    out->token_count = n;
    out->raw = row == SIZE_MAX ? NAN : (double)f->values[row];
    out->activation = rv_emit_normalised(d, out->raw);
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
    size_t headline = rv_emit_headline(points, per_byte, count, d);
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

static const char no_sentence[] =
    "No whole sentence in which the target fires was found; what is shown are fragments.";

static const char nothing_survives[] =
    "Nothing that this search tried comes back from its text as the same tokens.";

static rv_status put_note(rv_dreaming *d, const char *text, rv_error *err)
{
    rv_note_record note = rv_note_record_empty();
    note.text = RV_STRING(text);
    EMIT(d, note, &note, err);
    return RV_OK;
}

/* What the search said of the sentence with these tokens; NULL: it is none of those chosen. */
static const rv_sentence *sentence_of(const rv_search *found, const rv_candidate *c)
{
    for (size_t i = 0; i < found->sentence_count; i++) {
        const rv_sentence *s = &found->sentences[i];
        if (s->length == c->length && memcmp(s->ids, c->ids, c->length * sizeof *c->ids) == 0)
            return s;
    }
    return NULL;
}

/* The front, and the chosen sentences that are not on it. */
static rv_status list_dreams(rv_candidate **out, size_t *count, rv_arena *arena,
                             const rv_search *found, const rv_front *front, rv_error *err)
{
    rv_candidate *items =
        rv_arena_alloc(arena, front->count + found->sentence_count + 1, sizeof *items);
    if (!items) return rv_fail_memory(err, front->count * sizeof *items);
    size_t n = front->count;
    if (n) memcpy(items, front->items, n * sizeof *items);
    for (size_t i = 0; i < found->sentence_count; i++) {
        rv_sentence *s = &found->sentences[i];
        rv_candidate c = {
            .ids = s->ids, .length = s->length, .parent = -1, .found_at = s->found_at};
        bool there = false;
        for (size_t k = 0; k < front->count && !there; k++) there = same_ids(&items[k], &c);
        if (!there) items[n++] = c;
    }
    *out = items;
    *count = n;
    return RV_OK;
}

static rv_status put_dreams(rv_dreaming *d, const rv_search *found, const rv_front *front,
                            rv_arena *arena, rv_error *err)
{
    fresh f = {0};
    rv_candidate *items = NULL;
    size_t n = d->longest, count = 0, headline;
    RV_TRY(list_dreams(&items, &count, arena, found, front, err));
    headline = count;
    rv_dream_record *dreams = rv_arena_alloc(arena, count + 1, sizeof *dreams);
    rv_token_entry *tokens = rv_arena_alloc(arena, (count + 1) * n, sizeof *tokens);
    rv_status status = dreams && tokens ? fresh_new(&f, d, err)
                                        : rv_fail_memory(err, count * n * sizeof *tokens);
    for (size_t i = 0; status == RV_OK && i < count; i++) {
        const rv_candidate *c = &items[i];
        const rv_sentence *sentence = sentence_of(found, c);
        dreams[i] = rv_dream_record_empty();
        status = rv_emit_text(&dreams[i].text, arena, d, c, err);
        if (status == RV_OK) status = measure(&dreams[i], tokens + i * n, &f, d, c, err);
        dreams[i].method = d->dreamer->name;
        dreams[i].seed = d->params->seed;
        dreams[i].found_at = c->found_at;
        if (status == RV_OK && sentence)
            status = rv_describe_sentence(&dreams[i], arena, d, found, sentence, err);
    }
    fresh_free(&f);
    RV_TRY(status);
    if (!found->sentence_count) RV_TRY(mark(dreams, count, d, err));
    if (count == 0) RV_TRY(put_note(d, nothing_survives, err));
    if (d->dreamer->sentences && !found->sentence_count) RV_TRY(put_note(d, no_sentence, err));
    for (size_t i = 0; i < count; i++) {
        EMIT(d, dream, &dreams[i], err);
        if (dreams[i].headline) headline = i;
    }
    if (d->params->attribution && headline < count && !found->sentence_count && !d->cancelled &&
        !d->failed)
        RV_TRY(rv_emit_attribution(d, &items[headline], &dreams[headline], err));
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
    if (status == RV_OK) status = put_dreams(d, found, front, &arena, err);
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
