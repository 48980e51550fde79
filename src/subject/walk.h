/* A long text through a model: windows as long as the context, each in pieces that continue the keys and
 * values of those before.
 *
 * The first window is the text itself; every later one begins with one token that was there
 * already: BOS, or the last token of the window before. */
#ifndef RV_SUBJECT_WALK_H
#define RV_SUBJECT_WALK_H

#include "subject/subject.h"
#include "model/pass.h"

/* A piece that has been run: rows [lead, lead + count) of the pass are ids [at, at + count) of the
 * text, in a window of `window` positions. */
typedef struct rv_piece {
    rv_pass *pass;
    size_t at, count, lead, window;
} rv_piece;

typedef struct rv_walk {
    rv_model *model;
    const int32_t *ids; /* (count), BOS included */
    size_t count;
    size_t depth;  /* blocks to run; layers + 1: the final norm too */
    bool keep;     /* for attention maps */
    rv_pass *pass; /* the caller's, with rv_walk_rows rows of a window; NULL: one is made */
    const rv_tap *taps; /* (tap_count): their buffers are filled anew by every piece */
    size_t tap_count;
    rv_status (*visit)(void *context, const rv_piece *piece, rv_error *err);
    void *context;
} rv_walk;

/* Positions of a window: at most as many as the model has. */
size_t rv_walk_window(const rv_model *model, size_t count);

/* Rows of a piece, at most: what a tap's buffer must be able to hold. */
size_t rv_walk_rows(const rv_walk *walk);

/* Visits all pieces in order, reports progress between them. */
rv_status rv_walk_text(const rv_walk *walk, rv_error *err);

#endif
