/* What a store holds: the work behind reverie/store.h. */
#ifndef RV_STORE_LIST_H
#define RV_STORE_LIST_H

#include "base/error.h"
#include "reverie/store.h"

/* Lists the answers that params choose; prune: and removes them. */
rv_status rv_store_collect(rv_store_listing *out, const rv_store_params *params, bool prune,
                           rv_error *err);

#endif
