/* What a sentence is: a rule over bytes, the words that count as known, and the sentences of a text.
 *
 *     rv_sentence_fault fault = rv_sentence_check("She saw the little tree.", 24, &words);
 *     if (fault != RV_SENTENCE_WHOLE) puts(rv_sentence_fault_text(fault));
 *
 * A sentence begins where one begins (a capital, a digit, a letter of a script without capitals; an opening quote may
 * precede it), ends with . ! or ? or their like in other scripts (a closing quote may follow), has no end inside, says
 * at least four words of letters, and is made of known words. Length in tokens and the way through the tokenizer
 * are the caller's. */
#ifndef RV_CORPUS_SENTENCE_H
#define RV_CORPUS_SENTENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { RV_SENTENCE_LEAST = 6, RV_SENTENCE_MOST = 24 }; /* tokens */

#define RV_SENTENCE_FAULTS(X)                                       \
    X(WHOLE, "a sentence")                                          \
    X(ENCODING, "it is not valid UTF-8")                            \
    X(SYMBOL, "it holds control characters or symbols of code")     \
    X(START, "it does not begin where a sentence begins")           \
    X(END, "it does not end where a sentence ends")                 \
    X(INNER_END, "a sentence ends inside")                          \
    X(SPACING, "spaces stand where none belong")                    \
    X(BALANCE, "quotes or brackets are open")                       \
    X(WORDS, "it has fewer than four words, or hardly any letters") \
    X(UNKNOWN, "a word of it is in no vocabulary")

typedef enum rv_sentence_fault {
#define X(name, text) RV_SENTENCE_##name,
    RV_SENTENCE_FAULTS(X)
#undef X
} rv_sentence_fault;

const char *rv_sentence_fault_text(rv_sentence_fault fault);

/* A set of words, by their case-folded hashes; and the words of a text in order, for finding copies. */
typedef struct rv_words {
    uint64_t *slots; /* open addressing, a power of two; 0: free */
    size_t capacity, count;
    uint64_t *
        order; /* (length) every word that was added by rv_words_read, 0 where a sentence ends */
    size_t length, room;
} rv_words;

void rv_words_release(rv_words *words);
/* Adds the words of a text; remember: to `order` too. */
rv_status rv_words_read(rv_words *words, const char *bytes, size_t length, bool remember,
                        rv_error *err);
bool rv_words_hold(const rv_words *words, const char *word, size_t length);

/* The longest run of words that the text shares with what was remembered. */
size_t rv_words_shared_run(const rv_words *words, const char *bytes, size_t length);

/* words NULL: every word is known. */
rv_sentence_fault rv_sentence_check(const char *bytes, size_t length, const rv_words *words);

/* The next stretch of a text that may be a sentence: from *from on, without the space around it; *from moves behind it.
 * False: no other. */
bool rv_sentence_next(const char *text, size_t length, size_t *from, size_t *start,
                      size_t *end);

#endif
