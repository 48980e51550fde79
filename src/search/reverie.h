/* The search for fragments, as a part of another. */
#ifndef RV_SEARCH_REVERIE_H
#define RV_SEARCH_REVERIE_H

#include "search/search.h"

enum { RV_REVERIE_MEMBERS = 8, RV_REVERIE_CHILDREN = 256 };

/* Searches texts of `least` to `most` tokens (at most the search's) until `until` forward tokens are spent, or
 * rv_search_continue says no. What it finds is on the front. */
rv_status rv_reverie_climb(rv_search *search, size_t least, size_t most, uint64_t until,
                           rv_error *err);

#endif
