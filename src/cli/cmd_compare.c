#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "dream_options.h"

static const char help[] =
    "Dreams of TARGET with every method and seed, each with the same budget of forward tokens, "
    "and prints the medians\n"
    "over seeds: best(x) is the largest g at no more than x nats per token, area its mean from "
    "3 "
    "to 9 nats, win the\n"
    "share of runs that beat the best corpus window, spread the interquartile range of the "
    "area "
    "over its median.\n"
    "\n"
    "  reverie compare smollm2-135m L12.N345 --corpus texts.txt --methods reverie,epo --seeds "
    "3\n"
    "  reverie compare smollm2-135m L12.N345 --corpus texts.txt -o page.html\n"
    "\n"
    "Each run is a file in the folder of --runs. Ctrl-C keeps what was found; the same command "
    "goes on, and finished\n"
    "runs are not run again.";

/* runs/MODEL/TARGET, with '_' for what a file name had better not hold. */
static char *folder_of(const char *model, const char *target)
{
    const char *slash = strrchr(model, '/'), *name = slash && slash[1] ? slash + 1 : model;
    size_t room = strlen(name) + strlen(target) + 8;
    char *folder = malloc(room);
    if (!folder) return NULL;
    snprintf(folder, room, "runs/%s/%s", name, target);
    for (char *c = folder + strlen(folder) - strlen(target); *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr(".-_", *c)) *c = '_';
    return folder;
}

/* Cuts "a,b" in place. */
static int split(const char **items, size_t *count, char *list)
{
    *count = 0;
    for (char *save = NULL, *name = strtok_r(list, ", ", &save); name;
         name = strtok_r(NULL, ", ", &save)) {
        if (*count == LIST_MAX) return fail_usage("--methods: too many of them");
        items[(*count)++] = name;
    }
    return *count ? -1 : fail_usage("--methods needs at least one");
}

static int print_comparison(const rv_report *report, const char *page, bool json, bool table)
{
    rv_error err;
    char *text;
    if (page && rv_report_page(report, page, &err) != RV_OK) return fail(&err);
    if (page) remark("wrote %s\n", page);
    rv_comparison form = json    ? RV_COMPARISON_JSON
                         : table ? RV_COMPARISON_MARKDOWN
                                 : RV_COMPARISON_TABLE;
    if (rv_report_compare(&text, report, form, &err) != RV_OK) return fail(&err);
    if (json) return print_object(RV_OK, text, &err);
    put_text(text, strlen(text), false);
    free(text);
    return EXIT_OK;
}

static int compare(const char *name, const char *target, dream_options *o,
                   rv_compare_params *params, const char *page, bool json, bool table)
{
    rv_model *model, *fluency;
    rv_report *report;
    rv_error err;
    int code = dream_models_open(&model, &fluency, name, o);
    if (code >= 0) return code;
    params->dream = &o->dream;
    rv_status status = rv_compare(&report, model, target, params, &err);
    end_progress();
    code = report ? print_comparison(report, page, json, table) : EXIT_OK;
    if (status != RV_OK) code = fail(&err);
    if (report) remark("the runs are in %s\n", params->runs);
    rv_report_close(report);
    rv_model_close(fluency);
    rv_model_close(model);
    return code;
}

static int run(const command *self, int argc, char **argv)
{
    dream_options o = dream_options_default();
    rv_compare_params p = rv_compare_params_default();
    const char *methods = NULL, *page = NULL, *items[LIST_MAX];
    int64_t seeds = (int64_t)p.seeds;
    bool json = false, table = false, force = false;
    const option options[] = {
        {"methods", 'm', OPTION_STRING, &methods, "M,...",
         "which, epo-as-published among them (default: all)"},
        {"seeds", 's', OPTION_INTEGER, &seeds, "K", "seeds 1 to K", .least = 1, .most = 1e6},
        DREAM_ROWS(o),
        {"Result", .kind = OPTION_GROUP},
        {"runs", 'r', OPTION_OUTPUT, &p.runs, "DIR",
         "folder of the run files (default: runs/MODEL/TARGET)", .written = RV_OUTPUT_FOLDER},
        {"output", 'o', OPTION_OUTPUT, &page, "PAGE", "write one self-contained HTML page",
         .written = RV_OUTPUT_PAGE},
        FORCE_ROW(force),
        {"table", 0, OPTION_FLAG, &table, NULL, "print the table as Markdown"},
        {"json", 0, OPTION_FLAG, &json, NULL,
         "print one JSON object (docs/formats.md, \"compare\")"},
        {0}};
    arguments rest;
    int code = options_parse(&rest, argc, argv, self, options);
    if (code >= 0) return code;
    if (json && table) return fail_usage("give one of --table and --json");
    char *line = command_line(argc, argv), *folder = folder_of(rest.items[0], rest.items[1]),
         *list = methods ? strdup(methods) : NULL;
    if ((methods && !list) || (!p.runs && !folder)) die_of_memory();
    if (list) code = split(items, &p.method_count, list);
    if (list) p.methods = items;
    if (!p.runs) p.runs = folder;
    p.seeds = (uint64_t)seeds;
    if (code < 0) code = dream_options_settle(&o, line);
    o.dream.attribution = page != NULL;
    if (code < 0) code = compare(rest.items[0], rest.items[1], &o, &p, page, json, table);
    dream_options_release(&o);
    free(list);
    free(folder);
    free(line);
    return code;
}

const command command_compare = {
    .name = "compare",
    .arguments = "MODEL TARGET [options]",
    .summary = "Let methods dream of the same target, and compare what they find",
    .help = help,
    .least = 2,
    .most = 2,
    .run = run,
};
