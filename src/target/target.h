/* What a dream maximises: a number read inside a model, named as users name it.
 *
 *   L5.N131   L5N131   5.131   5/131   gpt2-small/5/131   layers/5/neurons/131
 *   blocks.5.mlp.hook_post:131   blocks.5.mlp.hook_post[131]   model.layers.5.mlp:131
 *                                    MLP neuron 131 of layer 5, after its activation
 *   SITE:INDEX                       any number at any site (blocks.3.hook_resid_pre:17)
 *   logit:" Paris"                   logit of a token, minus the best other one
 *   direction:FILE@SITE              <values at the site, vector in FILE>
 *   feature:DIR#1234                 feature of a sparse autoencoder or transcoder
 *   attention:L5.H3[-1,0]            attention of head 3 from the last position to the first
 *
 * A leading '-' asks for the negative direction. Each kind is a file of kind/, listed in kind/kind.c; passes are
 * run and read by a probe (probe.h). */
#ifndef RV_TARGET_H
#define RV_TARGET_H

#include "base/hash.h"
#include "model/pass.h"
#include "tokenizer/tokenizer.h"

typedef enum rv_reading {
    RV_READ_LAST, /* at the last position */
    RV_READ_AT,   /* at a given position (negative: from the end) */
    RV_READ_MAX   /* the largest over all positions of the dream */
} rv_reading;

enum { RV_TARGET_NAME_MAX = 320 };

typedef struct rv_target {
    const struct rv_target_kind *kind;
    char name[RV_TARGET_NAME_MAX];    /* canonical, without sign */
    char written[RV_TARGET_NAME_MAX]; /* as the user wrote it */
    real sign;                        /* +1 or -1 */
    rv_site site;                     /* where it is read */
    void *own;                        /* the kind's: what of the site it reads */
    rv_reading reading;
    long position;
} rv_target;

/* tokenizer: for logit targets. Names the alternatives when it does not understand. */
rv_status rv_target_parse(rv_target *out, const char *text, const rv_config *config,
                          const rv_tokenizer *tokenizer, rv_error *err);
void rv_target_release(rv_target *target);

/* SHA-256 of its name, and of the numbers of a file where it has some: what it is known by when that file changes. */
rv_status rv_target_identity(char out[RV_HASH_HEX], const rv_target *target, rv_error *err);

/* Blocks that must run before the value is there; layers + 1: the final norm too. */
size_t rv_target_depth(const rv_target *target, const rv_config *config);

/* Whether reading needs a pass that keeps its values (attention maps). */
bool rv_target_needs_keep(const rv_target *target);

/* Whether it is an MLP neuron after its activation, and which. layer, index may be NULL. */
bool rv_target_is_neuron(const rv_target *target, size_t *layer, size_t *index);

/* out (C): what the target writes into the residual stream, per unit of f. *writes false: it is no such target. */
rv_status rv_target_output(real *out, bool *writes, const rv_target *target,
                           const rv_transformer *model, rv_error *err);

/* The row within a sequence of `count` own rows from `shared` on that the reading picks, given the values
 * of these rows; SIZE_MAX: it lies in the shared part or is out of range. With RV_READ_MAX the largest sign * value. */
size_t rv_target_row(const rv_target *target, const real *values, size_t shared, size_t count);

/* f of such a sequence, also where the reading falls on a shared position: known (shared - fixed) are the values there
 * from position `fixed` on, NULL: unknown. NAN: not there. */
double rv_target_read(const rv_target *target, const real *values, size_t shared, size_t count,
                      const double *known, size_t fixed);

#endif
