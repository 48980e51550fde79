/* The values of a target along a text. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "subject/walk.h"
#include "subject/tokens.h"
#include "base/memory.h"
#include "target/probe.h"

typedef struct looking {
    rv_probe *probe;
    double *all; /* (tokens, BOS included) */
} looking;

static rv_status take_values(void *context, const rv_piece *piece, rv_error *err)
{
    (void)err;
    looking *l = context;
    l->probe->end = piece->window;
    const real *values = rv_probe_values(l->probe, 0);
    for (size_t i = 0; i < piece->count; i++)
        l->all[piece->at + i] = (double)values[piece->lead + i];
    return RV_OK;
}

static rv_status look(double *values, rv_model *m, const rv_target *target, const rv_ids *ids,
                      rv_error *err)
{
    looking l = {.all = values};
    rv_walk walk = {.model = m,
                    .ids = ids->items,
                    .count = ids->count,
                    .keep = rv_target_needs_keep(target),
                    .visit = take_values,
                    .context = &l};
    rv_pass_options options = {.rows = rv_walk_rows(&walk),
                               .sequences = 1,
                               .positions = rv_walk_window(m, ids->count),
                               .threads = m->threads};
    RV_TRY(rv_probe_new(&l.probe, m->transformer, target, 1, &options, false, err));
    walk.pass = l.probe->pass;
    walk.taps = l.probe->taps;
    walk.tap_count = l.probe->tap_count;
    walk.depth = l.probe->depth;
    rv_status status = rv_walk_text(&walk, err);
    rv_probe_free(l.probe);
    return status;
}

rv_status rv_model_activations(rv_activations *out, rv_model *m, const char *name,
                               const char *text, size_t length, rv_error *err)
{
    *out = (rv_activations){0};
    rv_target target;
    RV_TRY(rv_target_parse(&target, name, &m->transformer->config, m->tokenizer, err));
    rv_ids ids = {0};
    double *values = NULL;
    size_t first;
    rv_status status;
    RV_GOTO(rv_model_encode(&ids, &first, m, text, length, err));
    if (ids.count == 0)
        RV_GOTO(rv_fail(err, RV_ERR_USAGE, "text: expected at least one token, found none"));
    RV_GOTO(RV_NEW(values, ids.count, err));
    RV_GOTO(look(values, m, &target, &ids, err));
    for (size_t i = 0; i < ids.count && !rv_target_needs_keep(&target); i++)
        if (!isfinite(values[i]))
            RV_GOTO(rv_fail(err, RV_ERR_NUMERIC,
                            "token %zu: expected a finite value of %s, found %g; the weights "
                            "may be damaged",
                            i, target.name, values[i]));
    RV_GOTO(rv_tokens_make(&out->tokens, m->tokenizer, ids.items, values, ids.count, m->bos,
                           m->bos_why, err));
    out->sign = (double)target.sign;
    out->target = rv_strndup(target.name, strlen(target.name));
    if (!out->target) status = rv_fail_memory(err, strlen(target.name));
done:
    if (status != RV_OK) rv_activations_release(out);
    rv_target_release(&target);
    rv_ids_release(&ids);
    free(values);
    return status;
}

void rv_activations_release(rv_activations *activations)
{
    free(activations->target);
    rv_tokens_release(&activations->tokens);
    *activations = (rv_activations){0};
}
