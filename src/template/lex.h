/* The words of a chat template. Text between tags comes with its white space already cut as
 * trim_blocks, lstrip_blocks and the signs in the tags ask for. */
#ifndef RV_TEMPLATE_LEX_H
#define RV_TEMPLATE_LEX_H

#include "template/value.h"

typedef enum jinja_token_kind {
    TOKEN_NAME,
    TOKEN_STRING,
    TOKEN_INTEGER,
    TOKEN_FLOAT,
    TOKEN_OPERATOR,
    TOKEN_CLOSE /* the end of a tag */
} jinja_token_kind;

typedef struct jinja_token {
    jinja_token_kind kind;
    jinja_string text; /* a string's is its value */
    int64_t integer;
    double real;
} jinja_token;

typedef struct jinja_lexer {
    jinja_memory *memory;
    const char *source;
    size_t length, at;
    char closing;    /* '%' or '}' inside a tag */
    size_t brackets; /* open ones inside a tag */
    bool line_start; /* the text after the last tag begins a line */
    jinja_token now; /* inside a tag */
} jinja_lexer;

/* Prepares the source (valid UTF-8): one kind of line ends, none at the very end. */
rv_status jinja_lexer_init(jinja_lexer *lexer, jinja_memory *memory, const char *source,
                           size_t length);

/* The text up to the next tag, past comments. *tag: '{' for an output, '%' for a statement, 0 at
 * the end of the template. Inside a tag lexer->now is its first token. */
rv_status jinja_next_text(jinja_lexer *lexer, jinja_string *text, char *tag);

/* The next token inside a tag. */
rv_status jinja_next_token(jinja_lexer *lexer);

/* An error with the number of the line. */
rv_status jinja_lexer_fail(const jinja_lexer *lexer, rv_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
