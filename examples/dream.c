/* Finds texts that a target likes, shows how far it is, and stops at Ctrl-C without losing
 * anything: what was found is in the run file, and is told in either case.
 *
 *     cc -o dream dream.c $(pkg-config --cflags --libs reverie)
 *     ./dream smollm2-135m L8.N24 corpus.txt run.jsonl                                       */
#include <reverie/reverie.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

/* Called now and then; false cancels. */
static bool show(void *context, const rv_progress *event)
{
    (void)context;
    fprintf(stderr, "\r%s: %.0f of %.0f %s  ", event->what, event->done, event->total,
            event->unit ? event->unit : "");
    return !interrupted;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: %s MODEL TARGET CORPUS.txt RUN.jsonl\n", argv[0]);
        return 2;
    }
    rv_error err;
    rv_model *model = NULL;
    rv_report *report = NULL;
    char *story = NULL;
    rv_dreams dreams = {0};
    signal(SIGINT, on_interrupt);
    rv_dream_params params = rv_dream_params_default();
    params.corpus = (const char *const *)&argv[3], params.corpus_count = 1;
    params.output = argv[4];
    params.progress = show;
    rv_status status = rv_model_open(&model, argv[1], NULL, &err);
    if (status == RV_OK) status = rv_dream(&dreams, model, argv[2], &params, &err);
    if (status == RV_OK || status == RV_ERR_CANCELLED) status = rv_report_open(&report, &err);
    if (status == RV_OK) status = rv_report_add(report, argv[4], &err);
    if (status == RV_OK) status = rv_report_text(&story, report, (rv_terminal){0}, &err);
    printf("\n%s", status == RV_OK ? story : err.message);
    free(story);
    rv_dreams_release(&dreams);
    rv_report_close(report);
    rv_model_close(model);
    return status != RV_OK;
}
