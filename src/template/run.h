/* Running a chat template. */
#ifndef RV_TEMPLATE_RUN_H
#define RV_TEMPLATE_RUN_H

#include "template/parse.h"

/* A function that a template defines. */
typedef struct jinja_macro {
    const jinja_node *node;
    struct jinja_scope *scope; /* where it was defined */
} jinja_macro;

typedef struct jinja_scope {
    jinja_dict names;
    struct jinja_scope *outer;
} jinja_scope;

typedef struct jinja_run {
    jinja_memory *memory;
    rv_text *out;
    jinja_scope *scope;
    size_t steps, depth;
    enum { RUN_ON, RUN_BREAK, RUN_CONTINUE } state; /* of the loop that is running */
    rv_error *err;
} jinja_run;

/* Arguments of a call. */
typedef struct jinja_arguments {
    jinja_list positional;
    jinja_dict named;
} jinja_arguments;

/* The argument with this place or name, or NULL. */
const jinja_value *jinja_argument(const jinja_arguments *arguments, size_t index,
                                  const char *name);

/* Runs a template with the given global names and appends what it prints. */
rv_status jinja_render(rv_text *out, jinja_memory *memory, const jinja_node *statements,
                       const jinja_dict *globals, rv_error *err);

/* ---- builtins.c ---------------------------------------------------------------------------- */

rv_status jinja_apply_filter(jinja_run *run, jinja_value *out, jinja_string name,
                             const jinja_value *input, const jinja_arguments *arguments);
rv_status jinja_apply_test(jinja_run *run, bool *out, jinja_string name,
                           const jinja_value *input, const jinja_arguments *arguments);
rv_status jinja_call_method(jinja_run *run, jinja_value *out, const jinja_value *object,
                            jinja_string name, const jinja_arguments *arguments);

/* A member by name or index; undefined where there is none. */
rv_status jinja_member(jinja_run *run, jinja_value *out, const jinja_value *object,
                       const jinja_value *key);

/* The elements of a list, the keys of a dictionary, the characters of a string. */
rv_status jinja_elements(jinja_run *run, jinja_list **out, const jinja_value *value);

/* "range wants numbers, found a string". */
rv_status jinja_wants(jinja_run *run, jinja_string name, const char *what,
                      const jinja_value *found);

/* ---- functions.c --------------------------------------------------------------------------- */

/* Functions that every template knows: -1 if there is none of that name. */
int jinja_find_builtin(jinja_string name);
rv_status jinja_call_builtin(jinja_run *run, jinja_value *out, int builtin,
                             const jinja_arguments *arguments);

#endif
