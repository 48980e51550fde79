#include "search/latent.h"

#include <stdlib.h>
#include <string.h>

#include "autoencoder/text_card.h"
#include "base/memory.h"
#include "search/proposal.h"

/* ---- latents --------------------------------------------------------------------------------- */

static rv_status allocate(rv_latent *l, rv_error *err)
{
    size_t S = l->room, n = l->length, C = l->search->problem->model->config.width;
    RV_TRY(rv_search_reserve(l->search, S * (2 * l->numbers + n * C) * sizeof(real), err));
    RV_TRY(RV_NEW(l->z, S * l->numbers, err));
    RV_TRY(RV_NEW(l->ids, S * n, err));
    RV_TRY(RV_NEW(l->hidden, S * n * C, err));
    RV_TRY(RV_NEW(l->candidates, S, err));
    RV_TRY(RV_NEW(l->gathered, S * n, err));
    RV_TRY(RV_NEW(l->read, S * l->numbers, err));
    RV_TRY(RV_NEW(l->texts, S, err));
    return RV_NEW(l->from, S, err);
}

rv_status rv_latent_new(rv_latent **out, rv_search *search, size_t texts, rv_error *err)
{
    *out = NULL;
    const rv_text_autoencoder *ae = search->problem->autoencoder;
    size_t n = search->params.most;
    if (!ae)
        return rv_fail(err, RV_ERR_USAGE,
                       "latent: expected a text autoencoder of the model, found none");
    if (n > ae->config.tokens)
        return rv_fail(err, RV_ERR_USAGE,
                       "dream length: expected at most the autoencoder's %zu tokens, found %zu",
                       ae->config.tokens, n);
    rv_latent *l;
    RV_TRY(RV_NEW(l, 1, err));
    bool expects = ae->config.language_model;
    l->search = search;
    l->ae = ae;
    l->room = texts;
    l->length = n;
    l->slots = rv_text_slots(&ae->config, n);
    l->numbers = l->slots * ae->config.code;
    l->read_cost = expects || ae->config.site.kind != RV_SITE_EMBED ? n : 0;
    l->write_cost = expects ? n : 0;
    rv_status status = allocate(l, err);
    if (status != RV_OK) {
        rv_latent_free(l);
        return status;
    }
    *out = l;
    return RV_OK;
}

void rv_latent_free(rv_latent *l)
{
    if (!l) return;
    void *const owned[] = {l->z,        l->ids,  l->hidden, l->candidates,
                           l->gathered, l->read, l->texts,  (void *)l->from};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) free(owned[i]);
    free(l);
}

static real *latent_of(const rv_latent *l, size_t text)
{
    return l->z + text * l->numbers;
}

rv_status rv_latent_read(rv_latent *l, const size_t *texts, const int32_t *const *ids,
                         size_t count, rv_error *err)
{
    size_t n = l->length, D = l->numbers;
    if (count == 0) return RV_OK;
    for (size_t i = 0; i < count; i++) memcpy(l->gathered + i * n, ids[i], n * sizeof **ids);
    l->search->work.forward += count * l->read_cost;
    RV_TRY(rv_text_autoencoder_encode(l->read, l->ae, l->gathered, count, n,
                                      l->search->params.threads, err));
    for (size_t i = 0; i < count; i++)
        memcpy(latent_of(l, texts[i]), l->read + i * D, D * sizeof *l->read);
    return RV_OK;
}

rv_status rv_latent_write(rv_latent *l, size_t first, size_t count, rv_error *err)
{
    if (count == 0) return RV_OK;
    size_t n = l->length, C = l->search->problem->model->config.width;
    l->search->work.forward += count * l->write_cost;
    return rv_text_autoencoder_decode(l->ids + first * n, l->hidden + first * n * C, l->ae,
                                      l->z + first * l->numbers, count, n,
                                      l->search->params.threads, err);
}

void rv_latent_noise(rv_latent *l, size_t text, double deviation, rv_random *random)
{
    real *z = latent_of(l, text);
    for (size_t i = 0; i < l->numbers; i++)
        z[i] += (real)(deviation * rv_random_normal(random));
    rv_text_project(z, l->ae, l->slots);
}

void rv_latent_cross(rv_latent *l, size_t text, size_t a, size_t b, rv_random *random)
{
    size_t Z = l->ae->config.code;
    real *z = latent_of(l, text);
    for (size_t s = 0; s < l->slots; s++)
        memcpy(z + s * Z, latent_of(l, rv_random_below(random, 2) ? a : b) + s * Z,
               Z * sizeof *z);
}

void rv_latent_between(rv_latent *l, size_t text, size_t a, size_t b, double at)
{
    real *z = latent_of(l, text);
    const real *from = latent_of(l, a), *to = latent_of(l, b);
    for (size_t i = 0; i < l->numbers; i++) z[i] = (real)(1 - at) * from[i] + (real)at * to[i];
    rv_text_project(z, l->ae, l->slots);
}

/* From what changes hardly a token to what leaves little of a text: shares of the noise of training, and at least of
 * the latent's own deviation. */
static const double LEAST_NOISE = 0.15, LEAST_OWN = 0.1, MOST_NOISE = 2, MOST_OWN = 1.5;

