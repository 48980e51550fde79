/* A sentence autoencoder for a given language model (the subject, which is frozen):
 *
 *     tokens -> rows at a site of the subject -> encoder -> z (slots, code), a few noisy numbers
 *     z -> decoder, which writes the tokens again, one after the other
 *
 * The decoder's output is added to what the subject itself expects next, so that the latent need only
 * carry what the language model cannot know:  logits_t = E (o_t + h_t),  E the subject's head, h_t its final
 * hidden before token t, o_t the decoder's word about it. A text of n tokens has ceil(n / tokens_per_slot)
 * slots: capacity a token is the same at every length. Every slot is normalised (mean 0, variance 1).
 *
 *     real *z = ...;                                   // (count, slots, code)
 *     RV_TRY(rv_text_autoencoder_encode(z, ae, ids, count, length, threads, err));
 *     RV_TRY(rv_text_autoencoder_decode(ids, hidden, ae, z, count, length, threads, err));
 *     RV_TRY(rv_text_autoencoder_pull(dz, NULL, ae, z, ids, hidden, drows, count, length, 1, threads, err));
 *
 * Alphabet:  C width of the subject   W width of both transformers   Z numbers of a slot   S slots
 *            n tokens of a text   N rows of a batch, all its texts' tokens   V vocabulary             */
#ifndef RV_TEXT_AUTOENCODER_H
#define RV_TEXT_AUTOENCODER_H

#include "model/pass.h"

enum { RV_TEXT_TOKENS_MAX = 64, RV_TEXT_LAYERS_MAX = 24, RV_TEXT_NAME_MAX = 48 };

typedef struct rv_text_autoencoder_config {
    size_t width, heads; /* W; of both transformers */
    size_t encoder_layers, decoder_layers;
    size_t code; /* Z */
    size_t tokens_per_slot;
    size_t tokens;       /* longest text */
    bool language_model; /* add h_t; false: the decoder is on its own */
    rv_site site;        /* RV_SITE_EMBED or RV_SITE_RESID_PRE */
    int32_t bos;         /* what the subject reads before a text */
    double noise;        /* deviation that z was trained under */
} rv_text_autoencoder_config;

/* One trained tensor: (rows, columns) at parameters + offset. */
typedef struct rv_text_parameter {
    char name[RV_TEXT_NAME_MAX];
    size_t offset, rows, columns;
    rv_matrix *matrix; /* where the kernels want it packed; or */
    real *vector;      /* where the transformer keeps it; or neither: read where it is */
    double deviation;  /* of its first values; negative: they are all 1 */
} rv_text_parameter;

/* The tensors outside the transformers. */
typedef enum rv_text_tensor {
    RV_TEXT_IN,            /* (W, C) site rows into the encoder */
    RV_TEXT_IN_EXPECT,     /* (W, C) what the subject expected there, into the encoder */
    RV_TEXT_IN_POSITION,   /* (tokens, W) */
    RV_TEXT_SLOT,          /* (slots, W) what the encoder finds in a slot's place */
    RV_TEXT_IN_BIND,       /* (tokens_per_slot, W) times a slot's tokens: they begin its row */
    RV_TEXT_CODE,          /* (Z, W) */
    RV_TEXT_FROM_CODE,     /* (W, Z) */
    RV_TEXT_SLOT_POSITION, /* (slots, W) */
    RV_TEXT_BIND,     /* (tokens_per_slot, W) times the slot's row, at each of its tokens */
    RV_TEXT_TOKEN,    /* (W, C) embeddings into the decoder */
    RV_TEXT_EXPECT,   /* (W, C) what the subject expects, into the decoder */
    RV_TEXT_POSITION, /* (tokens, W) */
    RV_TEXT_START,    /* (1, W) in place of the token before the first */
    RV_TEXT_MASK,     /* (1, W) in place of a token that was dropped */
    RV_TEXT_OUT,      /* (C, W) o_t */
    RV_TEXT_SITE_OUT, /* (C, W) the residual stream at the site; not there for `embed` */
    RV_TEXT_TENSORS
} rv_text_tensor;

typedef struct rv_text_autoencoder {
    rv_text_autoencoder_config config;
    const rv_transformer *subject; /* borrowed */
    rv_transformer *encoder, *decoder;
    rv_matrix in, in_expect, code, from_code, token, expect, out, site_out;
    rv_text_parameter *tensors;
    size_t tensor_count;
    real *parameters;
    size_t parameter_count;
    real *site_mean;  /* (C) of the rows at the site; 0 for `embed` */
    real site_scale;  /* one over their deviation */
    real token_scale; /* one over the deviation of embeddings */
    real *ones;       /* (Z) */
} rv_text_autoencoder;

rv_text_autoencoder_config rv_text_autoencoder_config_default(void);

/* Random weights (same seed, same weights). RV_ERR_UNSUPPORTED where the subject's head is not linear in its
 * final hidden (a soft cap) and language_model is asked for. */
rv_status rv_text_autoencoder_new(rv_text_autoencoder **out, const rv_transformer *subject,
                                  const rv_text_autoencoder_config *config, uint64_t seed,
                                  rv_error *err);
void rv_text_autoencoder_free(rv_text_autoencoder *ae); /* NULL is fine */

/* To be called after every change of the parameters. */
void rv_text_autoencoder_refresh(rv_text_autoencoder *ae, int threads);

/* Slots of a text of so many tokens. */
size_t rv_text_slots(const rv_text_autoencoder_config *config, size_t tokens);

/* z (count, S, Z) of texts ids (count, length), 1 <= length <= config.tokens, without noise. */
rv_status rv_text_autoencoder_encode(real *z, const rv_text_autoencoder *ae, const int32_t *ids,
                                     size_t count, size_t length, int threads, rv_error *err);

/* The most likely tokens, one after the other: ids (count, length) of z (count, S, Z), which need not be
 * normalised. hidden (count, length, C), or NULL: receives h_t, what the subject expected there (zeros
 * where config.language_model is false); kept for rv_text_autoencoder_pull. */
rv_status rv_text_autoencoder_decode(int32_t *ids, real *hidden, const rv_text_autoencoder *ae,
                                     const real *z, size_t count, size_t length, int threads,
                                     rv_error *err);

/* The gradient a dreamer needs. Tokens are soft, straight through: with ids as decoded from z, p_t =
 * softmax(E (o_t + h_t) / temperature), row_t = s sum_v p_t(v) E_v  (s the subject's embedding scale),
 * and  dz (count, S, Z) = d/dz sum <drows, rows>,  where ids, and with them h_t and the decoder's inputs, are held.
 * drows (count, length, C): the gradient at hook_embed. rows (count, length, C), or NULL: receives
 * the soft rows themselves. hidden as rv_text_autoencoder_decode gave it; NULL: computed again. */
rv_status rv_text_autoencoder_pull(real *dz, real *rows, const rv_text_autoencoder *ae,
                                   const real *z, const int32_t *ids, const real *hidden,
                                   const real *drows, size_t count, size_t length,
                                   double temperature, int threads, rv_error *err);

/* What the subject makes of texts that may differ in length, ids (N), each after BOS: hidden (N, C), its final
 * hidden before each token; rows (N, C) at the autoencoder's site. Either may be NULL. narrow: products in
 * bf16 where the subject has narrow weights. */
rv_status rv_text_subject(real *hidden, real *rows, const rv_text_autoencoder *ae,
                          const int32_t *ids, const size_t *length, size_t count, bool narrow,
                          int threads, rv_error *err);

#endif
