/* What the commands on a model and a text share. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "options.h"

rv_model_params model_params(const model_options *options)
{
    rv_model_params params = rv_model_params_default();
    params.threads = options->threads > INT16_MAX ? INT16_MAX : (int)options->threads;
    params.bos = options->bos < 0 ? RV_BOS_AUTO : options->bos ? RV_BOS_ADD : RV_BOS_OMIT;
    params.special = options->special;
    params.kernels = options->kernels;
    params.progress = show_progress;
    params.notice = show_notice;
    return params;
}

void put_json(const char *json)
{
    char character[8] = "";
    for (size_t i = 0, n; json[i]; i += n) {
        for (n = 1; (json[i + n] & 0xC0) == 0x80 && n < 4;) n++;
        memcpy(character, json + i, n);
        if (n > 1 && rv_tame(character, n, true) == 1) { // in strings alone is more than ASCII
            unsigned c = json[i] & (0x3Fu >> (n - 1));
            for (size_t k = 1; k < n; k++) c = c << 6 | (json[i + k] & 0x3Fu);
            printf("\\u%04x", c); // all of them are below U+10000
        } else if (json[i] == 0x7F) {
            fputs("\\u007f", stdout);
        } else {
            fwrite(json + i, 1, n, stdout);
        }
    }
}

int print_object(rv_status status, char *json, const rv_error *err)
{
    if (status != RV_OK) return fail(err);
    put_json(json);
    putchar('\n');
    free(json);
    return EXIT_OK;
}

void put_text(const char *bytes, size_t length, bool raw)
{
    char *copy = malloc(length + 1);
    if (!copy) die_of_memory();
    memcpy(copy, bytes, length);
    if (!raw || isatty(STDOUT_FILENO)) length = rv_tame(copy, length, true);
    fwrite(copy, 1, length, stdout);
    free(copy);
}

/* Tokens [from, to) on one line. */
static void put_line(const rv_tokens *tokens, size_t from, size_t to, double sign, double scale,
                     rv_terminal terminal)
{
    rv_error err;
    char *line;
    rv_heat_token *items = calloc(to - from, sizeof *items);
    for (size_t i = from; items && i < to; i++) {
        const rv_token *t = &tokens->items[i];
        items[i - from] = (rv_heat_token){t->text, t->length, sign * t->value};
    }
    if (!items || rv_heat_line(&line, items, to - from, 0, scale, terminal, &err) != RV_OK)
        die_of_memory();
    puts(line);
    free(line);
    free(items);
}

void put_heat(const rv_tokens *tokens, double sign, double scale)
{
    rv_terminal terminal = terminal_of_stdout();
    terminal.columns = 0; // the terminal wraps
    for (size_t from = 0, to; from < tokens->count; from = to) {
        for (to = from; to < tokens->count;) {
            const rv_token *t = &tokens->items[to++];
            if (t->length && t->text[t->length - 1] == '\n') break;
        }
        put_line(tokens, from, to, sign, scale, terminal);
    }
}

char *visible_token(const rv_token *token)
{
    rv_heat_token one = {token->text, token->length, NAN};
    rv_error err;
    char *out;
    if (rv_heat_line(&out, &one, 1, 0, 1, (rv_terminal){0}, &err) != RV_OK) die_of_memory();
    return out;
}

void put_bos(const rv_bos *bos)
{
    rv_token token = {.id = bos->id, .text = bos->text, .length = bos->length};
    char *shown = bos->text ? visible_token(&token) : NULL;
    printf("%s%s (%s)", bos->added ? "after " : "no BOS", bos->added && shown ? shown : "",
           bos->why);
    free(shown);
}

char *command_line(int argc, char **argv)
{
    const char **words = calloc((size_t)argc + 1, sizeof *words);
    char *line = NULL;
    if (!words) die_of_memory();
    words[0] = "reverie";
    for (int i = 0; i < argc; i++) words[i + 1] = argv[i];
    if (rv_shell_line(&line, words, (size_t)argc + 1, NULL) != RV_OK) die_of_memory();
    free(words);
    return line;
}
