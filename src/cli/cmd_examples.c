#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "dream_options.h"

static const char help[] =
    "Reads a corpus once and shows where each TARGET is strongest, at either end, with its "
    "quantiles. The first positions\n"
    "of a window, above all position 0, are left out. Asked again, the answer comes from an "
    "index on the disk. A large\n"
    "corpus is read in bf16 where the processor is fast at it, and what is shown is judged "
    "again "
    "in float32.\n"
    "\n"
    "  reverie examples smollm2-135m L8.N24 L8.N19 --corpus texts.txt --top 5\n"
    "  reverie examples smollm2-135m -L8.N24 --corpus texts.txt -o run.jsonl\n"
    "  reverie report run.jsonl -o page.html\n"
    "\n"
    "RUN holds the places that are strongest in the direction that TARGET was written in.";

static void print_list(const rv_example *list, size_t count, rv_terminal terminal)
{
    for (size_t i = 0; i < count; i++) {
        const rv_example *e = &list[i];
        rv_heat_token *tokens = calloc(e->count, sizeof *tokens);
        char *line = NULL;
        for (size_t k = 0; tokens && k < e->count; k++)
            tokens[k] =
                (rv_heat_token){e->tokens[k].bytes, e->tokens[k].length,
                                e->value < 0 ? -e->tokens[k].value : e->tokens[k].value};
        if (!tokens || rv_heat_line(&line, tokens, e->count, e->at, fabs(e->value), terminal,
                                    NULL) != RV_OK)
            die_of_memory();
        printf("  %8.2f  %s\n", e->g, line);
        free(line);
        free(tokens);
    }
}

static void print_text(const rv_examples *examples, size_t top)
{
    rv_terminal terminal = terminal_of_stdout();
    if (terminal.columns > 24) terminal.columns -= 12;
    for (size_t t = 0; t < examples->count; t++) {
        const rv_target_examples *x = &examples->targets[t];
        say("%s%s   mean %.4g, deviation %.4g, from %.4g to %.4g over %llu positions\n",
            t ? "\n" : "", x->target, x->mean, x->deviation, x->minimum, x->maximum,
            (unsigned long long)x->positions);
        if (x->screened && x->deviation > 0)
            printf("  screened in bf16: a place that is missing was misjudged by %.2g "
                   "deviations; the "
                   "largest error found is %.2g\n",
                   x->margin / x->deviation, x->error / x->deviation);
        printf("  quantiles:");
        for (size_t q = 0; q < RV_EXAMPLES_LEVELS; q += 2)
            printf("  %g: %.3g", x->level[q], x->quantile[q]);
        printf("\n         g  strongest\n");
        print_list(x->high, x->high_count < top ? x->high_count : top, terminal);
        printf("         g  in the negative direction\n");
        print_list(x->low, x->low_count < top ? x->low_count : top, terminal);
    }
}

static int run(const command *self, int argc, char **argv)
{
    model_options how = MODEL_OPTIONS_DEFAULT;
    rv_examples_params p = rv_examples_params_default();
    string_list corpus = {0};
    int64_t tokens = 0, top = 5, before = (int64_t)p.before;
    bool json = false;
    const option options[] = {
        {"Corpus", .kind = OPTION_GROUP},
        {"corpus", 'c', OPTION_INPUTS, &corpus, "FILE", "text to search; may be repeated"},
        {"corpus-tokens", 0, OPTION_INTEGER, &tokens, "N",
         "read at most so many of its tokens (default: all)"},
        {"top", 'n', OPTION_INTEGER, &top, "N", "examples shown at either end", .most = 64},
        {"before", 0, OPTION_INTEGER, &before, "N", "tokens shown up to the strong one",
         .least = 1, .most = 1 << 20},
        {"bos", 0, OPTION_CHOICE, &how.bos, NULL,
         "begin windows with BOS or the document separator (default)"},
        {"exact", 0, OPTION_FLAG, &p.exact, NULL,
         "read the corpus in float32 throughout, not in bf16 first"},
        MODEL_ROWS(how),
        {"Result", .kind = OPTION_GROUP},
        {"output", 'o', OPTION_OUTPUT, &p.output, "RUN",
         "file of the records (JSON lines), which reverie report shows",
         .written = RV_OUTPUT_RUN},
        {"json", 0, OPTION_FLAG, &json, NULL,
         "print one JSON object (docs/formats.md, \"examples\")"},
        {0}};
    arguments rest;
    int code = options_parse(&rest, argc, argv, self, options);
    if (code >= 0) return code;
    rv_model_params open = model_params(&how);
    p.progress = show_progress;
    p.corpus = corpus.items, p.corpus_count = corpus.count;
    p.corpus_tokens = (uint64_t)tokens, p.before = (uint64_t)before;
    rv_model *model;
    rv_error err;
    rv_examples examples;
    if (rv_model_open(&model, rest.items[0], &open, &err) != RV_OK) return fail(&err);
    char *line = command_line(argc, argv);
    p.command = line;
    p.top = (uint64_t)top;
    rv_status status =
        rv_examples_find(&examples, model, rest.items + 1, rest.count - 1, &p, &err);
    end_progress();
    free(line);
    code = status == RV_OK ? EXIT_OK : fail(&err);
    if (status == RV_OK && json) {
        char *object;
        status = rv_examples_json(&object, &examples, &err);
        code = print_object(status, object, &err);
    } else if (status == RV_OK) {
        print_text(&examples, (size_t)top);
    }
    rv_examples_release(&examples);
    rv_model_close(model);
    return code;
}

const command command_examples = {
    .name = "examples",
    .arguments = "MODEL TARGET... --corpus FILE [options]",
    .summary = "Show where in a corpus targets are strongest",
    .help = help,
    .least = 2,
    .most = LIST_MAX,
    .run = run,
};
