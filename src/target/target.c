#include "target/target.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "target/kind/kind.h"

rv_status rv_target_parse(rv_target *out, const char *text, const rv_config *config,
                          const rv_tokenizer *tokenizer, rv_error *err)
{
    const rv_naming from = {config, tokenizer};
    *out = (rv_target){.sign = 1};
    if (strlen(text) >= sizeof out->written)
        return rv_fail(err, RV_ERR_USAGE,
                       "target: expected a name shorter than %d characters, found %zu",
                       RV_TARGET_NAME_MAX, strlen(text));
    snprintf(out->written, sizeof out->written, "%s", text);
    if (*text == '-') out->sign = -1, text++;
    for (const rv_target_kind *const *k = rv_target_kinds; *k; k++) {
        if (!(*k)->claims(text)) continue;
        out->kind = *k;
        rv_status status = (*k)->parse(out, text, &from, err);
        if (status != RV_OK) rv_target_release(out);
        return status;
    }
    return rv_fail_form(out, err);
}

void rv_target_release(rv_target *t)
{
    if (t->kind && t->kind->release)
        t->kind->release(t->own);
    else
        free(t->own);
    *t = (rv_target){0};
}

rv_status rv_target_identity(char out[RV_HASH_HEX], const rv_target *t, rv_error *err)
{
    rv_hash *hash;
    RV_TRY(rv_hash_new(&hash, RV_SHA256, err));
    rv_hash_add(hash, t->name, strlen(t->name));
    if (t->kind->identify) t->kind->identify(hash, t);
    rv_hash_finish(hash, out);
    rv_hash_free(hash);
    return RV_OK;
}

size_t rv_target_depth(const rv_target *t, const rv_config *c)
{
    if (t->site.kind >= RV_SITE_LN_FINAL_SCALE) return c->layers + 1;
    if (t->site.kind == RV_SITE_EMBED || t->site.kind == RV_SITE_POS_EMBED) return 0;
    return t->site.layer + 1;
}

bool rv_target_needs_keep(const rv_target *t)
{
    return t->kind->keep;
}

rv_status rv_target_output(real *out, bool *writes, const rv_target *t,
                           const rv_transformer *model, rv_error *err)
{
    *writes = false;
    return t->kind->output ? t->kind->output(out, writes, t, model, err) : RV_OK;
}

/* The position at which it is read; false: wherever it is largest. */
static bool reads_at(const rv_target *t, long *position)
{
    *position = t->kind->position          ? t->kind->position(t)
                : t->reading == RV_READ_AT ? t->position
                                           : -1;
    return t->kind->position || t->reading != RV_READ_MAX;
}

size_t rv_target_row(const rv_target *t, const real *values, size_t shared, size_t count)
{
    long position, total = (long)(shared + count);
    size_t best = SIZE_MAX;
    if (reads_at(t, &position)) {
        position = rv_from_end(position, shared + count);
        return position >= (long)shared && position < total ? (size_t)position - shared
                                                            : SIZE_MAX;
    }
    for (size_t i = 0; i < count; i++)
        if (best == SIZE_MAX || t->sign * values[i] > t->sign * values[best]) best = i;
    return best;
}

double rv_target_read(const rv_target *t, const real *values, size_t shared, size_t count,
                      const double *known, size_t fixed)
{
    size_t row = rv_target_row(t, values, shared, count);
    double sign = (double)t->sign, f = row == SIZE_MAX ? (double)NAN : (double)values[row];
    long position;
    if (!known) return f;
    if (!reads_at(t, &position)) {
        for (size_t i = 0; i < shared - fixed; i++)
            if (isnan(f) || sign * known[i] > sign * f) f = known[i];
        return f;
    }
    position = rv_from_end(position, shared + count);
    if (position >= (long)fixed && position < (long)shared) f = known[(size_t)position - fixed];
    return f;
}
