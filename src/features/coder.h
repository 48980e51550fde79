/* Coders: sparse autoencoders and transcoders of a language model, whatever format they come in.
 *
 *     rv_coder *coder;
 *     rv_feature feature;
 *     RV_TRY(rv_coder_open(&coder, "sae/layer_9", err));
 *     RV_TRY(rv_feature_load(&feature, coder, 1234, err));
 *     z = rv_feature_pre(&feature, coder, x);            // x (d): the site's vector at a position
 *     rv_feature_release(&feature);
 *     rv_coder_close(coder);
 *
 * Alphabet:  d width of the input   F features   k active ones
 *
 *     u   = pre(x)                   centred or normalised, where the coder asks for it
 *     z_i = <w_i, u> + b_i           after folding: input scale, bias of the decoder, norm of its rows
 *     a_i = gate(z_i)                the value of feature i
 *
 *   gate   ReLU        a = max(z, 0)
 *          threshold   a = z where z > t, else 0
 *          top k       a = z (at least 0) where i is among the k largest z of this position, else 0
 *          gated       a = max(e^r (z - b) + m, 0) where z > 0, else 0
 *
 * Opening reads headers; a feature costs its own row. Formats are told apart by their files (formats.c). */
#ifndef RV_FEATURES_CODER_H
#define RV_FEATURES_CODER_H

#include "checkpoint/checkpoint.h"

typedef enum rv_gate { RV_GATE_RELU, RV_GATE_THRESHOLD, RV_GATE_TOP_K, RV_GATE_GATED } rv_gate;

/* What is done to the site's vector before the encoder sees it. */
typedef enum rv_coder_input {
    RV_INPUT_PLAIN,
    RV_INPUT_LAYER_NORM,   /* (x - mean) / (std + 1e-5), std with d - 1 */
    RV_INPUT_CONSTANT_NORM /* x sqrt(d) / |x| */
} rv_coder_input;

typedef struct rv_coder {
    char *path;         /* of the weights */
    const char *format; /* "SAELens", static */
    char *architecture; /* as the format calls it */
    char *model;        /* that it was trained on; NULL: not said */
    char *site;         /* TransformerLens' name; NULL: not said */
    bool gain; /* the site's vector is multiplied by the gain of the norm before the MLP */
    size_t width, features; /* d, F */
    size_t output_width;    /* of a decoder row */
    size_t k;               /* top k */
    double declared_l0;     /* active features a position, as the format says; NAN: not said */
    rv_gate gate;
    rv_coder_input input;
    bool signed_values;       /* features may be negative: no ReLU behind top k */
    bool transcoder, shifted; /* shifted: the decoder's bias is subtracted from the input */
    bool centred;             /* the mean over d is subtracted from the input */
    bool by_decoder_norm;     /* the gate looks at z times the norm of the decoder's row, */
    bool plain_values;        /* but the value is without it */
    double scale;             /* of the input; 1: none */
    double threshold;         /* one for all features; NAN: the tensor's */
    bool log_threshold;       /* the tensor holds logarithms */
    rv_checkpoint *checkpoint;
    const rv_tensor *encoder, *encoder_bias, *decoder, *decoder_bias, *thresholds;
    const rv_tensor *gate_bias, *magnitude_bias, *magnitude_scale; /* gated */
} rv_coder;

/* path: a folder, or the file of its weights. RV_ERR_UNSUPPORTED names what is recognised but cannot be taken. */
rv_status rv_coder_open(rv_coder **out, const char *path, rv_error *err);
void rv_coder_close(rv_coder *coder); /* NULL is fine */

const char *rv_gate_name(rv_gate gate); /* "ReLU", ... static */

/* A feature, folded. */
typedef struct rv_feature {
    size_t index, width, output_width;
    real *encoder; /* (d) w */
    real *decoder; /* (output_width) */
    double bias, threshold, decoder_norm;
    double value_scale;                     /* of what passes the gate */
    double magnitude_scale, magnitude_bias; /* gated: e^r, m */
} rv_feature;

/* RV_ERR_USAGE: index is beyond F; RV_ERR_NUMERIC: its numbers are not finite. */
rv_status rv_feature_load(rv_feature *out, const rv_coder *coder, size_t index, rv_error *err);
void rv_feature_release(rv_feature *feature);

/* u (d) of x (d); they may be the same. */
void rv_coder_input_apply(real *u, const real *x, const rv_coder *coder);

/* The inverse, for what a decoder wrote of x (d): norms of x are put back. */
void rv_coder_output_restore(real *again, const real *x, const rv_coder *coder);

/* z of x (d), through pre; scratch (d). */
double rv_feature_pre(const rv_feature *feature, const rv_coder *coder, const real *x,
                      real *scratch);
/* dz/dx (d) at x; scratch (d). */
void rv_feature_slope(real *out, const rv_feature *feature, const rv_coder *coder,
                      const real *x, real *scratch);

/* a of z, for every gate but top k. */
double rv_feature_gate(const rv_feature *feature, const rv_coder *coder, double z);

/* All encoder rows, folded, for top k: how many features of a position are above one of them. */
typedef struct rv_rivals {
    size_t width, features;
    real *encoder; /* (F, d) */
    real *bias;    /* (F) */
} rv_rivals;

rv_status rv_rivals_load(rv_rivals *out, const rv_coder *coder, rv_error *err);
void rv_rivals_release(rv_rivals *rivals);
/* Whether z is among the k largest at u (d). Ties: the smaller index is before. */
bool rv_rivals_admit(const rv_rivals *rivals, const real *u, size_t index, double z, size_t k);

#endif
