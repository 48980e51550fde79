/* The tokens that a training step's softmax runs over. */
#ifndef RV_TEXT_CANDIDATES_H
#define RV_TEXT_CANDIDATES_H

#include "base/random.h"
#include "model/pass.h"

enum { RV_TEXT_NEAR = 4 };

/* Rows of the subject's head: the batch's tokens, the RV_TEXT_NEAR tokens that are most like each of them (which is
 * what they are taken for), and drawn ones, each once. The logit of a drawn one is lowered by the log of its
 * chance to be drawn: the sum of exponentials is then, on average, that of the whole vocabulary (Bengio and Senecal
 * 2008; Jean et al., arXiv 1412.2007), and the near ones, where most of it is, are exact. */
typedef struct rv_text_candidates {
    const rv_transformer *subject;
    rv_matrix head; /* (count of `capacity` rows, C), bias: -log chance */
    size_t capacity, count;
    int32_t *ids;    /* (capacity) */
    int32_t *place;  /* (V) of a token among the candidates; -1: it is none */
    int32_t *ranked; /* (V) tokens, the most frequent first */
    double *chance;  /* (V) to be drawn once */
    int32_t *near;   /* (V, RV_TEXT_NEAR) by cosine; -1: no more; -2: not known yet */
    real *norm;      /* (V) of the head's rows */
    real *rows, *score;
} rv_text_candidates;

/* ids (N): the training text. For batches of `most` tokens and as many draws. */
rv_status rv_text_candidates_new(rv_text_candidates **out, const rv_transformer *subject,
                                 const int32_t *ids, size_t N, size_t most, size_t draws,
                                 rv_error *err);
void rv_text_candidates_free(rv_text_candidates *candidates); /* NULL is fine */

/* label (N): the places of the batch's tokens. Half of the draws are log-uniform over ranks, half uniform. */
void rv_text_candidates_draw(int32_t *label, rv_text_candidates *candidates, const int32_t *ids,
                             size_t N, size_t draws, rv_random *random, int threads);

#endif
