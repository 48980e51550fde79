/* Values of chat templates. Everything lives in the arena of one rendering, which has limits of
 * memory and of steps: a template is a program that somebody else wrote. */
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
    JINJA_MISSING,   /* an argument that was not given */
    JINJA_UNDEFINED, /* string: the name that has no value */
    JINJA_NONE,
    JINJA_BOOL,
    JINJA_INT,
    JINJA_FLOAT,
    JINJA_STRING,
    JINJA_LIST, /* and everything like it, see jinja_flavor */
    JINJA_DICT,
    JINJA_NAMESPACE, /* a dict whose members may be set */
    JINJA_FUNCTION,
    JINJA_MACRO,
    JINJA_LOOP,
    JINJA_CYCLER, /* object */
    JINJA_JOINER
} jinja_kind;

typedef struct jinja_value {
    jinja_kind kind;
    bool markup; /* a string that is escaped already: what is joined to it is escaped */
    union {
        bool boolean;
        int64_t integer;
        double real;
        jinja_string string;
        struct jinja_list *list;
        struct jinja_dict *dict;
        const struct jinja_function *function;
        const struct jinja_macro *macro;
        struct jinja_loop *loop;
        struct jinja_object *object;
    };
} jinja_value;

typedef enum jinja_flavor {
    FLAVOR_LIST,
    FLAVOR_TUPLE,
    FLAVOR_GROUP, /* a tuple of groupby: its members are grouper and list */
    FLAVOR_RANGE,
    FLAVOR_KEYS, /* what dict.keys(), values() and items() give */
    FLAVOR_VALUES,
    FLAVOR_ITEMS,
    FLAVOR_GENERATOR /* what map, select, reject and their like give: is gone through once */
} jinja_flavor;

typedef struct jinja_list {
    jinja_value *items;
    size_t count, capacity;
    jinja_flavor flavor;
    int64_t range[3];
} jinja_list;

typedef struct jinja_entry {
    jinja_value key, value;
} jinja_entry;

/* In order of insertion. */
typedef struct jinja_dict {
    jinja_entry *entries;
    size_t count, capacity;
} jinja_dict;

/* A cycler or joiner. */
typedef struct jinja_object {
    jinja_list *items;
    size_t at;
} jinja_object;

typedef struct jinja_memory {
    rv_arena arena;
    size_t used, limit; /* bytes */
    size_t steps;
    rv_error *err;
} jinja_memory;

enum { JINJA_LIMIT_STEPS = 10 * 1000 * 1000, JINJA_LIMIT_NESTING = 64 };

rv_status jinja_alloc(void **out, jinja_memory *memory, size_t count, size_t size);
#define JINJA_NEW(pointer, memory, count) \
    jinja_alloc((void **)&(pointer), (memory), (count), sizeof *(pointer))

/* Counts work: one step, and one more for every 32 bytes that it touches. */
rv_status jinja_work(jinja_memory *memory, size_t bytes);

/* Appends to a text that is being put together, within the limit of memory. */
rv_status jinja_put(jinja_memory *memory, rv_text *text, const char *bytes, size_t length);
rv_status jinja_puts(jinja_memory *memory, rv_text *text, const char *string);

jinja_string jinja_literal(const char *text);
bool jinja_same(jinja_string a, const char *b);
bool jinja_equal_strings(jinja_string a, jinja_string b);

jinja_value jinja_text(const char *text); /* borrowed */
jinja_value jinja_from_string(jinja_string string);
jinja_value jinja_bool(bool boolean);
jinja_value jinja_int(int64_t integer);
jinja_value jinja_float(double real);
jinja_value jinja_none(void);
jinja_value jinja_undefined(jinja_string name);

/* A copy of length bytes as a value. */
rv_status jinja_copy(jinja_value *out, jinja_memory *memory, const char *bytes, size_t length);

/* Hands over what was put together, and releases it. `status`: how that went. */
rv_status jinja_take(jinja_value *out, jinja_memory *memory, rv_text *text, rv_status status);

rv_status jinja_new_list(jinja_value *out, jinja_memory *memory, jinja_flavor flavor);
rv_status jinja_push(jinja_memory *memory, jinja_list *list, jinja_value item);
rv_status jinja_pair(jinja_value *out, jinja_memory *memory, jinja_value a, jinja_value b);
rv_status jinja_new_dict(jinja_value *out, jinja_memory *memory);

/* Keys are compared as Python compares them; RV_ERR_FORMAT for one that cannot be a key. */
rv_status jinja_set(jinja_memory *memory, jinja_dict *dict, jinja_value key, jinja_value value);
rv_status jinja_get(const jinja_value **out, jinja_memory *memory, const jinja_dict *dict,
                    const jinja_value *key);

/* The same where keys are known to be strings: arguments and names of variables. */
rv_status jinja_set_name(jinja_memory *memory, jinja_dict *dict, jinja_string key,
                         jinja_value value);
jinja_value *jinja_get_name(const jinja_dict *dict, jinja_string key);

bool jinja_truth(const jinja_value *value);
bool jinja_is_number(const jinja_value *value); /* booleans too */
double jinja_number(const jinja_value *value);
bool jinja_is_sequence(const jinja_value *value); /* a list, tuple or range: has indices */
rv_status jinja_equal(bool *out, jinja_memory *memory, const jinja_value *a,
                      const jinja_value *b);

/* -1, 0, 1; RV_ERR_FORMAT for what has no order. */
rv_status jinja_order(int *out, jinja_memory *memory, const jinja_value *a,
                      const jinja_value *b);

const char *jinja_kind_name(const jinja_value *value);

/* "NAME wants WHAT, found an integer". */
rv_status jinja_wants(jinja_memory *memory, const char *name, const char *what,
                      const jinja_value *found);

/* ---- print.c --------------------------------------------------------------------------------- */

/* Appends str(value) and repr(value) as Python writes them. */
rv_status jinja_print(rv_text *out, jinja_memory *memory, const jinja_value *value);
rv_status jinja_repr(rv_text *out, jinja_memory *memory, const jinja_value *value);
void jinja_float_text(char out[32], double real);

/* str(value) as a value. */
rv_status jinja_to_string(jinja_value *out, jinja_memory *memory, const jinja_value *value);

typedef struct jinja_json_style {
    jinja_string indent; /* of one level; bytes NULL: everything in one line */
    jinja_string between, colon;
    bool ascii, sorted;
} jinja_json_style;

/* Appends JSON as Python's json.dumps writes it. */
rv_status jinja_print_json(rv_text *out, jinja_memory *memory, const jinja_value *value,
                           const jinja_json_style *style);

#endif
