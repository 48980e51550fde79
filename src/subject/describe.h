/* What run records of every kind say in the same way. */
#ifndef RV_SUBJECT_DESCRIBE_H
#define RV_SUBJECT_DESCRIBE_H

#include "subject/subject.h"
#include "record/record.h"

enum { RV_TIME_ROOM = 32 };

/* Borrows from the model; its hash is computed, once. */
rv_model_entry rv_describe_model(rv_model *model, rv_error *err);
/* What computed: version, compiler, threads, kernels, precision; `screened`: in bf16, before anything was judged. */
void rv_describe_program(rv_run_record *run, const rv_model *model, bool screened);
/* The bytes of a token; they belong to the tokenizer. */
rv_string rv_token_text(const rv_model *model, int32_t id);
/* ISO 8601, UTC. */
void rv_time_now(char out[RV_TIME_ROOM]);

#endif
