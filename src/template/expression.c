/* Expressions of chat templates, loosest binding last. */
#include <string.h>

#include "template/parser.h"

static rv_status parse_unary(parser *p, jinja_node **out, bool with_filters);

/* Expressions with commas between them, up to `close`, which is taken. */
static rv_status parse_list(parser *p, jinja_node **out, const char *close)
{
    jinja_node **tail = out;
    while (!is_operator(p, close)) {
        jinja_node *item;
        RV_TRY(jinja_parse_expression(p, &item));
        append(&tail, item);
        if (!is_operator(p, close)) RV_TRY(expect_operator(p, ","));
    }
    return advance(p);
}

/* The arguments of a call, past the opening parenthesis: a, b, name=c */
static rv_status parse_arguments(parser *p, jinja_node **out)
{
    jinja_node **tail = out;
    while (!is_operator(p, ")")) {
        jinja_node *item;
        RV_TRY(jinja_parse_expression(p, &item));
        if (item->kind == NODE_NAME && is_operator(p, "=")) {
            jinja_string name = item->text;
            RV_TRY(advance(p));
            RV_TRY(jinja_parse_expression(p, &item));
            RV_TRY(wrap(p, &item, NODE_ARGUMENT));
            item->text = name;
        }
        append(&tail, item);
        if (!is_operator(p, ")")) RV_TRY(expect_operator(p, ","));
    }
    return advance(p);
}

static rv_status parse_dict(parser *p, jinja_node **out)
{
    RV_TRY(new_node(p, out, NODE_DICT));
    jinja_node **tail = &(*out)->children;
    while (!is_operator(p, "}")) {
        jinja_node *key, *value;
        RV_TRY(jinja_parse_expression(p, &key));
        RV_TRY(expect_operator(p, ":"));
        RV_TRY(jinja_parse_expression(p, &value));
        append(&tail, key);
        append(&tail, value);
        if (!is_operator(p, "}")) RV_TRY(expect_operator(p, ","));
    }
    return advance(p);
}

/* (a) or (a, b) or () */
static rv_status parse_parenthesis(parser *p, jinja_node **out)
{
    jinja_node *item = NULL;
    if (!is_operator(p, ")")) RV_TRY(jinja_parse_expression(p, &item));
    if (item && is_operator(p, ")")) {
        *out = item;
        return advance(p);
    }
    RV_TRY(new_node(p, out, NODE_LIST));
    (*out)->children = item;
    if (item) RV_TRY(expect_operator(p, ","));
    return parse_list(p, item ? &item->next : &(*out)->children, ")");
}

/* A string, or several in a row, which are one. */
static rv_status parse_string(parser *p, jinja_node **out)
{
    rv_text all = {0};
    rv_status status = RV_OK;
    while (status == RV_OK && p->lexer.now.kind == TOKEN_STRING) {
        rv_text_append(&all, p->lexer.now.text.bytes, p->lexer.now.text.length);
        status = advance(p);
    }
    if (status == RV_OK) status = new_node(p, out, NODE_LITERAL);
    if (status == RV_OK && all.failed) status = rv_fail_memory(p->lexer.err, all.length);
    if (status == RV_OK)
        status =
            jinja_copy(&(*out)->value, p->lexer.memory, all.bytes, all.length, p->lexer.err);
    rv_text_release(&all);
    return status;
}

static rv_status parse_primary(parser *p, jinja_node **out)
{
    jinja_token token = p->lexer.now;
    if (token.kind == TOKEN_STRING) return parse_string(p, out);
    if (token.kind == TOKEN_INTEGER) {
        RV_TRY(new_node(p, out, NODE_LITERAL));
        (*out)->value = jinja_int(token.integer);
        return advance(p);
    }
    if (token.kind == TOKEN_NAME) {
        static const struct {
            const char *name;
            jinja_kind kind;
            bool boolean;
        } literals[] = {{"true", JINJA_BOOL, true},   {"True", JINJA_BOOL, true},
                        {"false", JINJA_BOOL, false}, {"False", JINJA_BOOL, false},
                        {"none", JINJA_NONE, false},  {"None", JINJA_NONE, false}};
        RV_TRY(new_node(p, out, NODE_NAME));
        (*out)->text = token.text;
        for (size_t i = 0; i < sizeof literals / sizeof *literals; i++) {
            if (!jinja_same(token.text, literals[i].name)) continue;
            (*out)->kind = NODE_LITERAL;
            (*out)->value.kind = literals[i].kind;
            if (literals[i].kind == JINJA_BOOL) (*out)->value.boolean = literals[i].boolean;
        }
        return advance(p);
    }
    if (is_operator(p, "(")) {
        RV_TRY(advance(p));
        return parse_parenthesis(p, out);
    }
    if (is_operator(p, "[")) {
        RV_TRY(advance(p));
        RV_TRY(new_node(p, out, NODE_LIST));
        return parse_list(p, &(*out)->children, "]");
    }
    if (is_operator(p, "{")) {
        RV_TRY(advance(p));
        return parse_dict(p, out);
    }
    return unexpected(p, "an expression");
}

