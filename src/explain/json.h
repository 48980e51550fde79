/* An activation record as every exchange format has it: a list of tokens beside one of numbers. */
#ifndef RV_EXPLAIN_JSON_H
#define RV_EXPLAIN_JSON_H

#include <jansson.h>

#include "explain/evidence.h"

/* A list of strings beside a list of as many numbers; `where` names them in errors. */
rv_status rv_json_record(rv_activation_record *out, const json_t *tokens, const json_t *values,
                         const char *where, rv_error *err);

#endif
