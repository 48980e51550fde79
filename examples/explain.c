/* Asks a language model what a neuron fires on, and scores the answer on texts that it has not seen.
 * The evidence is a file of records as OpenAI and Neuronpedia publish them.
 *
 *     cc -o explain explain.c $(pkg-config --cflags --libs reverie)
 *     ./explain gpt2-xl neuron.json https://api.openai.com/v1#gpt-4o-mini   (key: OPENAI_API_KEY)
 *     ./explain gpt2-xl neuron.json local:smollm2-135m                                       */
#include <reverie/reverie.h>
#include <stdio.h>
#include <string.h>

static void print_measures(const rv_explanation *explanation)
{
    for (size_t i = 0; i < explanation->score_count; i++) {
        const rv_named_measure *m = &explanation->scores[i];
        if (strcmp(m->split, "test") != 0) continue; // the others helped to choose
        printf("  %s, %s: ", m->scorer, m->measure);
        if (m->value.defined)
            printf("%.2f\n", m->value.value);
        else
            printf("undefined (%s)\n", m->value.why);
    }
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: %s MODEL RECORDS.json CHAT\n", argv[0]);
        return 2;
    }
    rv_explain_params params = rv_explain_params_default();
    params.records = (const char *const *)&argv[2], params.record_count = 1;
    params.with = argv[3];
    params.candidates = 2, params.revisions = 1, params.per_split = 1; // few questions
    rv_error err;
    rv_explained found;
    rv_status status = rv_explain(&found, argv[1], NULL, &params, &err);
    for (size_t i = 0; i < found.count; i++)
        if (found.explanations[i].chosen) {
            printf("%s\n", found.explanations[i].text);
            print_measures(&found.explanations[i]);
        }
    if (status != RV_OK) fprintf(stderr, "%s\n", err.message); // what was found is kept
    printf("%llu questions asked\n", (unsigned long long)found.requests);
    rv_explained_release(&found);
    return status != RV_OK;
}
