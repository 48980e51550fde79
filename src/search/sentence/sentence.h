/* The search for whole sentences, and what it works with. The model is causal: what follows a phrase cannot weaken it.
 *
 *   triggers     the shortest ends of strong texts (corpus places, fragments that rv_reverie_climb finds) that hold g
 *   transplant   each behind the beginnings of corpus sentences after which the model expects it most
 *   finish       sampled on to a natural end
 *   polish       words exchanged, put in and taken out on both sides
 *   choose       the headline of every sense, by g among those as natural as the corpus's own sentences
 *
 * Alphabet as in search.h; g of a sentence is read where the target's reading says, by default at its strongest token. */
#ifndef RV_SEARCH_SENTENCE_H
#define RV_SEARCH_SENTENCE_H

#include "corpus/pool.h"
#include "search/engine.h"
#include "target/probe.h"

enum { RV_TRIGGER_MOST = 14, RV_SENTENCE_COPY = 8 /* words: a run of so many is a copy */ };

/* A phrase that makes the target fire wherever it stands. */
typedef struct rv_trigger {
    int32_t ids[RV_TRIGGER_MOST];
    size_t count, peak; /* tokens; index of the one that fires */
    double g;           /* behind two beginnings that have nothing to do with it, the mean */
} rv_trigger;

/* Sentences by growing array. */
typedef struct rv_sentences {
    rv_sentence *items;
    size_t count, room;
} rv_sentences;

typedef struct rv_sentence_search {
    rv_search *search;
    const rv_sentence_pool *pool;
    rv_probe
        *probe; /* room for the sentence behind the fixed tokens and the neutral sentence */
    rv_prefix *neutral; /* the fixed tokens and a neutral sentence; NULL: there is none */
    real *nll;          /* (rows) */
    rv_sequence *sequences;
    int32_t *ids;       /* (rows) of a batch */
    rv_sentences found; /* everything whole, judged; corpus sentences too */
    rv_trigger *triggers;
    size_t trigger_count;
    double reference; /* g of the best corpus sentence, or of the best found */
    double *means, *worsts, *spikes, *unlikely; /* (pool->count) of corpus sentences */
    rv_random random;
} rv_sentence_search;

enum { RV_SENTENCE_ROWS = 2048, RV_SENTENCE_BATCH = 256 };

/* judge.c: one text to be read. Fills nll, value, peak, g, f of `to` for its own tokens [shared, length). */
typedef struct rv_reading_task {
    rv_sentence *to;
    const rv_prefix *behind; /* what comes before the shared part's end */
    size_t shared; /* own tokens that `behind` holds: their numbers are in `to` already */
    rv_prefix *save;
} rv_reading_task;

rv_status rv_sentences_read(rv_sentence_search *d, rv_reading_task *tasks, size_t count,
                            rv_error *err);
/* Reads whole texts behind the fixed tokens. */
rv_status rv_sentences_judge(rv_sentence_search *d, rv_sentence *items, size_t count,
                             rv_error *err);
/* Fills g_after and nats_after. */
rv_status rv_sentences_judge_after(rv_sentence_search *d, rv_sentence *const *items,
                                   size_t count, rv_error *err);
/* Adds a sentence to what was found, and to the search's front, unless it is there or is none. */
rv_status rv_sentences_keep(rv_sentence_search *d, const rv_sentence *s, rv_error *err);
rv_sentence_fault rv_sentences_fault(const rv_sentence_search *d, const rv_sentence *s);
rv_status rv_sentences_push(rv_sentences *list, const rv_sentence *s, rv_error *err);

/* trigger.c */
rv_status rv_sentences_seed(rv_sentence_search *d, rv_error *err); /* of the corpus */
rv_status rv_triggers_find(rv_sentence_search *d, rv_error *err);
/* Sets s->trigger. */
rv_status rv_sentence_find_trigger(rv_sentence_search *d, rv_sentence *s, rv_error *err);
bool rv_sentence_begins_word(const rv_sentence_search *d, int32_t id);
bool rv_sentence_word(const rv_sentence_search *d,
                      int32_t id); /* letters, a space before them or not */
bool rv_sentence_ends(const rv_sentence_search *d, int32_t id); /* the token is . ! or ? */

/* transplant.c: beginnings of sentences that end in a trigger, most promising first. */
rv_status rv_transplant(rv_sentences *out, rv_sentence_search *d, rv_error *err);

/* finish.c */
rv_status rv_finish(rv_sentence_search *d, const rv_sentences *beginnings, rv_error *err);

/* polish.c */
rv_status rv_polish(rv_sentence_search *d, rv_error *err);
/* Whether token i is a whole word. */
bool rv_sentence_whole_word(const rv_sentence_search *d, const rv_sentence *s, size_t i);

/* slots.c: tries other words in every place of a chosen sentence, if the budget allows. */
rv_status rv_sentence_try_swaps(rv_sentence_search *d, rv_sentence *s, rv_error *err);

/* choose.c */
/* Longest run of words shared with the corpus. */
size_t rv_sentence_copied(const rv_sentence_search *d, const rv_sentence *s);
void rv_sentences_learn(rv_sentence_search *d); /* the corpus's own figures */
double rv_sentence_merit(const rv_sentence_search *d, const rv_sentence *s);
rv_status rv_sentences_choose(rv_sentence_search *d, rv_error *err);

#endif
