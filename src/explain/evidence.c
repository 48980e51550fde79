#include "explain/evidence.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

char *rv_utf8_repair(const char *bytes, size_t length)
{
    rv_text text = {0};
    for (size_t i = 0; i < length;) {
        unsigned code_point;
        size_t n = rv_utf8_decode(bytes + i, length - i, &code_point);
        if (n == 0 || code_point == 0) {
            rv_text_puts(&text, "\xef\xbf\xbd");
            i++;
        } else {
            rv_text_append(&text, bytes + i, n);
            i += n;
        }
    }
    return rv_text_take(&text);
}

rv_status rv_activation_record_init(rv_activation_record *out, size_t count, rv_error *err)
{
    *out = (rv_activation_record){0};
    RV_TRY(RV_NEW(out->tokens, count, err));
    rv_status status = RV_NEW(out->activations, count, err);
    if (status != RV_OK) {
        free(out->tokens);
        out->tokens = NULL;
        return status;
    }
    out->count = count;
    return RV_OK;
}

rv_status rv_activation_record_set(rv_activation_record *record, size_t i, const char *token,
                                   size_t length, double activation, rv_error *err)
{
    char *copy = rv_utf8_repair(token, length);
    if (!copy) return rv_fail_memory(err, length);
    free(record->tokens[i]);
    record->tokens[i] = copy;
    record->activations[i] = activation;
    return RV_OK;
}

void rv_activation_record_release(rv_activation_record *record)
{
    for (size_t i = 0; i < record->count; i++) free(record->tokens[i]);
    free(record->tokens);
    free(record->activations);
    *record = (rv_activation_record){0};
}

rv_status rv_activation_records_push(rv_activation_records *list, rv_activation_record *record,
                                     rv_error *err)
{
    rv_status status = rv_grow((void **)&list->items, &list->capacity, list->count + 1,
                               sizeof *list->items, err);
    if (status == RV_OK)
        list->items[list->count++] = *record;
    else
        rv_activation_record_release(record);
    *record = (rv_activation_record){0};
    return status;
}

void rv_activation_records_release(rv_activation_records *list)
{
    for (size_t i = 0; i < list->count; i++) rv_activation_record_release(&list->items[i]);
    free(list->items);
    *list = (rv_activation_records){0};
}

rv_status rv_token_weights_push(rv_token_weights *list, const char *token, size_t length,
                                double weight, rv_error *err)
{
    RV_TRY(rv_grow((void **)&list->items, &list->capacity, list->count + 1, sizeof *list->items,
                   err));
    char *copy = rv_utf8_repair(token, length);
    if (!copy) return rv_fail_memory(err, length);
    list->items[list->count++] = (rv_token_weight){copy, weight};
    return RV_OK;
}

void rv_token_weights_release(rv_token_weights *list)
{
    for (size_t i = 0; i < list->count; i++) free(list->items[i].token);
    free(list->items);
    *list = (rv_token_weights){0};
}

static void release_pair(rv_minimal_pair *pair)
{
    free(pair->before);
    free(pair->token);
    free(pair->after);
    free(pair->replacement);
}

rv_status rv_minimal_pairs_push(rv_minimal_pairs *list, const rv_minimal_pair *pair,
                                rv_error *err)
{
    RV_TRY(rv_grow((void **)&list->items, &list->capacity, list->count + 1, sizeof *list->items,
                   err));
    rv_minimal_pair copy = *pair;
    copy.before = rv_utf8_repair(pair->before, strlen(pair->before));
    copy.token = rv_utf8_repair(pair->token, strlen(pair->token));
    copy.after = rv_utf8_repair(pair->after, strlen(pair->after));
    copy.replacement = rv_utf8_repair(pair->replacement, strlen(pair->replacement));
    if (!copy.before || !copy.token || !copy.after || !copy.replacement) {
        release_pair(&copy);
        return rv_fail_memory(err, strlen(pair->before) + strlen(pair->after));
    }
    list->items[list->count++] = copy;
    return RV_OK;
}

rv_evidence rv_evidence_empty(void)
{
    return (rv_evidence){.layer = -1,
                         .neuron = -1,
                         .mean = NAN,
                         .variance = NAN,
                         .skewness = NAN,
                         .kurtosis = NAN};
}

void rv_evidence_release(rv_evidence *e)
{
    rv_activation_records_release(&e->top);
    rv_activation_records_release(&e->random);
    for (size_t i = 0; i < e->quantile_count; i++)
        rv_activation_records_release(&e->quantiles[i]);
    free(e->quantiles);
    free(e->boundaries);
    rv_activation_records_release(&e->dreams);
    for (size_t i = 0; i < e->pairs.count; i++) release_pair(&e->pairs.items[i]);
    free(e->pairs.items);
    rv_token_weights_release(&e->promoted);
    rv_token_weights_release(&e->suppressed);
    *e = rv_evidence_empty();
}

