/* One call of rv_explain on its way, and the records of what it found. */
#ifndef RV_EXPLAIN_EXPLAINING_H
#define RV_EXPLAIN_EXPLAINING_H

#include <time.h>

#include "explain/chat.h"
#include "explain/explain.h"
#include "explain/sources.h"

typedef struct explaining {
    rv_explained *out;
    const rv_explain_params *options;
    rv_explain_plan params;
    rv_model_shelf shelf;
    rv_gathered gathered;
    rv_chat *explainer, *simulator; /* may be the same */
    const char *model;
    const char *simulator_name; /* how tokens are simulated: "exact", ... */
    char unfinished[17];        /* identity of what an interrupted call left; "": nothing */
    struct timespec started;
} explaining;

/* What is asked, in a digest that does not know how much may be spent. */
rv_status explaining_identity(char out[17], const explaining *e, rv_error *err);

/* Writes e->out->records. failure: why it ended early; NULL: it did not. */
rv_status explaining_record(explaining *e, const char *failure, rv_error *err);

#endif
