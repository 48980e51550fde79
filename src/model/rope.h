/* Rotary tables: cosine and sine of position times frequency, for each pair of a head's numbers. */
#ifndef RV_MODEL_ROPE_H
#define RV_MODEL_ROPE_H

#include "base/error.h"
#include "model/config.h"

/* cosine, sine: new (positions, rotary_size / 2). free() */
rv_status rv_rope_tables(real **cosine, real **sine, const rv_rope_config *rope,
                         size_t rotary_size, size_t positions, rv_error *err);

#endif
