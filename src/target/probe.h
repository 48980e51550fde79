/* Reads targets in passes, and climbs them: the one way to do either.
 *
 *     rv_probe *probe;
 *     RV_TRY(rv_probe_new(&probe, model, &target, 1, &(rv_pass_options){.rows = 96, .sequences = 8}, true, err));
 *     RV_TRY(rv_probe_run(probe, sequences, 8, err));    // as far as the targets are
 *     const real *f = rv_probe_values(probe, 0);         // (rows), without the sign
 *     rv_probe_backward(probe, weights, NULL);           // of sum over sequences weight * sign * f where it is read
 *     const real *gradient = rv_pass_input_gradient(probe->pass);
 *     rv_probe_free(probe);
 *
 * Its pass is an ordinary one: losses, saving, selecting are asked of it. A probe of one neuron whose pass can `select`
 * computes only that neuron of its block. */
#ifndef RV_TARGET_PROBE_H
#define RV_TARGET_PROBE_H

#include "target/target.h"

typedef struct rv_probe {
    rv_pass *pass;           /* its own */
    const rv_tap *taps;      /* (tap_count) what the pass is begun with */
    size_t tap_count, depth; /* blocks that the targets need; layers + 1: the final norm too */
    const real *
        hidden_seed; /* (rows, C), the caller's: backward adds it at the unembedding's input; or NULL */
    size_t
        end; /* positions counted from the end count from here; 0: from each sequence's end */
    /* private */
    const rv_target *targets;
    size_t count;
    bool lean; /* only the neuron of its block */
    rv_tap *owned;
    real **tapped;       /* (count) */
    real *values, *seed; /* (rows), the targets' numbers */
    real *logits;        /* (V) */
    size_t *picked;      /* (sequences) */
} rv_probe;

/* The targets are borrowed. climbs: for backward, of the first. The pass keeps values where that, or a target, asks
 * for it. */
rv_status rv_probe_new(rv_probe **out, const rv_transformer *model, const rv_target *targets,
                       size_t count, const rv_pass_options *options, bool climbs,
                       rv_error *err);
void rv_probe_free(rv_probe *probe); /* NULL is fine */

/* Bytes that it takes, its pass included. */
size_t rv_probe_bytes(const rv_transformer *model, const rv_target *targets, size_t count,
                      const rv_pass_options *options, bool climbs);

/* As rv_pass_begin, with the targets' taps. */
rv_status rv_probe_begin(rv_probe *probe, const rv_sequence *sequences, size_t count,
                         rv_error *err);
/* As far as the targets are. */
void rv_probe_forward(rv_probe *probe);
/* Both. */
rv_status rv_probe_run(rv_probe *probe, const rv_sequence *sequences, size_t count,
                       rv_error *err);

/* f of targets[t] at every row of the batch (rows), without the sign; NAN where it is not there. Valid until asked
 * again. */
const real *rv_probe_values(rv_probe *probe, size_t t);

/* Backward of  sum over sequences s: weight[s] * sign * f(row that the reading picks)  +  sum over rows r:
 * losses[r] * nll[r]  +  <hidden_seed, hidden>. Either array may be NULL: not wanted; a weight needs the values of
 * targets[0] to have been asked for last. After a forward pass to the end. */
void rv_probe_backward(rv_probe *probe, const real *weight, const real *losses);

#endif