/* object[key], object[start:stop:step], past the bracket. */
static rv_status parse_subscript(parser *p, jinja_node **node)
{
    jinja_node *parts[3] = {NULL};
    size_t part = 0;
    while (!is_operator(p, "]")) {
        if (is_operator(p, ":")) {
            if (++part > 2) return unexpected(p, "]");
            RV_TRY(advance(p));
        } else if (parts[part]) {
            return unexpected(p, "]");
        } else {
            RV_TRY(jinja_parse_expression(p, &parts[part]));
        }
    }
    if (part == 0 && !parts[0]) return unexpected(p, "an index");
    RV_TRY(wrap(p, node, part ? NODE_SLICE : NODE_MEMBER));
    (*node)->second = parts[0];
    (*node)->third = parts[1];
    (*node)->fourth = parts[2];
    return advance(p);
}

static rv_status parse_postfix(parser *p, jinja_node **node)
{
    for (;;) {
        if (is_operator(p, ".")) {
            RV_TRY(advance(p));
            RV_TRY(wrap(p, node, NODE_MEMBER));
            RV_TRY(take_name(p, &(*node)->text));
        } else if (is_operator(p, "[")) {
            RV_TRY(advance(p));
            RV_TRY(parse_subscript(p, node));
        } else if (is_operator(p, "(")) {
            RV_TRY(advance(p));
            RV_TRY(wrap(p, node, NODE_CALL));
            RV_TRY(parse_arguments(p, &(*node)->children));
        } else {
            return RV_OK;
        }
    }
}

/* x is [not] name [argument] */
static rv_status parse_test(parser *p, jinja_node **node)
{
    bool negated = is_word(p, "not");
    if (negated) RV_TRY(advance(p));
    RV_TRY(wrap(p, node, NODE_TEST));
    jinja_node *test = *node;
    RV_TRY(is_operator(p, "==") ? (test->text = p->lexer.now.text, advance(p))
                                : take_name(p, &test->text));
    jinja_token_kind kind = p->lexer.now.kind;
    if (is_operator(p, "(")) {
        RV_TRY(advance(p));
        RV_TRY(parse_arguments(p, &test->children));
    } else if (kind == TOKEN_STRING || kind == TOKEN_INTEGER || is_operator(p, "[") ||
               is_operator(p, "{") ||
               (kind == TOKEN_NAME && !is_word(p, "else") && !is_word(p, "or") &&
                !is_word(p, "and") && !is_word(p, "is") && !is_word(p, "if") &&
                !is_word(p, "in") && !is_word(p, "not"))) {
        RV_TRY(parse_primary(p, &test->children));
        RV_TRY(parse_postfix(p, &test->children));
    }
    return negated ? wrap(p, node, NODE_NOT) : RV_OK;
}

static rv_status parse_filters(parser *p, jinja_node **node)
{
    for (;;) {
        if (is_operator(p, "|")) {
            RV_TRY(advance(p));
            RV_TRY(wrap(p, node, NODE_FILTER));
            RV_TRY(take_name(p, &(*node)->text));
            if (!is_operator(p, "(")) continue;
            RV_TRY(advance(p));
            RV_TRY(parse_arguments(p, &(*node)->children));
        } else if (is_word(p, "is")) {
            RV_TRY(advance(p));
            RV_TRY(parse_test(p, node));
        } else if (is_operator(p, "(") || is_operator(p, ".") || is_operator(p, "[")) {
            RV_TRY(parse_postfix(p, node));
        } else {
            return RV_OK;
        }
    }
}

static rv_status parse_sign(parser *p, jinja_node **out)
{
    bool negative = is_operator(p, "-");
    RV_TRY(enter(p));
    RV_TRY(advance(p));
    RV_TRY(parse_unary(p, out, false));
    p->depth--;
    return negative ? wrap(p, out, NODE_NEGATIVE) : RV_OK;
}

