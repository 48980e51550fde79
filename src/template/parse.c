/* Statements of chat templates. */
#include <string.h>

#include "template/parser.h"

static rv_status parse_body(parser *p, jinja_node **out, const char *const *ends);

static rv_status expect_close(parser *p)
{
    return p->lexer.now.kind == TOKEN_CLOSE ? RV_OK : unexpected(p, "the end of the tag");
}

/* The rest of a tag, the statements up to `end`, and that word. */
static rv_status parse_block(parser *p, jinja_node **out, const char *end)
{
    const char *const ends[] = {end, NULL};
    RV_TRY(expect_close(p));
    RV_TRY(parse_body(p, out, ends));
    return advance(p);
}

/* Past "if". Each elif is an `if` that is all of its else. */
static rv_status parse_if(parser *p, jinja_node **out)
{
    static const char *const ends[] = {"elif", "else", "endif", NULL};
    for (;;) {
        RV_TRY(new_node(p, out, NODE_IF));
        RV_TRY(jinja_parse_tuple(p, &(*out)->first, true));
        RV_TRY(expect_close(p));
        RV_TRY(parse_body(p, &(*out)->children, ends));
        if (!is_word(p, "elif")) break;
        out = &(*out)->other;
        RV_TRY(advance(p));
    }
    bool otherwise = is_word(p, "else");
    RV_TRY(advance(p));
    return otherwise ? parse_block(p, &(*out)->other, "endif") : RV_OK;
}

/* A name, or `object.member` where that is allowed. */
static rv_status parse_one_target(parser *p, jinja_node **out, bool members)
{
    static const char *const reserved[] = {"true", "false", "none", "True", "False", "None"};
    if (is_operator(p, "(")) {
        RV_TRY(advance(p));
        RV_TRY(enter(p));
        RV_TRY(jinja_parse_tuple(p, out, true));
        p->depth--;
        return expect_operator(p, ")");
    }
    for (size_t i = 0; i < 6; i++)
        if (is_word(p, reserved[i])) return unexpected(p, "a name that can be set");
    RV_TRY(new_node(p, out, NODE_NAME));
    RV_TRY(take_name(p, &(*out)->text));
    if (!members || !is_operator(p, ".")) return RV_OK;
    RV_TRY(advance(p));
    RV_TRY(wrap(p, out, NODE_MEMBER));
    return take_name(p, &(*out)->text);
}

static rv_status check_target(parser *p, const jinja_node *target)
{
    if (target->kind == NODE_NAME || target->kind == NODE_MEMBER) return RV_OK;
    if (target->kind != NODE_TUPLE) return unexpected(p, "names that can be set before it");
    for (const jinja_node *child = target->children; child; child = child->next)
        RV_TRY(check_target(p, child));
    return RV_OK;
}

/* a, or a, b, or a, (b, c) */
static rv_status parse_target(parser *p, jinja_node **out, bool members)
{
    RV_TRY(parse_one_target(p, out, members));
    if (is_operator(p, ",")) {
        jinja_node *item = *out, **tail;
        RV_TRY(new_node(p, out, NODE_TUPLE));
        tail = &(*out)->children;
        append(&tail, item);
        while (is_operator(p, ",")) {
            RV_TRY(advance(p));
            if (is_operator(p, "=") || is_operator(p, ")")) break;
            RV_TRY(parse_one_target(p, &item, members));
            append(&tail, item);
        }
    }
    return check_target(p, *out);
}

static rv_status parse_for(parser *p, jinja_node **out)
{
    static const char *const ends[] = {"else", "endfor", NULL};
    RV_TRY(new_node(p, out, NODE_FOR));
    RV_TRY(parse_target(p, &(*out)->first, false));
    RV_TRY(expect_word(p, "in"));
    RV_TRY(jinja_parse_tuple(p, &(*out)->second, true));
    if (is_word(p, "if")) {
        RV_TRY(advance(p));
        RV_TRY(jinja_parse_expression(p, &(*out)->third));
    }
    if (is_word(p, "recursive")) RV_TRY(take_name(p, &(*out)->text));
    RV_TRY(expect_close(p));
    p->loops++;
    RV_TRY(parse_body(p, &(*out)->children, ends));
    p->loops--;
    bool otherwise = is_word(p, "else");
    RV_TRY(advance(p));
    return otherwise ? parse_block(p, &(*out)->other, "endfor") : RV_OK;
}

