/* The inside of a pass, shared by pass.c, forward.c, losses.c, backward.c and taps.c. */
#ifndef RV_MODEL_PASS_INTERNAL_H
#define RV_MODEL_PASS_INTERNAL_H

#include "model/pass.h"

/* Values of one layer, (rows, ...) each. With `keep` every layer has its own; else all share one. */
typedef struct rv_layer_values {
    real *resid_pre, *resid_mid; /* (C); the same buffer without keep */
    real *ln1_mean, *ln1_rstd, *ln2_mean, *ln2_rstd;
    real *n1, *n2;         /* (C) behind ln1, ln2 */
    real *qkv;             /* (H + 2 G) D, normed and rotated */
    real *qk_raw;          /* (H + G) D before the q/k norms; NULL without */
    real *q_rstd, *k_rstd; /* (H), (G) */
    real *probabilities;   /* maps of all sequences; only with keep */
    real *z;               /* H D */
    real *attention, *mlp; /* (C) branches before their post-norms; NULL without */
    real *post_attention_mean, *post_attention_rstd, *post_mlp_mean, *post_mlp_rstd;
    real *pre, *post; /* F (gated pre: 2 F), F */
} rv_layer_values;

typedef struct rv_row_span {
    size_t row, count, first;
} rv_row_span;

struct rv_pass {
    const rv_transformer *model;
    rv_pass_options options;
    size_t query_width, key_width, qkv_width, up_width;

    const rv_sequence *sequences;
    size_t sequence_count, rows;
    const rv_tap *taps;
    size_t tap_count;
    size_t next_layer;
    bool midway; /* of next_layer only the MLP is left */
    bool finished;

    rv_row_span *spans;      /* (sequences) */
    int32_t *ids, *position; /* (rows); id -1 where inputs were given */
    size_t *index;           /* (rows) scratch */
    int32_t *labels;         /* (rows) scratch */
    /* rv_pass_select: what it left, and where all of them stood when it was called first */
    rv_sequence *selected;     /* (sequences) */
    const rv_sequence *parked; /* NULL: not called yet */
    rv_row_span *parked_spans; /* (sequences) */
    real *parked_stream;       /* (rows, C) */
    real *panels;              /* (2, rows, RV_PANEL_MAX) scratch of rv_pass_neuron */
    size_t parked_layer;
    bool parked_midway;

    rv_layer_values *layers; /* (L) */
    real *stream;            /* (rows, C) behind the last block that ran */
    real *final_mean, *final_rstd, *hidden;
    real *branch;      /* (rows, C) scratch: what attention or MLP adds */
    real *gathered;    /* (rows, C) scratch */
    real *lse;         /* (rows) */
    real *label_logit; /* (rows) of the token behind */
    real *weights;     /* (rows) scratch */
    real *ones;        /* (max(C, D)) */

    /* attention: segments of every sequence, filled anew for each layer */
    rv_segment *segments;
    rv_attention_sequence *attention;
    real **maps;        /* (sequences) into probabilities */
    size_t *map_offset; /* (sequences + 1) */
    const real **dscores, **dpattern;

    /* backward */
    real *dstream, *dbranch, *dnorm, *dmid, *dqkv, *dz, *dpre, *dpost;
    real *arena; /* everything above of type real lives here */
};

enum { RV_PREFIX_DEPTH_MAX = 8 };

/* Positions of `save` that stand before the sequence's own: those it is appended to. */
size_t rv_saved_before(const rv_sequence *sequence);

/* taps.c: at a site, forward: fill `value`, apply `replace`. values (rows, leading), `width` wanted. */
void rv_visit(const rv_pass *pass, rv_site_kind kind, size_t layer, real *values,
              size_t leading, size_t width);
/* Backward: hand out `gradient`, then add `seed`. */
void rv_visit_gradient(const rv_pass *pass, rv_site_kind kind, size_t layer, real *gradient,
                       size_t leading, size_t width);
/* Whether some tap needs the values (or the gradient) of this site. */
bool rv_tapped(const rv_pass *pass, rv_site_kind kind, size_t layer);
/* Norm sites: scale = 1 / rstd and normalised = (x - mean) / scale, from what was saved. */
void rv_visit_norm(const rv_pass *pass, rv_site_kind scale, rv_site_kind normalized,
                   size_t layer, const real *x, const real *mean, const real *rstd);
/* Their seeds: what they add to the gradient at x. */
void rv_visit_norm_gradient(rv_pass *pass, rv_site_kind scale, rv_site_kind normalized,
                            size_t layer, real *dx, const real *x, const real *mean,
                            const real *rstd);
void rv_visit_maps(const rv_pass *pass, size_t layer, const rv_layer_values *values);
void rv_visit_result(const rv_pass *pass, size_t layer, const real *z);
void rv_visit_result_gradient(const rv_pass *pass, size_t layer, real *dz);
/* Per-sequence pointers to the seeds of a map site; NULL: none. */
const real *const *rv_map_seeds(const rv_pass *pass, rv_site_kind kind, size_t layer,
                                const real **out);
/* The highest layer with a seed; -1: none. L: at or behind the final norm. */
long rv_highest_seed(const rv_pass *pass);

/* forward.c */
void rv_attention_setup(rv_pass *pass, size_t layer, const rv_layer_values *values, real *dqkv);
void rv_norm_forward(const rv_pass *pass, real *out, real *mean, real *rstd, const real *x,
                     const rv_norm *norm);
rv_attention_shape rv_attention_shape_of(const rv_pass *pass, size_t layer);

#endif
