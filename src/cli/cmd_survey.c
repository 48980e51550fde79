#include <stdio.h>
#include <stdlib.h>

#include "commands.h"

static const char help[] =
    "Reads a corpus once and keeps, for every MLP neuron of every layer, the places where it "
    "is "
    "strongest, at either end.\n"
    "Shows the neurons that stand out most from their mean; FILE has a line for each neuron "
    "(docs/formats.md, \"survey\").\n"
    "\n"
    "  reverie survey smollm2-135m --corpus texts.txt --corpus-tokens 100000 -o survey.jsonl\n"
    "  reverie examples smollm2-135m L8.N24 --corpus texts.txt      # then look at one\n"
    "\n"
    "Places are exact. --fast computes in bf16: twice as fast where the processor has it, and "
    "about one place in a hundred\n"
    "is then another.\n"
    "A survey with -o that was interrupted, or killed, goes on by the same command.";

static void print_text(const rv_survey_summary *s)
{
    printf("%llu neurons on %llu positions of %llu tokens, in %s\n",
           (unsigned long long)(s->layers * s->neurons), (unsigned long long)s->positions,
           (unsigned long long)s->tokens, s->narrow ? "bf16" : "float32");
    printf("  target              g      value  strongest at\n");
    for (size_t i = 0; i < s->peak_count; i++) {
        const rv_survey_peak *k = &s->peaks[i];
        char target[48];
        snprintf(target, sizeof target, "L%llu.N%llu", (unsigned long long)k->layer,
                 (unsigned long long)k->neuron);
        say("  %-12s %8.1f %10.4g  %s, byte %llu\n", target, k->g, k->value, k->file,
            (unsigned long long)k->offset);
    }
}

static int run(const command *self, int argc, char **argv)
{
    model_options how = MODEL_OPTIONS_DEFAULT;
    rv_survey_params p = rv_survey_params_default();
    string_list corpus = {0};
    int64_t tokens = 0, top = (int64_t)p.top, peaks = (int64_t)p.peaks;
    bool json = false;
    const option options[] = {
        {"Corpus", .kind = OPTION_GROUP},
        {"corpus", 'c', OPTION_INPUTS, &corpus, "FILE", "text to read; may be repeated"},
        {"corpus-tokens", 0, OPTION_INTEGER, &tokens, "N",
         "read at most so many of its tokens (default: all)"},
        {"top", 'n', OPTION_INTEGER, &top, "N", "places kept of each neuron at either end",
         .least = 1, .most = 1000},
        {"peaks", 0, OPTION_INTEGER, &peaks, "N", "neurons shown", .most = 1e9},
        {"fast", 0, OPTION_FLAG, &p.fast, NULL, "compute in bf16"},
        {"bos", 0, OPTION_CHOICE, &how.bos, NULL,
         "begin windows with BOS or the document separator (default)"},
        MODEL_ROWS(how),
        {"Result", .kind = OPTION_GROUP},
        {"output", 'o', OPTION_OUTPUT, &p.output, "FILE",
         "a line for every neuron (JSON lines)", .written = RV_OUTPUT_SURVEY},
        FORCE_ROW(p.force),
        {"json", 0, OPTION_FLAG, &json, NULL,
         "print one JSON object (docs/formats.md, \"survey\")"},
        {0}};
    arguments rest;
    int code = options_parse(&rest, argc, argv, self, options);
    if (code >= 0) return code;
    rv_model_params open = model_params(&how);
    p.progress = show_progress;
    p.corpus = corpus.items, p.corpus_count = corpus.count;
    p.corpus_tokens = (uint64_t)tokens;
    p.top = (uint64_t)top, p.peaks = (uint64_t)peaks;
    rv_model *model;
    rv_survey_summary summary;
    rv_error err;
    if (rv_model_open(&model, rest.items[0], &open, &err) != RV_OK) return fail(&err);
    rv_status status = rv_survey_corpus(&summary, model, &p, &err);
    end_progress();
    code = status == RV_OK ? EXIT_OK : fail(&err);
    if (status == RV_OK && json) {
        char *object;
        status = rv_survey_summary_json(&object, &summary, &err);
        code = print_object(status, object, &err);
    } else if (status == RV_OK) {
        print_text(&summary);
    }
    rv_survey_summary_release(&summary);
    rv_model_close(model);
    return code;
}

const command command_survey = {
    .name = "survey",
    .arguments = "MODEL --corpus FILE [options]",
    .summary = "Find where in a corpus every neuron is strongest",
    .help = help,
    .least = 1,
    .most = 1,
    .run = run,
};