static rv_status check_records(const rv_activation_records *list, const char *kind, bool *fires,
                               rv_error *err)
{
    for (size_t r = 0; r < list->count; r++) {
        const rv_activation_record *record = &list->items[r];
        for (size_t i = 0; i < record->count; i++) {
            if (!isfinite(record->activations[i]))
                return rv_fail(err, RV_ERR_NUMERIC,
                               "%s record %zu, token %zu: activation: expected a finite "
                               "number, found %g",
                               kind, r, i, record->activations[i]);
            if (fires && record->activations[i] > 0) *fires = true;
        }
    }
    return RV_OK;
}

rv_status rv_evidence_check(const rv_evidence *e, rv_error *err)
{
    bool fires = false;
    RV_TRY(check_records(&e->top, "top", &fires, err));
    RV_TRY(check_records(&e->dreams, "dream", &fires, err));
    RV_TRY(check_records(&e->random, "random", NULL, err));
    for (size_t q = 0; q < e->quantile_count; q++)
        RV_TRY(check_records(&e->quantiles[q], "quantile", NULL, err));
    if (!fires)
        return rv_fail(err, RV_ERR_USAGE,
                       "the neuron never fires: expected an activation above 0 in the %zu top "
                       "records or the %zu dreams, found none",
                       e->top.count, e->dreams.count);
    return RV_OK;
}

/* ---- splits ---------------------------------------------------------------------------------- */
static void add_strided(rv_record_view *view, const rv_activation_records *from, size_t start,
                        size_t per_split, size_t stride)
{
    for (size_t i = 0; i < per_split; i++)
        view->items[view->count++] = &from->items[start + i * stride];
}

rv_status rv_split_records(rv_splits *out, const rv_activation_records *top,
                           const rv_activation_records *random, size_t per_split, rv_error *err)
{
    enum { TOP_SPLITS = 4, RANDOM_SPLITS = 3 };
    *out = (rv_splits){0};
    size_t tops = per_split ? per_split : top->count / TOP_SPLITS;
    size_t randoms = per_split ? per_split : random->count / RANDOM_SPLITS;
    if (tops == 0 || tops > top->count / TOP_SPLITS)
        return rv_fail(err, RV_ERR_USAGE,
                       "top records: expected at least %zu to deal out to train, calibration, "
                       "valid and test, found %zu",
                       TOP_SPLITS * (tops ? tops : 1), top->count);
    if (randoms == 0 || randoms > random->count / RANDOM_SPLITS)
        return rv_fail(err, RV_ERR_USAGE,
                       "random records: expected at least %zu to deal out to calibration, "
                       "valid and test, found %zu",
                       RANDOM_SPLITS * (randoms ? randoms : 1), random->count);
    rv_record_view *views[TOP_SPLITS] = {&out->train, &out->calibration, &out->valid,
                                         &out->test};
    for (size_t s = 0; s < TOP_SPLITS; s++) {
        rv_status status = RV_NEW(views[s]->items, tops + randoms, err);
        if (status != RV_OK) {
            rv_splits_release(out);
            return status;
        }
        add_strided(views[s], top, s, tops, TOP_SPLITS);
        if (s > 0) add_strided(views[s], random, s - 1, randoms, RANDOM_SPLITS);
    }
    return RV_OK;
}

void rv_splits_release(rv_splits *splits)
{
    free(splits->train.items);
    free(splits->calibration.items);
    free(splits->valid.items);
    free(splits->test.items);
    *splits = (rv_splits){0};
}

/* ---- levels ---------------------------------------------------------------------------------- */
void rv_discretise(int *out, const double *activations, size_t count, double maximum,
                   rv_rounding rounding)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = 0;
        if (!(maximum > 0 && activations[i] > 0)) continue;
        double scaled = RV_LEVELS * activations[i] / maximum;
        double level = rounding == RV_ROUND_DOWN ? floor(scaled) : ceil(scaled);
        out[i] = level < RV_LEVELS ? (int)level : RV_LEVELS;
    }
}

double rv_record_maximum(const rv_activation_record *record)
{
    double maximum = 0;
    for (size_t i = 0; i < record->count; i++)
        if (record->activations[i] > maximum) maximum = record->activations[i];
    return maximum;
}

double rv_view_maximum(const rv_record_view *view)
{
    double maximum = 0;
    for (size_t i = 0; i < view->count; i++)
        maximum = fmax(maximum, rv_record_maximum(view->items[i]));
    return maximum;
}

double rv_nonzero_share(const rv_record_view *view, double maximum)
{
    size_t tokens = 0, nonzero = 0;
    for (size_t r = 0; r < view->count; r++) {
        const rv_activation_record *record = view->items[r];
        for (size_t i = 0; i < record->count; i++) {
            int level;
            rv_discretise(&level, &record->activations[i], 1, maximum, RV_ROUND_DOWN);
            nonzero += level > 0;
        }
        tokens += record->count;
    }
    return tokens ? (double)nonzero / (double)tokens : 0;
}