/* |name|name(arguments) over what a block prints. */
static rv_status parse_block_filters(parser *p, jinja_node **out)
{
    while (is_operator(p, "|")) {
        if (!*out) RV_TRY(new_node(p, out, NODE_INPUT));
        RV_TRY(advance(p));
        RV_TRY(jinja_parse_filter(p, out));
    }
    return RV_OK;
}

static rv_status parse_set(parser *p, jinja_node **out)
{
    RV_TRY(new_node(p, out, NODE_SET));
    RV_TRY(parse_target(p, &(*out)->first, true));
    if (is_operator(p, "=")) {
        RV_TRY(advance(p));
        return jinja_parse_tuple(p, &(*out)->second, false);
    }
    (*out)->text = jinja_literal("block");
    RV_TRY(parse_block_filters(p, &(*out)->second));
    return parse_block(p, &(*out)->children, "endset");
}

static rv_status parse_parameters(parser *p, jinja_node **out)
{
    jinja_node **tail = out;
    RV_TRY(expect_operator(p, "("));
    while (!is_operator(p, ")")) {
        jinja_node *parameter;
        RV_TRY(new_node(p, &parameter, NODE_ARGUMENT));
        RV_TRY(take_name(p, &parameter->text));
        if (is_operator(p, "=")) {
            RV_TRY(advance(p));
            RV_TRY(jinja_parse_expression(p, &parameter->first));
        }
        append(&tail, parameter);
        if (!is_operator(p, ")")) RV_TRY(expect_operator(p, ","));
    }
    return advance(p);
}

/* A body that is called, in which no loop goes on. */
static rv_status parse_called(parser *p, jinja_node *macro, const char *end)
{
    size_t loops = p->loops;
    int64_t uses = p->uses;
    p->loops = 0;
    p->uses = 0;
    RV_TRY(parse_block(p, &macro->children, end));
    macro->value = jinja_int(p->uses);
    p->loops = loops;
    p->uses |= uses;
    return RV_OK;
}

static rv_status parse_macro(parser *p, jinja_node **out)
{
    RV_TRY(new_node(p, out, NODE_MACRO));
    RV_TRY(take_name(p, &(*out)->text));
    RV_TRY(parse_parameters(p, &(*out)->other));
    return parse_called(p, *out, "endmacro");
}

static rv_status parse_call(parser *p, jinja_node **out)
{
    RV_TRY(new_node(p, out, NODE_CALL_BLOCK));
    jinja_node *caller;
    RV_TRY(new_node(p, &caller, NODE_MACRO));
    caller->text = jinja_literal("caller");
    (*out)->second = caller;
    if (is_operator(p, "(")) RV_TRY(parse_parameters(p, &caller->other));
    RV_TRY(jinja_parse_unary(p, &(*out)->first));
    if ((*out)->first->kind != NODE_CALL) return unexpected(p, "a call before it");
    return parse_called(p, caller, "endcall");
}

static rv_status parse_filter_block(parser *p, jinja_node **out)
{
    RV_TRY(new_node(p, out, NODE_FILTER_BLOCK));
    RV_TRY(new_node(p, &(*out)->first, NODE_INPUT));
    RV_TRY(jinja_parse_filter(p, &(*out)->first));
    RV_TRY(parse_block_filters(p, &(*out)->first));
    return parse_block(p, &(*out)->children, "endfilter");
}

static rv_status parse_with(parser *p, jinja_node **out)
{
    RV_TRY(new_node(p, out, NODE_WITH));
    jinja_node **tail = &(*out)->other;
    while (p->lexer.now.kind != TOKEN_CLOSE) {
        jinja_node *set;
        if ((*out)->other) RV_TRY(expect_operator(p, ","));
        RV_TRY(new_node(p, &set, NODE_SET));
        RV_TRY(parse_one_target(p, &set->first, false));
        RV_TRY(check_target(p, set->first));
        RV_TRY(expect_operator(p, "="));
        RV_TRY(jinja_parse_expression(p, &set->second));
        append(&tail, set);
    }
    return parse_block(p, &(*out)->children, "endwith");
}

/* transformers' own tag around what the assistant says: it prints what is inside. */
static rv_status parse_generation(parser *p, jinja_node **out)
{
    RV_TRY(new_node(p, out, NODE_GROUP));
    return parse_called(p, *out, "endgeneration");
}

