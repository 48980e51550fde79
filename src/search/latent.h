/* Texts as latents of a text autoencoder: what a dream is confined to.
 *
 *     RV_TRY(rv_latent_new(&l, search, texts, err));
 *     RV_TRY(rv_latent_begin(l, 0, count, &random, err)); // z <- enc(texts to start from)
 *     rv_latent_noise(l, 0, 0.5, &random);
 *     RV_TRY(rv_latent_write(l, 0, count, err));          // l->ids <- dec(z)
 *
 * Reading and writing run the language model, and are paid for in forward tokens as all else is.
 *
 * Alphabet:  S texts   n tokens of each   D numbers of a text's latent, all its slots'   C width */
#ifndef RV_SEARCH_LATENT_H
#define RV_SEARCH_LATENT_H

#include "autoencoder/text_autoencoder.h"
#include "search/continuous.h"

typedef struct rv_latent {
    rv_search *search;
    const rv_text_autoencoder *ae;
    size_t room, length, slots, numbers; /* S, n; of a text; D */
    size_t read_cost, write_cost;        /* forward tokens of a text */
    real *z;                             /* (S, D) */
    int32_t *ids;                        /* (S, n) what z was last written as */
    real *hidden;                        /* (S, n, C) what the model expected there */
    rv_candidate *candidates;            /* (S) */
    int32_t *gathered;                   /* (S, n) */
    real *read;                          /* (S, D) */
    size_t *texts;                       /* (S) */
    const int32_t **from;                /* (S) */
} rv_latent;

/* RV_ERR_USAGE where the search has no autoencoder, or one for shorter texts. */
rv_status rv_latent_new(rv_latent **out, rv_search *search, size_t texts, rv_error *err);
void rv_latent_free(rv_latent *l); /* NULL is fine */

/* z of these texts from ids[0..count), n tokens each. */
rv_status rv_latent_read(rv_latent *l, const size_t *texts, const int32_t *const *ids,
                         size_t count, rv_error *err);
/* ids of texts first, ..., first + count - 1 from their z. */
rv_status rv_latent_write(rv_latent *l, size_t first, size_t count, rv_error *err);
/* Their z from texts of the front, from those given by the user, from the corpus, or random. */
rv_status rv_latent_begin(rv_latent *l, size_t first, size_t count, rv_random *random,
                          rv_error *err);

/* Noise of a deviation added; slots of either of two texts; a point between them (a may be b); or one of these.
 * All are normalised again. */
void rv_latent_noise(rv_latent *l, size_t text, double deviation, rv_random *random);
void rv_latent_cross(rv_latent *l, size_t text, size_t a, size_t b, rv_random *random);
void rv_latent_between(rv_latent *l, size_t text, size_t a, size_t b, double at);
void rv_latent_vary(rv_latent *l, size_t text, size_t a, size_t b, rv_random *random);

/* Judges those of the texts written at first, ..., first + count - 1 that survive and are new. */
rv_status rv_latent_judge(rv_latent *l, size_t first, size_t count, rv_error *err);

/* Ascent on the latents of a group of texts through soft tokens. */
typedef struct rv_latent_climber {
    rv_latent *latent;
    rv_continuous *model;
    rv_adam adam;
    real *drows, *dz; /* (members, n, C), (members, D) */
} rv_latent_climber;

/* Of the first `members` texts. */
rv_status rv_latent_climber_new(rv_latent_climber **out, rv_latent *l, size_t members,
                                double rate, rv_error *err);
void rv_latent_climber_free(rv_latent_climber *c); /* NULL is fine */
/* One step from what was written last: z moves, and is normalised; ids stay. */
rv_status rv_latent_climb(rv_latent_climber *c, rv_error *err);

#endif
