/* Neurons made up to show a language model what is wanted of it. */
#ifndef RV_EXPLAIN_LESSON_H
#define RV_EXPLAIN_LESSON_H

#include <stddef.h>

#include "base/error.h"
#include "explain/evidence.h"

enum { RV_LESSON_TEXTS = 2 };

typedef struct rv_lesson {
    const char *explanation;
    /* Tokens end with '|'; "^7" before it is the level, else 0. */
    const char *texts[RV_LESSON_TEXTS];
    size_t known_from[RV_LESSON_TEXTS]; /* simulation: tokens before it are "unknown" */
    const char *promoted[4];
} rv_lesson;

extern const rv_lesson rv_lessons[];
extern const size_t rv_lesson_count;

/* The text as a record whose activations are the levels. */
rv_status rv_lesson_record(rv_activation_record *out, const char *text, rv_error *err);

#endif
