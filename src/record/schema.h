/* The records as tables: one row per field drives both the writer and the reader, so that they
 * cannot drift apart. Private to this room. */
#ifndef RV_RECORD_SCHEMA_H
#define RV_RECORD_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>

#include "record/record.h"

typedef enum rv_field_kind {
    RV_FIELD_NAME,    /* const char *: UTF-8 without NUL */
    RV_FIELD_TEXT,    /* rv_string: any bytes */
    RV_FIELD_NUMBER,  /* double */
    RV_FIELD_COUNT,   /* uint64_t, up to INT64_MAX */
    RV_FIELD_ID,      /* int32_t, >= 0; -1 when absent */
    RV_FIELD_FLAG,    /* bool */
    RV_FIELD_OBJECT,  /* a struct inside the struct */
    RV_FIELD_LIST,    /* const struct *, and its size_t count */
    RV_FIELD_NUMBERS, /* const double *, and its size_t count */
    RV_FIELD_JSON     /* const char *: a JSON object as text */
} rv_field_kind;

typedef struct rv_struct rv_struct;

typedef struct rv_field {
    const char *key; /* NULL ends a table */
    rv_field_kind kind;
    bool required;
    size_t offset, count_offset;
    const rv_struct *of; /* OBJECT, LIST */
} rv_field;

struct rv_struct {
    size_t size;
    const rv_field *fields;
};

#define X(name) extern const rv_struct rv_##name##_struct;
RV_RECORDS(X)
#undef X

/* Sets every field of a struct to its absent value. */
void rv_struct_clear(void *object, const rv_struct *type);

#endif
