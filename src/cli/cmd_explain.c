#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "reverie/explain.h"

/* ---- the result, for people ------------------------------------------------------------------ */
static void print_measure(const char *name, const rv_measure *m)
{
    say("  %s ", name);
    if (!m->defined) {
        say("undefined (%s)", m->why);
        return;
    }
    say("%.2f", m->value);
    if (m->bounded) say(" [%.2f, %.2f]", m->low, m->high);
}

/* Names of measures as they read in a sentence. */
static const char *shown_name(const char *measure)
{
    static const char *const names[][2] = {{"r_squared", "R^2"},
                                           {"deviation", "deviation explained"},
                                           {"accuracy", "balanced accuracy"},
                                           {"area", "AUC"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(measure, names[i][0]) == 0) return names[i][1];
    return measure;
}

/* One line for each scorer. */
static void print_scores(const rv_explanation *e)
{
    const char *scorer = "";
    for (size_t i = 0; i < e->score_count; i++) {
        const rv_named_measure *s = &e->scores[i];
        if (strcmp(s->split, "test") != 0) continue;
        if (strcmp(s->scorer, scorer) != 0) say("%s  %-11s", *scorer ? "\n" : "", s->scorer);
        print_measure(shown_name(s->measure), &s->value);
        scorer = s->scorer;
    }
    if (*scorer) putchar('\n');
}

static const rv_measure *correlation_of(const rv_explanation *e, const char *split)
{
    for (size_t i = 0; i < e->score_count; i++)
        if (strcmp(e->scores[i].measure, "correlation") == 0 &&
            strcmp(e->scores[i].split, split) == 0)
            return &e->scores[i].value;
    return NULL;
}

static void print_others(const rv_explained *r, bool baselines)
{
    bool any = false;
    for (size_t i = 0; i < r->count; i++) {
        const rv_explanation *e = &r->explanations[i];
        const rv_measure *m = correlation_of(e, baselines ? "test" : "valid");
        if (!!e->baseline != baselines || !m) continue;
        if (!any)
            say("\n%s\n", baselines ? "Beside it, correlation on the same texts:"
                                    : "What was proposed, correlation on other texts:");
        any = true;
        if (m->defined)
            say("  %5.2f  ", m->value);
        else
            say("      -  ");
        if (e->baseline)
            say("%s%s%s", e->baseline, *e->text ? ": " : "", e->text);
        else
            say("%s%s", e->text, e->revision ? " (second round)" : "");
        if (!m->defined) say(" (%s)", m->why);
        putchar('\n');
    }
}

static void print_row(const char *title, const rv_simulated_text *t, const double *values,
                      double scale)
{
    rv_error err;
    char *line = NULL;
    rv_terminal terminal = terminal_of_stdout();
    rv_heat_token *tokens = calloc(t->count + 1, sizeof *tokens);
    size_t focus = 0;
    for (size_t i = 0; tokens && i < t->count; i++) {
        tokens[i] =
            (rv_heat_token){t->tokens[i], strlen(t->tokens[i]), values[i] > 0 ? values[i] : 0};
        if (t->real[i] > t->real[focus]) focus = i;
    }
    if (terminal.columns > 14) terminal.columns -= 14;
    if (tokens && rv_heat_line(&line, tokens, t->count, focus, scale, terminal, &err) == RV_OK)
        printf("  %-10s  %s\n", title, line);
    free(line);
    free(tokens);
}

static void print_notes(const rv_explained *r)
{
    if (r->unread)
        say("\n%zu of %zu simulated tokens had no answer that could be read; they count as "
            "0.\n",
            r->unread, r->simulated);
    if (r->simulator && strcmp(r->simulator, "logprobs") == 0 && !r->probabilities)
        say("\nThe endpoint gave no log-probabilities: its numbers are taken as they stand.\n");
    if (r->silent)
        say("\n%llu answers held no text: %s.\n", (unsigned long long)r->silent, r->silence);
    if (r->unusable) say("\n%zu answers held no explanation.\n", r->unusable);
}

static void print_failures(const rv_explanation *e)
{
    double scale = 0;
    bool any = false;
    for (size_t i = 0; i < e->text_count; i++)
        for (size_t k = 0; k < e->texts[i].count; k++) scale = fmax(scale, e->texts[i].real[k]);
    for (size_t i = 0; i < e->text_count; i++) {
        const rv_simulated_text *t = &e->texts[i];
        if (!t->failed) continue;
        if (!any) say("\nWhere it was most wrong:\n");
        any = true;
        print_row("the neuron", t, t->real, scale);
        print_row("foreseen", t, t->simulated, scale);
    }
}

static void print_result(const rv_explained *r, const char *model, const char *target)
{
    for (size_t i = 0; i < r->count; i++) {
        const rv_explanation *e = &r->explanations[i];
        if (!e->chosen) continue;
        say("%s%s%s fires on\n\n  %s\n\n", model, target ? " " : "", target ? target : "",
            e->text);
        print_scores(e);
        print_others(r, true);
        print_others(r, false);
        print_failures(e);
        print_notes(r);
    }
}

/* What it took, on stderr. */
static void print_usage_of(const rv_explained *r, bool dry)
{
    end_progress();
    if (dry)
        remark("reverie: nothing was asked; a run takes at least %llu requests and about %llu "
               "tokens\n",
               (unsigned long long)r->requests, (unsigned long long)r->prompt_tokens);
    else if (r->requests || r->cached)
        remark("reverie: %llu requests (%llu answers more from the cache), %llu tokens read, "
               "%llu written\n",
               (unsigned long long)r->requests, (unsigned long long)r->cached,
               (unsigned long long)r->prompt_tokens, (unsigned long long)r->answer_tokens);
    if (r->unsaved)
        remark("reverie: %llu answers could not be written to the cache\n",
               (unsigned long long)r->unsaved);
}

/* ---- the command ----------------------------------------------------------------------------- */
static void print_prompt(void *context, const char *text)
{
    (void)context;
    end_progress();
    put_text(text, strlen(text), false);
}

/* What the command line says; numbers as the table of options wants them. */
typedef struct asked {
    rv_explain_params o;
    string_list records, dreams, corpus, given;
    bool json;
    int64_t seed, candidates, revisions, per_split, shown, resamples, answer, extra, requests,
        tokens, corpus_tokens, retries, threads;
} asked;

static asked defaults(void)
{
    asked a = {.o = rv_explain_params_default()};
    a.seed = (int64_t)a.o.seed;
    a.candidates = a.revisions = -1;
    a.shown = (int64_t)a.o.dreams;
    a.resamples = (int64_t)a.o.resamples;
    a.answer = (int64_t)a.o.answer_tokens;
    a.retries = (int64_t)a.o.retries;
    return a;
}

static void settle(asked *a)
{
    rv_explain_params *o = &a->o;
    o->records = a->records.items, o->record_count = a->records.count;
    o->runs = a->dreams.items, o->run_count = a->dreams.count;
    o->corpus = a->corpus.items, o->corpus_count = a->corpus.count;
    o->given = a->given.items, o->given_count = a->given.count;
    // what was given is scored; more is asked for when it was said to
    if (a->candidates < 0) a->candidates = a->given.count ? 0 : (int64_t)o->candidates;
    if (a->revisions < 0) a->revisions = a->given.count ? 0 : (int64_t)o->revisions;
    o->seed = (uint64_t)a->seed;
    o->candidates = (uint64_t)a->candidates;
    o->revisions = (uint64_t)a->revisions;
    o->per_split = (uint64_t)a->per_split;
    o->dreams = (uint64_t)a->shown;
    o->resamples = (uint64_t)a->resamples;
    o->answer_tokens = (uint64_t)a->answer;
    o->extra_tokens = (uint64_t)a->extra;
    o->budget_requests = (uint64_t)a->requests;
    o->budget_tokens = (uint64_t)a->tokens;
    o->corpus_tokens = (uint64_t)a->corpus_tokens;
    o->retries = (unsigned)a->retries;
    o->threads = (int)a->threads;
    o->show_prompt = print_prompt;
    o->progress = show_progress;
    o->notice = show_notice;
}

/* Rows of the options that say how explanations are scored, and how much is asked. */
#define SCORING_ROWS(a, o)                                                                \
    {"How it is scored", .kind = OPTION_GROUP},                                           \
        {"scorers",     0,      OPTION_STRING,                                            \
         &(o)->scorers, "LIST", "of simulation,detection,fuzzing,rating (default: all)"}, \
        {"written",     0,    OPTION_FLAG,                                                \
         &(o)->written, NULL, "simulate as text, without log-probabilities"},             \
        {"explanation", 'e',    OPTION_LIST,                                              \
         &(a)->given,   "TEXT", "score this one, instead of asking; may be repeated"},    \
        {"other",     0,      OPTION_STRING,                                              \
         &(o)->other, "TEXT", "another neuron's explanation, scored beside it"},          \
    {                                                                                     \
        "baselines", 0, OPTION_FLAG, &(o)->baselines, NULL,                               \
            "score the empty explanation and token lookup too"                            \
    }
#define AMOUNT_ROWS(a, o)                                                                        \
    {"How much", .kind = OPTION_GROUP},                                                          \
        {"candidates",                                                                           \
         'n',                                                                                    \
         OPTION_INTEGER,                                                                         \
         &(a)->candidates,                                                                       \
         "N",                                                                                    \
         "explanations asked for (default: 5, or 0 beside --explanation)",                       \
         .most = 1000},                                                                          \
        {"revisions",                                                                            \
         0,                                                                                      \
         OPTION_INTEGER,                                                                         \
         &(a)->revisions,                                                                        \
         "N",                                                                                    \
         "asked for in the second round, 0: none (default: 2, or 0 beside --explanation)",       \
         .most = 1000},                                                                          \
        {"per-split",     0,   OPTION_INTEGER,                                                   \
         &(a)->per_split, "N", "records of each kind in each split (default: up to 5)",          \
         .most = 1e6},                                                                           \
        {"dreams-shown", 0, OPTION_INTEGER, &(a)->shown, "N", "at most", .most = 1e6},           \
        {"temperature",      0,          OPTION_NUMBER, &(o)->temperature, "T",                  \
         "of the explainer", .most = 1e6},                                                       \
        {"answer-tokens",      0,          OPTION_INTEGER, &(a)->answer, "N",                    \
         "for an explanation", .most = 1e6},                                                     \
        {"extra-tokens", 0,   OPTION_INTEGER,                                                    \
         &(a)->extra,    "N", "for every answer; models that reason first need thousands",       \
         .most = 1e6},                                                                           \
        {"seed",      's', OPTION_INTEGER, &(a)->seed, "N", "of everything that is drawn",       \
         .most = 1e15},                                                                          \
        {"resamples", 0, OPTION_INTEGER, &(a)->resamples, "N", "of the bootstrap", .most = 1e6}, \
        {"budget-requests", 0,   OPTION_INTEGER,                                                 \
         &(a)->requests,    "N", "stop after so many (default: no bound)"},                      \
        {"budget-tokens", 0,   OPTION_INTEGER,                                                   \
         &(a)->tokens,    "N", "stop before more are read and written (default: no bound)"},     \
        {"dry-run",     0,    OPTION_FLAG,                                                       \
         &(o)->dry_run, NULL, "print what would be asked, ask nothing"},                         \
        {"no-cache",     0,    OPTION_FLAG,                                                      \
         &(o)->no_cache, NULL, "neither use nor keep earlier answers"},                          \
        {"timeout",      0,          OPTION_NUMBER,                                              \
         &(o)->timeout,  "S",        "seconds for one answer",                                   \
         .least = 0.001, .most = 1e6},                                                           \
    {                                                                                            \
        "retries", 0, OPTION_INTEGER, &(a)->retries, "N",                                        \
            "after 429, 5xx and broken connections", .most = 1000                                \
    }

static int parse(asked *a, arguments *rest, const command *self, int argc, char **argv)
{
    rv_explain_params *o = &a->o;
    const option options[] = {
        {"Who is asked", .kind = OPTION_GROUP},
        {"with", 'w', OPTION_INPUT, &o->with, "CHAT",
         "who explains: https://host/v1#model or local:NAME"},
        {"simulate-with", 0, OPTION_INPUT, &o->simulate_with, "CHAT",
         "who simulates and judges (default: the same)"},
        {"What it is shown", .kind = OPTION_GROUP},
        {"corpus", 'c', OPTION_INPUTS, &a->corpus, "FILE",
         "text in which the neuron's strongest places are looked up; may be repeated"},
        {"corpus-tokens", 0, OPTION_INTEGER, &a->corpus_tokens, "N",
         "read at most so many of its tokens (default: all)"},
        {"dreams", 'd', OPTION_INPUTS, &a->dreams, "RUN",
         "a run file of reverie dream; may be repeated"},
        {"records", 'r', OPTION_INPUTS, &a->records, "FILE",
         "an OpenAI NeuronRecord, a Neuronpedia feature, or a folder of its export"},
        {"style", 0, OPTION_STRING, &o->style, "S",
         "pairs: tokens with activations (default); maxima: strongest tokens, and what they "
         "promote"},
        {"show", 0, OPTION_STRING, &o->show, "WHAT",
         "to the explainer: corpus, dreams or both (default)"},
        SCORING_ROWS(a, o),
        AMOUNT_ROWS(a, o),
        THREADS_ROW(a->threads),
        {"Result", .kind = OPTION_GROUP},
        {"output", 'o', OPTION_OUTPUT, &o->output, "RUN",
         "write a run file, for reverie report", .written = RV_OUTPUT_RUN},
        {"openai", 0, OPTION_OUTPUT, &o->write_openai, "FILE",
         "write OpenAI's NeuronSimulationResults", .written = RV_OUTPUT_SIMULATION},
        {"neuron-record", 0, OPTION_OUTPUT, &o->write_evidence, "FILE",
         "write the texts of the corpus as OpenAI's NeuronRecord, which --records reads",
         .written = RV_OUTPUT_RECORD},
        {"neuronpedia", 0, OPTION_OUTPUT, &o->write_neuronpedia, "DIR",
         "write Neuronpedia's import layout", .written = RV_OUTPUT_FOLDER},
        FORCE_ROW(a->o.force),
        {"json", 0, OPTION_FLAG, &a->json, NULL,
         "print the records (docs/formats.md, \"Run records\")"},
        {0}};
    int code = options_parse(rest, argc, argv, self, options);
    if (code >= 0) return code;
    if (!o->with)
        return fail_usage(
            "who explains? give --with https://host/v1#model or --with local:NAME");
    settle(a);
    return -1;
}

static int run(const command *self, int argc, char **argv)
{
    asked a = defaults();
    arguments rest;
    int code = parse(&a, &rest, self, argc, argv);
    if (code >= 0) return code;
    char *line = command_line(argc, argv);
    const char *target = rest.count > 1 ? rest.items[1] : NULL;
    rv_explained result;
    rv_error err;
    a.o.command = line;
    rv_status status = rv_explain(&result, rest.items[0], target, &a.o, &err);
    print_usage_of(&result, a.o.dry_run);
    if (a.json && !a.o.dry_run && result.records)
        put_json(result.records);
    else if (!a.json && !a.o.dry_run)
        print_result(&result, rest.items[0], target);
    code = status == RV_OK ? EXIT_OK : fail(&err);
    rv_explained_release(&result);
    free(line);
    return code;
}

const command command_explain = {
    .name = "explain",
    .arguments = "MODEL [TARGET] --with CHAT [options]",
    .summary = "Say what a neuron fires on, and score the saying",
    .help = "A language model reads texts with the neuron's activations and proposes "
            "explanations. Each is\n"
            "tested on texts that it was not made from: a model that is told nothing but the "
            "explanation\n"
            "foresees the activations. The best gets a second chance on the texts that it was "
            "most wrong\n"
            "on, and is then scored on a third set of texts, beside baselines.\n"
            "\n"
            "The texts come from a corpus, from dreams, or from files that others wrote:\n"
            "\n"
            "  reverie explain smollm2-135m L3.N370 --corpus wiki.txt --dreams run.jsonl \\\n"
            "      --with local:smollm2-135m -o explained.jsonl\n"
            "  reverie explain gpt2-xl --records 131.json --with "
            "https://api.openai.com/v1#gpt-4o-mini\n"
            "  reverie report run.jsonl explained.jsonl -o page.html\n"
            "\n"
            "The key for an endpoint is OPENAI_API_KEY, for openrouter.ai OPENROUTER_API_KEY; "
            "it is\n"
            "written nowhere. Answers are kept in the cache folder: what was paid for once is "
            "not asked\n"
            "again. --dry-run shows the prompts and what they would cost.",
    .least = 1,
    .most = 2,
    .run = run,
};