static rv_status parse_unary(parser *p, jinja_node **out, bool with_filters)
{
    if (is_operator(p, "-") || is_operator(p, "+")) {
        RV_TRY(parse_sign(p, out));
    } else {
        RV_TRY(parse_primary(p, out));
        RV_TRY(parse_postfix(p, out));
    }
    if (is_operator(p, "**"))
        return jinja_lexer_fail(&p->lexer, RV_ERR_UNSUPPORTED, "** is not supported");
    return with_filters ? parse_filters(p, out) : RV_OK;
}

/* Binary operators by how tightly they bind, the loosest first. */
static const char *const levels[][5] = {
    {"==", "!=", NULL}, {"+", "-", NULL}, {"~", NULL}, {"*", "/", "//", "%", NULL}};
enum { LEVELS = sizeof levels / sizeof *levels };

static rv_status parse_binary(parser *p, jinja_node **out, size_t level);

static rv_status parse_operand(parser *p, jinja_node **out, size_t level)
{
    return level == LEVELS ? parse_unary(p, out, true) : parse_binary(p, out, level);
}

/* The operator at this level that comes next; its text is empty where there is none. Membership
 * and order count as comparisons. */
static rv_status take_operator(parser *p, size_t level, jinja_string *op)
{
    static const char *const order[] = {"<", "<=", ">", ">="};
    *op = (jinja_string){"", 0};
    for (size_t i = 0; levels[level][i]; i++)
        if (is_operator(p, levels[level][i])) *op = p->lexer.now.text;
    for (size_t i = 0; level == 0 && i < 4; i++)
        if (is_operator(p, order[i])) *op = p->lexer.now.text;
    if (level == 0 && is_word(p, "in")) *op = p->lexer.now.text;
    if (level == 0 && is_word(p, "not")) {
        RV_TRY(advance(p));
        if (!is_word(p, "in")) return unexpected(p, "in");
        *op = jinja_literal("not in");
    }
    return op->length ? advance(p) : RV_OK;
}

static rv_status parse_binary(parser *p, jinja_node **out, size_t level)
{
    RV_TRY(parse_operand(p, out, level + 1));
    for (size_t compared = 0;; compared++) {
        jinja_string op;
        RV_TRY(take_operator(p, level, &op));
        if (!op.length) return RV_OK;
        if (level == 0 && compared)
            return jinja_lexer_fail(&p->lexer, RV_ERR_UNSUPPORTED,
                                    "a chain of comparisons is not supported");
        RV_TRY(wrap(p, out, NODE_BINARY));
        (*out)->text = op;
        RV_TRY(parse_operand(p, &(*out)->second, level + 1));
    }
}

static rv_status parse_not(parser *p, jinja_node **out)
{
    if (!is_word(p, "not")) return parse_binary(p, out, 0);
    RV_TRY(enter(p));
    RV_TRY(advance(p));
    RV_TRY(parse_not(p, out));
    p->depth--;
    return wrap(p, out, NODE_NOT);
}

static rv_status parse_and(parser *p, jinja_node **out)
{
    RV_TRY(parse_not(p, out));
    while (is_word(p, "and")) {
        RV_TRY(advance(p));
        RV_TRY(wrap(p, out, NODE_AND));
        RV_TRY(parse_not(p, &(*out)->second));
    }
    return RV_OK;
}

rv_status jinja_parse_or(parser *p, jinja_node **out)
{
    RV_TRY(parse_and(p, out));
    while (is_word(p, "or")) {
        RV_TRY(advance(p));
        RV_TRY(wrap(p, out, NODE_OR));
        RV_TRY(parse_and(p, &(*out)->second));
    }
    return RV_OK;
}

rv_status jinja_parse_expression(parser *p, jinja_node **out)
{
    RV_TRY(enter(p));
    RV_TRY(jinja_parse_or(p, out));
    while (is_word(p, "if")) {
        RV_TRY(advance(p));
        RV_TRY(wrap(p, out, NODE_CHOICE));
        RV_TRY(jinja_parse_or(p, &(*out)->second));
        if (!is_word(p, "else")) continue;
        RV_TRY(advance(p));
        RV_TRY(jinja_parse_expression(p, &(*out)->third));
    }
    p->depth--;
    return RV_OK;
}
