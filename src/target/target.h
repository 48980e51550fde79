/* What a dream maximises: a number read inside a model, named as users name it.
 *
 *   L5.N131   L5N131   5.131   5/131   gpt2-small/5/131   layers/5/neurons/131
 *   blocks.5.mlp.hook_post:131   blocks.5.mlp.hook_post[131]   model.layers.5.mlp:131
 *                                    MLP neuron 131 of layer 5, after its activation
 *   SITE:INDEX                       any number at any site (blocks.3.hook_resid_pre:17)
 *   logit:" Paris"                   logit of a token, minus the best other one
 *   direction:FILE@SITE              <values at the site, vector in FILE>
 *   attention:L5.H3[-1,0]            attention of head 3 from the last position to the first
 *
 * A leading '-' asks for the negative direction. */
#ifndef RV_TARGET_H
#define RV_TARGET_H

#include "model/pass.h"
#include "tokenizer/tokenizer.h"

typedef enum rv_target_kind {
    RV_TARGET_NUMBER,    /* one column of a row site */
    RV_TARGET_LOGIT,     /* margin of a logit */
    RV_TARGET_DIRECTION, /* inner product with a row site */
    RV_TARGET_ATTENTION  /* one entry of an attention pattern */
} rv_target_kind;

typedef enum rv_reading {
    RV_READ_LAST, /* at the last position */
    RV_READ_AT,   /* at a given position (negative: from the end) */
    RV_READ_MAX   /* the largest over all positions of the dream */
} rv_reading;

enum { RV_TARGET_NAME_MAX = 320 };

typedef struct rv_target {
    rv_target_kind kind;
    char name[RV_TARGET_NAME_MAX];    /* canonical, without sign */
    char written[RV_TARGET_NAME_MAX]; /* as the user wrote it */
    real sign;                        /* +1 or -1 */
    rv_site site;
    size_t index;       /* NUMBER: column; ATTENTION: head */
    size_t width;       /* columns read: 1, or the whole site for a direction */
    int32_t token;      /* LOGIT */
    real *vector;       /* DIRECTION: (width) */
    real *mean, *scale; /* DIRECTION, standardised: <(x - mean) * scale, vector>; or NULL */
    long query, key;    /* ATTENTION: positions; negative: from the end */
    rv_reading reading;
    long position;
} rv_target;

/* tokenizer: for logit targets. Names the alternatives when it does not understand. */
rv_status rv_target_parse(rv_target *out, const char *text, const rv_config *config,
                          const rv_tokenizer *tokenizer, rv_error *err);
void rv_target_release(rv_target *target);

/* Blocks that must run before the value is there; layers + 1: the final norm too. */
size_t rv_target_depth(const rv_target *target, const rv_config *config);

/* Whether reading needs a pass that keeps its values (attention maps). */
bool rv_target_needs_keep(const rv_target *target);

/* The tap that reads the target's site into `buffer` (rows * width, or a map's size). Logit targets read
 * the pass's hidden values and need none: false. */
bool rv_target_tap(rv_tap *tap, const rv_target *target, real *buffer);

/* f at every row of the pass (rows), without the sign; for attention the entry at each query row, NAN where the
 * key lies behind it. buffer: what the tap filled. logits: (V) scratch for logit targets. */
void rv_target_values(real *values, const rv_target *target, const rv_pass *pass,
                      const real *buffer, real *logits);

/* The row within a sequence of `count` own rows from `shared` on that the reading picks, given the values
 * of these rows; SIZE_MAX: it lies in the shared part or is out of range. With RV_READ_MAX the largest sign * value. */
size_t rv_target_row(const rv_target *target, const real *values, size_t shared, size_t count);

enum { RV_TARGET_TAPS = 2 };

/* What backward is seeded with to climb sign * f at the given rows (one per sequence; SIZE_MAX: none). Where an
 * MLP neuron's post-activation is flat or falls towards the side that never fires, its pre-activations
 * are climbed instead, with a small slope: the true gradient leads nowhere there, or away. Fills seed, zeroed
 * first, and taps; a tap that is not needed has no seed. weight: factor per sequence. */
void rv_target_seed(rv_tap taps[RV_TARGET_TAPS], real *seed, const rv_target *target,
                    const rv_pass *pass, const size_t *rows, const real *weight,
                    size_t sequences, real *logits);

/* Numbers that rv_target_tap's and rv_target_seed's buffers must hold for a pass of so many rows and
 * positions. */
size_t rv_target_buffer(const rv_target *target, const rv_config *config, size_t rows,
                        size_t positions);

#endif
