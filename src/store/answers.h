/* What was computed once, kept in the cache folder by its whole question: the second time it is answered at once. */
#ifndef RV_STORE_ANSWERS_H
#define RV_STORE_ANSWERS_H

#include <jansson.h>

/* The answer to this question, a new reference; NULL: it was not kept. */
json_t *rv_answer_recall(const char *question);

/* Keeps an answer (an object; takes the reference; NULL is fine). A cache that cannot be written is no reason to
 * fail: the answer is already there. */
void rv_answer_keep(const char *question, json_t *answer);

/* A file beside the answers for one that is too large for JSON, its folder made; malloc'ed; NULL: there is no cache
 * folder. Whoever reads it holds the question in it against this one. */
char *rv_answer_file(const char *question, const char *ending);

#endif
