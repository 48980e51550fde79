#include "explain/gather.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* Adds a text to the list, unless values are missing. */
static rv_status add_text(rv_activation_records *list, const rv_token_entry *tokens,
                          size_t count, double sign, rv_error *err)
{
    rv_activation_record record;
    for (size_t i = 1; i < count; i++)
        if (!isfinite(tokens[i].value)) return RV_OK;
    if (count == 0 || (count == 1 && !isfinite(tokens[0].value))) return RV_OK;
    RV_TRY(rv_activation_record_init(&record, count, err));
    for (size_t i = 0; i < count; i++) {
        double value = isfinite(tokens[i].value) ? sign * tokens[i].value : 0;
        rv_status status = rv_activation_record_set(&record, i, tokens[i].text.bytes,
                                                    tokens[i].text.length, value, err);
        if (status == RV_OK) continue;
        rv_activation_record_release(&record);
        return status;
    }
    return rv_activation_records_push(list, &record, err);
}

static bool same_text(const rv_activation_record *a, const rv_activation_record *b)
{
    if (a->count != b->count) return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->tokens[i], b->tokens[i]) != 0) return false;
    return true;
}

static int stronger(const void *a, const void *b)
{
    double x = rv_record_maximum(a), y = rv_record_maximum(b);
    return (x < y) - (x > y);
}

/* Strongest first; of equal texts, which are then neighbours, the first. */
static void sort_and_prune(rv_activation_records *list)
{
    size_t kept = 0;
    if (!list->count) return;
    qsort(list->items, list->count, sizeof *list->items, stronger);
    for (size_t i = 0; i < list->count; i++) {
        bool again = false;
        for (size_t k = kept;
             k-- > 0 && !again &&
             rv_record_maximum(&list->items[k]) == rv_record_maximum(&list->items[i]);)
            again = same_text(&list->items[k], &list->items[i]);
        if (again)
            rv_activation_record_release(&list->items[i]);
        else
            list->items[kept++] = list->items[i];
    }
    list->count = kept;
}

static rv_activation_records *list_for(rv_evidence *e, const char *kind)
{
    return strcmp(kind, "top") == 0 ? &e->top : strcmp(kind, "random") == 0 ? &e->random : NULL;
}

/* Quantile samples in one list for each named quantile, in the order in which they come. */
static rv_status add_quantile(rv_evidence *e, const rv_run *run, size_t at, double sign,
                              rv_error *err)
{
    const rv_example_record *example = &run->examples[at];
    size_t slot = 0;
    const char *last = NULL;
    for (size_t i = 0; i <= at; i++) {
        const rv_example_record *other = &run->examples[i];
        if (strcmp(other->kind, "quantile") != 0 || !other->quantile) continue;
        if (last && strcmp(last, other->quantile) != 0) slot++;
        last = other->quantile;
    }
    if (slot >= e->quantile_count) {
        rv_activation_records *grown;
        RV_TRY(RV_NEW(grown, slot + 1, err));
        if (e->quantile_count) memcpy(grown, e->quantiles, e->quantile_count * sizeof *grown);
        free(e->quantiles);
        e->quantiles = grown;
        e->quantile_count = slot + 1;
    }
    return add_text(&e->quantiles[slot], example->tokens, example->token_count, sign, err);
}

/* Every token whose best replacement still costs something is a pair: the text with and without. */
static rv_status add_pairs(rv_evidence *e, const rv_attribution_record *a, rv_error *err)
{
    enum { MOST = 8 };
    for (size_t i = 0; i < a->token_count && e->pairs.count < MOST; i++) {
        const rv_replacement_entry *best = &a->tokens[i].best;
        if (!best->text.bytes || !(best->drop > 0.5 * a->activation) || a->activation <= 0)
            continue;
        rv_text before = {0}, after = {0};
        for (size_t k = 0; k < a->token_count; k++)
            if (k != i)
                rv_text_append(k < i ? &before : &after, a->tokens[k].text.bytes,
                               a->tokens[k].text.length);
        rv_text_append(&before, "", 0);
        rv_text_append(&after, "", 0);
        char *token = rv_utf8_repair(a->tokens[i].text.bytes, a->tokens[i].text.length);
        char *replacement = rv_utf8_repair(best->text.bytes, best->text.length);
        rv_minimal_pair pair = {before.bytes, token,         after.bytes,
                                replacement,  a->activation, best->activation};
        bool whole = token && replacement && !before.failed && !after.failed;
        rv_status status =
            whole ? rv_minimal_pairs_push(&e->pairs, &pair, err) : rv_fail_memory(err, 64);
        free(token);
        free(replacement);
        rv_text_release(&before);
        rv_text_release(&after);
        RV_TRY(status);
    }
    return RV_OK;
}

rv_status rv_evidence_add_run(rv_evidence *e, const rv_run *run, bool examples, rv_error *err)
{
    double sign = run->about.target.sign < 0 ? -1 : 1;
    bool marked = false;
    for (size_t i = 0; i < run->dream_count; i++)
        marked = marked || run->dreams[i].headline || run->dreams[i].diverse;
    for (size_t i = 0; i < run->dream_count; i++) {
        const rv_dream_record *dream = &run->dreams[i];
        if (marked && !dream->headline && !dream->diverse) continue;
        RV_TRY(add_text(&e->dreams, dream->tokens, dream->token_count, sign, err));
    }
    for (size_t i = 0; i < run->attribution_count; i++)
        RV_TRY(add_pairs(e, &run->attributions[i], err));
    for (size_t i = 0; examples && i < run->example_count; i++) {
        const rv_example_record *example = &run->examples[i];
        rv_activation_records *list = list_for(e, example->kind);
        if (list)
            RV_TRY(add_text(list, example->tokens, example->token_count, sign, err));
        else if (strcmp(example->kind, "quantile") == 0 && example->quantile)
            RV_TRY(add_quantile(e, run, i, sign, err));
    }
    sort_and_prune(&e->dreams);
    if (examples) sort_and_prune(&e->top);
    return RV_OK;
}