void rv_latent_vary(rv_latent *l, size_t text, size_t a, size_t b, rv_random *random)
{
    double trained = l->ae->config.noise, least = LEAST_NOISE * trained,
           most = MOST_NOISE * trained;
    if (least < LEAST_OWN) least = LEAST_OWN;
    if (most < MOST_OWN) most = MOST_OWN;
    double noise = least * pow(most / least, rv_random_uniform(random));
    switch (a == b ? 0 : rv_random_below(random, 3)) {
    case 0:
        rv_latent_between(l, text, a, a, 0);
        rv_latent_noise(l, text, noise, random);
        break;
    case 1:
        rv_latent_cross(l, text, a, b, random);
        break;
    default:
        rv_latent_between(l, text, a, b, rv_random_uniform(random));
        break;
    }
}

/* ---- texts ----------------------------------------------------------------------------------- */

/* Whether the text that was written has only allowed tokens, and comes back from decoding and encoding. */
static bool survives(const rv_latent *l, size_t text)
{
    const int32_t *ids = l->ids + text * l->length;
    for (size_t i = 0; i < l->length; i++)
        if (!rv_search_allowed(l->search, ids[i])) return false;
    return rv_search_survives(l->search, ids, l->length);
}

rv_status rv_latent_judge(rv_latent *l, size_t first, size_t count, rv_error *err)
{
    rv_search *s = l->search;
    size_t n = l->length, found = 0, affords = rv_search_affords(s, n);
    for (size_t k = first; k < first + count && found < affords; k++) {
        int32_t *ids = l->gathered + found * n;
        if (rv_search_known(s, l->ids + k * n, n) || !survives(l, k)) continue;
        memcpy(ids, l->ids + k * n, n * sizeof *ids);
        l->candidates[found++] = (rv_candidate){.ids = ids, .length = n, .parent = -1};
    }
    return found ? rv_search_judge(s, l->candidates, found, err) : RV_OK;
}

/* One of the views that is of the dream's length, drawn evenly; NULL: none is. */
static const int32_t *fitting(const rv_latent *l, const rv_ids_view *views, size_t count,
                              rv_random *random)
{
    size_t fit = 0;
    for (size_t i = 0; i < count; i++) fit += views[i].count == l->length;
    if (fit == 0) return NULL;
    size_t chosen = rv_random_below(random, fit);
    for (size_t i = 0;; i++)
        if (views[i].count == l->length && chosen-- == 0) return views[i].items;
}

static const int32_t *choose_start(const rv_latent *l, rv_random *random)
{
    const rv_problem *q = l->search->problem;
    const rv_front *front = &l->search->front;
    size_t first = q->given_count ? q->given_count : q->start_count;
    uint32_t kind = rv_random_below(random, 4);
    if (kind == 0) return NULL;
    if (kind == 1 || front->count == 0) return fitting(l, q->starts, first, random);
    const rv_candidate *c = &front->items[rv_random_below(random, front->count)];
    return c->length == l->length ? c->ids : NULL;
}

rv_status rv_latent_begin(rv_latent *l, size_t first, size_t count, rv_random *random,
                          rv_error *err)
{
    size_t found = 0;
    for (size_t k = first; k < first + count; k++) {
        const int32_t *ids = choose_start(l, random);
        l->texts[found] = k;
        l->from[found] = ids;
        found += ids != NULL;
        for (size_t i = 0; i < l->numbers; i++)
            latent_of(l, k)[i] = (real)rv_random_normal(random);
        rv_text_project(latent_of(l, k), l->ae, l->slots);
    }
    return rv_latent_read(l, l->texts, l->from, found, err);
}

/* ---- ascent ---------------------------------------------------------------------------------- */

static const double TEMPERATURE = 4;

rv_status rv_latent_climber_new(rv_latent_climber **out, rv_latent *l, size_t members,
                                double rate, rv_error *err)
{
    *out = NULL;
    rv_latent_climber *c;
    RV_TRY(RV_NEW(c, 1, err));
    c->latent = l;
    size_t C = l->search->problem->model->config.width, numbers = members * l->numbers;
    rv_status status =
        rv_continuous_new(&c->model, l->search, members, members, 3 * numbers, err);
    if (status == RV_OK) status = rv_adam_new(&c->adam, rate, 0, numbers, err);
    if (status == RV_OK) status = RV_NEW(c->drows, members * l->length * C, err);
    if (status == RV_OK) status = RV_NEW(c->dz, numbers, err);
    if (status != RV_OK) {
        rv_latent_climber_free(c);
        return status;
    }
    *out = c;
    return RV_OK;
}

void rv_latent_climber_free(rv_latent_climber *c)
{
    if (!c) return;
    rv_continuous_free(c->model);
    rv_adam_release(&c->adam);
    free(c->drows);
    free(c->dz);
    free(c);
}

rv_status rv_latent_climb(rv_latent_climber *c, rv_error *err)
{
    rv_latent *l = c->latent;
    rv_continuous *m = c->model;
    size_t n = l->length, C = l->search->problem->model->config.width, S = m->members;
    for (size_t s = 0; s < S; s++)
        rv_continuous_embed(m, m->inputs + s * m->span * C, l->ids + s * n, n);
    RV_TRY(rv_continuous_forward(m, l->ids, err));
    rv_continuous_backward(m, c->drows);
    RV_TRY(rv_text_autoencoder_pull(c->dz, NULL, l->ae, l->z, l->ids, l->hidden, c->drows, S, n,
                                    TEMPERATURE, l->search->params.threads, err));
    rv_adam_ascend(&c->adam, l->z, c->dz, S * l->numbers);
    rv_text_project(l->z, l->ae, S * l->slots);
    return RV_OK;
}
