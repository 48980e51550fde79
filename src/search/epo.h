/* The loop that `epo` and `gcg` share. */
#ifndef RV_SEARCH_EPO_H
#define RV_SEARCH_EPO_H

#include "search/search.h"

enum { RV_EPO_MAX_SLOTS = 64 };

typedef struct rv_epo_params {
    size_t slots;                       /* members, one per penalty */
    size_t children;                    /* of each member */
    size_t top_k;                       /* tokens considered per position */
    size_t restart;                     /* every so many steps; 0: never */
    double least_penalty, most_penalty; /* log-spaced over the slots */
    bool front; /* also judge to the end what can only belong to the front, no member */
} rv_epo_params;

rv_status rv_epo(rv_search *search, const rv_epo_params *params, rv_error *err);

#endif
