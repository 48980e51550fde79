/* Token lookup: the baseline that an explanation must beat to have said anything about context. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "explain/score.h"

typedef struct entry {
    const char *token; /* owned by the lookup */
    double sum;
    size_t count;
} entry;

struct rv_lookup {
    entry *entries; /* sorted by token */
    size_t count;
    double unseen;
};

static int by_token(const void *a, const void *b)
{
    return strcmp(((const entry *)a)->token, ((const entry *)b)->token);
}

void rv_lookup_free(rv_lookup *lookup)
{
    if (!lookup) return;
    for (size_t i = 0; i < lookup->count; i++) free((char *)lookup->entries[i].token);
    free(lookup->entries);
    free(lookup);
}

/* Adds up runs of equal tokens; entries hold borrowed tokens, which become copies. */
static rv_status merge_equal(rv_lookup *lookup, size_t count, rv_error *err)
{
    qsort(lookup->entries, count, sizeof *lookup->entries, by_token);
    for (size_t i = 0; i < count;) {
        entry merged = {
            .token = rv_strndup(lookup->entries[i].token, strlen(lookup->entries[i].token))};
        if (!merged.token) return rv_fail_memory(err, strlen(lookup->entries[i].token));
        for (; i < count && strcmp(lookup->entries[i].token, merged.token) == 0; i++) {
            merged.sum += lookup->entries[i].sum;
            merged.count++;
        }
        lookup->entries[lookup->count++] = merged;
    }
    return RV_OK;
}

rv_status rv_lookup_train(rv_lookup **out, const rv_record_view *records, size_t quiet_from,
                          rv_error *err)
{
    *out = NULL;
    rv_lookup *lookup;
    size_t tokens = 0, quiet = 0, used = 0;
    double sum = 0, quiet_sum = 0;
    for (size_t r = 0; r < records->count; r++) tokens += records->items[r]->count;
    RV_TRY(RV_NEW(lookup, 1, err));
    rv_status status = RV_NEW(lookup->entries, tokens, err);
    for (size_t r = 0; status == RV_OK && r < records->count; r++) {
        const rv_activation_record *record = records->items[r];
        for (size_t i = 0; i < record->count; i++) {
            lookup->entries[used++] = (entry){record->tokens[i], record->activations[i], 1};
            sum += record->activations[i];
            if (r >= quiet_from) quiet_sum += record->activations[i], quiet++;
        }
    }
    if (status == RV_OK) status = merge_equal(lookup, tokens, err);
    if (status != RV_OK) {
        rv_lookup_free(lookup);
        return status;
    }
    lookup->unseen = quiet ? quiet_sum / (double)quiet : tokens ? sum / (double)tokens : 0;
    *out = lookup;
    return RV_OK;
}

void rv_lookup_predict(double *out, const rv_lookup *lookup, const rv_activation_record *record)
{
    for (size_t i = 0; i < record->count; i++) {
        entry wanted = {.token = record->tokens[i]};
        const entry *found =
            bsearch(&wanted, lookup->entries, lookup->count, sizeof *lookup->entries, by_token);
        out[i] = found ? found->sum / (double)found->count : lookup->unseen;
    }
}
