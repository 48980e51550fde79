/* A batch of texts through the autoencoder, forward and backward; texts may differ in length.
 *
 *     rv_text_pass_encode(z, pass, rows, hidden, lengths, count);
 *     rv_text_pass_decode(o, site, pass, z, ids, hidden, dropped);
 *     rv_text_pass_decode_backward(dz, pass, dout, dsite, gradients);
 *     rv_text_pass_encode_backward(pass, dz, gradients);
 *
 * N is the number of tokens of the batch, and T that of its slots; both in the order of texts. */
#ifndef RV_TEXT_PASS_H
#define RV_TEXT_PASS_H

#include "autoencoder/text_autoencoder.h"

/* Gradients of all parameters: flat, as ae->parameters. */
typedef struct rv_text_gradients {
    real *flat;
    rv_gradients encoder, decoder; /* point into flat */
} rv_text_gradients;

rv_status rv_text_gradients_new(rv_text_gradients **out, const rv_text_autoencoder *ae,
                                rv_error *err);
void rv_text_gradients_free(rv_text_gradients *gradients); /* NULL is fine */

typedef struct rv_text_pass {
    const rv_text_autoencoder *ae;
    size_t texts, tokens, slots; /* room */
    int threads;
    bool keep;
    rv_pass *encoder, *decoder;
    rv_sequence *sequences[2]; /* of the encoder, of the decoder */
    rv_tap tap[2];
    real *inputs[2], *seed[2]; /* (rows, W) */
    size_t count, N, T;        /* of the batch that was begun */
    size_t *length, *first;    /* (count) tokens of a text; its first row among N */
    size_t *slot;              /* (count) its first among T */
    real *x;                   /* (N, C) normalised site rows, or embeddings */
    real *rows;                /* (N, C) normalised site rows as the encoder got them */
    real *expected[2];         /* (N, C) normalised h_t, of the encoder, of the decoder */
    real *w, *v;               /* (N, W) */
    real *coded;               /* (T, W) the decoder's rows of the slots, without position */
    real *hidden;              /* (N or T, W) */
    real *out_hidden;          /* (N, W) the decoder's, kept for backward */
    real *code_hidden;         /* (T, W) the encoder's, likewise */
    real *raw, *z;             /* (T, Z) before the norm; what was decoded */
    real *mean, *rstd;         /* (T) */
    real *draw;                /* (T, Z) */
    const bool *dropped;
} rv_text_pass;

/* At most `texts` texts with `tokens` tokens in all. keep: for backward. */
rv_status rv_text_pass_new(rv_text_pass **out, const rv_text_autoencoder *ae, size_t texts,
                           size_t tokens, bool keep, int threads, rv_error *err);
void rv_text_pass_free(rv_text_pass *pass); /* NULL is fine */

/* How long the texts of the batch are; called by encode. */
rv_status rv_text_pass_begin(rv_text_pass *pass, const size_t *length, size_t count,
                             rv_error *err);

/* rows (N, C) at the site, not normalised; hidden (N, C): h_t, not looked at where the autoencoder has no
 * language model  ->  z (T, Z). */
rv_status rv_text_pass_encode(real *z, rv_text_pass *pass, const real *rows, const real *hidden,
                              const size_t *length, size_t count, rv_error *err);
/* Accumulates; dz (T, Z). */
void rv_text_pass_encode_backward(rv_text_pass *pass, const real *dz,
                                  rv_text_gradients *gradients);

/* After encode or begin. ids (N) are the true tokens, each seen by those behind it but where dropped
 * (N; may be NULL) hides it, with what the subject expects behind it. out (N, C): o_t. site (N, C), or NULL: the normalised row at the site, where the
 * autoencoder has one. */
rv_status rv_text_pass_decode(real *out, real *site, rv_text_pass *pass, const real *z,
                              const int32_t *ids, const real *hidden, const bool *dropped,
                              rv_error *err);
/* dz (T, Z) is set, gradients (may be NULL) are accumulated. dsite may be NULL. */
void rv_text_pass_decode_backward(real *dz, rv_text_pass *pass, const real *dout,
                                  const real *dsite, rv_text_gradients *gradients);

/* (row - mean) * scale, or back. */
void rv_text_normalise(real *out, const rv_text_autoencoder *ae, const real *rows, size_t N);
void rv_text_denormalise(real *out, const rv_text_autoencoder *ae, const real *rows, size_t N);

/* h_t (count, C) as the transformers read it: rows of mean square 1. */
void rv_text_expected(real *out, const real *hidden, size_t count, size_t C);

/* The subject's hook_embed rows of tokens: (count, C). */
void rv_text_embed(real *rows, const rv_transformer *subject, const int32_t *ids, size_t count);

#endif
