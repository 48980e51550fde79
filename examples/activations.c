/* Prints the value of a neuron, or of any other number inside a model, at every token of a text.
 * Places inside a model have the names that TransformerLens gives them.
 *
 *     cc -o activations activations.c $(pkg-config --cflags --libs reverie)
 *     ./activations smollm2-135m L8.N24 "The batter hit a home run."
 *     ./activations smollm2-135m blocks.8.hook_resid_pre:3 "The batter hit a home run."      */
#include <math.h>
#include <reverie/reverie.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: %s MODEL TARGET TEXT\n", argv[0]);
        return 2;
    }
    rv_error err;
    rv_model *model;
    if (rv_model_open(&model, argv[1], NULL, &err) != RV_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    rv_activations found;
    rv_status status =
        rv_model_activations(&found, model, argv[2], argv[3], strlen(argv[3]), &err);
    if (status == RV_OK) {
        size_t strongest = 0;
        for (size_t i = 0; i < found.tokens.count; i++) {
            const rv_token *token = &found.tokens.items[i];
            printf("%10.4f %s\n", token->value, token->text);
            if (token->value > found.tokens.items[strongest].value) strongest = i;
        }
        printf("%s is largest at token %zu:%s\n", found.target, strongest,
               found.tokens.items[strongest].text);
    } else {
        fprintf(stderr, "%s\n", err.message);
    }
    rv_activations_release(&found);
    rv_model_close(model);
    return status != RV_OK;
}
