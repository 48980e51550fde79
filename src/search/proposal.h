/* Where candidates come from. */
#ifndef RV_SEARCH_PROPOSAL_H
#define RV_SEARCH_PROPOSAL_H

#include "base/top_k.h"
#include "search/search.h"

/* Effect on  g - penalty * xe  of putting token v at free position i of a member, for all v, relative to the
 * token there: score (V). -INFINITY for tokens that are not allowed, and for the one that is there.
 * anything: special tokens too (the published code). */
void rv_swap_scores(real *score, const rv_search *search, const rv_member *member, size_t i,
                    double penalty, bool anything);

/* Uniform allowed tokens. */
void rv_random_ids(int32_t *ids, size_t count, const rv_search *search, rv_random *random);

/* A rank in [0, k), drawn log-uniformly: small ranks often, all of them sometimes. */
size_t rv_log_uniform_rank(rv_random *random, size_t k);

/* Texts that the model itself finds likely: `count` samples of `length` tokens from its distribution, cut to
 * top_p, at most one of each; ids (count, length). Costs count * length forward tokens. */
rv_status rv_sample_texts(int32_t *ids, rv_search *search, size_t count, size_t length,
                          double top_p, rv_error *err);

#endif
