#include "target/probe.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "target/kind/kind.h"

enum { SEED_TAPS = RV_TARGET_TAPS + 1 }; /* the target's, and hidden_seed's */

static rv_pass_options options_for(const rv_transformer *model, const rv_target *targets,
                                   size_t count, const rv_pass_options *asked, bool climbs)
{
    rv_pass_options o = *asked;
    if (o.positions == 0) o.positions = model->config.context;
    o.keep = o.keep || climbs;
    for (size_t t = 0; t < count; t++) o.keep = o.keep || rv_target_needs_keep(&targets[t]);
    return o;
}

static size_t numbers_of(const rv_target *t, const rv_transformer *m, const rv_pass_options *o)
{
    return t->kind->numbers(t, &m->config, o->rows, o->positions);
}

size_t rv_probe_bytes(const rv_transformer *m, const rv_target *targets, size_t count,
                      const rv_pass_options *asked, bool climbs)
{
    rv_pass_options o = options_for(m, targets, count, asked, climbs);
    size_t numbers = o.rows + m->config.vocabulary;
    for (size_t t = 0; t < count; t++) numbers += numbers_of(&targets[t], m, &o);
    if (climbs) numbers += numbers_of(&targets[0], m, &o);
    return rv_pass_bytes(m, &o) + numbers * sizeof(real);
}

/* Where targets read, then where the first of them is climbed. */
static void place_taps(rv_probe *p, bool climbs)
{
    p->taps = p->owned;
    for (size_t t = 0; t < p->count && !p->lean; t++) {
        const rv_target *target = &p->targets[t];
        if (target->kind->untapped) continue;
        rv_tap *tap = &p->owned[p->tap_count++];
        *tap = (rv_tap){.site = target->site, .value = p->tapped[t]};
        if (target->kind->narrow) target->kind->narrow(tap, target);
    }
    for (size_t i = 0; climbs && i < SEED_TAPS; i++)
        p->owned[p->tap_count++] = (rv_tap){.site = {RV_SITE_UNEMBED_IN, 0}};
}

static rv_status allocate(rv_probe *p, const rv_transformer *m, const rv_pass_options *o,
                          bool climbs, rv_error *err)
{
    RV_TRY(rv_pass_new(&p->pass, m, o, err));
    RV_TRY(RV_NEW(p->owned, p->count + SEED_TAPS, err));
    RV_TRY(RV_NEW(p->tapped, p->count, err));
    for (size_t t = 0; t < p->count && !p->lean; t++)
        if (!p->targets[t].kind->untapped)
            RV_TRY(RV_NEW(p->tapped[t], numbers_of(&p->targets[t], m, o), err));
    if (climbs) RV_TRY(RV_NEW(p->seed, numbers_of(&p->targets[0], m, o), err));
    RV_TRY(RV_NEW(p->values, o->rows, err));
    RV_TRY(RV_NEW(p->picked, o->sequences, err));
    return RV_NEW(p->logits, m->config.vocabulary, err);
}

rv_status rv_probe_new(rv_probe **out, const rv_transformer *m, const rv_target *targets,
                       size_t count, const rv_pass_options *asked, bool climbs, rv_error *err)
{
    rv_probe *p;
    rv_pass_options o = options_for(m, targets, count, asked, climbs);
    RV_ASSERT(count > 0 || !climbs);
    RV_ASSERT(!o.narrow || !o.keep);
    *out = NULL;
    RV_TRY(RV_NEW(p, 1, err));
    p->targets = targets;
    p->count = count;
    p->lean = count == 1 && o.select && !o.keep && !m->config.parallel_residual &&
              rv_target_is_neuron(targets, NULL, NULL);
    for (size_t t = 0; t < count; t++) {
        size_t depth = rv_target_depth(&targets[t], &m->config);
        if (depth > p->depth) p->depth = depth;
    }
    rv_status status = allocate(p, m, &o, climbs, err);
    if (status != RV_OK) {
        rv_probe_free(p);
        return status;
    }
    place_taps(p, climbs);
    *out = p;
    return RV_OK;
}

void rv_probe_free(rv_probe *p)
{
    if (!p) return;
    for (size_t t = 0; p->tapped && t < p->count; t++) free(p->tapped[t]);
    void *const owned[] = {p->owned, p->tapped, p->values, p->seed, p->logits, p->picked};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) free(owned[i]);
    rv_pass_free(p->pass);
    free(p);
}

rv_status rv_probe_begin(rv_probe *p, const rv_sequence *sequences, size_t count, rv_error *err)
{
    return rv_pass_begin(p->pass, sequences, count, p->taps, p->tap_count, err);
}

void rv_probe_forward(rv_probe *p)
{
    size_t layer, index;
    if (p->lean) {
        rv_target_is_neuron(p->targets, &layer, &index);
        rv_pass_neuron(p->pass, p->values, layer, index);
    } else if (p->depth > rv_pass_config(p->pass)->layers) {
        rv_pass_finish(p->pass);
    } else {
        rv_pass_forward(p->pass, p->depth);
    }
}

rv_status rv_probe_run(rv_probe *p, const rv_sequence *sequences, size_t count, rv_error *err)
{
    RV_TRY(rv_probe_begin(p, sequences, count, err));
    rv_probe_forward(p);
    return RV_OK;
}

const real *rv_probe_values(rv_probe *p, size_t t)
{
    const rv_target *target = &p->targets[t];
    RV_ASSERT(t < p->count);
    if (!p->lean)
        target->kind->values(p->values, target, p->pass, p->tapped[t], p->end, p->logits);
    return p->values;
}

/* The rows that the reading picks, and the taps that climb there. */
static void seed_target(rv_probe *p, rv_tap taps[RV_TARGET_TAPS], const real *weight)
{
    const rv_target *t = &p->targets[0];
    const rv_config *c = rv_pass_config(p->pass);
    size_t sequences = rv_pass_sequences(p->pass), count, shared, positions = 0;
    for (size_t s = 0; s < sequences; s++) {
        size_t row = rv_pass_span(p->pass, s, &count, &shared);
        p->picked[s] = rv_target_row(t, p->values + row, shared, count);
        if (shared + count > positions) positions = shared + count;
    }
    memset(p->seed, 0,
           t->kind->numbers(t, c, rv_pass_rows(p->pass), positions) * sizeof *p->seed);
    taps[0] = (rv_tap){.site = t->site, .seed = p->seed};
    if (t->kind->narrow) t->kind->narrow(&taps[0], t);
    const rv_climb climb = {p->pass, p->picked, weight, sequences, p->logits, p->tapped[0]};
    t->kind->seed(taps, p->seed, t, &climb);
}

void rv_probe_backward(rv_probe *p, const real *weight, const real *losses)
{
    RV_ASSERT(p->seed);
    rv_tap *taps = p->owned + p->tap_count - SEED_TAPS;
    for (size_t i = 0; i < SEED_TAPS; i++) taps[i] = (rv_tap){.site = {RV_SITE_UNEMBED_IN, 0}};
    if (weight) seed_target(p, taps, weight);
    taps[RV_TARGET_TAPS].seed = p->hidden_seed;
    rv_pass_backward(p->pass, losses, NULL);
}
