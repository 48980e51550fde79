/* What the two halves of the parser share: expression.c and, for statements, parse.c. */
#ifndef RV_TEMPLATE_PARSER_H
#define RV_TEMPLATE_PARSER_H

#include "template/lex.h"
#include "template/parse.h"

enum { LIMIT_DEPTH = 100 };

typedef struct parser {
    jinja_lexer lexer;
    size_t depth;
    size_t loops; /* around the statement */
    int64_t uses; /* JINJA_USES_*: names that the macro being read mentions */
} parser;

static inline rv_status advance(parser *p)
{
    return jinja_next_token(&p->lexer);
}

static inline bool is_operator(const parser *p, const char *text)
{
    return p->lexer.now.kind == TOKEN_OPERATOR && jinja_same(p->lexer.now.text, text);
}

static inline bool is_word(const parser *p, const char *text)
{
    return p->lexer.now.kind == TOKEN_NAME && jinja_same(p->lexer.now.text, text);
}

static inline rv_status unexpected(const parser *p, const char *expected)
{
    jinja_string found = p->lexer.now.text;
    return jinja_lexer_fail(&p->lexer, RV_ERR_FORMAT, "expected %s, found %.*s", expected,
                            (int)(found.length < 40 ? found.length : 40), found.bytes);
}

static inline rv_status expect_operator(parser *p, const char *text)
{
    return is_operator(p, text) ? advance(p) : unexpected(p, text);
}

static inline rv_status expect_word(parser *p, const char *text)
{
    return is_word(p, text) ? advance(p) : unexpected(p, text);
}

static inline rv_status take_name(parser *p, jinja_string *name)
{
    if (p->lexer.now.kind != TOKEN_NAME) return unexpected(p, "a name");
    *name = p->lexer.now.text;
    return advance(p);
}

static inline rv_status new_node(parser *p, jinja_node **out, jinja_node_kind kind)
{
    RV_TRY(JINJA_NEW(*out, p->lexer.memory, 1));
    (*out)->kind = kind;
    return RV_OK;
}

/* *node becomes `kind` with the old *node as its first operand. */
static inline rv_status wrap(parser *p, jinja_node **node, jinja_node_kind kind)
{
    jinja_node *outer;
    RV_TRY(new_node(p, &outer, kind));
    outer->first = *node;
    *node = outer;
    return RV_OK;
}

static inline void append(jinja_node ***tail, jinja_node *node)
{
    **tail = node;
    *tail = &node->next;
}

static inline rv_status enter(parser *p)
{
    if (++p->depth > LIMIT_DEPTH)
        return jinja_lexer_fail(&p->lexer, RV_ERR_UNSUPPORTED, "more than %d levels",
                                LIMIT_DEPTH);
    return RV_OK;
}

/* ---- expression.c ---------------------------------------------------------------------------- */

rv_status jinja_parse_expression(parser *p, jinja_node **out);

/* One expression, or several with commas, which are a tuple. without_if: `if` ends it. */
rv_status jinja_parse_tuple(parser *p, jinja_node **out, bool without_if);

/* Postfixes and arguments of a call, past its bracket. */
rv_status jinja_parse_unary(parser *p, jinja_node **out);
rv_status jinja_parse_arguments(parser *p, jinja_node **out);

/* name(arguments)|name... over *node. */
rv_status jinja_parse_filter(parser *p, jinja_node **node);

#endif
