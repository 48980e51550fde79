/* Running a chat template. */
#ifndef RV_TEMPLATE_RUN_H
#define RV_TEMPLATE_RUN_H

#include "template/parse.h"

typedef struct jinja_scope {
    jinja_dict names;
    struct jinja_scope *outer;
} jinja_scope;

/* A function that a template defines. */
typedef struct jinja_macro {
    const jinja_node *node;
    jinja_scope *scope; /* where it was defined */
} jinja_macro;

/* The variable `loop`. */
typedef struct jinja_loop {
    const jinja_node *node;
    jinja_scope *outer;
    const jinja_list *items;
    size_t at, depth;    /* both from 0 */
    jinja_value changed; /* what loop.changed saw last */
} jinja_loop;

typedef struct jinja_run {
    jinja_memory *memory;
    rv_text *out;
    jinja_scope *scope, *global;
    size_t depth;
    enum { RUN_ON, RUN_BREAK, RUN_CONTINUE } state; /* of the loop that is running */
    jinja_value input;                              /* NODE_INPUT */
} jinja_run;

typedef struct jinja_arguments {
    jinja_list positional;
    jinja_dict named;
} jinja_arguments;

enum { JINJA_MOST_ARGUMENTS = 6 };

typedef struct jinja_call {
    const struct jinja_builtin *builtin;
    const jinja_value *self; /* the input of a filter or test, the object of a method */
    jinja_value argv[JINJA_MOST_ARGUMENTS]; /* by the signature; JINJA_MISSING: not given */
    const jinja_arguments *arguments;
} jinja_call;

/* A filter, test, method or function. Tables end in a row without a name. */
typedef struct jinja_builtin {
    const char *name;
    const char *signature; /* "old new count?"; NULL: it looks at the arguments itself */
    rv_status (*call)(jinja_run *run, jinja_value *out, const jinja_call *call);
    int variant; /* of several that share a function */
} jinja_builtin;

typedef struct jinja_function {
    const jinja_builtin *builtin;
    jinja_value self;
} jinja_function;

extern const jinja_builtin jinja_filters[], jinja_sequence_filters[], jinja_tests[],
    jinja_globals[], jinja_string_methods[], jinja_dict_methods[], jinja_list_methods[],
    jinja_loop_methods[], jinja_cycler_methods[];

const jinja_builtin *jinja_find(const jinja_builtin *table, jinja_string name);

/* Gives the arguments their places and calls. */
rv_status jinja_invoke(jinja_run *run, jinja_value *out, const jinja_builtin *builtin,
                       const jinja_value *self, const jinja_arguments *arguments);

/* ---- evaluate.c, execute.c ------------------------------------------------------------------- */

/* Runs a template with the given global names and appends what it prints. */
rv_status jinja_render(rv_text *out, jinja_memory *memory, const jinja_node *statements,
                       const jinja_dict *globals);

rv_status jinja_evaluate(jinja_run *run, jinja_value *out, const jinja_node *node);
rv_status jinja_execute(jinja_run *run, const jinja_node *statements);

/* Runs statements with what they print collected in a string. */
rv_status jinja_collect(jinja_run *run, jinja_value *out, const jinja_node *statements);

rv_status jinja_enter(jinja_run *run); /* one level deeper; leave by run->depth-- */
rv_status jinja_push_scope(jinja_run *run, jinja_scope *outer);
rv_status jinja_define(jinja_run *run, jinja_string name, jinja_value value);
rv_status jinja_assign(jinja_run *run, const jinja_node *target, const jinja_value *value);
rv_status jinja_call_value(jinja_run *run, jinja_value *out, const jinja_value *callee,
                           const jinja_arguments *arguments);
rv_status jinja_run_arguments(jinja_run *run, jinja_arguments *out, const jinja_node *items);

/* A round of a loop, again over other items: loop(items). */
rv_status jinja_run_loop(jinja_run *run, const jinja_node *node, jinja_scope *outer,
                         const jinja_value *over, size_t depth);

rv_status jinja_apply_filter(jinja_run *run, jinja_value *out, jinja_string name,
                             const jinja_value *input, const jinja_arguments *arguments);
