/* What a child's cross-entropy may be, for nothing: from the tables of the member that it varies. */
#include <math.h>

#include "search/engine.h"

/* -log p of the child's token at position i, as far as tables tell: the loss that its parents have where the
 * token stands there too, or has moved by one place; else what it would be behind the parent's beginning. */
static double guess(const rv_search *s, const rv_candidate *c, size_t i)
{
    const rv_member *m = &s->members[c->parent],
                    *partner = c->partner ? &s->members[c->partner - 1] : NULL;
    size_t n = m->at.length, at = i;
    int32_t id = c->ids[i];
    if (partner && i < partner->at.length && partner->at.ids[i] == id)
        return rv_search_token_nll(s, partner, i, id);
    if (i < n && m->at.ids[i] == id)
        at = i;
    else if (i > 0 && i - 1 < n && m->at.ids[i - 1] == id)
        at = i - 1;
    else if (i + 1 < n && m->at.ids[i + 1] == id)
        at = i + 1;
    if (at >= n) at = n - 1;
    return rv_search_token_nll(s, m, at, id);
}

void rv_search_estimate(const rv_search *s, rv_candidate *c)
{
    size_t d = rv_search_common(s, c), unscored = s->engine->fixed_count == 0,
           scored = c->length - unscored;
    double sum = c->parent < 0 ? (double)NAN : 0;
    c->latter = sum;
    for (size_t i = unscored; i < c->length && c->parent >= 0; i++) {
        const rv_member *m = &s->members[c->parent];
        double nll = i <= d && i < m->at.length ? rv_search_token_nll(s, m, i, c->ids[i])
                                                : guess(s, c, i);
        sum += nll;
        if (i >= c->length / 2) c->latter += nll;
    }
    rv_search_set_fluency(s, c, scored ? sum / (double)scored : 0);
    c->estimated = true;
}
