/* Chat templates: the part of the Jinja language that they are written in, as a tree.
 * White space is handled as transformers sets Jinja up: trim_blocks and lstrip_blocks. */
#ifndef RV_TEMPLATE_PARSE_H
#define RV_TEMPLATE_PARSE_H

#include "template/value.h"

typedef enum jinja_node_kind {
    // expressions
    NODE_LITERAL, /* value */
    NODE_NAME,    /* text */
    NODE_LIST,    /* children */
    NODE_DICT,    /* children: key, value, key, value... */
    NODE_MEMBER,  /* first . text, or first [ second ] */
    NODE_SLICE,   /* first [ second : third : fourth ], each of the three may be NULL */
    NODE_CALL,    /* first ( children ) */
    NODE_FILTER,  /* first | text ( children ) */
    NODE_TEST,    /* first is text ( children ) */
    NODE_NOT,
    NODE_NEGATIVE, /* first */
    NODE_AND,
    NODE_OR,
    NODE_BINARY,   /* first text second; text is the operator */
    NODE_CHOICE,   /* first if second else third (or NULL) */
    NODE_ARGUMENT, /* text = first: a named argument */
    // statements
    NODE_OUTPUT, /* first */
    NODE_IF,     /* if first: children; else: other */
    NODE_FOR,    /* for text, text2 in first if second: children; else: other */
    NODE_SET,    /* set text[.text2] = first, or of what the children print */
    NODE_MACRO, /* macro text: children; parameters in other (NODE_ARGUMENT, first may be NULL) */
    NODE_GROUP, /* children, one after the other */
    NODE_BREAK,
    NODE_CONTINUE
} jinja_node_kind;

typedef struct jinja_node {
    jinja_node_kind kind;
    jinja_value value;
    jinja_string text, text2;
    struct jinja_node *first, *second, *third, *fourth;
    struct jinja_node *children, *other; /* lists, by `next` */
    struct jinja_node *next;
} jinja_node;

/* *out: a list of statements, NULL for an empty template. RV_ERR_UNSUPPORTED with the line of
 * what is not known, RV_ERR_FORMAT with the line of what is wrong. */
rv_status jinja_parse(jinja_node **out, jinja_memory *memory, const char *source, size_t length,
                      rv_error *err);

#endif
