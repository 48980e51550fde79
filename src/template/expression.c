/* Expressions of chat templates, loosest binding last, as jinja2/parser.py has them. */
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

/* One argument: a, name=a, *a, **a. */
static rv_status parse_argument(parser *p, jinja_node **out)
{
    bool spread = is_operator(p, "*") || is_operator(p, "**");
    jinja_string name = p->lexer.now.text;
    if (spread) RV_TRY(advance(p));
    RV_TRY(jinja_parse_expression(p, out));
    if (!spread && (*out)->kind == NODE_NAME && is_operator(p, "=")) {
        spread = true;
        name = (*out)->text;
        RV_TRY(advance(p));
        RV_TRY(jinja_parse_expression(p, out));
    }
    if (!spread) return RV_OK;
    RV_TRY(wrap(p, out, NODE_ARGUMENT));
    (*out)->text = name;
    return RV_OK;
}

rv_status jinja_parse_arguments(parser *p, jinja_node **out)
{
    jinja_node **tail = out;
    bool named = false;
    while (!is_operator(p, ")")) {
        jinja_node *item;
        RV_TRY(parse_argument(p, &item));
        bool positional = item->kind != NODE_ARGUMENT;
        if (positional && named) return unexpected(p, "a named argument");
        named |= !positional && !jinja_same(item->text, "*");
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
    if (is_operator(p, ")"))
        RV_TRY(new_node(p, out, NODE_TUPLE));
    else
        RV_TRY(jinja_parse_tuple(p, out, false));
    return expect_operator(p, ")");
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
    jinja_value value;
    RV_TRY(jinja_take(&value, p->lexer.memory, &all, status));
    (*out)->value = value;
    return RV_OK;
}

static rv_status parse_name(parser *p, jinja_node **out)
{
    static const struct {
        const char *name;
        jinja_kind kind;
        bool boolean;
    } literals[] = {{"true", JINJA_BOOL, true},   {"True", JINJA_BOOL, true},
                    {"false", JINJA_BOOL, false}, {"False", JINJA_BOOL, false},
                    {"none", JINJA_NONE, false},  {"None", JINJA_NONE, false}};
    RV_TRY(new_node(p, out, NODE_NAME));
    (*out)->text = p->lexer.now.text;
    if (is_word(p, "varargs")) p->uses |= JINJA_USES_VARARGS;
    if (is_word(p, "kwargs")) p->uses |= JINJA_USES_KWARGS;
    if (is_word(p, "caller")) p->uses |= JINJA_USES_CALLER;
    for (size_t i = 0; i < sizeof literals / sizeof *literals; i++) {
        if (!jinja_same((*out)->text, literals[i].name)) continue;
        (*out)->kind = NODE_LITERAL;
        (*out)->value =
            literals[i].kind == JINJA_BOOL ? jinja_bool(literals[i].boolean) : jinja_none();
    }
    return advance(p);
}

static rv_status parse_primary(parser *p, jinja_node **out)
{
    jinja_token token = p->lexer.now;
    if (token.kind == TOKEN_STRING) return parse_string(p, out);
    if (token.kind == TOKEN_NAME) return parse_name(p, out);
    if (token.kind == TOKEN_INTEGER || token.kind == TOKEN_FLOAT) {
        RV_TRY(new_node(p, out, NODE_LITERAL));
        (*out)->value =
            token.kind == TOKEN_FLOAT ? jinja_float(token.real) : jinja_int(token.integer);
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

/* key, or start:stop:step */
static rv_status parse_index(parser *p, jinja_node **out)
{
    jinja_node *parts[3] = {NULL};
    size_t part = 0;
    while (!is_operator(p, "]") && !is_operator(p, ",")) {
        if (is_operator(p, ":")) {
            if (++part > 2) return unexpected(p, "]");
            RV_TRY(advance(p));
        } else if (parts[part]) {
            return unexpected(p, "]");
        } else {
            RV_TRY(jinja_parse_expression(p, &parts[part]));
        }
    }
    *out = parts[0];
    if (part == 0) return parts[0] ? RV_OK : unexpected(p, "an index");
    RV_TRY(new_node(p, out, NODE_SLICE));
    (*out)->second = parts[0];
    (*out)->third = parts[1];
    (*out)->fourth = parts[2];
    return RV_OK;
}

/* object[key], object[a, b], past the bracket. */
static rv_status parse_subscript(parser *p, jinja_node **node)
{
    jinja_node *index, **tail;
    RV_TRY(wrap(p, node, NODE_ITEM));
    RV_TRY(parse_index(p, &index));
    if (is_operator(p, ",")) {
        jinja_node *tuple;
        RV_TRY(new_node(p, &tuple, NODE_TUPLE));
        tail = &tuple->children;
        append(&tail, index);
        while (is_operator(p, ",")) {
            RV_TRY(advance(p));
            RV_TRY(parse_index(p, &index));
            append(&tail, index);
        }
        index = tuple;
    }
    (*node)->second = index;
    return expect_operator(p, "]");
}

static rv_status parse_call(parser *p, jinja_node **node)
{
    RV_TRY(advance(p));
    RV_TRY(wrap(p, node, NODE_CALL));
    return jinja_parse_arguments(p, &(*node)->children);
}

static rv_status parse_postfix(parser *p, jinja_node **node)
{
    for (;;) {
        if (is_operator(p, ".")) {
            RV_TRY(advance(p));
            bool number = p->lexer.now.kind == TOKEN_INTEGER;
            RV_TRY(wrap(p, node, number ? NODE_ITEM : NODE_MEMBER));
            if (number)
                RV_TRY(parse_primary(p, &(*node)->second));
            else
                RV_TRY(take_name(p, &(*node)->text));
        } else if (is_operator(p, "[")) {
            RV_TRY(advance(p));
            RV_TRY(parse_subscript(p, node));
        } else if (is_operator(p, "(")) {
            RV_TRY(parse_call(p, node));
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
    RV_TRY(take_name(p, &test->text));
    jinja_token_kind kind = p->lexer.now.kind;
    bool ends = is_word(p, "else") || is_word(p, "or") || is_word(p, "and");
    if (is_operator(p, "(")) {
        RV_TRY(advance(p));
        RV_TRY(jinja_parse_arguments(p, &test->children));
    } else if (!ends && (kind == TOKEN_NAME || kind == TOKEN_STRING || kind == TOKEN_INTEGER ||
                         kind == TOKEN_FLOAT || is_operator(p, "[") || is_operator(p, "{"))) {
        if (is_word(p, "is")) return unexpected(p, "one test, not a chain of them");
        RV_TRY(parse_primary(p, &test->children));
        RV_TRY(parse_postfix(p, &test->children));
    }
    return negated ? wrap(p, node, NODE_NOT) : RV_OK;
}

rv_status jinja_parse_filter(parser *p, jinja_node **node)
{
    RV_TRY(wrap(p, node, NODE_FILTER));
    RV_TRY(take_name(p, &(*node)->text));
    if (!is_operator(p, "(")) return RV_OK;
    RV_TRY(advance(p));
    return jinja_parse_arguments(p, &(*node)->children);
}

static rv_status parse_filters(parser *p, jinja_node **node)
{
    for (;;) {
        if (is_operator(p, "|")) {
            RV_TRY(advance(p));
            RV_TRY(jinja_parse_filter(p, node));
        } else if (is_word(p, "is")) {
            RV_TRY(advance(p));
            RV_TRY(parse_test(p, node));
        } else if (is_operator(p, "(")) {
            RV_TRY(parse_call(p, node));
        } else {
            return RV_OK;
        }
    }
}

static rv_status parse_unary(parser *p, jinja_node **out, bool with_filters)
{
    bool negative = is_operator(p, "-");
    if (negative || is_operator(p, "+")) {
        RV_TRY(enter(p));
        RV_TRY(advance(p));
        RV_TRY(parse_unary(p, out, false));
        RV_TRY(wrap(p, out, negative ? NODE_NEGATIVE : NODE_POSITIVE));
        p->depth--;
    } else {
        RV_TRY(parse_primary(p, out));
    }
    RV_TRY(parse_postfix(p, out));
    return with_filters ? parse_filters(p, out) : RV_OK;
}

rv_status jinja_parse_unary(parser *p, jinja_node **out)
{
    return parse_unary(p, out, true);
}

/* Binary operators by how tightly they bind, the loosest first. "~" stands between the first and
 * the second level. */
static const char *const levels[][5] = {{"+", "-", NULL}, {"*", "/", "//", "%", NULL}, {"**"}};
enum { CONCAT = 1, LEVELS = sizeof levels / sizeof *levels };

static rv_status parse_binary(parser *p, jinja_node **out, size_t level);

/* a ~ b ~ c: one node for all of them. */
static rv_status parse_concat(parser *p, jinja_node **out)
{
    RV_TRY(parse_binary(p, out, CONCAT));
    if (!is_operator(p, "~")) return RV_OK;
    jinja_node *all, **tail;
    RV_TRY(new_node(p, &all, NODE_CONCAT));
    tail = &all->children;
    append(&tail, *out);
    while (is_operator(p, "~")) {
        RV_TRY(advance(p));
        RV_TRY(parse_binary(p, out, CONCAT));
        append(&tail, *out);
    }
    *out = all;
    return RV_OK;
}

static rv_status parse_operand(parser *p, jinja_node **out, size_t level)
{
    if (level == CONCAT) return parse_concat(p, out);
    return level == LEVELS ? parse_unary(p, out, true) : parse_binary(p, out, level);
}

static rv_status parse_binary(parser *p, jinja_node **out, size_t level)
{
    RV_TRY(parse_operand(p, out, level + 1));
    for (;;) {
        bool found = false;
        jinja_string op = p->lexer.now.text;
        for (size_t i = 0; levels[level][i] && !found; i++)
            found = is_operator(p, levels[level][i]);
        if (!found) return RV_OK;
        RV_TRY(advance(p));
        RV_TRY(wrap(p, out, NODE_BINARY));
        (*out)->text = op;
        RV_TRY(parse_operand(p, &(*out)->second, level + 1));
    }
}

/* The comparison that comes next; its text is empty where there is none. */
static rv_status take_comparison(parser *p, jinja_string *op)
{
    static const char *const operators[] = {"==", "!=", "<", "<=", ">", ">="};
    *op = (jinja_string){"", 0};
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        if (is_operator(p, operators[i])) *op = p->lexer.now.text;
    if (is_word(p, "in")) *op = p->lexer.now.text;
    if (is_word(p, "not")) {
        RV_TRY(advance(p));
        if (!is_word(p, "in")) return unexpected(p, "in");
        *op = jinja_literal("not in");
    }
    return op->length ? advance(p) : RV_OK;
}

static rv_status parse_comparison(parser *p, jinja_node **out)
{
    jinja_node **tail = NULL;
    RV_TRY(parse_binary(p, out, 0));
    for (;;) {
        jinja_string op;
        jinja_node *part;
        RV_TRY(take_comparison(p, &op));
        if (!op.length) return RV_OK;
        if (!tail) {
            RV_TRY(wrap(p, out, NODE_COMPARE));
            tail = &(*out)->children;
        }
        RV_TRY(parse_binary(p, &part, 0));
        RV_TRY(wrap(p, &part, NODE_ARGUMENT));
        part->text = op;
        append(&tail, part);
    }
}

static rv_status parse_not(parser *p, jinja_node **out)
{
    if (!is_word(p, "not")) return parse_comparison(p, out);
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

static rv_status parse_or(parser *p, jinja_node **out)
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
    RV_TRY(parse_or(p, out));
    while (is_word(p, "if")) {
        RV_TRY(advance(p));
        RV_TRY(wrap(p, out, NODE_CHOICE));
        RV_TRY(parse_or(p, &(*out)->second));
        if (!is_word(p, "else")) continue;
        RV_TRY(advance(p));
        RV_TRY(jinja_parse_expression(p, &(*out)->third));
    }
    p->depth--;
    return RV_OK;
}

/* Where a tuple that ends in a comma ends. */
static bool at_tuple_end(const parser *p)
{
    return p->lexer.now.kind == TOKEN_CLOSE || is_operator(p, ")") || is_word(p, "recursive");
}

rv_status jinja_parse_tuple(parser *p, jinja_node **out, bool without_if)
{
    jinja_node *item, **tail = NULL;
    rv_status (*parse)(parser *, jinja_node **) =
        without_if ? parse_or : jinja_parse_expression;
    RV_TRY(enter(p));
    RV_TRY(parse(p, out));
    if (is_operator(p, ",")) {
        item = *out;
        RV_TRY(new_node(p, out, NODE_TUPLE));
        tail = &(*out)->children;
        append(&tail, item);
    }
    while (tail && is_operator(p, ",")) {
        RV_TRY(advance(p));
        if (at_tuple_end(p)) break;
        RV_TRY(parse(p, &item));
        append(&tail, item);
    }
    p->depth--;
    return RV_OK;
}
