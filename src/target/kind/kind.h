/* What a kind of target is: a name it knows, numbers it reads in a pass, a gradient it seeds there. To add one: write
 * its file here, list it in kind.c. Only target.c and probe.c speak to kinds. */
#ifndef RV_TARGET_KIND_H
#define RV_TARGET_KIND_H

#include "base/hash.h"
#include "target/target.h"

enum { RV_TARGET_TAPS = 2 }; /* that a seed may take */

/* Whom a name is read for. */
typedef struct rv_naming {
    const rv_config *config;
    const rv_tokenizer *tokenizer; /* may be NULL */
} rv_naming;

/* What is climbed: row rows[s] (SIZE_MAX: none) of every sequence s of the pass, with a weight each. */
typedef struct rv_climb {
    const rv_pass *pass;
    const size_t *rows;
    const real *weight;
    size_t sequences;
    real *logits;       /* (V) scratch */
    const real *tapped; /* what the target's tap filled */
} rv_climb;

typedef struct rv_target_kind {
    const char *form; /* how it is written, for the message about names that no kind claims */
    bool keep;        /* reading needs a pass that keeps its values */
    bool untapped;    /* reads what the pass has anyway: no tap */
    /* Whether a name, without its sign, has this form. */
    bool (*claims)(const char *text);
    /* Fills site, own and name; or says what is wrong with it. */
    rv_status (*parse)(rv_target *out, const char *text, const rv_naming *from, rv_error *err);
    void (*release)(void *own); /* NULL: free */

    /* Numbers that the buffers of tap and seed hold for a pass of so many rows and positions. */
    size_t (*numbers)(const rv_target *t, const rv_config *config, size_t rows,
                      size_t positions);
    /* The part of the site that is read: column, columns of `tap`. NULL: all of it. */
    void (*narrow)(rv_tap *tap, const rv_target *t);
    /* f (rows), without the sign, from what the tap filled. `end`: positions counted from the end count from here; 0:
     * from each sequence's own end. logits (V): scratch. */
    void (*values)(real *values, const rv_target *t, const rv_pass *pass, const real *tapped,
                   size_t end, real *logits);
    /* Climbs sign * f: fills seed, which is zero, and taps, which are at the target's site and seeded with it. */
    void (*seed)(rv_tap taps[RV_TARGET_TAPS], real *seed, const rv_target *t,
                 const rv_climb *climb);

    /* Adds to a digest what its name does not say: numbers from a file. NULL: the name says it all. */
    void (*identify)(rv_hash *hash, const rv_target *t);
    /* The position at which it is read, where that is part of its name; NULL: it is not. */
    long (*position)(const rv_target *t);
    /* As rv_target_output; NULL: it writes nothing. */
    rv_status (*output)(real *out, bool *writes, const rv_target *t,
                        const rv_transformer *model, rv_error *err);
} rv_target_kind;

extern const rv_target_kind rv_kind_neuron, rv_kind_number, rv_kind_logit, rv_kind_direction,
    rv_kind_attention, rv_kind_feature;

/* NULL-terminated, in the order in which they are asked whether they claim a name. */
extern const rv_target_kind *const rv_target_kinds[];

/* ---- for parsing ------------------------------------------------------------------------------ */

/* "target X: expected ...": the forms of all kinds. */
rv_status rv_fail_form(const rv_target *t, rv_error *err);
/* "target X: WHAT: expected 0 to COUNT - 1, found N" */
rv_status rv_fail_range(const rv_target *t, const char *what, size_t count, size_t found,
                        rv_error *err);

/* A number at *text, moved past; at most 9 digits. */
bool rv_take_number(const char **text, size_t *out);
bool rv_take_signed(const char **text, long *out);
bool rv_take_word(const char **text, const char *word);

/* Makes *t MLP neuron `index` of `layer`. */
rv_status rv_set_neuron(rv_target *t, size_t layer, size_t index, const rv_config *config,
                        rv_error *err);

/* ---- for reading ------------------------------------------------------------------------------ */

static inline long rv_from_end(long position, size_t end)
{
    return position < 0 ? position + (long)end : position;
}

/* The row of the pass that is climbed in sequence s; false: none is. */
bool rv_climbed_row(const rv_climb *climb, size_t s, size_t *row);

#endif
