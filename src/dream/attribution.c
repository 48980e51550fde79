/* What each token of the headline is worth, by replacing it. */
#include <string.h>

#include "base/memory.h"
#include "dream/emit.h"
#include "search/proposal.h"

enum { REPLACEMENTS = 64, SHOWN = 3 };

/* Replacements of a text of n tokens; those of place i begin at first[i]. All in one arena. */
typedef struct trial {
    size_t n, total;
    size_t *first; /* (n + 1) */
    rv_candidate *tried;
    rv_attribution_entry *entries; /* (n) */
    rv_replacement_entry *best;    /* (n, SHOWN) */
} trial;

/* The replacements of each token that the gradient of the activation likes best. */
static rv_status propose(trial *t, rv_arena *arena, rv_search *s, const rv_candidate *c,
                         rv_error *err)
{
    size_t V = s->problem->model->config.vocabulary, n = c->length;
    real *score = rv_arena_alloc(arena, V, sizeof *score);
    int32_t top[REPLACEMENTS], *ids = rv_arena_alloc(arena, n * n * REPLACEMENTS, sizeof *ids);
    t->n = n;
    t->tried = rv_arena_alloc(arena, n * REPLACEMENTS, sizeof *t->tried);
    t->first = rv_arena_alloc(arena, n + 1, sizeof *t->first);
    t->entries = rv_arena_alloc(arena, n, sizeof *t->entries);
    t->best = rv_arena_alloc(arena, SHOWN * n, sizeof *t->best);
    if (!score || !ids || !t->tried || !t->first || !t->entries || !t->best)
        return rv_fail_memory(err, n * V);
    for (size_t i = 0; i < n; i++) {
        rv_swap_scores(score, s, &s->members[0], i, 0, false);
        size_t count = rv_top_k(top, score, V, REPLACEMENTS);
        t->first[i] = t->total;
        for (size_t k = 0; k < count; k++, t->total++) {
            int32_t *own = ids + t->total * n;
            memcpy(own, c->ids, n * sizeof *own);
            own[i] = top[k];
            t->tried[t->total] = (rv_candidate){.ids = own, .length = n, .parent = 0};
        }
    }
    t->first[n] = t->total;
    return RV_OK;
}

static rv_replacement_entry replacement(const rv_dreaming *d, const rv_candidate *tried,
                                        size_t i, double g)
{
    int32_t id = tried->ids[i];
    return (rv_replacement_entry){rv_emit_token(d, id), id, tried->g, g - tried->g};
}

/* The one that hurts most, and the few that hurt least, best first. g: the text's own. */
static void weigh(trial *t, const rv_dreaming *d, const rv_candidate *c, size_t i, double g)
{
    rv_attribution_entry *e = &t->entries[i];
    rv_replacement_entry *best = t->best + SHOWN * i;
    *e = (rv_attribution_entry){
        .id = c->ids[i], .text = rv_emit_token(d, c->ids[i]), .top = best};
    for (size_t k = t->first[i]; k < t->first[i + 1]; k++) {
        rv_replacement_entry one = replacement(d, &t->tried[k], i, g);
        if (k == t->first[i] || one.activation < e->worst.activation) e->worst = one;
        size_t p = e->top_count < SHOWN ? e->top_count++ : SHOWN;
        for (; p > 0 && one.activation > best[p - 1].activation; p--)
            if (p < SHOWN) best[p] = best[p - 1];
        if (p < SHOWN) best[p] = one;
    }
    if (e->top_count) e->best = best[0];
}

rv_status rv_emit_attribution(rv_dreaming *d, const rv_candidate *c,
                              const rv_dream_record *dream, rv_error *err)
{
    rv_search_params params = d->search_params;
    params.journal = NULL;
    params.as_published = false;
    rv_search *s = NULL;
    rv_arena arena = {0};
    trial t = {0};
    rv_status status;
    RV_GOTO(rv_search_new(&s, &d->problem, &params, 1, 256, err));
    RV_GOTO(rv_search_expand(s, &c, 1, err));
    RV_GOTO(propose(&t, &arena, s, c, err));
    RV_GOTO(rv_search_judge(s, t.tried, t.total, err));
    for (size_t i = 0; i < t.n; i++) weigh(&t, d, c, i, dream->activation);
    rv_attribution_record r = rv_attribution_record_empty();
    r.text = dream->text;
    r.activation = dream->activation;
    r.tokens = t.entries;
    r.token_count = t.n;
    size_t before = d->lines.length;
    RV_GOTO(rv_put_attribution(&d->lines, &r, err));
    RV_GOTO(rv_emit_lines(d, before, err));
done:
    rv_arena_release(&arena);
    rv_search_free(s);
    return status;
}