rv_status jinja_apply_test(jinja_run *run, bool *out, jinja_string name,
                           const jinja_value *input, const jinja_arguments *arguments);

/* ---- access.c -------------------------------------------------------------------------------- */

/* A function of an object's, or a global one (self NULL). */
rv_status jinja_bind(jinja_run *run, jinja_value *out, const jinja_builtin *builtin,
                     const jinja_value *self);

/* What a template's object.name is: jinja_attribute or, where there is none, the item. */
rv_status jinja_member(jinja_run *run, jinja_value *out, const jinja_value *object,
                       jinja_string name);

/* getattr(object, name) and object[key]; undefined where there is none. */
rv_status jinja_attribute(jinja_run *run, jinja_value *out, const jinja_value *object,
                          jinja_string name);
rv_status jinja_item(jinja_run *run, jinja_value *out, const jinja_value *object,
                     const jinja_value *key);

/* The elements of a list, the keys of a dictionary, the characters of a string. */
rv_status jinja_elements(jinja_run *run, const jinja_list **out, const jinja_value *value);

/* ---- operators.c ----------------------------------------------------------------------------- */

rv_status jinja_binary(jinja_run *run, jinja_value *out, jinja_string op, const jinja_value *a,
                       const jinja_value *b);
rv_status jinja_add(jinja_run *run, jinja_value *out, const jinja_value *a,
                    const jinja_value *b);
rv_status jinja_negate(jinja_run *run, jinja_value *out, const jinja_value *value);
rv_status jinja_compare(jinja_run *run, bool *out, jinja_string op, const jinja_value *a,
                        const jinja_value *b);

/* str(a) + str(b) + ...; where one is markup the others are escaped. */
rv_status jinja_concat(jinja_run *run, jinja_value *out, const jinja_value *parts,
                       size_t count);
rv_status jinja_escape(jinja_run *run, jinja_value *out, const jinja_value *value);

/* bounds: start, stop, step; JINJA_NONE for one that is left out. */
rv_status jinja_slice(jinja_run *run, jinja_value *out, const jinja_value *object,
                      const jinja_value bounds[3]);

/* ---- format.c -------------------------------------------------------------------------------- */

/* "%s %d" % values, and "{} {name}".format(...). */
rv_status jinja_percent(jinja_run *run, jinja_value *out, jinja_string format,
                        const jinja_list *values, const jinja_dict *named);
rv_status jinja_format(jinja_run *run, jinja_value *out, jinja_string format,
                       const jinja_arguments *arguments);

/* ---- letters.c, strings.c ------------------------------------------------------------------------------- */

rv_status jinja_string_case(jinja_run *run, jinja_value *out, const jinja_call *call);
rv_status jinja_string_is(jinja_run *run, jinja_value *out, const jinja_call *call);
rv_status jinja_string_is_case(jinja_run *run, jinja_value *out, const jinja_call *call);
enum {
    IS_ALPHA,
    IS_DECIMAL,
    IS_DIGIT,
    IS_NUMERIC,
    IS_ALNUM,
    IS_SPACE,
    IS_ASCII,
    IS_IDENTIFIER
}; /* variants of the second */

size_t jinja_count_chars(jinja_string s);
bool jinja_is_blank(unsigned c); /* white space as Python sees it */
typedef enum letter_case {
    CASE_LOWER,
    CASE_UPPER,
    CASE_CAPITAL,
    CASE_TITLE,
    CASE_SWAP
} letter_case;
rv_status jinja_change_case(jinja_run *run, jinja_value *out, jinja_string s, letter_case to);
rv_status jinja_string_call(jinja_run *run, jinja_value *out, const char *method,
                            const jinja_value *self, const jinja_value *arguments,
                            size_t count);
rv_status jinja_lines(jinja_run *run, jinja_value *out, jinja_string s, bool keep_ends);

/* ---- filters.c ------------------------------------------------------------------------------- */

/* A number of an argument; `otherwise` where it is not given. */
rv_status jinja_integer(jinja_run *run, int64_t *out, const jinja_value *value,
                        int64_t otherwise, const char *name);
rv_status jinja_get_string(jinja_run *run, jinja_string *out, const jinja_value *value,
                           const char *name);
bool jinja_flag(const jinja_value *value, bool otherwise);

#endif
