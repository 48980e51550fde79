#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"

/* Prints and frees the text. */
static void print(char *text)
{
    if (terminal_of_stdout().colour == RV_COLOUR_NONE)
        put_text(text, strlen(text), false);
    else
        fputs(text, stdout);
    if (*text && text[strlen(text) - 1] != '\n') fputc('\n', stdout);
    free(text);
}

static int write_plot(const rv_report *report, const char *path)
{
    rv_error err;
    char *svg;
    if (rv_report_plot(&svg, report, RV_FIGURE_SCATTER, &err) != RV_OK) return fail(&err);
    rv_status status = rv_output_write(path, svg, strlen(svg), &err);
    free(svg);
    return status == RV_OK ? EXIT_OK : fail(&err);
}

static int load(rv_report *report, const arguments *files)
{
    rv_error err;
    for (size_t i = 0; i < files->count; i++) {
        if (rv_report_add(report, files->items[i], &err) != RV_OK) return fail(&err);
    }
    rv_report_counts counts = rv_report_count(report);
    if (counts.truncated)
        remark("reverie: %zu file%s ended in a line that was cut short; it was left out\n",
               counts.truncated, counts.truncated == 1 ? "" : "s");
    if (counts.unknown)
        remark("reverie: %zu record%s of unknown types were left out\n", counts.unknown,
               counts.unknown == 1 ? "" : "s");
    return EXIT_OK;
}

static int write_page(const rv_report *report, const char *path)
{
    rv_error err;
    if (rv_report_page(report, path, &err) != RV_OK) return fail(&err);
    remark("wrote %s\n", path);
    return EXIT_OK;
}

static int run(const command *self, int argc, char **argv)
{
    const char *page = NULL, *plot = NULL;
    bool terminal = false, json = false, table = false, force = false;
    const option options[] = {{"output", 'o', OPTION_OUTPUT, &page, "PAGE",
                               "write one self-contained HTML page", .written = RV_OUTPUT_PAGE},
                              {"plot", 0, OPTION_OUTPUT, &plot, "FILE",
                               "write activation against cross-entropy as SVG",
                               .written = RV_OUTPUT_PLOT},
                              FORCE_ROW(force),
                              {"terminal", 0, OPTION_FLAG, &terminal, NULL,
                               "print the story even if a file is written"},
                              {"table", 0, OPTION_FLAG, &table, NULL,
                               "print only the methods side by side, as Markdown"},
                              {"json", 0, OPTION_FLAG, &json, NULL,
                               "print one JSON object (docs/formats.md, \"report\")"},
                              {0}};
    arguments files;
    int code = options_parse(&files, argc, argv, self, options);
    if (code >= 0) return code;
    if (json + terminal + table > 1)
        return fail_usage("give one of --terminal, --table and --json");
    if (!page && !plot && !json && !table) terminal = true;
    rv_error err;
    rv_report *report;
    if (rv_report_open(&report, &err) != RV_OK) return fail(&err);
    code = load(report, &files);
    if (code == EXIT_OK && page) code = write_page(report, page);
    if (code == EXIT_OK && plot) code = write_plot(report, plot);
    if (code == EXIT_OK && (json || table || terminal)) {
        char *text;
        rv_status status = json ? rv_report_json(&text, report, &err)
                           : table
                               ? rv_report_compare(&text, report, RV_COMPARISON_MARKDOWN, &err)
                               : rv_report_text(&text, report, terminal_of_stdout(), &err);
        if (status == RV_OK)
            print(text);
        else
            code = fail(&err);
    }
    rv_report_close(report);
    return code;
}

const command command_report = {
    .name = "report",
    .arguments = "RUN... [-o PAGE] [options]",
    .summary = "Tell what runs have found: in the terminal, or as a page to open in a browser",
    .help = "RUN is a file that dream, examples, compare, explain or image dream wrote. "
            "Several are told "
            "together:\n"
            "methods and seeds on the same target in one story, other targets after it.\n"
            "No model is needed, and the page needs no network.\n"
            "\n"
            "  reverie report l5n131.jsonl\n"
            "  reverie report l5n131-*.jsonl -o l5n131.html",
    .least = 1,
    .most = LIST_MAX,
    .run = run,
};
