/* The reading half of the tables in schema.c. Private to this room. */
#ifndef RV_RECORD_READ_H
#define RV_RECORD_READ_H

#include <jansson.h>

#include "base/arena.h"
#include "record/schema.h"

enum { RV_PLACE_ROOM = 160 };

/* Where the reader stands: file:line: type.field */
typedef struct rv_place_in_file {
    rv_arena *arena; /* of what the structs point at */
    const char *file;
    size_t line;
    char field[RV_PLACE_ROOM];
    rv_error *err;
} rv_place_in_file;

/* RV_ERR_FORMAT: file:line: field: expected ..., found a string. */
rv_status rv_read_wrong(const rv_place_in_file *at, const char *expected, const json_t *found);

/* Fills a struct of this type; at->field names it and is the same again afterwards. */
rv_status rv_read_struct(rv_place_in_file *at, char *object, const json_t *json,
                         const rv_struct *type);

#endif
