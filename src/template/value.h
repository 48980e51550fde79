/* Values of chat templates. Everything lives in the arena of one rendering, which has a limit:
 * a template is a program that somebody else wrote. */
#ifndef RV_TEMPLATE_VALUE_H
#define RV_TEMPLATE_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/text.h"

typedef struct jinja_string {
    const char *bytes;
    size_t length;
} jinja_string;

typedef enum jinja_kind {
    JINJA_UNDEFINED, /* string: the name that has no value */
    JINJA_NONE,
    JINJA_BOOL,
    JINJA_INT,
    JINJA_STRING,
    JINJA_LIST,
    JINJA_DICT,
    JINJA_BUILTIN, /* builtin: a function that every template knows */
    JINJA_MACRO
} jinja_kind;

typedef struct jinja_value {
    jinja_kind kind;
    union {
        bool boolean;
        int64_t integer;
        jinja_string string;
        struct jinja_list *list;
        struct jinja_dict *dict;
        int builtin;
        const struct jinja_macro *macro;
    };
} jinja_value;

typedef struct jinja_list {
    jinja_value *items;
    size_t count, capacity;
} jinja_list;

typedef struct jinja_entry {
    jinja_string key;
    jinja_value value;
} jinja_entry;

/* In order of insertion. */
typedef struct jinja_dict {
    jinja_entry *entries;
    size_t count, capacity;
    bool is_namespace; /* its members may be set */
} jinja_dict;

typedef struct jinja_memory {
    rv_arena arena;
    size_t used, limit;
} jinja_memory;

rv_status jinja_alloc(void **out, jinja_memory *memory, size_t count, size_t size,
                      rv_error *err);
#define JINJA_NEW(pointer, memory, count, err) \
    jinja_alloc((void **)&(pointer), (memory), (count), sizeof *(pointer), (err))

jinja_string jinja_literal(const char *text);
jinja_value jinja_text(const char *text); /* borrowed */
jinja_value jinja_from_string(jinja_string string);
jinja_value jinja_bool(bool boolean);
jinja_value jinja_int(int64_t integer);
jinja_value jinja_undefined(jinja_string name);

/* A copy of length bytes as a value. */
rv_status jinja_copy(jinja_value *out, jinja_memory *memory, const char *bytes, size_t length,
                     rv_error *err);
rv_status jinja_new_list(jinja_value *out, jinja_memory *memory, rv_error *err);
rv_status jinja_push(jinja_memory *memory, jinja_list *list, jinja_value item, rv_error *err);
rv_status jinja_new_dict(jinja_value *out, jinja_memory *memory, rv_error *err);
rv_status jinja_set(jinja_memory *memory, jinja_dict *dict, jinja_string key, jinja_value value,
                    rv_error *err);

/* NULL where there is no such key. */
const jinja_value *jinja_get(const jinja_dict *dict, jinja_string key);

bool jinja_same(jinja_string a, const char *b);
bool jinja_truth(const jinja_value *value);
bool jinja_equal(const jinja_value *a, const jinja_value *b);
const char *jinja_kind_name(jinja_kind kind);

/* Appends str(value). RV_ERR_UNSUPPORTED for lists and dicts. */
rv_status jinja_print(rv_text *out, const jinja_value *value, rv_error *err);

/* Appends JSON as Python's json.dumps(ensure_ascii=False) writes it; indent -1: one line. */
rv_status jinja_print_json(rv_text *out, const jinja_value *value, int indent, rv_error *err);

#endif
