/* What the files that write a dream's records share. Private to this room. */
#ifndef RV_DREAM_EMIT_H
#define RV_DREAM_EMIT_H

#include "base/arena.h"
#include "dream/session.h"
#include "subject/describe.h"

/* One record: into the lines, and to the file. */
#define EMIT(d, name, record, err)                           \
    do {                                                     \
        size_t before_ = (d)->lines.length;                  \
        RV_TRY(rv_put_##name(&(d)->lines, (record), (err))); \
        RV_TRY(rv_emit_lines((d), before_, (err)));          \
    } while (0)

/* Hands the lines from `before` on to the file's next batch. */
rv_status rv_emit_lines(rv_dreaming *dreaming, size_t before, rv_error *err);
/* Puts the batch on the disk. */
rv_status rv_emit_commit(rv_dreaming *dreaming, rv_error *err);

rv_string rv_emit_token(const rv_dreaming *dreaming, int32_t id);
/* The candidate's text, in the arena. */
rv_status rv_emit_text(rv_string *out, rv_arena *arena, const rv_dreaming *dreaming,
                       const rv_candidate *candidate, rv_error *err);

/* g of f. */
double rv_emit_normalised(const rv_dreaming *dreaming, double f);

/* The headline among points with these nats a byte (count); RV_NOT_FOUND: there is none. */
size_t rv_emit_headline(const rv_point *points, const double *nats_per_byte, size_t count,
                        const rv_dreaming *dreaming);

/* Worst and best of the 64 replacements of each token that the gradient of the activation likes best. */
rv_status rv_emit_attribution(rv_dreaming *dreaming, const rv_candidate *candidate,
                              const rv_dream_record *dream, rv_error *err);

#endif