static rv_status parse_named_block(parser *p, jinja_node **out)
{
    jinja_string name;
    RV_TRY(new_node(p, out, NODE_GROUP));
    (*out)->text = jinja_literal("block");
    RV_TRY(take_name(p, &name));
    RV_TRY(parse_called(p, *out, "endblock"));
    if (p->lexer.now.kind == TOKEN_NAME && jinja_equal_strings(p->lexer.now.text, name))
        return advance(p);
    return RV_OK;
}

/* print a, b */
static rv_status parse_print(parser *p, jinja_node **out)
{
    jinja_node **tail = out;
    while (p->lexer.now.kind != TOKEN_CLOSE) {
        jinja_node *node;
        if (*out) RV_TRY(expect_operator(p, ","));
        RV_TRY(jinja_parse_expression(p, &node));
        RV_TRY(wrap(p, &node, NODE_OUTPUT));
        append(&tail, node);
    }
    return RV_OK;
}

static rv_status parse_jump(parser *p, jinja_node **out, jinja_node_kind kind)
{
    if (!p->loops)
        return jinja_lexer_fail(&p->lexer, RV_ERR_FORMAT,
                                "break and continue belong in a loop");
    return new_node(p, out, kind);
}

static rv_status parse_break(parser *p, jinja_node **out)
{
    return parse_jump(p, out, NODE_BREAK);
}

static rv_status parse_continue(parser *p, jinja_node **out)
{
    return parse_jump(p, out, NODE_CONTINUE);
}

static rv_status parse_statement(parser *p, jinja_node **out)
{
    static const struct {
        const char *name;
        rv_status (*parse)(parser *p, jinja_node **out);
    } statements[] = {{"if", parse_if},
                      {"for", parse_for},
                      {"set", parse_set},
                      {"macro", parse_macro},
                      {"call", parse_call},
                      {"filter", parse_filter_block},
                      {"with", parse_with},
                      {"generation", parse_generation},
                      {"block", parse_named_block},
                      {"print", parse_print},
                      {"break", parse_break},
                      {"continue", parse_continue}};
    jinja_string name;
    *out = NULL;
    RV_TRY(take_name(p, &name));
    RV_TRY(enter(p));
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
        if (!jinja_same(name, statements[i].name)) continue;
        RV_TRY(statements[i].parse(p, out));
        p->depth--;
        return expect_close(p);
    }
    return jinja_lexer_fail(&p->lexer, RV_ERR_UNSUPPORTED,
                            "statement \"%.*s\" is not supported",
                            (int)(name.length < 40 ? name.length : 40), name.bytes);
}

/* Statements up to a tag that begins with one of `ends`, whose first word is then the current
 * token; with ends NULL up to the end of the template. */
static rv_status parse_body(parser *p, jinja_node **out, const char *const *ends)
{
    jinja_node **tail = out;
    for (;;) {
        jinja_string text;
        char tag;
        jinja_node *node;
        RV_TRY(jinja_next_text(&p->lexer, &text, &tag));
        if (text.length) {
            RV_TRY(new_node(p, &node, NODE_LITERAL));
            node->value = jinja_from_string(text);
            RV_TRY(wrap(p, &node, NODE_OUTPUT));
            append(&tail, node);
        }
        if (!tag) {
            if (!ends) return RV_OK;
            return jinja_lexer_fail(&p->lexer, RV_ERR_FORMAT,
                                    "expected %s, found the end of the template", ends[0]);
        }
        if (tag == '{') {
            RV_TRY(jinja_parse_tuple(p, &node, false));
            RV_TRY(expect_close(p));
            RV_TRY(wrap(p, &node, NODE_OUTPUT));
        } else {
            for (size_t i = 0; ends && ends[i]; i++)
                if (is_word(p, ends[i])) return RV_OK;
            RV_TRY(parse_statement(p, &node));
        }
        if (node) append(&tail, node);
        while (*tail) tail = &(*tail)->next; // print makes several
    }
}

rv_status jinja_parse(jinja_node **out, jinja_memory *memory, const char *source, size_t length)
{
    parser p = {0};
    *out = NULL;
    RV_TRY(jinja_lexer_init(&p.lexer, memory, source, length));
    return parse_body(&p, out, NULL);
}
