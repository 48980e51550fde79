/* Chat templates: the Jinja language as a tree. White space is handled as transformers sets Jinja
 * up: trim_blocks and lstrip_blocks. */
#ifndef RV_TEMPLATE_PARSE_H
#define RV_TEMPLATE_PARSE_H

#include "template/value.h"

typedef enum jinja_node_kind {
    // expressions
    NODE_LITERAL, /* value */
    NODE_NAME,    /* text */
    NODE_LIST,    /* children */
    NODE_TUPLE,   /* children */
    NODE_DICT,    /* children: key, value, key, value... */
    NODE_MEMBER,  /* first . text */
    NODE_ITEM,    /* first [ second ] */
    NODE_SLICE,   /* second : third : fourth, each of the three may be NULL; an index */
    NODE_CALL,    /* first ( children ) */
    NODE_FILTER,  /* first | text ( children ) */
    NODE_TEST,    /* first is text ( children ) */
    NODE_NOT,
    NODE_NEGATIVE, /* first */
    NODE_POSITIVE,
    NODE_AND,
    NODE_OR,
    NODE_BINARY,  /* first text second; text is the operator */
    NODE_COMPARE, /* first, then children: each an operator (text) and its right side (first) */
    NODE_CONCAT,  /* children, joined as text */
    NODE_CHOICE,  /* first if second else third (or NULL) */
    NODE_ARGUMENT, /* text = first: a named argument; text "*" and "**" spread first */
    NODE_INPUT,    /* what a filter block has collected */
    // targets of an assignment: NODE_NAME, NODE_TUPLE of them, NODE_MEMBER of a namespace
    // statements
    NODE_OUTPUT, /* first */
    NODE_IF,     /* if first: children; else: other, an NODE_IF alone for elif */
    NODE_FOR,    /* for first in second if third: children; else: other; text: "recursive" */
    NODE_SET, /* set first = second; or of what the children print, through the filters second */
    NODE_MACRO, /* macro text: children; parameters in other (NODE_ARGUMENT, first may be NULL) */
    NODE_CALL_BLOCK,   /* first, a call, with a caller (second: NODE_MACRO) */
    NODE_WITH,         /* other: NODE_SETs; children */
    NODE_FILTER_BLOCK, /* first: filters over NODE_INPUT; children */
    NODE_GROUP, /* children, in a scope of their own; text "block": only global names are seen */
    NODE_BREAK,
    NODE_CONTINUE
} jinja_node_kind;

typedef struct jinja_node {
    jinja_node_kind kind;
    jinja_value value;
    jinja_string text;
    struct jinja_node *first, *second, *third, *fourth;
    struct jinja_node *children, *other; /* lists, by `next` */
    struct jinja_node *next;
} jinja_node;

/* In the value of a NODE_MACRO: what its body mentions and may therefore be given. */
enum { JINJA_USES_VARARGS = 1, JINJA_USES_KWARGS = 2, JINJA_USES_CALLER = 4 };

/* *out: a list of statements, NULL for an empty template. The source must be valid UTF-8.
 * RV_ERR_UNSUPPORTED with the line of what is not known, RV_ERR_FORMAT with the line of what is
 * wrong. */
rv_status jinja_parse(jinja_node **out, jinja_memory *memory, const char *source,
                      size_t length);

#endif
