/* Whole sentences of a corpus as a model reads them: each token's surprise, and, of every beginning that ends with a
 * word, what the unembedding sees behind it, so that a phrase can be tried behind all of them by one product:
 *
 *     log p(v | beginning r) = <head[v], hidden[r]> - lse[r]
 *
 * Made once for a model and a corpus, and kept. */
#ifndef RV_CORPUS_POOL_H
#define RV_CORPUS_POOL_H

#include "corpus/corpus.h"
#include "corpus/sentence.h"
#include "store/store.h"

enum { RV_POOL_BEGINNING = 14 }; /* tokens of a beginning, at most */

typedef struct rv_sentence_pool {
    size_t count, token_count, row_count, width, vocabulary;
    int32_t *ids;     /* (token_count) all sentences, one behind the other */
    uint32_t *first;  /* (count + 1) where each begins */
    float *nll;       /* (token_count) nats, behind the fixed prefix */
    uint32_t *rows;   /* (row_count) the last token of a beginning, an index into ids */
    uint32_t *owner;  /* (row_count) its sentence */
    float *lse;       /* (row_count) */
    uint16_t *hidden; /* (row_count, width), bf16 */
    float *rarity;    /* (vocabulary) -log of a token's share of the corpus, smoothed */
    rv_words words;   /* of the whole corpus */
} rv_sentence_pool;

typedef struct rv_pool_options {
    size_t corpus_tokens; /* read at most so many; 0: all */
    size_t tokens;        /* of sentences, at most: drawn at random from all that there are */
    const int32_t *prefix;
    size_t prefix_count; /* fixed tokens before every sentence */
    bool narrow;         /* in bf16 */
    int threads;
    rv_progress_fn progress;
    void *progress_context;
    rv_store *store;             /* NULL: it is not kept */
    const rv_question *question; /* all that decides it */
} rv_pool_options;

/* A corpus without sentences gives a pool of none. RV_ERR_CANCELLED: by progress. */
rv_status rv_sentence_pool_new(rv_sentence_pool **out, const rv_corpus *corpus,
                               const rv_transformer *model, const rv_tokenizer *tokenizer,
                               const rv_pool_options *options, rv_error *err);
void rv_sentence_pool_free(rv_sentence_pool *pool); /* NULL is fine */

/* score (row_count) += weight * log p(id | beginning), not below `least` each. */
void rv_sentence_pool_score(real *score, const rv_sentence_pool *pool,
                            const rv_transformer *model, int32_t id, double weight,
                            double least, int threads);

#endif
