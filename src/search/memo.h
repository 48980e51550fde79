/* What was judged, by its tokens: so that nothing is computed twice, and so that an interrupted
 * search can be run again from its journal up to where it stopped, without computing. */
#ifndef RV_SEARCH_MEMO_H
#define RV_SEARCH_MEMO_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"

typedef struct rv_judgement {
    uint64_t key; /* hash of the tokens; never 0 */
    double f, xe, latter;
    bool seen; /* in this run; else only in the journal of an earlier one */
} rv_judgement;

typedef struct rv_memo {
    rv_judgement *slots; /* open addressing, a power of two */
    size_t capacity, count;
    FILE *journal; /* every new judgement is appended; NULL: none */
    const char *path;
    uint64_t check; /* of the journal's last entry */
} rv_memo;

uint64_t rv_ids_hash(const int32_t *ids, size_t count);

/* Reads the journal, if there is one, up to the first entry that is damaged, cut short or of another run, and goes on
 * from there. path and run may be NULL. */
rv_status rv_memo_open(rv_memo *memo, const char *path, const char *run, rv_error *err);
rv_judgement *rv_memo_find(const rv_memo *memo, uint64_t key);
rv_status rv_memo_add(rv_memo *memo, rv_judgement judgement, rv_error *err);
/* Everything added so far is on its way to the disk. */
rv_status rv_memo_flush(rv_memo *memo, rv_error *err);
void rv_memo_close(rv_memo *memo);

#endif
