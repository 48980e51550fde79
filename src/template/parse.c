/* Statements of chat templates. */
#include <string.h>

#include "template/parser.h"

static rv_status parse_body(parser *p, jinja_node **out, const char *const *ends);

static rv_status expect_close(parser *p)
{
    return p->lexer.now.kind == TOKEN_CLOSE ? RV_OK : unexpected(p, "the end of the tag");
}

/* Past "if" or "elif". */
static rv_status parse_if(parser *p, jinja_node **out)
{
    static const char *const ends[] = {"elif", "else", "endif", NULL};
    RV_TRY(enter(p));
    RV_TRY(new_node(p, out, NODE_IF));
    RV_TRY(jinja_parse_expression(p, &(*out)->first));
    RV_TRY(expect_close(p));
    RV_TRY(parse_body(p, &(*out)->children, ends));
    if (is_word(p, "elif")) {
        RV_TRY(advance(p));
        RV_TRY(parse_if(p, &(*out)->other));
    } else if (is_word(p, "else")) {
        RV_TRY(advance(p));
        RV_TRY(expect_close(p));
        RV_TRY(parse_body(p, &(*out)->other, ends + 2));
        RV_TRY(advance(p));
    } else {
        RV_TRY(advance(p));
    }
    p->depth--;
    return RV_OK;
}

static rv_status parse_for(parser *p, jinja_node **out)
{
    static const char *const ends[] = {"else", "endfor", NULL};
    RV_TRY(new_node(p, out, NODE_FOR));
    RV_TRY(take_name(p, &(*out)->text));
    if (is_operator(p, ",")) {
        RV_TRY(advance(p));
        RV_TRY(take_name(p, &(*out)->text2));
    }
    RV_TRY(expect_word(p, "in"));
    RV_TRY(jinja_parse_or(p, &(*out)->first));
    if (is_word(p, "if")) {
        RV_TRY(advance(p));
        RV_TRY(jinja_parse_expression(p, &(*out)->second));
    }
    RV_TRY(expect_close(p));
    p->loops++;
    RV_TRY(parse_body(p, &(*out)->children, ends));
    p->loops--;
    if (is_word(p, "else")) {
        RV_TRY(advance(p));
        RV_TRY(expect_close(p));
        RV_TRY(parse_body(p, &(*out)->other, ends + 1));
    }
    return advance(p);
}

static rv_status parse_set(parser *p, jinja_node **out)
{
    static const char *const ends[] = {"endset", NULL};
    RV_TRY(new_node(p, out, NODE_SET));
    RV_TRY(take_name(p, &(*out)->text));
    if (is_operator(p, ".")) {
        RV_TRY(advance(p));
        RV_TRY(take_name(p, &(*out)->text2));
    }
    if (is_operator(p, "=")) {
        RV_TRY(advance(p));
        return jinja_parse_expression(p, &(*out)->first);
    }
    RV_TRY(expect_close(p));
    RV_TRY(parse_body(p, &(*out)->children, ends));
    return advance(p);
}

static rv_status parse_macro(parser *p, jinja_node **out)
{
    static const char *const ends[] = {"endmacro", NULL};
    RV_TRY(new_node(p, out, NODE_MACRO));
    RV_TRY(take_name(p, &(*out)->text));
    RV_TRY(expect_operator(p, "("));
    jinja_node **tail = &(*out)->other;
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
    RV_TRY(advance(p));
    RV_TRY(expect_close(p));
    size_t loops = p->loops;
    p->loops = 0;
    RV_TRY(parse_body(p, &(*out)->children, ends));
    p->loops = loops;
    return advance(p);
}

/* transformers' own tag around what the assistant says; it prints what is inside. */
static rv_status parse_generation(parser *p, jinja_node **out)
{
    static const char *const ends[] = {"endgeneration", NULL};
    RV_TRY(new_node(p, out, NODE_GROUP));
    RV_TRY(expect_close(p));
    RV_TRY(parse_body(p, &(*out)->children, ends));
    return advance(p);
}

static rv_status parse_jump(parser *p, jinja_node **out, jinja_node_kind kind)
{
    if (!p->loops)
        return jinja_lexer_fail(&p->lexer, RV_ERR_FORMAT,
                                "break and continue belong in a loop");
    return new_node(p, out, kind);
}

static rv_status parse_statement(parser *p, jinja_node **out)
{
    jinja_string name;
    RV_TRY(take_name(p, &name));
    RV_TRY(enter(p));
    if (jinja_same(name, "if"))
        RV_TRY(parse_if(p, out));
    else if (jinja_same(name, "for"))
        RV_TRY(parse_for(p, out));
    else if (jinja_same(name, "set"))
        RV_TRY(parse_set(p, out));
    else if (jinja_same(name, "macro"))
        RV_TRY(parse_macro(p, out));
    else if (jinja_same(name, "generation"))
        RV_TRY(parse_generation(p, out));
    else if (jinja_same(name, "break"))
        RV_TRY(parse_jump(p, out, NODE_BREAK));
    else if (jinja_same(name, "continue"))
        RV_TRY(parse_jump(p, out, NODE_CONTINUE));
    else
        return jinja_lexer_fail(&p->lexer, RV_ERR_UNSUPPORTED,
                                "statement \"%.*s\" is not supported",
                                (int)(name.length < 40 ? name.length : 40), name.bytes);
    p->depth--;
    return expect_close(p);
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
                                    "expected %s, found the end of the "
                                    "template",
                                    ends[0]);
        }
        if (tag == '{') {
            RV_TRY(jinja_parse_expression(p, &node));
            RV_TRY(expect_close(p));
            RV_TRY(wrap(p, &node, NODE_OUTPUT));
        } else {
            for (size_t i = 0; ends && ends[i]; i++)
                if (is_word(p, ends[i])) return RV_OK;
            RV_TRY(parse_statement(p, &node));
        }
        append(&tail, node);
    }
}

rv_status jinja_parse(jinja_node **out, jinja_memory *memory, const char *source, size_t length,
                      rv_error *err)
{
    parser p = {0};
    *out = NULL;
    RV_TRY(jinja_lexer_init(&p.lexer, memory, source, length, err));
    return parse_body(&p, out, NULL);
}
